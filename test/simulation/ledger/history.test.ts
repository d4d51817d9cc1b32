// Rules 7 to 11: what is committed, read, executed, equal on all replicas, and on disk.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { replicated } from "../../../src/machine/replicated.ts";
import { encodeCall } from "../../../src/protocol/calls.ts";
import type { Entry } from "../../../src/protocol/entry.ts";
import { encodeValue } from "../../../src/protocol/values.ts";
import { ORIGIN } from "../../../src/protocol/view.ts";
import { digestOf } from "../../../src/simulator/ledger/chain.ts";
import { Facts } from "../../../src/simulator/ledger/facts.ts";
import type { StateEye } from "../../../src/simulator/ledger/observer.ts";
import { Replay } from "../../../src/simulator/ledger/replay.ts";
import { exactlyOnce } from "../../../src/simulator/ledger/rules/exactly-once.ts";
import { Load } from "../../../src/simulator/workload/registers.ts";
import { tester } from "../../../src/simulator/workload/tester-machine.ts";
import { viewOf } from "../../config/views.ts";
import { ballot, EMPTY_DISK, entry, Scene, stateOf } from "./scene.ts";

const SESSION = { vid: 1, seqno: 1 };
const machine = () => replicated([tester]);
const OPEN = entry(1, 1, { kind: "open", session: ORIGIN, number: 0, body: encodeValue(1000) });
const ADD = entry(1, 2, { number: 1, body: encodeCall("tester", "add", { op: 1, name: "k", by: 1 }) });

/** The reply that the machine gives to the last of these entries. */
function replyTo(...entries: Entry[]): Uint8Array {
  const replay = new Replay(machine());
  return entries.map((one) => replay.apply(one).reply).at(-1) ?? new Uint8Array(0);
}

const seven = suite("rule 7");

seven("a commit that all members have durably is well, one that a member lacks is not", () => {
  const scene = Scene.of("a* b c");
  scene.append("abc", entry(1, 1));
  scene.commit("a", 1);
  assert.equal(scene.texts, []);
  scene.append("ab", entry(1, 2));
  scene.write("c", { kind: "append", entries: [entry(1, 2)] });
  scene.commit("a", 2);
  assert.equal(scene.broken, [7]);
});

seven("a commit without the primary's own write is seen", () => {
  const scene = Scene.of("a* b");
  scene.append("b", entry(1, 1));
  scene.write("a", { kind: "append", entries: [entry(1, 1)] });
  scene.step("a", { entries: [entry(1, 1)], commit: 1, applied: 1 });
  assert.equal(scene.broken, [7]);
});

seven("a view that is activated before all have its log is seen", () => {
  const scene = Scene.of("a* b c");
  scene.append("abc", entry(1, 1));
  scene.commit("a", 1);
  const next = viewOf("b* c | a", 2);
  scene.choose(next, ballot(1, "b"), "bc");
  scene.adopt("bc", next);
  scene.append("b", entry(2, 2));
  scene.step("b", { commit: 1, applied: 1 });
  scene.activate("b");
  assert.equal(scene.texts, []);
  const hasty = Scene.of("a* b");
  hasty.append("a", entry(1, 1));
  hasty.core("a").commit = 1;
  hasty.core("a").role = "backup";
  hasty.activate("a");
  assert.ok(
    hasty.texts.some((text) => text.includes("activates view 1 at 1")),
    hasty.texts.join(),
  );
});

seven("a backup that applies what nobody has committed is seen", () => {
  const scene = Scene.of("a* b");
  scene.append("ab", entry(1, 1), entry(1, 2));
  scene.commit("a", 1);
  scene.step("b", { commit: 1, applied: 1 });
  assert.equal(scene.texts, []);
  scene.step("b", { commit: 2, applied: 2 });
  assert.equal(scene.broken, [7]);
});

seven("a backup that applies another entry than the committed one is seen", () => {
  const scene = Scene.of("a* b");
  scene.append("ab", entry(1, 1));
  scene.commit("a", 1);
  scene.step("b", { entries: [entry(2, 1)], commit: 1, applied: 1 });
  assert.equal(scene.broken, [7]);
});

seven("a reply before its commit is seen", () => {
  const scene = Scene.of("a* b");
  scene.append("ab", entry(1, 1), entry(1, 2));
  scene.commit("a", 1);
  const reply = { type: "reply", session: SESSION, body: new Uint8Array(0) } as const;
  scene.answer("a", { ...reply, number: 1 });
  assert.equal(scene.texts, []);
  scene.answer("a", { ...reply, number: 2 });
  assert.equal(scene.broken, [7]);
});

seven("a session that is said to be open before its commit is seen", () => {
  const scene = Scene.of("a* b");
  scene.append("ab", OPEN);
  scene.answer("a", { type: "opened", xid: 1, session: SESSION, ttlMs: 1000 });
  assert.equal(scene.broken, [7]);
});

seven("a notice that no committed entry gave is seen", () => {
  const scene = Scene.of("a* b", { machine });
  scene.append("ab", OPEN);
  scene.commit("a", 1);
  scene.answer("a", { type: "notice", session: SESSION, body: encodeValue(["locks", 1]) });
  assert.ok(scene.broken.includes(7));
});

seven.run();

const eight = suite("rule 8");
const QUERY = { type: "query", xid: 1, consistency: "linearizable", body: new Uint8Array(0) } as const;
const ANSWER = { type: "answer", xid: 1, body: new Uint8Array(0) } as const;

eight("a read of what was committed when it came is well, an older one is not", () => {
  const scene = Scene.of("a* b");
  scene.append("ab", entry(1, 1), entry(1, 2));
  scene.commit("a", 1);
  scene.ask("a", QUERY);
  scene.commit("a", 2);
  scene.answer("a", ANSWER);
  assert.equal(scene.texts, []);
  scene.commit("a", 2);
  scene.step("b", { commit: 1, applied: 1 });
  scene.ask("b", QUERY);
  scene.answer("b", ANSWER);
  assert.equal(scene.broken, [8]);
});

eight("a local read may be old", () => {
  const scene = Scene.of("a* b");
  scene.append("ab", entry(1, 1));
  scene.commit("a", 1);
  scene.ask("b", { ...QUERY, consistency: "local" });
  scene.answer("b", ANSWER);
  assert.equal(scene.texts, []);
});

eight("a read in a view whose successor was chosen before it was asked is seen, chosen later it is not", () => {
  const next = viewOf("b* c | a", 2);
  const scene = Scene.of("a* b c");
  scene.ask("a", QUERY);
  scene.choose(next, ballot(1, "b"), "bc");
  scene.answer("a", ANSWER);
  assert.equal(scene.texts, []);
  scene.ask("a", QUERY);
  scene.answer("a", ANSWER);
  assert.equal(scene.broken, [8]);
});

eight("a read without a majority's confirmation, or with that of an earlier round, is seen", () => {
  const scene = Scene.of("a* b c");
  scene.askOnly("a", QUERY);
  scene.answer("a", ANSWER);
  assert.equal(scene.broken, [8]);
  const earlier = Scene.of("a* b c");
  const round = earlier.nextRound();
  earlier.confirm("a", round);
  earlier.askOnly("a", QUERY);
  earlier.confirm("a", round);
  earlier.answer("a", ANSWER);
  assert.equal(earlier.broken, [8]);
});

eight("an acceptor that confirms a view and knows a newer one is seen", () => {
  const scene = Scene.of("a* b c");
  const next = viewOf("b* c | a", 2);
  scene.choose(next, ballot(1, "b"), "bc");
  scene.adopt("c", next);
  scene.step("c", {}, { type: "tick" }, [
    { type: "send", to: "a", message: { type: "confirmed", vid: 1, round: 1, accepted: false }, after: 0 },
  ]);
  assert.equal(scene.broken, [8]);
});

eight("an acceptor that denies what it has accepted is seen", () => {
  const scene = Scene.of("a* b c");
  const say = (accepted: boolean): void =>
    scene.step("c", {}, { type: "tick" }, [
      { type: "send", to: "a", message: { type: "confirmed", vid: 1, round: 1, accepted }, after: 0 },
    ]);
  say(false);
  scene.choose(viewOf("b* c | a", 2), ballot(1, "b"), "bc");
  say(true);
  assert.equal(scene.texts, []);
  say(false);
  assert.equal(scene.broken, [8]);
});

eight.run();

const nine = suite("rule 9");

nine("a request that stands twice in the log is executed once, and in an open session only", () => {
  const found: string[] = [];
  const { applied } = exactlyOnce.watch(new Facts(), (text) => found.push(text));
  const again = entry(1, 3, { number: 1, body: ADD.body });
  const done = { reply: new Uint8Array([1]), duplicate: false, notices: [] };
  applied?.(OPEN, { reply: undefined, duplicate: false, notices: [] }, undefined);
  applied?.(ADD, done, undefined);
  applied?.(again, { ...done, duplicate: true }, undefined);
  assert.equal(found, []);
  applied?.(again, done, undefined);
  assert.is(found.length, 1);
  applied?.(entry(1, 4, { session: { vid: 1, seqno: 9 } }), done, undefined);
  assert.is(found.length, 2);
});

nine("the ledger's own execution counts a repeated request once", () => {
  const replay = new Replay(machine());
  for (const one of [OPEN, ADD, entry(1, 3, { number: 1, body: ADD.body })]) replay.apply(one);
  assert.is(replay.ask("tester", "total", "k"), 1);
  assert.equal(replay.ask("tester", "repeated", null), []);
  assert.equal(replay.ask("tester", "missing", [1, 2]), [2]);
});

nine("a retry with another reply is seen, with the same it is not", () => {
  const scene = Scene.of("a* b");
  scene.append("ab", entry(1, 1));
  scene.commit("a", 1);
  const reply = { type: "reply", session: SESSION, number: 1 } as const;
  scene.answer("a", { ...reply, body: new Uint8Array([1]) });
  scene.answer("a", { ...reply, body: new Uint8Array([1]) });
  assert.equal(scene.texts, []);
  scene.answer("a", { ...reply, body: new Uint8Array([2]) });
  assert.equal(scene.broken, [9]);
});

nine("a reply other than the one of the ledger's own execution is seen", () => {
  const scene = Scene.of("a* b", { machine });
  scene.append("ab", OPEN, ADD);
  const replay = new Replay(machine());
  for (const one of [OPEN, ADD]) replay.apply(one);
  scene.core("a").state = stateOf(replay.hashAt(2) ?? 0);
  scene.commit("a", 2);
  scene.answer("a", { type: "reply", session: SESSION, number: 1, body: replyTo(OPEN, ADD) });
  assert.equal(scene.texts, []);
  scene.answer("a", { type: "reply", session: SESSION, number: 1, body: new Uint8Array([1]) });
  assert.equal(scene.broken, [9]);
});

nine("an end of the run that does not fit what clients were told is seen", async () => {
  const found: number[] = [];
  const options = { calls: 3, keys: 1, thinkMs: 0, reads: 0, timeoutMs: 1000 };
  const load = new Load(
    options,
    () => 0,
    (rule) => found.push(rule),
    { acts: () => {}, relies: () => {} },
  );
  load.tallies.set("k", { sure: 2, perhaps: 1 });
  const ending = (total: number, repeated: number[] = [], missing: number[] = []): number[] => {
    found.length = 0;
    load.judge((query) => (query === "total" ? total : query === "repeated" ? repeated : missing));
    return [...found];
  };
  assert.equal(ending(2), []);
  assert.equal(ending(3), []);
  assert.equal(ending(1), [7]);
  assert.equal(ending(4), [9]);
  assert.equal(ending(2, [5]), [9]);
  assert.equal(ending(2, [], [6]), [7]);
});

nine.run();

const ten = suite("rule 10");

ten("equal places with equal hashes are well, with others they are not", () => {
  const scene = Scene.of("a* b");
  scene.append("ab", entry(1, 1), entry(1, 2));
  scene.commit("a", 1);
  scene.step("b", { commit: 1, applied: 1 });
  assert.equal(scene.texts, []);
  scene.commit("a", 2);
  scene.step("b", { commit: 2, applied: 2, state: stateOf(8) });
  assert.equal(scene.broken, [10]);
});

ten("a state that differs from a full replay is seen", () => {
  const replay = new Replay(machine());
  replay.apply(OPEN);
  const scene = Scene.of("a* b", { machine });
  scene.append("ab", OPEN);
  scene.step("a", { commit: 1, applied: 1, state: stateOf(replay.hashAt(1) ?? 0) });
  assert.equal(scene.texts, []);
  scene.step("b", { commit: 1, applied: 1, state: stateOf(8) });
  assert.equal(scene.broken, [10]);
});

ten("a restored state that lacks what its snapshot has left out is seen", () => {
  const withSession = (replies: number[], ...outstanding: Uint8Array[]): StateEye => {
    const list = replies.map((number) => [number, new Uint8Array(0)] as const);
    const session = { opened: SESSION, ttlMs: 1, lastNumber: 3, acknowledgedThrough: 0, replies: new Map(list) };
    return { ...stateOf(7, outstanding), sessions: Object.assign([session], { size: 1 }) };
  };
  const notice = Uint8Array.of(1);
  const restored = (state: StateEye): Scene => {
    const scene = Scene.of("a* b");
    const at = { vid: 1, seqno: 1 };
    scene.append("ab", entry(1, 1));
    scene.step("a", { commit: 1, applied: 1, state: withSession([3], notice) });
    const chunks = stateOf(7).snapshot();
    scene.step("b", { commit: 1, applied: 1, state: withSession([3], notice) }, { type: "tick" }, [
      { type: "saveSnapshot", at, chunks },
    ]);
    scene.ledger.snapshotBegun("b", { at, chunks: 1 }, digestOf(stateOf(7).snapshot()));
    scene.ledger.snapshotDurable("b", { at, chunks: 1 });
    scene.restart("b");
    scene.step("b", { commit: 1, applied: 1, entries: [entry(1, 1)], state });
    return scene;
  };
  assert.equal(restored(withSession([3], notice)).texts, []);
  assert.equal(restored(withSession([], notice)).broken, [10]);
  assert.equal(restored(withSession([3])).broken, [10]);
});

ten("a replicated time that goes back is seen", () => {
  const scene = Scene.of("a* b");
  scene.append("ab", entry(1, 1, { time: 5 }), entry(1, 2, { time: 5 }), entry(1, 3, { time: 4 }));
  scene.commit("a", 2);
  assert.equal(scene.texts, []);
  scene.commit("a", 3);
  assert.equal(scene.broken, [10]);
});

ten("two snapshots of one place with other bytes are seen", () => {
  const scene = Scene.of("a* b");
  scene.append("ab", entry(1, 1));
  const snapshot = { at: { vid: 1, seqno: 1 }, chunks: 1 };
  scene.ledger.snapshotBegun("a", snapshot, 5);
  scene.ledger.snapshotBegun("b", snapshot, 5);
  assert.equal(scene.texts, []);
  scene.ledger.snapshotBegun("b", snapshot, 6);
  assert.equal(scene.broken, [10]);
});

ten("a state restored from a snapshot gives the same snapshot again", () => {
  const restored = (bytes: number[]): Scene => {
    const scene = Scene.of("a* b");
    scene.append("ab", entry(1, 1));
    scene.commit("a", 1);
    scene.step("b", { commit: 1, applied: 1 });
    const snapshot = { at: { vid: 1, seqno: 1 }, chunks: 1 };
    scene.ledger.snapshotBegun("b", snapshot, digestOf(stateOf(7).snapshot()));
    scene.ledger.snapshotDurable("b", snapshot);
    scene.restart("b");
    scene.step("b", { commit: 1, applied: 1, entries: [entry(1, 1)], state: stateOf(7, [], new Uint8Array(bytes)) });
    return scene;
  };
  assert.equal(restored([]).texts, []);
  assert.equal(restored([1]).broken, [10]);
});

ten("states with equal hashes and other bytes are seen at the end", () => {
  const scene = Scene.of("a* b");
  scene.step("a");
  scene.step("b");
  scene.ledger.ended();
  assert.equal(scene.texts, []);
  scene.step("b", { state: stateOf(7, [], new Uint8Array([1])) });
  scene.ledger.ended();
  assert.equal(scene.broken, [10]);
});

ten.run();

const eleven = suite("rule 11");

eleven("a disk that comes back with all that was durable, or with more, is well", () => {
  const scene = Scene.of("a* b");
  scene.append("b", entry(1, 1));
  scene.write("b", { kind: "append", entries: [entry(1, 2)] });
  const both = [entry(1, 1), entry(1, 2)];
  scene.restart("b", { entries: both });
  assert.equal(scene.texts, []);
  const less = Scene.of("a* b");
  less.append("b", ...both);
  less.restart("b", { entries: [entry(1, 1)] });
  assert.equal(less.broken, [11]);
});

eleven("changed bytes that are read as data are seen", () => {
  const scene = Scene.of("a* b");
  scene.append("b", entry(1, 1));
  scene.restart("b", { entries: [entry(1, 1, { number: 5 })] });
  assert.equal(scene.broken, [11]);
});

eleven("a promise that a disk has forgotten is seen", () => {
  const scene = Scene.of("a* b c");
  scene.promise("a", 2, ballot(1, "b"));
  scene.restart("a", { promised: undefined });
  assert.equal(scene.broken, [11]);
});

eleven("damaged data is set aside, and never read as absence; whole data is not set aside", () => {
  const setAside = { clusterId: "c", reason: "a bad record" };
  const damaged = Scene.of("a* b");
  damaged.ledger.facts.node("b").data.ruined = "a bit was flipped";
  damaged.start("b", { ...EMPTY_DISK, setAside });
  assert.equal(damaged.texts, []);
  const absent = Scene.of("a* b");
  absent.ledger.facts.node("b").data.ruined = "a bit was flipped";
  absent.start("b", EMPTY_DISK);
  assert.equal(absent.broken, [11]);
  const whole = Scene.of("a* b");
  whole.start("b", { ...EMPTY_DISK, setAside });
  assert.equal(whole.broken, [11]);
});

eleven("a running node that sets whole data aside is seen", () => {
  const scene = Scene.of("a* b");
  scene.ledger.setAside("b", "test");
  assert.equal(scene.broken, [11]);
});

eleven("a snapshot under way may have become the newest, another one may not", () => {
  const begun = (): Scene => {
    const scene = Scene.of("a* b");
    scene.append("b", entry(1, 1), entry(1, 2));
    scene.ledger.snapshotBegun("b", { at: { vid: 1, seqno: 1 }, chunks: 1 });
    return scene;
  };
  const scene = begun();
  scene.restart("b", { snapshot: { at: { vid: 1, seqno: 1 }, chunks: 1 } });
  assert.equal(scene.texts, []);
  const other = begun();
  other.restart("b", { snapshot: { at: { vid: 1, seqno: 2 }, chunks: 1 } });
  assert.equal(other.broken, [11]);
});

eleven.run();
