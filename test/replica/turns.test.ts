// One batch per turn, and nothing leaves before what it promises is durable.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ViewstampError } from "../../src/protocol/errors.ts";
import { decodePeerFrame } from "../../src/protocol/wire.ts";
import type { Effect } from "../../src/rsm/events.ts";
import { decodeServerFrame, fetchOf, peerUp, Stage, status, visit } from "./stories.ts";

const record = { kind: "truncate", seqno: 0 } as const;

test("events that arrive in one turn share one turn event, one write and one frame", async () => {
  const stage = new Stage();
  await stage.start();
  const b = await peerUp(stage);
  const client = await visit(stage);
  stage.core.seen.length = 0;
  let write = 0;
  stage.core.answer = (event) =>
    event.type === "client"
      ? [
          { type: "write", write: ++write, records: [record] },
          { type: "send", to: "b", message: fetchOf(write), after: 0 },
        ]
      : [];
  client.ask(1);
  client.ask(2);
  client.ask(3);
  await stage.world.run(5);
  assert.equal(
    stage.core.seen.map((event) => event.type).filter((type) => type !== "tick"),
    ["client", "client", "client", "turn", "durable", "turn"],
  );
  assert.is(stage.disk.writes.length, 1);
  assert.is(stage.disk.writes[0]?.length, 3);
  assert.is(b.messageFrames().length, 1);
  assert.equal(
    b.messages().map((message) => message.type === "fetch" && message.vid),
    [1, 2, 3],
  );
});

test("a core that waits for nothing is not told of the turn's end, and what it said leaves all the same", async () => {
  const stage = new Stage();
  await stage.start();
  const b = await peerUp(stage);
  const client = await visit(stage);
  stage.core.seen.length = 0;
  stage.core.awaitsTurn = false;
  stage.core.answer = (event) =>
    event.type === "client" ? [{ type: "send", to: "b", message: fetchOf(1), after: 0 }] : [];
  client.ask(1);
  await stage.world.run(2);
  assert.equal(
    stage.core.seen.map((event) => event.type).filter((type) => type !== "tick"),
    ["client"],
  );
  assert.is(b.messageFrames().length, 1);
});

test("what the turn event gives leaves in the same batch", async () => {
  const stage = new Stage();
  await stage.start();
  const b = await peerUp(stage);
  const client = await visit(stage);
  stage.core.answer = (event) => {
    const message = fetchOf(event.type === "turn" ? 2 : 1);
    return event.type === "client" || event.type === "turn" ? [{ type: "send", to: "b", message, after: 0 }] : [];
  };
  client.ask(1);
  await stage.world.run(2);
  const [frame] = b.messageFrames();
  assert.equal(
    decodePeerFrame(frame as Uint8Array).map((message) => message.type === "fetch" && message.vid),
    [1, 2],
  );
});

test("a message is held until every write it promises is durable", async () => {
  const stage = new Stage();
  await stage.start();
  const b = await peerUp(stage);
  const client = await visit(stage);
  stage.disk.hold = true;
  let write = 0;
  stage.core.answer = (event) =>
    event.type === "client"
      ? [
          { type: "write", write: ++write, records: [record] },
          { type: "send", to: "b", message: fetchOf(write), after: write },
        ]
      : [];
  client.ask(1);
  await stage.world.run(5);
  client.ask(2);
  await stage.world.run(5);
  assert.is(stage.disk.writes.length, 2);
  assert.equal(b.messages(), []);
  stage.disk.release(1);
  await stage.world.run(5);
  assert.equal(b.messages(), [fetchOf(1)]);
  assert.equal(stage.core.of("durable"), [{ type: "durable", write: 1 }]);
  stage.disk.release();
  await stage.world.run(5);
  assert.equal(b.messages(), [fetchOf(1), fetchOf(2)]);
});

test("an answer and the news wait for the disk too, and later clients are told only then", async () => {
  const stage = new Stage();
  await stage.start();
  const client = await visit(stage);
  const news = { type: "news", vid: 7, primary: "b", primaryUrl: "fake://b", active: true, urls: [] } as const;
  stage.disk.hold = true;
  stage.core.answer = (event) =>
    event.type === "client"
      ? [
          { type: "write", write: 1, records: [record] },
          { type: "answer", client: event.client, message: status(1), after: 1 },
          { type: "announce", news, after: 1 },
        ]
      : [];
  client.ask(1);
  await stage.world.run(5);
  const late = await visit(stage);
  assert.equal(
    client.said().map(({ type }) => type),
    ["news"],
  );
  assert.equal(
    late.said().map((message) => message.type === "news" && message.vid),
    [0],
  );
  stage.disk.release();
  await stage.world.run(5);
  assert.equal(
    client.said().map(({ type }) => type),
    ["news", "status", "news"],
  );
  assert.equal(
    late.said().map((message) => message.type === "news" && message.vid),
    [0, 7],
  );
  const latest = await visit(stage);
  assert.equal(
    latest.said().map((message) => message.type === "news" && message.vid),
    [7],
  );
});

test("held messages keep their order, and one that need not wait does not", async () => {
  const stage = new Stage();
  await stage.start();
  const b = await peerUp(stage);
  const client = await visit(stage);
  stage.disk.hold = true;
  const send = (vid: number, after: number): Effect => ({ type: "send", to: "b", message: fetchOf(vid), after });
  stage.core.answer = (event) =>
    event.type === "client"
      ? [
          { type: "write", write: 1, records: [record] },
          { type: "write", write: 2, records: [record] },
          send(1, 2),
          send(2, 1),
          send(3, 0),
        ]
      : [];
  client.ask(1);
  await stage.world.run(5);
  assert.equal(b.messages(), [fetchOf(3)]);
  stage.disk.release();
  await stage.world.run(5);
  assert.equal(b.messages(), [fetchOf(3), fetchOf(1), fetchOf(2)]);
});

test("what is held for a connection is not sent on the next one", async () => {
  const stage = new Stage();
  await stage.start();
  const b = await peerUp(stage);
  const client = await visit(stage);
  stage.disk.hold = true;
  stage.core.answer = (event) =>
    event.type === "client"
      ? [
          { type: "write", write: 1, records: [record] },
          { type: "send", to: "b", message: fetchOf(1), after: 1 },
        ]
      : [];
  client.ask(1);
  await stage.world.run(5);
  b.drop();
  await stage.world.run(20);
  assert.is(stage.core.of("linkUp").length, 2);
  stage.disk.release();
  await stage.world.run(5);
  assert.equal(b.messages(), []);
});

test("a client that has gone gets nothing, and the core is told", async () => {
  const stage = new Stage();
  await stage.start();
  const client = await visit(stage);
  stage.disk.hold = true;
  stage.core.answer = (event) =>
    event.type === "client"
      ? [
          { type: "write", write: 1, records: [record] },
          { type: "answer", client: event.client, message: status(1), after: 1 },
        ]
      : [];
  client.ask(1);
  await stage.world.run(5);
  client.leave();
  await stage.world.run(5);
  assert.equal(stage.core.of("clientGone"), [{ type: "clientGone", client: 1 }]);
  stage.disk.release();
  await stage.world.run(5);
  assert.equal(
    client.frames
      .slice(1)
      .flatMap(decodeServerFrame)
      .map(({ type }) => type),
    ["news"],
  );
});

test("a write that fails stops the replica and releases nothing", async () => {
  const stage = new Stage();
  const replica = await stage.start();
  const b = await peerUp(stage);
  const client = await visit(stage);
  stage.disk.writeError = new Error("EIO");
  stage.core.answer = (event) =>
    event.type === "client"
      ? [
          { type: "write", write: 1, records: [record] },
          { type: "send", to: "b", message: fetchOf(1), after: 1 },
        ]
      : [];
  client.ask(1);
  await stage.world.run(50);
  assert.equal(b.messages(), []);
  assert.is((await replica.stopped)?.code, "StorageFailed");
  assert.is(stage.of("stopped")[0]?.error?.code, "StorageFailed");
  assert.ok(client.lost);
});

test("a replica whose data is another's ends though it has nothing to write: there may be two of it", async () => {
  const stage = new Stage();
  const replica = await stage.start();
  const client = await visit(stage);
  stage.disk.lose(new ViewstampError("DataInUse", "a later one has it"));
  await stage.world.run(50);
  assert.is((await replica.stopped)?.code, "DataInUse");
  assert.ok(client.lost);
});

test("the tap sees each step with its effects", async () => {
  const stage = new Stage();
  const seen: string[] = [];
  stage.setup = {
    ...stage.setup,
    tap: {
      stepped: (core, event, effects) => void seen.push(`${core === stage.core} ${event.type} ${effects.length}`),
    },
  };
  stage.core.answer = (event) =>
    event.type === "tick" ? [{ type: "happened", what: { event: "path", name: "ticked" } }] : [];
  await stage.start();
  assert.equal(seen.slice(0, 2), ["true tick 1", "true turn 0"]);
  assert.equal(stage.of("path")[0], { event: "path", name: "ticked" });
});

test("time passes in ticks", async () => {
  const stage = new Stage();
  await stage.start();
  await stage.world.run(500);
  assert.is(stage.core.of("tick").length, 11);
});

/** A core with so many slices of work, each of which takes `ms`. */
function busy(stage: Stage, slices: number, ms: number): void {
  let left = slices;
  stage.core.answer = (event) => {
    if (event.type !== "client" && event.type !== "continue") return [];
    stage.world.now += ms;
    return --left > 0 ? [{ type: "continue" }] : [];
  };
}

function order(stage: Stage): string[] {
  return stage.core.seen.map((event) => event.type).filter((type) => type !== "tick");
}

test("a core that has more to do goes on in the same turn while that is short", async () => {
  const stage = new Stage();
  await stage.start();
  const client = await visit(stage);
  stage.core.seen.length = 0;
  busy(stage, 5, 0.5);
  client.ask(1);
  await stage.world.run(20);
  assert.equal(order(stage), ["client", "continue", "continue", "continue", "continue", "turn"]);
});

test("a core with much to do gives others their turn in between", async () => {
  const stage = new Stage();
  await stage.start();
  const client = await visit(stage);
  stage.core.seen.length = 0;
  busy(stage, 8, 2);
  client.ask(1);
  await stage.world.run(100);
  const slices = ["continue", "continue", "continue", "turn"];
  assert.equal(order(stage), ["client", "continue", "continue", "turn", ...slices, "continue", "continue", "turn"]);
});

test("slices that the end of a turn gives rise to leave their answers in that turn's batch", async () => {
  const stage = new Stage();
  await stage.start();
  const b = await peerUp(stage);
  const client = await visit(stage);
  let turns = 0;
  stage.core.answer = (event) => {
    if (event.type === "turn" && turns++ === 0) return [{ type: "continue" }];
    return event.type === "continue" ? [{ type: "send", to: "b", message: fetchOf(7), after: 0 }] : [];
  };
  client.ask(1);
  await stage.world.run(5);
  assert.equal(
    b.messages().map((message) => message.type === "fetch" && message.vid),
    [7],
  );
});

test.run();
