import { test } from "uvu";
import * as assert from "uvu/assert";
import type { EntryKind } from "../../src/protocol/entry.ts";
import { makeEntry } from "../../src/protocol/entry-codec.ts";
import { ViewstampError } from "../../src/protocol/errors.ts";
import { encodeValue } from "../../src/protocol/values.ts";
import { ORIGIN, type Viewstamp } from "../../src/protocol/view.ts";
import { type AppliedEntry, ReplicatedState } from "../../src/rsm/state.ts";
import { bytes, text } from "./kit.ts";
import { type Tally, tally } from "./tally.ts";

const SESSION = { vid: 1, seqno: 1 };

/** A state that is given one entry after another. */
class Applier {
  readonly machine: Tally = tally();
  readonly state: ReplicatedState = new ReplicatedState(this.machine);
  #seqno = 0;

  open(): void {
    this.#apply("open", ORIGIN, 0, encodeValue(10_000));
  }

  command(number: number, session: Viewstamp = SESSION, acknowledgedThrough = 0): AppliedEntry {
    return this.#apply("command", session, number, bytes(`c${number}`), acknowledgedThrough);
  }

  skip(number: number): AppliedEntry {
    return this.#apply("skip", SESSION, number, bytes(""));
  }

  end(): void {
    this.#apply("end", SESSION, 0, bytes(""));
  }

  at(time: number): void {
    this.#apply("tick", ORIGIN, 0, bytes(""), 0, time);
  }

  #apply(
    kind: EntryKind,
    session: Viewstamp,
    number: number,
    body: Uint8Array,
    acknowledgedThrough = 0,
    time = 0,
  ): AppliedEntry {
    const seqno = ++this.#seqno;
    return this.state.apply(makeEntry({ kind, vid: 1, seqno, time, session, number, acknowledgedThrough, body }));
  }
}

function opened(): Applier {
  const applier = new Applier();
  applier.open();
  return applier;
}

function replyOf({ reply }: AppliedEntry): string {
  return reply === undefined ? "none" : text(reply);
}

test("a request that stands twice in the log is executed once and gives the same reply", () => {
  const applier = opened();
  assert.is(replyOf(applier.command(1)), "1");
  assert.is(replyOf(applier.command(2)), "2");
  const again = applier.command(1);
  assert.is(replyOf(again), "1");
  assert.ok(again.duplicate);
  assert.is(replyOf(applier.command(2)), "2");
  assert.equal(applier.machine.commands, ["c1", "c2"]);
});

test("a duplicate whose reply was acknowledged gives none, and is not executed", () => {
  const applier = opened();
  applier.command(1);
  applier.command(2, SESSION, 1);
  assert.is(replyOf(applier.command(1)), "none");
  assert.equal(applier.machine.commands, ["c1", "c2"]);
});

test("a request of an unknown session is not executed, and opens none", () => {
  const applier = opened();
  for (const session of [
    { vid: 1, seqno: 2 },
    { vid: 2, seqno: 1 },
  ]) {
    assert.is(replyOf(applier.command(1, session)), "none");
  }
  assert.equal(applier.machine.commands, []);
  assert.is(applier.state.sessions.size, 1);
});

test("a request after its session's end is not executed", () => {
  const applier = opened();
  applier.command(1);
  applier.end();
  assert.is(replyOf(applier.command(2)), "none");
  assert.is(replyOf(applier.command(1)), "none");
  assert.equal(applier.machine.commands, ["c1"]);
});

test("a number that was given up is a no-op with an empty reply", () => {
  const applier = opened();
  assert.is(replyOf(applier.skip(1)), "");
  assert.is(replyOf(applier.command(1)), "", "it stays given up");
  assert.is(replyOf(applier.command(2)), "1");
});

test("a gap in a session's numbers is a broken log", () => {
  const applier = opened();
  assert.throws(
    () => applier.command(2),
    (error: unknown) => error instanceof ViewstampError,
  );
});

test("replicated time never goes back", () => {
  const applier = opened();
  applier.at(700);
  applier.at(300);
  assert.is(applier.state.time, 700);
});

test("equal logs give equal hashes, other replies give another", () => {
  const [one, two, other] = [opened(), opened(), opened()];
  for (const applier of [one, two]) applier.command(1);
  other.skip(1);
  assert.is(one.state.hash, two.state.hash);
  assert.is.not(one.state.hash, other.state.hash);
});

test("a state restored from its snapshot goes on as the one it was taken from", () => {
  const source = opened();
  source.command(1);
  source.command(2);
  const copy = tally();
  const restored = new ReplicatedState(copy);
  const restoration = restored.restore(source.state.applied);
  const chunks = source.state.snapshot();
  for (let next = chunks.next(); next.done !== true; next = chunks.next()) restoration.chunk(next.value);
  assert.is(restored.applied.seqno, 0, "nothing changes before the end");
  restoration.finish();
  const { applied, hash, time } = source.state;
  assert.equal([restored.applied, restored.hash, restored.time], [applied, hash, time]);
  assert.equal(copy.commands, ["c1", "c2"]);
});

test("a snapshot of another place is refused, and changes nothing", () => {
  const source = opened();
  const restored = new ReplicatedState(tally());
  const restoration = restored.restore({ vid: 1, seqno: 9 });
  const chunks = source.state.snapshot();
  for (let next = chunks.next(); next.done !== true; next = chunks.next()) restoration.chunk(next.value);
  assert.throws(
    () => restoration.finish(),
    (error: unknown) => error instanceof ViewstampError && error.code === "BadMessage",
  );
  assert.is(restored.applied.seqno, 0);
});

test.run();
