import { test } from "uvu";
import * as assert from "uvu/assert";
import { answer, bytes, open, replies, request, start, text } from "./kit.ts";
import { Disk } from "./world.ts";

test("three fresh nodes found a view with the smallest id as primary", () => {
  const world = start(["a", "b", "c"]);
  for (const id of ["a", "b", "c"]) assert.is(world.node(id).core.view?.primary, "a");
  assert.is(world.node("b").core.role, "backup");
});

test("a request is executed once on all replicas and answered", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  request(world, "a", session, 1);
  world.run(100);
  assert.equal(
    replies(world, "a").map((reply) => text(reply.body)),
    ["1"],
  );
  for (const id of ["a", "b", "c"]) assert.equal(world.node(id).machine.commands, ["c1"]);
});

test("a killed backup leaves the view and comes back", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  world.kill("c");
  world.until("view ab", () => world.members("a") === "ab" && world.node("a").core.isTaking);
  request(world, "a", session, 1);
  world.run(100);
  world.restart("c");
  world.until("view abc", () => ["a", "b", "c"].every((id) => world.members(id) === "abc"));
  world.until("taking", () => world.node("a").core.isTaking);
  request(world, "a", session, 2);
  world.run(200);
  for (const id of ["a", "b", "c"]) assert.equal(world.node(id).machine.commands, ["c1", "c2"]);
});

test("the primary is killed: the next one answers a retry with the same reply", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  request(world, "a", session, 1);
  world.run(100);
  world.kill("a");
  world.until("view bc", () => world.members("b") === "bc" && world.members("c") === "bc");
  world.until("b takes requests", () => world.node("b").core.isTaking);
  request(world, "b", session, 1);
  request(world, "b", session, 2);
  world.run(100);
  assert.equal(
    replies(world, "b").map((reply) => text(reply.body)),
    ["1", "2"],
  );
  world.restart("a");
  world.until("view abc", () => ["a", "b", "c"].every((id) => world.members(id) === "abc"));
  world.run(300);
  assert.is(world.node("a").core.view?.primary, "b");
  assert.equal(world.node("a").machine.commands, ["c1", "c2"]);
});

test("one of two left does not go on alone, and either one's return helps", () => {
  for (const returning of ["b", "c"]) {
    const world = start(["a", "b", "c"]);
    const session = open(world, "a");
    world.kill("c");
    world.until("view ab", () => world.members("a") === "ab" && world.node("a").core.isTaking);
    world.kill("b");
    world.run(5000);
    assert.is(world.members("a"), "ab");
    request(world, "a", session, 1);
    world.run(1000);
    assert.is(answer(world, "a", "requestRefused").code, "BUSY");
    world.restart(returning);
    world.until("writable", () => world.node("a").core.isTaking, 3000);
    request(world, "a", session, 1);
    world.run(300);
    assert.equal(world.node(returning).machine.commands, ["c1"], returning);
  }
});

test("a lost primary whose partner is gone too is taken over, with the third node's help", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  request(world, "a", session, 1);
  world.kill("c");
  world.until("view ab", () => world.members("b") === "ab" && world.node("a").core.isTaking);
  world.kill("a");
  world.run(1000);
  assert.is(world.members("b"), "ab");
  world.restart("c");
  world.until("view bc", () => world.members("b") === "bc" && world.node("b").core.isTaking, 4000);
  request(world, "b", session, 1);
  world.run(300);
  assert.equal(world.node("c").machine.commands, ["c1"]);
});

test("a restarted primary does not lead its old view", () => {
  const world = start(["a", "b", "c"]);
  world.kill("a");
  world.restart("a");
  const vid = world.node("a").core.view?.vid as number;
  world.run(20);
  world.until("a newer view", () => [...world.nodes.values()].every((n) => (n.core.view?.vid ?? 0) > vid));
  world.until("someone takes requests", () => [...world.nodes.values()].some((n) => n.core.isTaking));
});

test("all nodes restart at once and nothing acknowledged is lost", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  request(world, "a", session, 1);
  world.run(100);
  for (const id of ["a", "b", "c"]) world.kill(id);
  for (const id of ["a", "b", "c"]) world.restart(id);
  world.until("a takes requests", () => world.node("a").core.isTaking);
  request(world, "a", session, 1);
  request(world, "a", session, 2);
  world.run(300);
  assert.equal(
    replies(world, "a").map((reply) => text(reply.body)),
    ["1", "2"],
  );
  for (const id of ["a", "b", "c"]) {
    assert.equal(world.node(id).machine.commands, ["c1", "c2"], id);
    assert.is(world.node(id).core.state.hash, world.node("a").core.state.hash);
  }
});

test("a wiped member is removed and admitted as a new incarnation", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  request(world, "a", session, 1);
  world.run(100);
  world.kill("c");
  world.wipe("c", "c2");
  world.until(
    "c2 is a member",
    () => world.node("a").core.view?.members.some((member) => member.incarnation === "c2") === true,
    3000,
  );
  world.run(300);
  assert.equal(world.node("c").machine.commands, ["c1"]);
  assert.is(world.node("a").core.view?.acceptors.length, 3);
});

test("a stopped primary hands over within a few round trips", () => {
  const world = start(["a", "b", "c"]);
  world.step("a", { type: "stop" });
  world.until("b leads", () => world.node("b").core.isTaking, 100);
  world.until("a has stopped", () => world.node("a").stopped, 100);
  assert.is(world.members("b"), "bc");
});

test("a learner that needs compacted entries takes a snapshot", () => {
  const world = start(["a", "b", "c"], { snapshotEveryBytes: 2000 });
  const session = open(world, "a");
  world.kill("c");
  world.until("view ab", () => world.members("a") === "ab" && world.node("a").core.isTaking);
  for (let number = 1; number <= 200; number++) {
    request(world, "a", session, number);
    world.run(10);
  }
  assert.ok(world.node("a").core.log.base.seqno > 0, "the log was compacted");
  world.restart("c");
  world.until("view abc", () => world.members("c") === "abc" && world.node("a").core.isTaking, 4000);
  world.run(300);
  assert.is(world.node("c").machine.commands.length, 200);
  assert.is(world.node("c").core.state.hash, world.node("a").core.state.hash);
  assert.ok(world.node("c").happened.some((what) => what.event === "path" && what.name === "snapshotInstalled"));
});

test("queries and keep-alives are confirmed by a majority", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  request(world, "a", session, 1);
  world.run(50);
  world.client("a", { type: "query", xid: 5, consistency: "linearizable", body: bytes("") });
  world.client("a", { type: "keepAlive", xid: 6, session });
  world.run(50);
  assert.is(text(answer(world, "a", "answer").body), "c1");
  assert.is(answer(world, "a", "keptAlive").xid, 6);
});

test("a silent session ends", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  world.run(11_000);
  request(world, "a", session, 1);
  world.run(50);
  assert.is(answer(world, "a", "requestRefused").code, "SESSION_EXPIRED");
});

test("an operator removes a node, it may not return until lifted", () => {
  const world = start(["a", "b", "c"]);
  world.client("a", { type: "change", xid: 9, action: "remove", id: "c", url: "" });
  world.run(300);
  assert.is(answer(world, "a", "changed").xid, 9);
  assert.is(world.members("a"), "ab");
  world.run(3000);
  assert.is(world.members("a"), "ab");
  world.client("a", { type: "change", xid: 10, action: "lift", id: "c", url: "" });
  world.until("c is back", () => world.members("c") === "abc", 8000);
});

test("a cluster of one serves", () => {
  const world = start(["a"]);
  const session = open(world, "a");
  request(world, "a", session, 1);
  world.client("a", { type: "query", xid: 5, consistency: "linearizable", body: bytes("") });
  world.run(50);
  assert.equal(
    replies(world, "a").map((reply) => text(reply.body)),
    ["1"],
  );
});

test("that data was set aside is trouble until the node holds something, also once it knows a view", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  request(world, "a", session, 1);
  world.run(100);
  const { view } = world.node("a").core;
  for (const id of ["a", "b", "c"]) world.kill(id);
  world.wipe("c", "c2");
  const { disk } = world.node("c");
  disk.write({ kind: "view", view: view! });
  const { state } = Disk.prototype;
  disk.state = () => ({ ...state.call(disk), setAside: { clusterId: undefined, reason: "rot" } });
  world.kill("c");
  world.restart("c");
  const trouble = (): string => {
    world.client("c", { type: "askStatus", xid: 1 });
    world.run(5);
    return answer(world, "c", "status").status.trouble;
  };
  assert.is(trouble(), "its data was set aside, and it has not been caught up since: rot");
  world.restart("a");
  world.restart("b");
  world.until("c is a member", () => world.members("c").includes("c") && world.node("c").core.log.last.seqno > 0, 5000);
  assert.is(trouble(), "");
});

test.run();
