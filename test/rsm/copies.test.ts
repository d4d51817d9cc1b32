// Copies of the state for operators: of one moment, confirmed like a read, bounded, and gone with their client.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { makeEntry } from "../../src/protocol/entry-codec.ts";
import { movedEntries, movedPlace } from "../../src/rsm/relocation.ts";
import { answer, answers, bytes, open, pathCount, request, start } from "./kit.ts";
import type { World } from "./world.ts";

/** Asks for all chunks, one after the other. */
function copyAll(world: World, id: string, client: number): { readonly at: number; readonly chunks: Uint8Array[] } {
  const chunks: Uint8Array[] = [];
  world.client(id, { type: "copy", xid: 1, next: 0 }, client);
  world.run(50);
  for (;;) {
    const copied = answer(world, id, "copied");
    assert.is(copied.index, chunks.length);
    if (copied.isEnd) return { at: copied.at.seqno, chunks };
    chunks.push(copied.body);
    world.client(id, { type: "copy", xid: chunks.length + 1, next: chunks.length }, client);
    world.run(1);
  }
}

test("a copy restores to the state of the moment in which it began", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  for (let number = 1; number <= 3; number++) request(world, "a", session, number);
  world.run(50);
  const before = world.node("a").core.state.hash;
  world.client("a", { type: "copy", xid: 1, next: 0 }, 7);
  world.run(50);
  const first = answer(world, "a", "copied");
  for (let number = 4; number <= 9; number++) request(world, "a", session, number);
  world.run(50);
  world.client("a", { type: "copy", xid: 2, next: 1 }, 7);
  world.run(1);
  assert.equal(answer(world, "a", "copied").at, first.at, "it stays as it was");

  const { at, chunks } = copyAll(world, "a", 8);
  assert.is(at, world.node("a").core.state.applied.seqno);
  assert.ok(at > first.at.seqno && world.node("a").core.state.hash !== before);
  const other = start(["x"]).node("x").core.state;
  const restoration = other.restore(world.node("a").core.state.applied);
  for (const chunk of chunks) restoration.chunk(chunk);
  restoration.finish();
  assert.is(other.hash, world.node("a").core.state.hash);
  assert.is(pathCount(world, "a", "copyBegun"), 2);
});

test("a copy begins at a primary that a majority confirms, and nowhere else", () => {
  const world = start(["a", "b", "c"]);
  world.client("b", { type: "copy", xid: 3, next: 0 });
  world.run(50);
  assert.equal([answer(world, "b", "declined").code, answers(world, "b", "copied").length], ["NOTPRIMARY", 0]);
  world.kill("b");
  world.kill("c");
  world.client("a", { type: "copy", xid: 4, next: 0 });
  world.run(3000);
  assert.equal([answer(world, "a", "declined").code, answers(world, "a", "copied").length], ["BUSY", 0]);
});

test("only the next chunk of a copy under way is given, and only to its client", () => {
  const world = start(["a"]);
  world.client("a", { type: "copy", xid: 1, next: 0 }, 7);
  world.run(50);
  const refused = (client: number, next: number): string => {
    world.client("a", { type: "copy", xid: 9, next }, client);
    world.run(1);
    return answer(world, "a", "declined").text;
  };
  assert.match(refused(8, 1), "chunk 1 is not the next one");
  assert.match(refused(7, 3), "chunk 3 is not the next one");
  world.step("a", { type: "clientGone", client: 7 });
  assert.match(refused(7, 1), "chunk 1 is not the next one");
});

test("there are only so many copies at once", () => {
  const world = start(["a"]);
  for (let client = 1; client <= 5; client++) world.client("a", { type: "copy", xid: client, next: 0 }, client);
  world.run(50);
  assert.is(answers(world, "a", "copied").length, 4);
  assert.is(answer(world, "a", "declined").code, "OVERLOADED");
  world.step("a", { type: "clientGone", client: 1 });
  world.client("a", { type: "copy", xid: 6, next: 0 }, 5);
  world.run(50);
  assert.is(answers(world, "a", "copied").length, 5);
});

test("entries move with the sessions that they open, not with those that the state has", () => {
  const skip = 2 ** 32;
  const session = (seqno: number) => ({ vid: 2, seqno });
  const entry = (seqno: number, whose: number) =>
    makeEntry({
      ...{ kind: "command", vid: 2, seqno, time: 5, session: session(whose), number: 1, acknowledgedThrough: 0 },
      body: bytes("x"),
    });
  const moved = movedEntries([entry(11, 4), entry(12, 11)], { vid: 2, seqno: 10 }, skip);
  assert.equal(
    moved.map((one) => [one.seqno - skip, one.session.seqno]),
    [
      [11, 4],
      [12, 11 + skip],
    ],
  );
  assert.equal(movedPlace({ vid: 0, seqno: 0 }, skip), { vid: 1, seqno: skip });
});

test.run();
