/**
 * Stories with which a reviewer once broke the core. Each failed then; none may fail again.
 * @module
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { PeerMessage } from "../../src/protocol/messages.ts";
import { MAX_FRAME_BYTES } from "../../src/protocol/transport.ts";
import { SessionTable } from "../../src/rsm/sessions.ts";
import { chunksOfState } from "../../src/rsm/state-chunks.ts";
import { answer, answers, bytes, loseNode, open, pathCount, request, start } from "./kit.ts";
import { World } from "./world.ts";

/** b leads {b,c}; a returns so that its admission begins about when a session's TTL runs out. */
function admitWhenSessionExpires(restartAfterMs: number): {
  world: World;
  openedAt: number;
  levelAt: number;
  through: number;
} {
  const world = start(["a", "b", "c"]);
  loseNode(world, "a", "b", "bc");
  const openedAt = world.now;
  open(world, "b", 1000);
  world.run(restartAfterMs);
  world.restart("a");
  const before = world.sent.length;
  for (let ms = 0; ms < 1000; ms++) {
    world.run(1);
    const through = world.sent.slice(before).find(({ message }) => message.type === "level")?.message;
    if (through?.type === "level") return { world, levelAt: world.now, openedAt, through: through.through.seqno };
  }
  throw new Error("no admission began");
}

test("nothing is stamped in the tick in which an admission begins", () => {
  const probe = admitWhenSessionExpires(800);
  const delayMs = probe.levelAt - probe.openedAt - 800;
  let met = 0;
  for (let shift = -32; shift <= 32; shift += 4) {
    const { world, levelAt, openedAt, through } = admitWhenSessionExpires(1000 - delayMs + shift);
    const { core } = world.node("b");
    const vid = core.view?.vid;
    const isOverdue = levelAt - openedAt > 1000;
    if (isOverdue && core.log.entry(through).kind !== "end") met++;
    world.until("a is admitted", () => world.members("b") === "abc");
    const beyond = core.log.vidAt(through + 1);
    assert.is.not(beyond, vid, `shift ${shift}: place ${through + 1} was stamped after the level question`);
  }
  assert.ok(met > 0, "an admission began in the tick in which a session was overdue");
});

test("what was stamped in the turn in which a view is decided reaches the disk", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  const { core } = world.node("a");
  let stamped = 0;
  world.intercept = (id, event) => {
    if (id !== "a" || stamped > 0 || event.type !== "message" || event.message.type !== "accepted") return false;
    const body = bytes("x");
    const message = { type: "request", session, number: 1, acknowledgedThrough: 0, skip: false, body } as const;
    world.feed("a", { type: "client", client: 1, message });
    stamped = core.log.end;
    return false;
  };
  loseNode(world, "c", "a", "ab");
  assert.ok(stamped > session.seqno, "a request was stamped in that turn");
  assert.ok(core.durability.seqno >= stamped);
  assert.ok(world.node("a").disk.entries.some((entry) => entry.seqno === stamped));
  world.run(100);
  assert.equal(world.node("b").machine.commands, ["x"]);
});

test("a primary that was impaired and returned is heard as any other", () => {
  const world = start(["a", "b", "c"]);
  world.drop = (_from, to) => to === "a";
  world.until("b and c go on", () => world.members("b") === "bc" && world.members("c") === "bc", 4000);
  world.drop = () => false;
  world.run(3000);
  assert.is(world.members("b"), "abc");
  const vid = world.node("b").core.view?.vid;
  world.run(10_000);
  assert.is(world.node("b").core.view?.vid, vid, "no view changes in a quiet network");
});

/** Five nodes, members {a,b}: c has accepted b's proposal and told a, then b and c die; d and e do not join yet. */
function acceptedValueWithoutHolder(): { world: World; letThemJoin: () => void } {
  const world = start(["a", "b", "c", "d", "e"]);
  let joins = false;
  const isJoin = (type: string): boolean => !joins && type === "join";
  const onlyJoins: World["drop"] = (_from, _to, message) => isJoin(message.type);
  world.drop = onlyJoins;
  for (const id of ["e", "d"]) {
    world.kill(id);
    world.run(1500);
  }
  for (const id of ["d", "e"]) world.restart(id);
  world.run(1000);
  loseNode(world, "c", "a", "ab");
  world.restart("c");
  world.run(1000);
  const before = world.sent.length;
  // a hears nobody for a moment: b proposes, and its accept reaches c only.
  world.drop = (from, to, message) =>
    isJoin(message.type) || from === "a" || to === "a" || (message.type === "accept" && to !== "c");
  const hasAccepted = (): boolean =>
    world.sent.slice(before).some(({ from, message }) => from === "c" && message.type === "accepted");
  world.until("c accepts", hasAccepted, 5000);
  world.run(5);
  world.kill("b");
  world.drop = onlyJoins;
  world.run(150);
  world.client("a", { type: "query", xid: 77, consistency: "linearizable", body: bytes("") });
  world.run(20);
  world.kill("c");
  return {
    world,
    letThemJoin: () => {
      joins = true;
    },
  };
}

test("a learner is admitted though an accepted value was met whose holder is gone", () => {
  const { world, letThemJoin } = acceptedValueWithoutHolder();
  assert.ok(pathCount(world, "a", "acceptedValueMet") > 0, "a met what c had accepted");
  letThemJoin();
  world.until("d or e is a member", () => /d|e/.test(world.members("a")), 10_000);
  world.until("a takes requests", () => world.node("a").core.isTaking);
});

test("a stopping backup asks to be left out before it stops", () => {
  const world = start(["a", "b", "c"]);
  world.run(2000);
  world.step("c", { type: "stop" });
  world.run(20);
  assert.ok(world.sent.some(({ from, message }) => from === "c" && message.type === "leaving"));
  world.until("c has stopped", () => world.node("c").stopped, 200);
  assert.is(world.members("a"), "ab");
  assert.ok(world.node("a").core.isTaking);
});

test("a member that the primary cannot reach is left out, though it is heard", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  world.drop = (from, to) => from === "a" && to === "c";
  world.step("a", { type: "linkDown", id: "c", refused: false });
  world.run(100);
  request(world, "a", session, 1);
  world.until("c is left out", () => world.members("a") === "ab" && world.node("a").core.isTaking);
  request(world, "a", session, 1);
  world.run(50);
  assert.is(answer(world, "a", "reply").number, 1);
});

test("the request whose acknowledgement makes room for its reply is taken", () => {
  const world = start(["a", "b", "c"], { maxSessionReplies: 8 });
  const session = open(world, "a", 60_000);
  for (let number = 1; number <= 8; number++) request(world, "a", session, number, "x", 0);
  world.run(100);
  request(world, "a", session, 9, "x", 0);
  assert.is(answer(world, "a", "requestRefused").code, "OVERLOADED");
  request(world, "a", session, 9, "x", 8);
  world.run(100);
  assert.is(answer(world, "a", "reply").number, 9);
});

test("a founder that crashed between its cluster id and its view founds after its restart", () => {
  const world = new World(["a", "b", "c"]);
  for (let ms = 0; ms < 2000 && world.node("a").core.view === undefined; ms++) world.run(1);
  const torn = world.node("a").writing.flatMap((write) => write.records);
  assert.equal(
    torn.map((record) => record.kind),
    ["machines", "identity", "view"],
  );
  world.kill("a");
  for (const record of torn.slice(0, 2)) world.node("a").disk.write(record);
  world.restart("a");
  world.until("the cluster is founded", () => world.node("a").core.isTaking, 5000);
  world.until("with all its nodes", () => ["a", "b", "c"].every((id) => world.members(id) === "abc"));
});

test("every chunk of a snapshot fits a frame, whatever one session has not acknowledged", () => {
  const sessions = new SessionTable();
  const session = sessions.open({ vid: 1, seqno: 1 }, 10_000);
  for (let number = 1; number <= 100; number++) {
    session.lastNumber = number;
    session.replies.set(number, new Uint8Array(20 * 1024));
  }
  const header = { at: { vid: 1, seqno: 101 }, time: 0, hash: 0 };
  const chunks = chunksOfState(header, sessions, [new Uint8Array(0)].values());
  let total = 0;
  for (let chunk = chunks.next(); chunk.done !== true; chunk = chunks.next()) {
    total += chunk.value.length;
    assert.ok(chunk.value.length < MAX_FRAME_BYTES / 2, `a chunk of ${chunk.value.length} bytes`);
  }
  assert.ok(total > 100 * 20 * 1024);
});

/** a leads {a,b}, its log begins after a snapshot, and c is down. */
function compacted(requests: number): { world: World; load: (count: number) => void } {
  const world = start(["a", "b", "c"], { snapshotEveryBytes: 2000 });
  const session = open(world, "a", 600_000);
  loseNode(world, "c", "a", "ab");
  let number = 0;
  const load = (count: number): void => {
    for (let i = 0; i < count; i++) {
      world.until("a takes requests", () => world.node("a").core.isTaking);
      request(world, "a", session, ++number);
      world.run(10);
    }
  };
  load(requests);
  return { world, load };
}

test("each chunk of a snapshot is sent once where nothing is lost", () => {
  const { world } = compacted(600);
  world.restart("c");
  world.until("c is a member again", () => world.members("a") === "abc" && world.members("c") === "abc", 5000);
  const sent = world.sent.filter(({ message }) => message.type === "snapshotChunk").length;
  const { snapshot } = world.node("c").disk;
  assert.ok(snapshot !== undefined && snapshot.chunks.length > 20, "a snapshot of many chunks was installed");
  assert.is(sent, snapshot.chunks.length);
});

test("a connection that takes longer for a chunk than suspectMs does not choke on chunks sent again", () => {
  const { world } = compacted(600);
  const link: PeerMessage[] = [];
  let sent = 0;
  world.drop = (_from, to, message) => {
    if (to !== "c" || message.type !== "snapshotChunk") return false;
    link.push(message);
    sent++;
    return true;
  };
  world.restart("c");
  const from = world.node("a").member;
  for (let carried = 0; carried < 100 && world.node("c").disk.snapshot === undefined; carried++) {
    world.run(700);
    const message = link.shift();
    if (message !== undefined) world.step("c", { type: "message", from, message });
    world.run(10);
  }
  const chunks = world.node("c").disk.snapshot?.chunks.length ?? 0;
  assert.ok(chunks > 20, `a snapshot of ${chunks} chunks was installed`);
  assert.ok(sent <= chunks + 8, `${sent} were sent of ${chunks}`);
  world.until("c is a member again", () => world.members("a") === "abc" && world.members("c") === "abc", 5000);
});

test("a connection that takes long for what is on its way does not choke on entries sent again", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a", 600_000);
  loseNode(world, "c", "a", "ab");
  const body = new Uint8Array(10_000);
  for (let number = 1; number <= 100; number++) {
    const acknowledgedThrough = number - 1;
    world.client("a", { type: "request", session, number, acknowledgedThrough, skip: false, body });
    world.run(10);
  }
  const link: { readonly message: PeerMessage; readonly bytes: number }[] = [];
  let sent = 0;
  world.drop = (_from, to, message) => {
    if (to !== "c") return false;
    const bytes =
      50 + (message.type === "invoke" ? message.entries.reduce((sum, one) => sum + one.bytes.length, 0) : 0);
    link.push({ message, bytes });
    sent += bytes;
    return true;
  };
  world.restart("c");
  const from = world.node("a").member;
  let room = 0;
  for (let ms = 0; ms < 30_000 && world.members("a") !== "abc"; ms++) {
    world.run(1);
    room = link.length === 0 ? 0 : room + 100;
    for (let next = link[0]; next !== undefined && next.bytes <= room; next = link[0]) {
      room -= next.bytes;
      link.shift();
      world.step("c", { type: "message", from, message: next.message });
    }
  }
  assert.is(world.members("a"), "abc");
  assert.ok(sent < 1.2 * 100 * body.length, `${sent} bytes were sent of ${100 * body.length}`);
});

test("a stall during an admission leaves no request without an answer", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a", 60_000);
  loseNode(world, "c", "a", "ab");
  world.run(500);
  world.restart("c");
  // From now on nothing can be committed and nothing decided.
  world.drop = (from, _to, { type }) =>
    (from === "b" && type === "invoked") || type === "accepted" || type === "accept";
  world.until("c joins", () => world.sent.some(({ from, message }) => from === "c" && message.type === "join"));
  request(world, "a", session, 1);
  world.until("its accept has left", () => world.node("a").core.config.admitLeft, 3000);
  assert.ok(world.node("a").core.commit < world.node("a").core.log.end, "the request is stamped and not committed");
  world.run(1500);
  const refused = answer(world, "a", "requestRefused");
  assert.is(refused.code, "BUSY");
  assert.ok(refused.outcomeUnknown);
});

test("a deposed primary does not say that a session of a later view is over", () => {
  const world = start(["a", "b", "c"]);
  world.drop = (from, to) => from === "a" || to === "a";
  world.until("b leads", () => world.node("b").core.isTaking, 5000);
  const session = open(world, "b", 60_000);
  request(world, "a", session, 1);
  assert.is(answer(world, "a", "requestRefused").code, "BUSY");
  world.client("a", { type: "end", xid: 3, session });
  assert.is(answers(world, "a", "ended").length, 0);
  world.client("a", { type: "keepAlive", xid: 4, session });
  assert.ok(answers(world, "a", "declined").every(({ code }) => code === "BUSY"));
  assert.equal(
    answers(world, "a", "declined").map(({ xid }) => xid),
    [3, 4],
  );
});

test("a learner whose disk hangs does not keep the cluster from its work", () => {
  const world = start(["a", "b", "c"]);
  loseNode(world, "c", "a", "ab");
  world.restart("c");
  world.drop = (from, _to, { type }) => from === "c" && (type === "invoked" || type === "leveled");
  let busyMs = 0;
  for (let ms = 0; ms < 20_000; ms += 5) {
    world.run(5);
    if (!world.node("a").core.isTaking) busyMs += 5;
  }
  assert.ok(busyMs < 1000, `requests were not taken for ${busyMs} of 20000 ms`);
});

test("a transfer that does not get on does not keep the primary from cutting its log", () => {
  const { world, load } = compacted(300);
  world.restart("c");
  world.intercept = (id, event) => id === "c" && event.type === "chunkStored";
  load(100);
  const offered = pathCount(world, "a", "snapshotOffered");
  assert.ok(offered > 0, "c was offered a snapshot");
  load(1200);
  const { log } = world.node("a").core;
  const bytes = log.slice(log.base.seqno + 1, Number.POSITIVE_INFINITY).reduce((sum, one) => sum + one.bytes.length, 0);
  assert.ok(bytes < 20_000, `the primary's log has grown to ${bytes} bytes`);
});

test("nobody says that a primary takes requests before its view is active", () => {
  const world = start(["a", "b", "c"]);
  open(world, "a");
  loseNode(world, "c", "a", "ab");
  world.run(500);
  world.restart("c");
  world.drop = (_from, _to, { type }) => type === "join";
  world.run(500);
  world.kill("a");
  world.run(5000);
  assert.is(world.node("b").core.role, "primary");
  assert.not(world.node("b").core.isTaking);
  assert.not(world.node("c").core.news().active);
  world.client("c", { type: "open", xid: 5, ttlMs: 10_000 });
  assert.is(answer(world, "c", "declined").code, "BUSY");
});

function allKnow(world: World, members: string): boolean {
  return [...members].every((id) => world.members(id) === members);
}

test("data that was found again, after its node had come back without it, makes its node a member again", () => {
  const world = start(["a", "b", "c"]);
  const found = world.node("b");
  loseNode(world, "b", "a", "ac");
  world.wipe("b", "b2");
  world.until("b is back with new data", () => allKnow(world, "abc"), 5000);
  world.run(20_000);
  loseNode(world, "b", "a", "ac");
  world.nodes.set("b", found);
  world.restart("b");
  world.until("b is back with its first data", () => allKnow(world, "abc"), 5000);
  assert.is(world.node("a").core.view?.acceptors[1]?.incarnation, "b1");
  const { view } = world.node("a").core;
  world.run(5000);
  assert.is(world.node("a").core.view, view, "and stays one");
});

test("a node whose name another used for a moment becomes a member again", () => {
  const world = start(["a", "b", "c"]);
  world.run(20_000);
  const peer = { id: "b", incarnation: "b-by-mistake", url: "memory://elsewhere" };
  // Its connection replaces b's.
  world.drop = (from) => from === "b";
  world.run(5);
  world.step("a", { type: "heardUp", peer });
  world.until(
    "it has taken b's place",
    () => world.node("a").core.view?.acceptors[1]?.incarnation === peer.incarnation,
  );
  world.drop = () => false;
  world.step("a", { type: "heardDown", id: "b" });
  world.step("a", { type: "heardUp", peer: world.node("b").member });
  world.until("b is a member again", () => allKnow(world, "abc") && world.node("a").core.isTaking, 10_000);
  assert.is(world.node("a").core.view?.acceptors[1]?.incarnation, "b1");
});

function change(world: World, id: string, action: "add" | "remove" | "lift", node: string): void {
  world.client(id, { type: "change", xid: 1, action, id: node, url: action === "add" ? `memory://${node}` : "" });
  world.run(300);
  assert.is(world.node(id).answers.at(-1)?.type, "changed", `${action} ${node}`);
}

test("a node is not removed when the others that count would have no majority up", () => {
  const world = start(["a", "b", "c", "d", "e"]);
  loseNode(world, "e", "a", "abcd");
  loseNode(world, "d", "a", "abc");
  world.run(1000);
  world.client("a", { type: "change", xid: 1, action: "remove", id: "c", url: "" });
  world.run(1000);
  assert.is(answer(world, "a", "declined").code, "INVALID");
  assert.match(answer(world, "a", "declined").text, "d e");
  assert.ok(world.node("a").core.isTaking);
  change(world, "a", "remove", "d");
  change(world, "a", "remove", "e");
  world.until("all three are left", () => allKnow(world, "abc") && world.node("a").core.isTaking);
});

test("a node that an operator has to let in says so, once", () => {
  const world = start(["a", "b", "c"]);
  loseNode(world, "c", "a", "ab");
  change(world, "a", "remove", "c");
  world.restart("c");
  world.add("x");
  world.run(20_000);
  const warnings = (id: string): string[] =>
    world.node(id).happened.flatMap((what) => (what.event === "warning" ? [what.text] : []));
  assert.is(warnings("c").length, 1);
  assert.match(warnings("c")[0] ?? "", "members lift c");
  assert.is(warnings("x").length, 1);
  assert.match(warnings("x")[0] ?? "", "members add x");
});

test("the end of a session that cannot be known here ends no other that was opened at its place", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  world.client("a", { type: "end", xid: 2, session: { vid: 99, seqno: session.seqno } });
  world.run(100);
  assert.is(answer(world, "a", "declined").code, "BUSY");
  request(world, "a", session, 1);
  world.run(100);
  assert.is(answers(world, "a", "reply").length, 1);
});

test("queries that wait for a majority's word are bounded by their bytes, and room is made again", () => {
  const world = start(["a", "b", "c"], { maxPendingBytes: 1000, maxBodyBytes: 400 });
  const ask = (count: number): void => {
    for (let xid = 1; xid <= count; xid++) {
      world.client("a", { type: "query", xid, consistency: "linearizable", body: new Uint8Array(400) });
    }
  };
  const refusals = (): string[] => answers(world, "a", "declined").map(({ code }) => code);
  for (const isLost of [true, false]) {
    world.drop = (_from, _to, { type }) => isLost && type === "confirm";
    const before = refusals().length;
    ask(3);
    assert.equal(refusals().slice(before), ["OVERLOADED"]);
    world.run(1500);
    assert.is(refusals().length - before, isLost ? 3 : 1);
  }
  ask(2);
  world.run(100);
  assert.is(answers(world, "a", "answer").length, 4);
});

test("a member of an old view all of whose other nodes are gone finds the newest one", () => {
  const world = start(["a", "b", "c"]);
  loseNode(world, "c", "a", "ab");
  for (const id of ["d", "e"]) {
    change(world, "a", "add", id);
    world.add(id);
    world.until(`${id} is a member`, () => world.members("a").endsWith(id), 5000);
  }
  for (const id of ["c", "b", "a"]) change(world, "a", "remove", id);
  world.until("d and e are left", () => allKnow(world, "de"), 5000);
  world.kill("a");
  world.kill("b");
  change(world, "d", "lift", "c");
  // The others have no connection to it yet when it asks over its own.
  world.drop = (_from, to, { type }) => type === "decided" && to === "c";
  world.restart("c");
  world.run(100);
  world.drop = () => false;
  world.until("c is a member again", () => allKnow(world, "cde"), 5000);
});

test.run();
