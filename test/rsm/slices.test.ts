/**
 * What is committed is executed in slices: no step executes much, and nobody can tell from outside.
 * @module
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Request } from "../../src/protocol/client-messages.ts";
import type { Viewstamp } from "../../src/protocol/view.ts";
import { answer, answers, bytes, loseNode, open, pathCount, replies, request, start, text } from "./kit.ts";
import type { World } from "./world.ts";

/** More than a step executes. */
const MANY = 100;
/** More than the events of a few heartbeats execute. */
const LOTS = 2000;
const MOST_PER_STEP = 16;

/** Requests that come in one turn, from number `first` on. */
function burst(world: World, session: Viewstamp, count: number, first = 1): void {
  for (let number = first; number < first + count; number++) {
    const message = {
      type: "request",
      session,
      number,
      acknowledgedThrough: 0,
      skip: false,
      body: bytes(`c${number}`),
    };
    world.feed("a", { type: "client", client: 1, message: message as Request });
  }
  world.step("a", { type: "turn" });
}

/** Watches how many entries each step of a node executes. */
function watch(world: World): Map<string, number> {
  const most = new Map<string, number>();
  world.watch = (id, core, step) => {
    const before = core.applied;
    step();
    most.set(id, Math.max(most.get(id) ?? 0, core.applied - before));
  };
  return most;
}

test("a burst of requests is executed in slices, and replied to in order, each once", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  const most = watch(world);
  burst(world, session, MANY);
  world.run(200);
  assert.equal(
    replies(world, "a").map(({ number }) => number),
    Array.from({ length: MANY }, (_, index) => index + 1),
  );
  for (const id of ["a", "b", "c"]) assert.is(most.get(id), MOST_PER_STEP, id);
  assert.is(new Set([...world.nodes.values()].map(({ core }) => core.state.hash)).size, 1);
});

test("a restarted cluster is active once its whole log is executed, and not before", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  for (let number = 1; number <= MANY; number++) request(world, "a", session, number);
  world.run(200);
  for (const id of ["a", "b", "c"]) world.kill(id);
  const most = watch(world);
  world.sliceMs = 7;
  for (const id of ["a", "b", "c"]) world.restart(id);
  const primary = (): boolean => {
    for (const { core } of world.nodes.values()) if (core.activeVid !== undefined) return true;
    return false;
  };
  let sawBacklog = 0;
  world.until("a primary is active", () => {
    for (const { core } of world.nodes.values()) {
      if (core.applied === core.commit) continue;
      sawBacklog++;
      assert.is(core.activeVid, undefined, "active before all is executed");
    }
    return primary();
  });
  assert.ok(sawBacklog > 0, "there was a backlog");
  assert.ok(Math.max(...most.values()) <= MOST_PER_STEP, `${Math.max(...most.values())} in a step`);
  const active = [...world.nodes.values()].find(({ core }) => core.activeVid !== undefined);
  assert.ok((active?.core.applied ?? 0) >= MANY);
});

test("a read that is confirmed while committed entries wait is answered from all of them", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  world.sliceMs = 20;
  burst(world, session, LOTS);
  world.until("entries are committed and not executed", () => {
    const { core } = world.node("a");
    return core.commit - core.applied > MOST_PER_STEP;
  });
  const { commit } = world.node("a").core;
  world.client("a", { type: "query", xid: 77, consistency: "linearizable", body: bytes("") });
  world.client("a", { type: "keepAlive", xid: 78, session });
  world.until("the keep-alive is answered", () => answers(world, "a", "keptAlive").length > 0);
  assert.ok(world.node("a").core.applied < commit, "a keep-alive does not wait for execution");
  assert.is(answers(world, "a", "answer").length, 0);
  world.until("the read is answered", () => answers(world, "a", "answer").length > 0);
  assert.is(pathCount(world, "a", "readWaitsForExecution"), 1);
  assert.ok(world.node("a").core.applied >= commit, "the read saw all that was committed");
  assert.is(text(answer(world, "a", "answer").body), text(world.node("a").core.state.query(bytes(""))));
});

test("a copy that is confirmed beside a read waits with it, and begins with all that was committed", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  world.sliceMs = 20;
  burst(world, session, LOTS);
  world.until("entries are committed and not executed", () => {
    const { core } = world.node("a");
    return core.commit - core.applied > MOST_PER_STEP;
  });
  const { commit } = world.node("a").core;
  const query = { type: "query", xid: 77, consistency: "linearizable", body: bytes("") } as const;
  world.feed("a", { type: "client", client: 1, message: query });
  world.client("a", { type: "copy", xid: 78, next: 0 }, 2);
  world.until("the read is answered", () => answers(world, "a", "answer").length > 0);
  world.run(100);
  assert.is(answers(world, "a", "copied").length, 1);
  assert.ok(answer(world, "a", "copied").at.seqno >= commit);
});

test("many reads that are confirmed at once are answered in slices, in order", () => {
  const world = start(["a", "b", "c"]);
  const { machine } = world.node("a");
  const { query } = machine;
  let read = 0;
  const counted = (...given: Parameters<typeof query>): Uint8Array => {
    read++;
    return query(...given);
  };
  Object.assign(machine, { query: counted });
  let most = 0;
  world.watch = (_id, _core, step) => {
    const before = read;
    step();
    most = Math.max(most, read - before);
  };
  for (let xid = 1; xid <= MANY; xid++) {
    const message = { type: "query", xid, consistency: "linearizable", body: bytes("") } as const;
    world.feed("a", { type: "client", client: 1, message });
  }
  world.step("a", { type: "turn" });
  world.run(50);
  assert.is(most, MOST_PER_STEP);
  assert.equal(
    answers(world, "a", "answer").map(({ xid }) => xid),
    Array.from({ length: MANY }, (_, index) => index + 1),
  );
});

test("a read that waits for execution is refused when the view ends", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a");
  world.sliceMs = 60_000;
  burst(world, session, LOTS);
  world.until("entries are committed and not executed", () => {
    const { core } = world.node("a");
    return core.commit - core.applied > MOST_PER_STEP;
  });
  world.client("a", { type: "query", xid: 77, consistency: "linearizable", body: bytes("") });
  world.until("it waits", () => pathCount(world, "a", "readWaitsForExecution") === 1);
  world.step("a", { type: "stop" });
  world.until("a newer view", () => (world.node("a").core.view?.vid ?? 0) > 1);
  const refused = answers(world, "a", "declined").filter(({ xid }) => xid === 77);
  assert.equal(
    refused.map(({ code }) => code),
    ["BUSY"],
  );
});

test("a backup that executes too slowly holds its acknowledgements back, and so the primary its clients", () => {
  const world = start(["a", "b", "c"], { maxPendingEntries: 300 });
  const session = open(world, "a");
  const { core } = world.node("c");
  world.intercept = (id, event) => id === "c" && (event.type === "continue" || event.type === "tick");
  let behind = 0;
  for (let round = 0; round < 20; round++) {
    burst(world, session, 300, replies(world, "a").length + 1);
    for (let look = 0; look < 10; look++) {
      world.run(1);
      behind = Math.max(behind, core.log.end - core.applied);
    }
  }
  assert.ok(behind > 300, `it is behind by ${behind}`);
  assert.ok(behind <= 3 * 300, `its backlog of ${behind} is bounded`);
  world.intercept = () => false;
  world.run(500);
  assert.is(core.applied, world.node("a").core.applied, "it catches up");
  assert.is(world.members("a"), "abc");
});

test("sessions that fall silent together end a few a step", () => {
  const world = start(["a", "b", "c"]);
  for (let client = 1; client <= 1000; client++)
    world.feed("a", { type: "client", client, message: { type: "open", xid: client, ttlMs: 2000 } });
  world.step("a", { type: "turn" });
  world.until("all are open", () => world.node("a").core.state.sessions.size === 1000);
  let most = 0;
  world.watch = (id, core, step) => {
    const before = core.log.end;
    step();
    if (id === "a") most = Math.max(most, core.log.end - before);
  };
  world.until("all are over", () => world.node("a").core.state.sessions.size === 0, 10_000);
  assert.is(pathCount(world, "a", "sessionExpired"), 1000);
  assert.ok(most > 0 && most <= MOST_PER_STEP, `${most} in a step`);
});

test("chunks of a snapshot that come together are restored one a step", () => {
  const world = start(["a", "b", "c"], { snapshotEveryBytes: 2000 });
  const session = open(world, "a", 600_000);
  loseNode(world, "c", "a", "ab");
  for (let number = 1; number <= 600; number++) request(world, "a", session, number);
  world.until("a has compacted its log", () => world.node("a").core.log.base.seqno > 0);
  world.sliceMs = 20;
  let restored = 0;
  world.watch = (id, _core, step) => {
    const parts = step().filter(({ type }) => type === "restored").length;
    if (id !== "c") return;
    assert.ok(parts <= 1, `${parts} in one step`);
    restored += parts;
  };
  world.restart("c");
  world.until("c is a member again", () => world.members("a") === "abc" && world.members("c") === "abc", 20_000);
  const chunks = world.node("c").disk.snapshot?.chunks.length ?? 0;
  assert.ok(chunks > 20, `${chunks} chunks`);
  assert.is(restored, chunks + 1, "every chunk, and the end");
  assert.is(world.node("c").core.state.hash, world.node("a").core.state.hash);
});

test("a snapshot is taken when so much has been executed, not when so much is in the log", () => {
  const world = start(["a"], { snapshotEveryBytes: 1500 });
  const session = open(world, "a");
  world.sliceMs = 30;
  burst(world, session, MANY);
  world.until("a snapshot is saved", () => world.node("a").core.snapshot !== undefined);
  const { core } = world.node("a");
  const entries = core.log
    .slice(1, Number.POSITIVE_INFINITY)
    .filter(({ seqno }) => seqno <= (core.snapshot?.at.seqno ?? 0));
  const covered = entries.reduce((sum, entry) => sum + entry.bytes.length, 0);
  assert.ok(covered >= 1500, `a snapshot after ${covered} bytes`);
});

test.run();
