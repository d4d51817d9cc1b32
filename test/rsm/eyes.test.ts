// What a reader with fresh eyes found.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Request } from "../../src/protocol/client-messages.ts";
import { answers, bytes, open, request, start } from "./kit.ts";

test("a copy that is confirmed together with a read while committed entries wait is answered", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  world.sliceMs = 20;
  for (let number = 1; number <= 2000; number++) {
    const message: Request = { type: "request", session, number, acknowledgedThrough: 0, skip: false, body: bytes(`c${number}`) };
    world.feed("a", { type: "client", client: 1, message });
  }
  world.step("a", { type: "turn" });
  world.until("entries are committed and not executed", () => {
    const { core } = world.node("a");
    return core.commit - core.applied > 16;
  });
  const { commit } = world.node("a").core;
  world.feed("a", { type: "client", client: 1, message: { type: "query", xid: 77, consistency: "linearizable", body: bytes("") } });
  world.client("a", { type: "copy", xid: 78, next: 0 }, 2);
  world.until("the read is answered", () => answers(world, "a", "answer").length > 0);
  world.run(100);
  const copied = answers(world, "a", "copied");
  assert.is(copied.length, 1);
  assert.ok((copied[0]?.at.seqno ?? 0) >= commit);
});

test("a snapshot whose chunks cannot be read does not make primary and learner talk without end", () => {
  const world = start(["a", "b", "c"], { snapshotEveryBytes: 2000 });
  const session = open(world, "a", 60_000);
  world.kill("c");
  world.until("without c", () => world.members("a") === "ab" && world.node("a").core.isTaking);
  for (let number = 1; number <= 300; number++) {
    request(world, "a", session, number);
    world.run(10);
  }
  console.log(world.node("a").core.applied, world.node("a").core.snapshot, world.node("a").core.log.base);
  let reads = 0;
  world.intercept = (id, event) => {
    if (id !== "a" || event.type !== "chunkRead" || event.bytes === undefined) return false;
    reads++;
    world.step("a", { ...event, bytes: undefined });
    return true;
  };
  world.wipe("c", "c2");
  for (let round = 0; round < 30; round++) {
    world.run(10);
    console.log("reads", reads, world.sent.filter(({ message }) => message.type === "snapshotOffer").length);
    if (reads > 100_000) break;
  }
});

test.run();
