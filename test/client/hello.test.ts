// Whom a client talks to, and what it does where it is refused.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cluster, numbers, World, watch } from "./world.ts";

test("bytes that are no message end the connection, not the client", async () => {
  const { world, a } = cluster();
  const client = world.client();
  await world.settle();
  a.end.sendBytes(new Uint8Array([255, 1, 2, 3]));
  await world.pass(100);
  assert.is(a.dials.length, 2);
  const call = watch(client.execute("m", "put", 1));
  await world.settle();
  assert.is(call.state, "resolved");
});

test("a node of another cluster than the first one is refused", async () => {
  const { world, a, b, c } = cluster();
  const client = world.client();
  watch(client.openSession());
  await world.settle();
  for (const node of [b, c]) if (node.reply.accepted) node.reply = { ...node.reply, clusterId: "00000000000000dd" };
  a.kill();
  for (const node of [b, c]) node.follow(b, 9);
  const call = watch(client.execute("m", "put", 1, { timeoutMs: 2000 }));
  await world.pass(2000);
  assert.is(call.code, "Timeout");
  assert.match(String(call.error?.message), /00000000000000dd/);
  assert.equal(b.taken(), []);
});

test("a client that has only met a founder of a cluster that came to nothing takes the next one", async () => {
  const { world, a, b, c } = cluster();
  const client = world.client();
  await world.settle();
  for (const node of [a, b, c]) if (node.reply.accepted) node.reply = { ...node.reply, clusterId: "00000000000000dd" };
  a.kill();
  for (const node of [b, c]) node.follow(b, 9);
  const call = watch(client.execute("m", "put", 1));
  await world.pass(2000);
  assert.is(call.state, "resolved");
});

test("the hello says what the client is, and the cluster once that has done something for it", async () => {
  const { world, a, b } = cluster();
  const client = world.client();
  await world.settle();
  assert.equal(a.end.hello, {
    protocol: { least: 1, newest: 1 },
    role: "client",
    clusterId: undefined,
    node: undefined,
    machines: [{ name: "m", versions: [1] }],
    options: undefined,
    authentication: undefined,
  });
  watch(client.openSession());
  await world.settle();
  a.kill();
  await world.settle();
  assert.is(b.end.hello?.clusterId, "00000000000000cc");
});

test("when every address refuses the client, calls reject with that error at once", async () => {
  const { world, a, b, c } = cluster();
  for (const node of [a, b, c]) node.reply = { accepted: false, code: "WrongMachine", text: "m is not run here" };
  const client = world.client();
  const calls = [
    watch(client.execute("m", "put", 1)),
    watch(client.ask("m", "get", 1)),
    watch(client.openSession()),
    watch(client.connected()),
  ];
  await world.pass(100);
  for (const call of calls) {
    assert.is(call.code, "WrongMachine");
    assert.match(String(call.error?.message), /m is not run here/);
    assert.is(call.error?.outcomeUnknown, false);
  }
  const later = watch(client.execute("m", "put", 1));
  await world.pass(2000);
  assert.is(later.code, "WrongMachine");
});

test("a session outlives a while in which every address refuses the client", async () => {
  const { world, a, b, c } = cluster();
  const client = world.client();
  watch(client.openSession());
  await world.settle();
  const welcome = [a.reply, b.reply, c.reply];
  for (const node of [a, b, c]) node.reply = { accepted: false, code: "WrongMachine", text: "m is not run here" };
  a.end.close();
  const call = watch(client.execute("m", "put", 1));
  await world.pass(100);
  assert.is(call.code, "WrongMachine");
  assert.is(client.session?.id, "1.7");
  for (const [n, node] of [a, b, c].entries()) node.reply = welcome[n] as typeof node.reply;
  await world.pass(2000);
  const next = watch(client.execute("m", "put", 2));
  await world.settle();
  assert.is(next.state, "resolved");
  assert.is(numbers(a.requests()), "1s 2", "the number of the rejected call is filled");
});

test("a client that was refused everywhere works once the nodes are of its kind", async () => {
  const { world, a, b, c } = cluster();
  const welcome = [a.reply, b.reply, c.reply];
  for (const node of [a, b, c]) node.reply = { accepted: false, code: "WrongMachine", text: "m is not run here" };
  const client = world.client();
  await world.pass(100);
  for (const [n, node] of [a, b, c].entries()) node.reply = welcome[n] as typeof node.reply;
  const call = watch(client.execute("m", "put", 1));
  await world.pass(2000);
  assert.is(call.state, "resolved");
});

test("one node that refuses is passed over", async () => {
  const { world, a, b, c } = cluster();
  a.reply = { accepted: false, code: "WrongMachine", text: "m is not run here" };
  for (const node of [b, c]) node.follow(b, 2);
  const call = watch(world.client().execute("m", "put", 1));
  await world.pass(100);
  assert.is(call.state, "resolved");
});

test("a refusal that passes is no reason to give up", async () => {
  const world = new World();
  const a = world.node("a");
  const welcome = a.reply;
  a.reply = { accepted: false, code: "Overloaded", text: "too many connections" };
  const call = watch(world.client().execute("m", "put", 1));
  await world.pass(1000);
  assert.is(call.state, "waiting");
  a.reply = welcome;
  await world.pass(1000);
  assert.is(call.state, "resolved");
});

test.run();
