// Clients of a node: their hello, their questions, and what they may not do to it.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ServerMessage } from "../../src/protocol/client-messages.ts";
import { FakePeer, helloOfClient, Stage, status, visit, welcomeFrom } from "./stories.ts";

const session = { vid: 1, seqno: 1 };
const NOTHING = new Uint8Array(0);

test("a client is welcomed with the limits and the news", async () => {
  const stage = new Stage();
  await stage.start();
  const client = await visit(stage);
  assert.equal(client.reply(), welcomeFrom("a", "a1"));
  assert.equal(
    client.said().map(({ type }) => type),
    ["news"],
  );
});

test("what a client asks reaches the core with the number of its connection, and the answer comes back", async () => {
  const stage = new Stage();
  await stage.start();
  stage.core.answer = (event) =>
    event.type === "client" && event.message.type === "askStatus"
      ? [{ type: "answer", client: event.client, message: status(event.message.xid), after: 0 }]
      : [];
  const [one, two] = [await visit(stage), await visit(stage)];
  two.ask(5);
  one.ask(6);
  await stage.world.run(5);
  assert.equal(stage.core.of("client"), [
    { type: "client", client: 2, message: { type: "askStatus", xid: 5 } },
    { type: "client", client: 1, message: { type: "askStatus", xid: 6 } },
  ]);
  assert.equal(two.said().slice(1), [status(5)]);
  assert.equal(one.said().slice(1), [status(6)]);
});

test("a client of another version is let in: each of its calls says of which version it is", async () => {
  const stage = new Stage();
  await stage.start();
  const client = await visit(stage, helloOfClient({ machines: [{ name: "kv", versions: [2] }] }));
  assert.ok(client.reply().accepted);
});

for (const [what, changes, code, text] of [
  ["of another cluster", { clusterId: "c2" }, "WrongCluster", "this client to cluster c2.* connect a new client"],
  ["of another machine", { machines: [{ name: "stock", versions: [1] }] }, "WrongMachine", "stock"],
  ["of a later protocol", { protocol: { least: 2, newest: 2 } }, "WrongProtocol", "speaks protocol 2 to 2"],
] as const) {
  test(`a client ${what} is refused`, async () => {
    const stage = new Stage();
    await stage.start();
    const client = await visit(stage, helloOfClient(changes));
    const reply = client.reply();
    assert.is(!reply.accepted && reply.code, code);
    assert.match(reply.accepted ? "" : reply.text, new RegExp(text));
    assert.ok(client.lost);
    assert.equal(stage.core.of("clientGone"), []);
  });
}

test("a client needs only the machines it calls", async () => {
  const stage = new Stage();
  await stage.start();
  const client = await visit(stage, helloOfClient({ machines: [] }));
  assert.ok(client.reply().accepted);
});

test("a body that is too large is refused at the door", async () => {
  const stage = new Stage();
  await stage.start({ maxBodyBytes: 10 });
  const client = await visit(stage);
  const body = new Uint8Array(11);
  client.send(
    { type: "request", session, number: 3, acknowledgedThrough: 0, skip: false, body },
    { type: "query", xid: 4, consistency: "linearizable", body },
    { type: "query", xid: 5, consistency: "local", body: body.subarray(1) },
  );
  await stage.world.run(5);
  const text = "a body of 11 bytes; at most 10";
  assert.equal(client.said().slice(1), [
    { type: "requestRefused", session, number: 3, code: "INVALID", outcomeUnknown: false, text },
    { type: "declined", xid: 4, code: "INVALID", outcomeUnknown: false, text },
  ]);
  assert.equal(
    stage.core.of("client").map(({ message }) => message.type === "query" && message.xid),
    [5],
  );
});

test("bytes that are no message end the client's connection and nothing else", async () => {
  const stage = new Stage();
  await stage.start();
  const [bad, good] = [await visit(stage), await visit(stage)];
  bad.sendFrame(new Uint8Array([1, 64]));
  await stage.world.run(5);
  assert.ok(bad.lost);
  assert.not(good.lost);
  assert.equal(stage.core.of("clientGone"), [{ type: "clientGone", client: 1 }]);
});

test("a frame with too many messages is none", async () => {
  const stage = new Stage();
  await stage.start({}, { maxFrameMessages: 2 });
  const client = await visit(stage);
  client.send(...[1, 2, 3].map((xid) => ({ type: "askStatus", xid }) as const));
  await stage.world.run(5);
  assert.ok(client.lost);
  assert.equal(stage.core.of("client"), []);
});

test("a client that does not read is cut off", async () => {
  const stage = new Stage();
  await stage.start();
  const client = await visit(stage);
  stage.core.answer = (event) =>
    event.type === "client" ? [{ type: "answer", client: event.client, message: status(1), after: 0 }] : [];
  const far = client.connection.other;
  if (far !== undefined) far.queuedBytes = 17 * 1024 * 1024;
  client.ask(1);
  await stage.world.run(5);
  assert.ok(client.lost);
  assert.is(stage.of("cutOff")[0]?.who, "client 1");
  assert.is(stage.core.of("clientGone").length, 1);
});

test("a client that asks for more than it may leave unread is refused the rest, and not cut off", async () => {
  const stage = new Stage();
  await stage.start();
  const client = await visit(stage);
  const body = new Uint8Array(256 * 1024);
  stage.core.answer = (event) => {
    if (event.type !== "client" || event.message.type !== "request") return [];
    const { number } = event.message;
    const message: ServerMessage =
      number > 90 ? { type: "keptAlive", xid: 1 } : { type: "reply", session, number, body };
    return [{ type: "answer", client: event.client, message, after: 0 }];
  };
  const numbers = Array.from({ length: 100 }, (_, index) => index + 1);
  client.send(
    ...numbers.map((number) => {
      return { type: "request", session, number, acknowledgedThrough: 0, skip: false, body: NOTHING } as const;
    }),
  );
  await stage.world.run(5);
  assert.not(client.lost);
  assert.equal(stage.of("cutOff"), []);
  const said = client.said().slice(1);
  const given = said.flatMap((one) => (one.type === "reply" ? [one.number] : []));
  const refused = said.flatMap((one) => (one.type === "requestRefused" ? [one] : []));
  assert.equal(given, numbers.slice(0, 32), "half of 16 MiB");
  assert.equal(
    refused.map(({ number }) => number),
    numbers.slice(32, 90),
  );
  assert.ok(refused.every(({ code, outcomeUnknown }) => code === "OVERLOADED" && outcomeUnknown));
  assert.is(said.length, 100, "short answers find room");
});

test("long answers of one turn leave in frames of their own, so that a slow connection is not silent for long", async () => {
  const stage = new Stage();
  await stage.start();
  const client = await visit(stage);
  const body = new Uint8Array(40 * 1024);
  stage.core.answer = (event) =>
    event.type === "client"
      ? [{ type: "answer", client: event.client, message: { type: "answer", xid: 1, body }, after: 0 }]
      : [];
  client.send(...[1, 2, 3, 4].map((xid) => ({ type: "query", xid, consistency: "local", body: NOTHING }) as const));
  await stage.world.run(5);
  const frames = client.frames.slice(-4);
  assert.is(client.said().filter(({ type }) => type === "answer").length, 4);
  assert.ok(frames.every(({ length }) => length < 64 * 1024));
});

test("a query is refused at the door while too much is unread", async () => {
  const stage = new Stage();
  await stage.start();
  const client = await visit(stage);
  const far = client.connection.other;
  if (far !== undefined) far.queuedBytes = 9 * 1024 * 1024;
  client.send({ type: "query", xid: 4, consistency: "local", body: NOTHING });
  await stage.world.run(5);
  assert.equal(stage.core.of("client"), []);
  assert.equal(
    client.said().map((one) => one.type === "declined" && [one.xid, one.code, one.outcomeUnknown]),
    [false, [4, "OVERLOADED", false]],
  );
  if (far !== undefined) far.queuedBytes = 0;
  client.send({ type: "query", xid: 5, consistency: "local", body: NOTHING });
  await stage.world.run(5);
  assert.is(stage.core.of("client").length, 1);
});

test("clients are bounded, and peers get in nevertheless", async () => {
  const stage = new Stage();
  await stage.start({}, { maxClients: 1 });
  const first = await visit(stage);
  const reply = (await visit(stage)).reply();
  assert.is(!reply.accepted && reply.code, "Overloaded");
  first.leave();
  await stage.world.run(5);
  assert.ok((await visit(stage)).reply().accepted);
  await new FakePeer(stage, "b").listen();
  await stage.world.run(600);
  assert.is(stage.core.of("linkUp").length, 1);
});

test.run();
