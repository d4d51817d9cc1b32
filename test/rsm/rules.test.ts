/**
 * Rules of the protocol one by one, each in the smallest story in which breaking it can be seen (design.md section 4).
 * @module
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { PeerMessage } from "../../src/protocol/messages.ts";
import type { View } from "../../src/protocol/view.ts";
import { viewOf } from "../config/views.ts";
import { answer, answers, bytes, loseNode, open, pathCount, request, start, text } from "./kit.ts";
import { World } from "./world.ts";

function ask(world: World, id: string, xid: number): void {
  world.client(id, { type: "query", xid, consistency: "linearizable", body: bytes("") });
}

function wasSent(world: World, from: string, type: PeerMessage["type"]): boolean {
  return world.sent.some((one) => one.from === from && one.message.type === type);
}

/** a leads {a,b} and c is down; its disk holds what it held. */
function ledByTwo(): World {
  const world = start(["a", "b", "c"]);
  loseNode(world, "c", "a", "ab");
  world.run(500);
  return world;
}

test("once the admit's accept has left nothing is stamped, however long that takes", () => {
  const world = ledByTwo();
  const session = open(world, "a", 60_000);
  world.drop = (_from, _to, { type }) => type === "accept" || type === "accepted";
  world.restart("c");
  world.until("the accept has left", () => world.node("a").core.config.admitLeft, 3000);
  const { end } = world.node("a").core.log;
  for (let number = 1; number <= 40; number++) {
    world.run(100);
    request(world, "a", session, 1);
    assert.is(world.node("a").core.log.end, end, `${number * 100} ms later`);
  }
  assert.is(answers(world, "a", "requestRefused").length, 40);
  world.drop = () => false;
  world.until("c is a member", () => world.members("a") === "abc" && world.node("a").core.isTaking);
});

test("an admission that cannot be proposed is given up, and requests are taken again", () => {
  const world = ledByTwo();
  world.drop = (from, _to, { type }) => from === "c" && type === "leveled";
  world.restart("c");
  world.until("the learner is asked", () => wasSent(world, "a", "level"));
  assert.not(world.node("a").core.isTaking);
  world.until("it is given up", () => world.node("a").core.isTaking, 1000);
  assert.is(pathCount(world, "a", "admitGivenUp"), 1);
});

test("a learner that has promised to hold the log takes no snapshot that ends below it", () => {
  const world = ledByTwo();
  const session = open(world, "a", 60_000);
  // What is stamped from now on is not committed, so that the promise goes beyond what c knows to be committed.
  world.drop = (from, _to, { type }) => (from === "b" && type === "invoked") || type === "promise";
  world.restart("c");
  world.until("c joins", () => wasSent(world, "c", "join"));
  for (let number = 1; number <= 5; number++) request(world, "a", session, number);
  world.until("c has promised", () => wasSent(world, "c", "leveled"));
  const { core } = world.node("c");
  const vid = core.view?.vid ?? 0;
  const through = world.node("c").disk.level?.through.seqno ?? 0;
  assert.ok(through > core.commit + 1);
  const from = world.node("a").member;
  const offer = (seqno: number): boolean => {
    const before = world.sent.length;
    const at = { vid: vid + 50, seqno };
    world.step("c", { type: "message", from, message: { type: "snapshotOffer", vid, at, chunks: 3 } });
    return world.sent.slice(before).some(({ message }) => message.type === "snapshotWant");
  };
  assert.not(offer(through - 1));
  assert.ok(offer(through + 1), "one that ends beyond it is taken");
});

test("a view that was chosen, and that nobody knows who lives, is found by those who have accepted it", () => {
  const world = start(["a", "b", "c", "d", "e"]);
  world.drop = (_from, _to, { type }) => type === "join";
  for (const [id, left] of [
    ["e", "abcd"],
    ["d", "abc"],
    ["c", "ab"],
  ] as const) {
    loseNode(world, id, "a", left);
    world.restart(id);
    world.run(500);
  }
  world.drop = (from, _to, { type }) => (type === "decided" && from === "a") || (type === "join" && from !== "c");
  world.until("a knows the view with c", () => world.members("a") === "abc", 5000);
  world.kill("a");
  world.kill("b");
  assert.equal(
    ["c", "d", "e"].map((id) => world.members(id)),
    ["ab", "ab", "ab"],
  );
  world.drop = () => false;
  world.until("c leads again", () => world.node("c").core.isTaking && world.members("c").includes("d"), 20_000);
  assert.ok(["c", "d", "e"].some((id) => pathCount(world, id, "orphanFinished") > 0));
});

test("a node that was forgotten, and knows only a view that its lost data led, finds the newest one", () => {
  const world = start(["a", "b", "c", "d"], { forgetAfterMs: 600 });
  loseNode(world, "d", "a", "abc");
  world.restart("d");
  world.until("d is back", () => ["a", "b", "c", "d"].every((id) => world.members(id) === "abcd"), 5000);
  world.drop = (_from, _to, { type }) => type === "prepare";
  world.kill("a");
  world.wipe("a", "a2");
  world.restart("a");
  world.until("a knows the view that it led", () => world.members("a") === "abcd");
  world.kill("a");
  world.drop = () => false;
  world.until("a is forgotten", () => world.node("b").core.view?.acceptors.length === 3, 5000);
  world.drop = (_from, to, { type }) => type === "decided" && to === "a";
  world.restart("a");
  world.run(100);
  world.drop = () => false;
  world.until("a is a member again", () => world.members("b") === "abcd" && world.members("a") === "abcd", 5000);
});

test("a query is answered only after a majority has confirmed", () => {
  const world = start(["a", "b", "c"]);
  world.drop = (from, to) => from === "a" || to === "a";
  ask(world, "a", 5);
  world.run(300);
  assert.ok(world.node("a").core.isTaking, "a does not know yet that nobody hears it");
  assert.is(answers(world, "a", "answer").length, 0);
  world.run(700);
  assert.is(answer(world, "a", "declined").xid, 5);
});

test("a query is told the time of now, however long ago the last entry was; a local one that of the last entry", () => {
  const world = start(["a", "b", "c"]);
  const times: number[] = [];
  const { machine, core } = world.node("a");
  Object.assign(machine, {
    query: (_body: Uint8Array, now: number): Uint8Array => {
      times.push(now);
      return bytes("");
    },
  });
  ask(world, "a", 5);
  world.run(5_000);
  ask(world, "a", 6);
  world.run(100);
  world.client("a", { type: "query", xid: 7, consistency: "local", body: bytes("") });
  const [first = 0, second = 0, local] = times;
  assert.ok(second - first >= 5_000 && second - first < 5_200, `${second - first} ms have passed`);
  assert.is(local, core.state.time);
  const session = open(world, "a");
  request(world, "a", session, 1);
  world.run(100);
  assert.ok(core.state.time >= second, "and commands are never before it");
});

test("a confirmation of a round that was started before the query came does not count", () => {
  const world = start(["a", "b", "c"]);
  const vid = world.node("a").core.view?.vid ?? 0;
  world.drop = (_from, _to, { type }) => type === "confirm";
  ask(world, "a", 5);
  world.run(600);
  ask(world, "a", 6);
  for (const id of ["b", "c"]) {
    const message = { type: "confirmed", vid, round: 1, accepted: false } as const;
    world.step("a", { type: "message", from: world.node(id).member, message });
  }
  assert.is(answers(world, "a", "answer").length, 0);
  world.drop = () => false;
  world.run(200);
  assert.is(answer(world, "a", "answer").xid, 6);
});

test("a backup drops what the primary of before stamped and the new one's log does not hold", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  world.drop = (from, to, { type }) => from === "a" && to === "b" && type === "invoke";
  for (let number = 1; number <= 3; number++) request(world, "a", session, number);
  world.run(10);
  assert.is(world.node("c").disk.end, world.node("b").disk.end + 3);
  world.kill("a");
  world.until("b leads", () => world.node("b").core.isTaking && world.members("c") === "bc");
  world.run(50);
  assert.is(world.node("c").core.log.end, world.node("b").core.log.end);
  assert.is(pathCount(world, "c", "staleTailDropped"), 1);
  request(world, "b", session, 1, "again");
  world.run(50);
  assert.equal(world.node("c").machine.commands, ["again"]);
});

test("a backup acknowledges what was compared equal, never just its log's end", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  const common = world.node("c").core.log.last;
  world.drop = (from, to, { type }) => from === "a" && to === "b" && type === "invoke";
  for (let number = 1; number <= 3; number++) request(world, "a", session, number);
  world.run(10);
  world.kill("a");
  world.drop = (from, to, { type }) => from === "b" && to === "c" && (type === "invoke" || type === "heartbeat");
  world.until("c follows b", () => world.node("c").disk.view?.primary === "b");
  world.run(10);
  const { vid } = world.node("c").core.view ?? { vid: 0 };
  const before = world.sent.length;
  // As if b's log went on beyond what c holds of a's.
  const invoke = { type: "invoke", vid, start: common.seqno + 9, commit: 0, previous: common, entries: [] } as const;
  world.step("c", { type: "message", from: world.node("b").member, message: invoke });
  const said = world.sent.slice(before).filter(({ from }) => from === "c");
  assert.equal(
    said.map(({ message }) => message.type === "invoked" && message.seqno),
    [common.seqno],
  );
  assert.is(world.node("c").disk.end, common.seqno + 3);
});

test("a fresh node takes no view 1 that it is not in: it waits for a later view", () => {
  const world = start(["a", "b", "c"]);
  world.kill("c");
  world.wipe("c", "c2");
  world.until("c2 is a member", () => world.members("a") === "abc" && world.members("c") === "abc", 3000);
  const vids = world.node("c").happened.map((what) => (what.event === "view" ? what.view.vid : 0));
  assert.ok(wasSent(world, "a", "genesis"));
  assert.not(vids.includes(1));
});

test("who has told a new founder that it is fresh takes no view 1 of the one before, whatever else that one says late", () => {
  const world = new World(["a", "b", "c"]);
  world.drop = (from, to, { type }) =>
    (from === "a" && to !== "a" && type === "genesis") || (from === "c" && type === "fresh");
  const { member: gone } = world.node("a");
  world.run(50);
  world.drop = (from, _to, { type }) => from === "a" || (from === "c" && type === "fresh");
  world.kill("a");
  world.wipe("a", "a2");
  world.run(50);
  world.step("b", { type: "message", from: gone, message: { type: "fetch", vid: 0 } });
  world.run(2000);
  const [view, origin] = [viewOf("a* b c", 1), [{ name: "tally", version: 1 }]];
  world.step("b", { type: "message", from: gone, message: { type: "genesis", clusterId: "ca1", origin, view } });
  assert.is(world.node("b").core.view, undefined);
  world.drop = () => false;
  world.until("the new founder's view", () => ["a", "b", "c"].every((id) => world.members(id) === "abc"), 3000);
  world.run(50);
  assert.is(world.node("b").core.clusterId(true), "ca2");
});

test("nobody is told of which cluster a node is before that is durable there", () => {
  const world = new World(["a", "b", "c"]);
  world.drop = (_from, _to, { type }) => type === "genesis";
  world.run(50);
  const { core } = world.node("b");
  const [view, origin] = [world.node("a").core.view as View, [{ name: "tally", version: 1 }]];
  const from = world.node("a").member;
  world.step("b", { type: "message", from, message: { type: "genesis", clusterId: "ca1", origin, view } });
  assert.is(core.view?.vid, 1);
  assert.is(core.clusterId(true), undefined, "a crash could still make it a fresh node, of another cluster");
  world.run(50);
  assert.is(core.clusterId(true), "ca1");
});

test("a view with fewer than minCopies members takes no requests and answers no queries, it only admits", () => {
  const world = ledByTwo();
  world.drop = (_from, _to, { type }) => type === "join";
  world.restart("c");
  world.run(500);
  world.kill("a");
  world.wipe("a", "a2");
  world.until("b is left alone", () => world.members("b") === "b", 3000);
  world.run(1000);
  assert.is(world.node("b").core.role, "primary");
  assert.not(world.node("b").core.isTaking);
  ask(world, "b", 5);
  assert.is(answer(world, "b", "declined").code, "BUSY");
  world.drop = () => false;
  world.until("others are admitted", () => world.members("b") === "abc" && world.node("b").core.isTaking, 6000);
});

test("the log keeps what came since the snapshot before: who was away shortly needs none", () => {
  const world = start(["a", "b", "c"], { snapshotEveryBytes: 500 });
  const session = open(world, "a");
  for (let number = 1; number <= 60; number++) {
    request(world, "a", session, number);
    world.run(10);
  }
  const { log, snapshot } = world.node("a").core;
  assert.ok(log.base.seqno > 0 && snapshot !== undefined && log.base.seqno < snapshot.at.seqno);
  loseNode(world, "c", "a", "ab");
  world.restart("c");
  world.until("c is back", () => world.members("a") === "abc" && world.members("c") === "abc");
  assert.not(wasSent(world, "a", "snapshotOffer"));
});

test("a session whose end is stamped is not kept alive", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  world.drop = (_from, _to, { type }) => type === "invoked";
  world.client("a", { type: "end", xid: 3, session });
  world.client("a", { type: "keepAlive", xid: 4, session });
  assert.is(answer(world, "a", "declined").xid, 4);
  world.run(100);
  assert.is(answers(world, "a", "keptAlive").length, 0);
});

test("a keep-alive that waits for its confirmation when the end is stamped is not given", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  world.client("a", { type: "keepAlive", xid: 4, session });
  world.client("a", { type: "end", xid: 3, session });
  world.run(100);
  assert.is(answers(world, "a", "keptAlive").length, 0);
  assert.is(answer(world, "a", "declined").xid, 4);
  assert.is(answer(world, "a", "ended").xid, 3);
});

test("a session ends after its TTL of silence, not before", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a", 1000);
  world.client("a", { type: "keepAlive", xid: 4, session });
  const heardAt = world.now;
  world.until("it has ended", () => world.node("a").core.state.sessions.get(session) === undefined);
  assert.is(answer(world, "a", "keptAlive").xid, 4);
  assert.ok(world.now - heardAt > 1000, `${world.now - heardAt} ms`);
});

test("at every activation each session gets a full TTL, whoever is primary", () => {
  for (const [lost, primary, members] of [
    ["c", "a", "ab"],
    ["a", "b", "bc"],
  ] as const) {
    const world = start(["a", "b", "c"]);
    const session = open(world, "a", 1000);
    world.run(800);
    loseNode(world, lost, primary, members);
    const activeAt = world.now - 5;
    const { core } = world.node(primary);
    world.until("it has ended", () => core.state.sessions.get(session) === undefined);
    assert.ok(world.now - activeAt > 1000, `${world.now - activeAt} ms under ${primary}`);
  }
});

test("a value that was accepted and not decided does not keep queries waiting for ever", () => {
  const world = start(["a", "b", "c"]);
  loseNode(world, "c", "a", "ab");
  world.drop = (_from, _to, { type }) => type === "join";
  world.restart("c");
  world.run(1000);
  // b hears nothing of a for a moment and proposes; its accept reaches c only, then b restarts.
  world.drop = (from, to, { type }) => type === "join" || from === "a" || to === "a" || type === "accepted";
  world.until("c has accepted", () => world.node("c").disk.accepted !== undefined, 3000);
  world.run(5);
  world.kill("b");
  world.restart("b");
  world.drop = (_from, _to, { type }) => type === "join";
  world.run(300);
  for (let xid = 5; xid < 25; xid++) {
    const primary = [...world.nodes.values()].find(({ core }) => core.isTaking)?.member.id ?? "a";
    ask(world, primary, xid);
    world.run(200);
  }
  assert.ok(["a", "b"].some((id) => answers(world, id, "answer").length > 0));
});

test("a killed primary is replaced in milliseconds: nobody sticks to a connection that is closed", () => {
  const world = start(["a", "b", "c"]);
  world.run(1000);
  world.kill("a");
  world.until("b takes requests", () => world.node("b").core.isTaking, 60);
});

test("an acceptor that hears its primary does not help to replace it", () => {
  const world = start(["a", "b", "c"]);
  const vid = world.node("a").core.view?.vid;
  world.drop = (from, to) => from + to === "ab" || from + to === "ba";
  world.run(400);
  const { view } = world.node("b").core;
  assert.ok(view !== undefined);
  const message = { type: "prepare", view, ballot: { round: 99, node: "b" } } as const;
  world.step("c", { type: "message", from: world.node("b").member, message });
  world.run(20);
  assert.is(pathCount(world, "c", "stickyRefusal"), 1);
  assert.is(world.node("c").core.view?.vid, vid);
});

test("a restarted acceptor remembers what it promised and accepted", () => {
  const world = start(["a", "b", "c"]);
  const { view } = world.node("a").core;
  assert.ok(view !== undefined);
  const { member } = world.node("b");
  world.kill("c");
  world.restart("c");
  const ballot = { round: 9, node: "b" };
  world.step("c", { type: "message", from: member, message: { type: "prepare", view, ballot } });
  const value = { ...view, vid: view.vid + 1, primary: "b" };
  world.step("c", { type: "message", from: member, message: { type: "accept", instance: value.vid, ballot, value } });
  world.run(5);
  world.kill("c");
  world.restart("c");
  const { acceptor } = world.node("c").core.config;
  assert.equal(acceptor.promised, ballot);
  assert.equal(acceptor.accepted, { ballot, value });
});

test("a member of which only life signs reach the primary is left out", () => {
  const world = start(["a", "b", "c"]);
  world.drop = (from, to) => from === "a" && to === "c";
  world.step("a", { type: "linkDown", id: "c", refused: false });
  const from = world.node("c").member;
  const vid = world.node("a").core.view?.vid ?? 0;
  for (let ms = 0; ms < 1500 && world.members("a") === "abc"; ms += 100) {
    world.step("a", { type: "message", from, message: { type: "alive", vid } });
    world.run(100);
  }
  assert.is(world.members("a"), "ab");
});

test("a member that answers but does not log is left out", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  world.drop = (from, _to, { type }) => from === "c" && type === "invoked";
  request(world, "a", session, 1);
  world.until("c is left out", () => world.members("a") === "ab" && world.node("a").core.isTaking, 1500);
  request(world, "a", session, 1);
  assert.is(text(answer(world, "a", "reply").body), "1");
});

test("a primary whose disk hangs says so, and is replaced", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  world.intercept = (id, event) => id === "a" && event.type === "durable";
  request(world, "a", session, 1);
  world.until("b leads", () => world.node("b").core.isTaking, 3000);
  assert.is(world.members("b"), "bc");
  assert.is(answer(world, "a", "requestRefused").code, "BUSY");
});

test("a request that cannot be committed is answered within suspectMs, its outcome unknown", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  world.drop = (from, to, { type }) => type === "invoked" || from === "c" || to === "c";
  request(world, "a", session, 1);
  world.run(540);
  const refused = answer(world, "a", "requestRefused");
  assert.is(refused.code, "BUSY");
  assert.ok(refused.outcomeUnknown);
});

test("a backup whose state differs from its primary's reports that and stops", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  (world.node("c").machine.commands as string[]).push("nobody said this");
  request(world, "a", session, 1);
  world.run(300);
  assert.match(world.node("c").halted?.message ?? "", "not deterministic");
  assert.is(world.node("b").halted, undefined);
});

test("a member that would need a snapshot has lost data and sets it aside", () => {
  const world = start(["a", "b", "c"], { snapshotEveryBytes: 500 });
  const session = open(world, "a");
  for (let number = 1; number <= 60; number++) {
    request(world, "a", session, number);
    world.run(10);
  }
  const { disk } = world.node("c");
  world.kill("c");
  disk.entries = [];
  disk.base = { vid: 0, seqno: 0 };
  disk.snapshot = undefined;
  world.restart("c");
  world.until("c sets its data aside", () => world.node("c").halted !== undefined, 1000);
  assert.match(world.node("c").halted?.message ?? "", "missing from a member's log");
});

test("acceptors that are silent for forgetAfterMs are forgotten, down to an odd number", () => {
  const world = start(["a", "b", "c", "d", "e"], { forgetAfterMs: 3000 });
  const acceptors = (): string =>
    world
      .node("a")
      .core.view?.acceptors.map(({ id }) => id)
      .join("") ?? "";
  world.kill("e");
  world.run(5000);
  assert.is(acceptors(), "abcde");
  world.kill("d");
  world.run(2500);
  assert.is(acceptors(), "abcde");
  world.until("both are forgotten", () => acceptors() === "abc", 2000);
  assert.is(world.members("a"), "abc");
});

test.run();
