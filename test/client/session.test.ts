// Opening a session, keeping it alive, and losing it in time.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { SessionChange } from "../../src/client/contract.ts";
import type { AdminCore } from "../../src/client/core.ts";
import type { ClientOptions } from "../../src/client/options.ts";
import { encodeNotice } from "../../src/protocol/calls.ts";
import { type Node, numbers, obey, onlySessions, refuse, replyTo, SESSION, World, watch } from "./world.ts";

interface Scene {
  readonly world: World;
  readonly a: Node;
  readonly client: AdminCore;
  readonly changes: SessionChange[];
}

/** One node, one client whose session is open. */
async function opened(options: Partial<ClientOptions> = {}): Promise<Scene> {
  const world = new World();
  const a = world.node("a");
  const client = world.client(options);
  const changes: SessionChange[] = [];
  client.onSession((change) => changes.push(change));
  const open = watch(client.openSession());
  await world.settle();
  assert.is(open.state, "resolved");
  a.taken();
  return { world, a, client, changes };
}

function keepAlives(node: Node): number {
  return node.taken().filter(({ type }) => type === "keepAlive").length;
}

test("openSession opens one session, however often it is asked for", async () => {
  const { world, a, client, changes } = await opened();
  const again = watch(client.openSession());
  await world.settle();
  assert.is(again.value, client.session);
  assert.equal(a.taken(), []);
  assert.equal(
    changes.map(({ type }) => type),
    ["opened"],
  );
  assert.is(client.session?.ttlMs, 10_000);
});

test("a session is kept alive every third of its TTL", async () => {
  const { world, a, client } = await opened({ sessionTtlMs: 3000 });
  await world.pass(999);
  assert.is(keepAlives(a), 0);
  await world.pass(1);
  assert.is(keepAlives(a), 1);
  await world.pass(10_000);
  assert.is(keepAlives(a), 10);
  assert.ok(client.session !== undefined);
});

test("trust counts from before the confirmed keep-alive was sent, shortened by the drift", async () => {
  const { world, a, client } = await opened({ sessionTtlMs: 3000 });
  assert.is(client.session?.trustedUntil, 1000 + 2970);
  a.answer = () => [];
  await world.pass(1000);
  const [question] = a.taken();
  await world.pass(400);
  assert.is(client.session?.trustedUntil, 1000 + 2970, "no answer, no trust");
  a.end.send({ type: "keptAlive", xid: question?.type === "keepAlive" ? question.xid : 0 });
  await world.settle();
  assert.is(client.session?.trustedUntil, 2000 + 2970);
});

test("an answer to another question is no confirmation", async () => {
  const { world, a, client } = await opened({ sessionTtlMs: 3000 });
  a.answer = () => [];
  await world.pass(1000);
  a.taken();
  a.end.send({ type: "keptAlive", xid: 1 });
  await world.settle();
  assert.is(client.session?.trustedUntil, 1000 + 2970);
});

test("the session is reported lost when trust ends, before any call is told", async () => {
  const { world, a, client, changes } = await opened({ sessionTtlMs: 3000, silenceMs: 100_000 });
  a.answer = () => [];
  const order: string[] = [];
  client.onSession(({ type }) => order.push(`session ${type}`));
  const call = client.execute("m", "put", 1, { timeoutMs: 100_000 });
  call.catch(() => order.push("call"));
  const outcome = watch(call);
  await world.pass(2969);
  assert.is(changes.at(-1)?.type, "opened");
  await world.pass(1);
  assert.equal(changes.at(-1), { type: "lost", id: "1.7", reason: "no keep-alive was confirmed in time" });
  assert.equal(order, ["session lost", "call"]);
  assert.is(outcome.code, "SessionExpired");
  assert.is(outcome.error?.outcomeUnknown, true);
  assert.is(client.session, undefined);
});

test("a process that was stopped hears of the loss before anything else is done for it", async () => {
  const { world, a, client, changes } = await opened({ sessionTtlMs: 3000 });
  a.answer = onlySessions;
  const call = watch(client.execute("m", "put", 1));
  await world.settle();
  // SIGSTOP: time passes, nothing runs; then the reply that lay in the socket comes first.
  world.time += 60_000;
  a.end.send(...a.requests().map(replyTo));
  world.settleNow();
  assert.is(changes.at(-1)?.type, "lost");
  await world.settle();
  assert.is(call.code, "SessionExpired");
});

test("whoever looks at the session first after a stop sees that it is over", async () => {
  const { world, client, changes } = await opened({ sessionTtlMs: 3000 });
  world.time += 2970;
  assert.is(client.session, undefined);
  assert.is(changes.at(-1)?.type, "lost");
});

test("a wall clock that ran ahead of the monotonic one is a machine that slept", async () => {
  const { world, client, changes } = await opened({ sessionTtlMs: 3000 });
  world.wallAhead = 2969;
  assert.ok(client.session !== undefined);
  world.wallAhead = 2970;
  assert.is(client.session, undefined);
  assert.is(changes.at(-1)?.type, "lost");
});

test("a machine that slept finds out within a second that its session is over, though nobody asks", async () => {
  const { world, changes } = await opened({ sessionTtlMs: 60_000 });
  world.wallAhead = 120_000;
  await world.pass(1000);
  assert.is(changes.at(-1)?.type, "lost");
});

test("a wall clock that was set back changes nothing", async () => {
  const { world, client } = await opened({ sessionTtlMs: 3000 });
  world.wallAhead = -1_000_000;
  await world.pass(60_000);
  assert.ok(client.session !== undefined);
});

test("a wall clock that was set back does not make the session live longer", async () => {
  const { world, a, changes } = await opened({ sessionTtlMs: 3000, silenceMs: 100_000 });
  a.answer = () => [];
  world.wallAhead = -1_000_000;
  await world.pass(2970);
  assert.is(changes.at(-1)?.type, "lost");
});

test("a wall clock that jumps while the session is kept alive counts from the next confirmation", async () => {
  const { world, client } = await opened({ sessionTtlMs: 3000 });
  world.wallAhead = 1500;
  await world.pass(1000);
  world.wallAhead = 3000;
  await world.pass(60_000);
  assert.ok(client.session !== undefined);
});

test("SESSION_EXPIRED rejects everything unanswered, and the next command opens a new session", async () => {
  const { world, a, client, changes } = await opened();
  let expired = false;
  a.answer = (message, end) => {
    if (message.type === "open")
      return [{ type: "opened", xid: message.xid, session: { vid: 2, seqno: 9 }, ttlMs: message.ttlMs }];
    if (message.type === "request" && !expired && message.number === 2) {
      expired = true;
      return [refuse(message, "SESSION_EXPIRED")];
    }
    return message.type === "request" && message.session.seqno === 7 ? [] : obey(message, end);
  };
  const calls = [1, 2, 3].map((input) => watch(client.execute("m", "put", input)));
  await world.settle();
  assert.equal(
    calls.map(({ code, error }) => [code, error?.outcomeUnknown]),
    [1, 2, 3].map(() => ["SessionExpired", true]),
  );
  assert.equal(changes.at(-1), { type: "lost", id: "1.7", reason: "the cluster has ended it" });
  a.taken();
  const next = watch(client.execute("m", "put", 4));
  await world.settle();
  assert.is(next.state, "resolved");
  assert.is(client.session?.id, "2.9");
  assert.is(numbers(a.requests()), "1");
});

test("an expired keep-alive ends the session as well", async () => {
  const { world, a, client, changes } = await opened();
  a.answer = (message, end) =>
    message.type === "keepAlive"
      ? [{ type: "declined", xid: message.xid, code: "SESSION_EXPIRED", outcomeUnknown: false, text: "" }]
      : obey(message, end);
  await world.pass(4000);
  assert.is(changes.at(-1)?.type, "lost");
  assert.is(client.session, undefined);
});

test("a wall clock that was set back hides no sleep, before it or after it", async () => {
  for (const set of ["before", "after"]) {
    const { world, a, client } = await opened({ sessionTtlMs: 3000 });
    a.answer = () => [];
    if (set === "before") world.wallAhead -= 60_000;
    assert.ok(client.session !== undefined, "a wall clock that is set back is no reason to worry");
    world.wallAhead += 2000;
    assert.ok(client.session !== undefined, "it has slept for less than its session's time");
    if (set === "after") world.wallAhead -= 60_000;
    assert.ok((client.session?.trustedUntil ?? 0) <= 2000);
    await world.pass(900);
    assert.ok(client.session !== undefined);
    await world.pass(100);
    assert.is(client.session, undefined);
  }
});

test("what is confirmed late is trusted from when it was asked, also if the machine has slept meanwhile", async () => {
  const { world, a, client } = await opened({ sessionTtlMs: 3000 });
  let answer = (): void => {};
  a.answer = (message, end) => {
    if (message.type === "keepAlive") answer = () => end.send({ type: "keptAlive", xid: message.xid });
    return [];
  };
  await world.pass(1000);
  world.wallAhead -= 60_000;
  assert.ok(client.session !== undefined);
  world.wallAhead += 1500;
  answer();
  await world.settle();
  assert.ok((client.session?.trustedUntil ?? 0) <= 2000 + 2970 - 1500);
});

test("a command that was never sent is known not to be done when the session ends", async () => {
  const { world, a, client } = await opened({ sessionTtlMs: 3000 });
  a.kill();
  await world.settle();
  const call = watch(client.execute("m", "put", 1));
  await world.pass(3000);
  assert.is(call.code, "SessionExpired");
  assert.is(call.error?.outcomeUnknown, false);
});

test("a keep-alive leaves at once on every new connection to a primary, to attach it for notices", async () => {
  const world = new World();
  const [a, b] = [world.node("a"), world.node("b")];
  b.follow(a, 1);
  world.dice = [0];
  const client = world.client();
  const heard: unknown[] = [];
  client.onNotice("m", (notice, session) => heard.push([notice, session]));
  watch(client.openSession());
  await world.settle();
  a.kill();
  b.follow(b, 2);
  await world.settle();
  assert.is(keepAlives(b), 1);
  b.end.send({ type: "notice", session: SESSION, body: encodeNotice("m", { lock: "x" }) });
  b.end.send({ type: "notice", session: SESSION, body: encodeNotice("other", 1) });
  b.end.send({ type: "notice", session: { vid: 1, seqno: 6 }, body: encodeNotice("m", "of an older session") });
  await world.settle();
  assert.equal(heard, [[{ lock: "x" }, "1.7"]]);
});

test("a keep-alive follows news of the primary, which may have forgotten who is attached", async () => {
  const { world, a } = await opened();
  a.tell({ ...a.news, vid: 2 });
  await world.settle();
  assert.is(keepAlives(a), 1);
});

test("a keep-alive that is BUSY is sent again", async () => {
  const { world, a, client } = await opened({ sessionTtlMs: 3000 });
  let busy = 4;
  a.answer = (message, end) =>
    message.type === "keepAlive" && busy-- > 0
      ? [{ type: "declined", xid: message.xid, code: "BUSY", outcomeUnknown: false, text: "" }]
      : obey(message, end);
  await world.pass(1500);
  assert.is(keepAlives(a), 5);
  assert.ok((client.session?.trustedUntil ?? 0) > 2000 + 2970);
});

test("an open that is BUSY, or lost with its connection, is sent again", async () => {
  const world = new World();
  const [a, b] = [world.node("a"), world.node("b")];
  b.follow(a, 1);
  world.dice = [0];
  let busy = 2;
  a.answer = (message, end) => {
    if (message.type !== "open") return obey(message, end);
    return busy-- > 0 ? [{ type: "declined", xid: message.xid, code: "BUSY", outcomeUnknown: false, text: "" }] : [];
  };
  const client = world.client();
  const call = watch(client.execute("m", "put", 1));
  await world.pass(100);
  assert.is(a.taken().filter(({ type }) => type === "open").length, 3);
  a.kill();
  b.follow(b, 2);
  await world.settle();
  assert.is(call.state, "resolved");
});

test("a session that took longer to open than it lives is not believed in", async () => {
  const world = new World();
  const a = world.node("a");
  a.answer = () => [];
  const client = world.client({ sessionTtlMs: 1000, silenceMs: 100_000 });
  const changes: SessionChange[] = [];
  client.onSession((change) => changes.push(change));
  const call = watch(client.execute("m", "put", 1));
  await world.settle();
  const [open] = a.taken();
  await world.pass(990);
  a.answer = obey;
  a.end.send({ type: "opened", xid: open?.type === "open" ? open.xid : 0, session: SESSION, ttlMs: 1000 });
  await world.settle();
  assert.is(call.state, "resolved", "a second one was opened");
  assert.equal(
    changes.map(({ type }) => type),
    ["opened"],
  );
});

test("a TTL that the cluster does not allow rejects with InvalidOptions", async () => {
  const world = new World();
  const a = world.node("a");
  a.answer = (message, end) =>
    message.type === "open"
      ? [{ type: "declined", xid: message.xid, code: "INVALID", outcomeUnknown: false, text: "at least 2000" }]
      : obey(message, end);
  const client = world.client({ sessionTtlMs: 1000 });
  const calls = [watch(client.execute("m", "put", 1)), watch(client.openSession())];
  await world.settle();
  assert.equal(
    calls.map(({ code }) => code),
    ["InvalidOptions", "InvalidOptions"],
  );
});

test("a handler that loses its session may call the client from there", async () => {
  const { world, client } = await opened({ sessionTtlMs: 3000 });
  const calls: ReturnType<typeof watch>[] = [];
  client.onSession(({ type }) => {
    if (type === "lost") calls.push(watch(client.execute("m", "put", 1)));
  });
  world.time += 3000;
  await world.pass(1000);
  assert.is(calls.length, 1);
  assert.is(calls[0]?.state, "resolved");
});

test("handlers are called until they are taken back", async () => {
  const { world, a, client } = await opened();
  const heard: unknown[] = [];
  const undo = client.onNotice("m", (notice) => heard.push(notice));
  a.end.send({ type: "notice", session: SESSION, body: encodeNotice("m", 1) });
  await world.settle();
  undo();
  a.end.send({ type: "notice", session: SESSION, body: encodeNotice("m", 2) });
  await world.settle();
  assert.equal(heard, [1]);
});

test("a notice that cannot be read is passed over", async () => {
  const { world, a, client } = await opened();
  const heard: unknown[] = [];
  client.onNotice("m", (notice) => heard.push(notice));
  a.end.send({ type: "notice", session: SESSION, body: new Uint8Array([1]) });
  a.end.send({ type: "notice", session: SESSION, body: encodeNotice("m", 2) });
  await world.settle();
  assert.equal(heard, [2]);
});

test("a handler that is added meanwhile hears of the next change only", async () => {
  const { world, client } = await opened({ sessionTtlMs: 3000 });
  const heard: string[] = [];
  client.onSession(() => client.onSession(({ type }) => heard.push(type)));
  world.time += 3000;
  assert.is(client.session, undefined);
  assert.equal(heard, []);
});

test("a handler that throws harms neither the client nor other handlers", async () => {
  const { world, client, changes } = await opened({ sessionTtlMs: 3000 });
  const thrown: unknown[] = [];
  const after: string[] = [];
  client.onSession(() => {
    throw new Error("a bug of the user's");
  });
  client.onSession(({ type }) => after.push(type));
  world.time += 3000;
  assert.is(client.session, undefined);
  try {
    world.settleNow();
  } catch (error) {
    thrown.push(error);
  }
  assert.is((thrown[0] as Error).message, "a bug of the user's");
  assert.equal(after, ["lost"]);
  assert.is(changes.at(-1)?.type, "lost");
});

test("a call that ends because every node refuses the client says so by the node; the session lives on", async () => {
  const { world, a, client, changes } = await opened();
  a.answer = onlySessions;
  const call = watch(client.execute("m", "c", 1));
  await world.settle();
  const { reply } = a;
  a.reply = { accepted: false, code: "WrongMachine", text: "another" };
  a.end.close();
  await world.pass(20);
  assert.is(call.code, "WrongMachine");
  assert.is(call.error?.data?.["url"], a.url);
  a.reply = reply;
  a.answer = obey;
  await world.pass(1500);
  assert.is(changes.length, 1);
  assert.ok(client.session);
});

test.run();
