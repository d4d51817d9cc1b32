// What an operator asks.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { changeMembership, clusterStatus, type StatusAnswer } from "../../src/client/admin.ts";
import { MAX_TIMEOUT_MS } from "../../src/client/options.ts";
import type { NodeStatus } from "../../src/protocol/client-messages.ts";
import { type Node, obey, World, watch } from "./world.ts";

function statusOf(node: Node): NodeStatus {
  return {
    id: node.id,
    incarnation: "00000000000000aa",
    clusterId: "00000000000000cc",
    runtime: "node 20.20.2",
    role: "primary",
    active: true,
    vid: 3,
    primary: node.id,
    members: [{ id: node.id, incarnation: "00000000000000aa", url: node.url }],
    acceptors: [],
    barred: [],
    invited: [],
    viewstamp: { vid: 3, seqno: 12 },
    commit: 12,
    applied: 12,
    hash: 1,
    sessions: 0,
    snapshotPauseMs: 0,
    restorePauseMs: 0,
    trouble: "",
    machines: [],
  };
}

function telling(world: World, id: string): Node {
  const node = world.node(id);
  node.answer = (message) =>
    message.type === "askStatus" ? [{ type: "status", xid: message.xid, status: statusOf(node) }] : [];
  return node;
}

test("the longest time limit is one: timers fire at once beyond it", async () => {
  const world = new World();
  const a = telling(world, "a");
  const asked = watch(clusterStatus([a.url], world.environment, world.transport, MAX_TIMEOUT_MS));
  await world.pass(10);
  assert.is((asked.value as StatusAnswer[])[0]?.status?.vid, 3);
});

test("every address says what it is, or why it says nothing", async () => {
  const world = new World();
  const a = telling(world, "a");
  const b = telling(world, "b");
  const c = telling(world, "c");
  const d = telling(world, "d");
  b.down = true;
  c.answer = () => [];
  d.reply = { accepted: false, code: "WrongProtocol", text: "protocol 2 is spoken here" };
  const asked = watch(clusterStatus([...world.nodes.keys()], world.environment, world.transport, 1500));
  await world.pass(1499);
  assert.is(asked.state, "waiting");
  await world.pass(1);
  const answers = asked.value as StatusAnswer[];
  assert.equal(
    answers.map(({ url, status, error }) => [url, status?.vid, error?.code]),
    [
      ["memory://a", 3, undefined],
      ["memory://b", undefined, "NoQuorum"],
      ["memory://c", undefined, "Timeout"],
      ["memory://d", undefined, "WrongProtocol"],
    ],
  );
  assert.equal(answers[0]?.status, statusOf(a));
  assert.match(String(answers[1]?.error?.message), /memory:\/\/b: connection refused/);
  await world.settle();
  assert.is(world.timers, 0);
  assert.is(a.open.length + c.open.length + d.open.length, 0);
});

test("a change of membership finds the primary and gives the view that has it", async () => {
  const world = new World();
  const [a, b] = [world.node("a"), world.node("b")];
  a.follow(b, 4);
  b.follow(b, 4);
  const changed = watch(
    changeMembership({
      cluster: [a.url],
      environment: world.environment,
      transport: world.transport,
      action: "remove",
      id: "c",
    }),
  );
  await world.settle();
  assert.is(changed.value, 9);
  assert.equal(b.taken(), [{ type: "change", xid: 1, action: "remove", id: "c", url: "" }]);
  assert.is(world.timers, 0);
  assert.is(a.open.length + b.open.length, 0);
});

test("a change that may have been decided says so when its time is up", async () => {
  const world = new World();
  const a = world.node("a");
  a.answer = (message, end) => (message.type === "change" ? [] : obey(message, end));
  const { environment, transport } = world;
  const changed = watch(
    changeMembership({ cluster: [a.url], environment, transport, action: "lift", id: "c", timeoutMs: 300 }),
  );
  await world.pass(300);
  assert.is(changed.code, "Timeout");
  assert.is(changed.error?.outcomeUnknown, true);
});

test("a change whose connection was lost stays in doubt", async () => {
  const world = new World();
  const a = world.node("a");
  a.answer = () => [];
  const { environment, transport } = world;
  const changed = watch(
    changeMembership({ cluster: [a.url], environment, transport, action: "lift", id: "c", timeoutMs: 300 }),
  );
  await world.settle();
  a.kill();
  await world.pass(300);
  assert.is(changed.code, "Timeout");
  assert.is(changed.error?.outcomeUnknown, true);
});

test.run();
