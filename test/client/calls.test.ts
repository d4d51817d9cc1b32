// How calls end: replies, queries, time limits, signals, and the close of the client.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { SessionChange } from "../../src/client/contract.ts";
import { encodeReply } from "../../src/protocol/calls.ts";
import { MachineError, ViewstampError } from "../../src/protocol/errors.ts";
import { type Node, numbers, obey, onlySessions, refuse, World, watch } from "./world.ts";

function pair(): { world: World; a: Node; b: Node } {
  const world = new World();
  const [a, b] = [world.node("a"), world.node("b")];
  a.follow(a, 1);
  b.follow(a, 1);
  world.dice = [0];
  return { world, a, b };
}

test("a machine's refusal and failure are thrown again at the client", async () => {
  const { world, a } = pair();
  const replies = [
    encodeReply({ type: "refused", code: "OUT_OF_STOCK", data: { have: 2 } }),
    encodeReply({ type: "failed", code: "MachineFailed", text: "the machine threw" }),
    new Uint8Array([1, 2, 3]),
  ];
  a.answer = (message, end) =>
    message.type === "request"
      ? [{ type: "reply", session: message.session, number: message.number, body: replies[message.number - 1]! }]
      : obey(message, end);
  const client = world.client();
  const calls = [1, 2, 3].map((input) => watch(client.execute("m", "put", input)));
  await world.settle();
  assert.instance(calls[0]?.error, MachineError);
  assert.is(calls[0]?.code, "OUT_OF_STOCK");
  assert.equal(calls[0]?.error?.data, { have: 2 });
  assert.instance(calls[1]?.error, ViewstampError);
  assert.is(calls[1]?.code, "MachineFailed");
  assert.is(calls[2]?.code, "BadMessage");
});

test("a query needs no session and is asked at the primary", async () => {
  const { world, a, b } = pair();
  world.dice = [0.9];
  const client = world.client();
  const call = watch(client.ask("m", "get", "x"));
  await world.settle();
  assert.is(call.value, "x");
  assert.equal(
    a.taken().map((message) => message.type === "query" && message.consistency),
    ["linearizable"],
  );
  assert.equal(b.taken(), []);
  assert.is(client.session, undefined);
});

test("a local query is asked of any replica, also while there is no primary", async () => {
  const { world, a, b } = pair();
  a.down = true;
  world.dice = [0.9];
  const client = world.client();
  const [local, linearizable] = [
    watch(client.ask("m", "get", "x", { consistency: "local" })),
    watch(client.ask("m", "get", "y")),
  ];
  await world.pass(500);
  assert.is(local.value, "x");
  assert.is(linearizable.state, "waiting");
  assert.is(b.taken().length, 1);
});

test("queries are asked again after BUSY and on a new connection", async () => {
  const { world, a, b } = pair();
  let busy = 3;
  a.answer = (message) =>
    message.type === "query" && busy-- > 0
      ? [{ type: "declined", xid: message.xid, code: "BUSY", outcomeUnknown: false, text: "" }]
      : [];
  const client = world.client();
  const call = watch(client.ask("m", "get", "x"));
  await world.pass(300);
  assert.is(a.taken().length, 4);
  a.kill();
  b.follow(b, 2);
  await world.pass(300);
  assert.is(call.value, "x");
});

test("a local query that is refused is asked again with pauses", async () => {
  const { world, a } = pair();
  let refusals = 0;
  a.answer = (message, end) =>
    message.type === "query" && refusals++ < 4
      ? [{ type: "declined", xid: message.xid, code: "BUSY", outcomeUnknown: false, text: "" }]
      : obey(message, end);
  const call = watch(world.client().ask("m", "get", "x", { consistency: "local" }));
  await world.settle();
  assert.ok(refusals < 4, String(refusals));
  await world.pass(500);
  assert.is(call.value, "x");
});

test("a query that the cluster finds invalid rejects", async () => {
  const { world, a } = pair();
  a.answer = (message) =>
    message.type === "query"
      ? [{ type: "declined", xid: message.xid, code: "INVALID", outcomeUnknown: false, text: "too long" }]
      : [];
  const call = watch(world.client().ask("m", "get", "x"));
  await world.settle();
  assert.is(call.code, "InvalidInput");
});

test("what the codec cannot carry, or a node takes no more, rejects before anything is sent", async () => {
  const { world, a } = pair();
  const client = world.client();
  await world.settle();
  const calls = [
    watch(client.execute("m", "put", () => 1)),
    watch(client.execute("m", "put", new Uint8Array(10_001))),
    watch(client.ask("m", "get", new Uint8Array(10_001))),
  ];
  await world.settle();
  assert.equal(
    calls.map(({ code }) => code),
    ["InvalidInput", "InvalidInput", "InvalidInput"],
  );
  assert.equal(a.taken(), []);
});

test("a call without an answer rejects with Timeout, which says whether it may be done", async () => {
  const { world, a } = pair();
  a.answer = onlySessions;
  const client = world.client({ silenceMs: 1_000_000 });
  const sent = watch(client.execute("m", "put", 1));
  const query = watch(client.ask("m", "get", 1));
  await world.pass(29_999);
  assert.is(sent.state, "waiting");
  await world.pass(1);
  assert.is(sent.code, "Timeout");
  assert.is(sent.error?.outcomeUnknown, true);
  assert.match(String(sent.error?.message), /m\.put had no answer within 30000 ms.*may still be done/);
  assert.is(query.error?.outcomeUnknown, false, "a query does nothing");
});

test("timeoutMs of a call wins over that of the client", async () => {
  const { world, a } = pair();
  a.answer = onlySessions;
  const client = world.client({ timeoutMs: 200, silenceMs: 1_000_000 });
  const calls = [undefined, 100, 300].map((timeoutMs) =>
    watch(client.execute("m", "put", 1, timeoutMs === undefined ? {} : { timeoutMs })),
  );
  const codes = (): (string | undefined)[] => calls.map(({ code }) => code);
  await world.pass(150);
  assert.equal(codes(), [undefined, "Timeout", undefined]);
  await world.pass(100);
  assert.equal(codes(), ["Timeout", "Timeout", undefined]);
  await world.pass(100);
  assert.equal(codes(), ["Timeout", "Timeout", "Timeout"]);
});

test("a command that was refused each time it was sent is known not to be done", async () => {
  const { world, a } = pair();
  a.answer = (message, end) => (message.type === "request" ? [refuse(message, "BUSY")] : obey(message, end));
  const call = watch(world.client().execute("m", "put", 1, { timeoutMs: 1000 }));
  await world.pass(1000);
  assert.is(call.code, "Timeout");
  assert.is(call.error?.outcomeUnknown, false);
  assert.equal(call.error?.data?.["lastRefusal"], { code: "BUSY", text: "because", forMs: 1000 });
  assert.is((call.error?.cause as ViewstampError | undefined)?.code, "Busy");
  assert.match(String(call.error?.message), /memory:\/\/a has answered BUSY \(because\) for 1000 ms/);
});

test("a command that was refused once after it may have been stamped is in doubt for good", async () => {
  const { world, a } = pair();
  let first = true;
  a.answer = (message, end) => {
    if (message.type !== "request") return obey(message, end);
    const unknown = first;
    first = false;
    return [refuse(message, "BUSY", unknown)];
  };
  const call = watch(world.client().execute("m", "put", 1, { timeoutMs: 500 }));
  await world.pass(500);
  assert.is(call.error?.outcomeUnknown, true);
});

test("a command lost with its connection is in doubt, whatever the next primary says", async () => {
  const { world, a, b } = pair();
  a.answer = onlySessions;
  b.answer = (message, end) => (message.type === "request" ? [refuse(message, "BUSY")] : obey(message, end));
  const call = watch(world.client().execute("m", "put", 1, { timeoutMs: 500 }));
  await world.settle();
  a.kill();
  b.follow(b, 2);
  await world.pass(500);
  assert.ok(b.requests().length > 1);
  assert.is(call.error?.outcomeUnknown, true);
});

test("a Timeout names the addresses that do not answer", async () => {
  const { world, a, b } = pair();
  a.down = true;
  b.mute = true;
  const call = watch(world.client().execute("m", "put", 1, { timeoutMs: 3000 }));
  await world.pass(3000);
  assert.is(call.code, "Timeout");
  assert.is(call.error?.outcomeUnknown, false);
  assert.equal(call.error?.data?.["missing"], [a.url, b.url]);
  assert.is((call.error?.cause as ViewstampError | undefined)?.code, "NoQuorum");
  assert.match(String(call.error?.message), /memory:\/\/a \(connection refused\), memory:\/\/b \(no answer within/);
});

test("a Timeout without a primary says so", async () => {
  const { world, a } = pair();
  a.down = true;
  const call = watch(world.client().execute("m", "put", 1, { timeoutMs: 1000 }));
  await world.pass(1000);
  assert.match(String(call.error?.message), /no primary is to be found; without an answer: memory:\/\/a/);
});

test("an aborted call rejects at once with the signal's reason", async () => {
  const { world, a } = pair();
  a.answer = onlySessions;
  const client = world.client();
  const controller = new AbortController();
  const { signal } = controller;
  const calls = [
    watch(client.execute("m", "put", 1, { signal })),
    watch(client.ask("m", "get", 1, { signal })),
    watch(client.openSession({ signal })),
  ];
  await world.settle();
  const reason = new Error("not needed");
  controller.abort(reason);
  await Promise.resolve();
  assert.is(calls[0]?.error, reason);
  assert.is(calls[1]?.error, reason);
  assert.is(calls[2]?.state, "resolved", "it was answered before");
});

test("a signal that is aborted already sends nothing", async () => {
  const { world, a } = pair();
  const client = world.client();
  const signal = AbortSignal.abort("why");
  const calls = [watch(client.execute("m", "put", 1, { signal })), watch(client.ask("m", "get", 1, { signal }))];
  await world.settle();
  assert.equal(
    calls.map(({ error }) => error),
    ["why", "why"],
  );
  assert.equal(a.taken(), []);
});

test("a query given up before it was sent is never sent", async () => {
  const { world, a, b } = pair();
  a.down = true;
  b.down = true;
  const client = world.client();
  const controller = new AbortController();
  watch(client.ask("m", "get", 1, { signal: controller.signal }));
  watch(client.ask("m", "get", 2, { signal: controller.signal, consistency: "local" }));
  await world.pass(100);
  controller.abort();
  a.down = false;
  await world.pass(1000);
  assert.is(a.open.length, 1);
  assert.equal(a.taken(), []);
});

test("a signal of a call that has ended is let go", async () => {
  const { world } = pair();
  const controller = new AbortController();
  let listeners = 0;
  const { signal } = controller;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...given: Parameters<typeof add>) => {
    listeners++;
    add(...given);
  };
  signal.removeEventListener = (...given: Parameters<typeof remove>) => {
    listeners--;
    remove(...given);
  };
  const client = world.client();
  watch(client.execute("m", "put", 1, { signal }));
  assert.is(listeners, 1);
  await world.settle();
  assert.is(listeners, 0);
});

test("many calls share one timer", async () => {
  const { world, a } = pair();
  a.answer = onlySessions;
  const client = world.client();
  watch(client.openSession());
  await world.settle();
  const before = world.timers;
  for (let n = 0; n < 500; n++) watch(client.execute("m", "put", n, { timeoutMs: 1000 + n }));
  assert.ok(world.timers <= before + 2, String(world.timers - before));
});

test("wrong options of a call reject before anything is sent", async () => {
  const { world, a } = pair();
  const client = world.client();
  const wrong: unknown[] = [
    { timeoutMs: 0 },
    { timeoutMs: Number.NaN },
    { timeoutMs: 2 ** 31 },
    { timeoutMs: "5" },
    { timeout: 5 },
    { consistency: "local" },
    { signal: {} },
    null,
  ];
  for (const options of wrong) {
    const call = watch(client.execute("m", "put", 1, options as object));
    await world.settle();
    assert.is(call.code, "InvalidOptions", JSON.stringify(options));
  }
  const query = watch(client.ask("m", "get", 1, { consistency: "eventual" as "local" }));
  await world.settle();
  assert.is(query.code, "InvalidOptions");
  assert.equal(a.taken(), []);
});

test("a change of membership goes to the primary and is refused with its reason", async () => {
  const { world, a } = pair();
  const client = world.client();
  const added = watch(client.change("add", "d", "memory://d"));
  await world.settle();
  assert.is(added.value, 9);
  a.answer = (message) =>
    message.type === "change"
      ? [{ type: "declined", xid: message.xid, code: "INVALID", outcomeUnknown: false, text: "d is a member" }]
      : [];
  const refused = watch(client.change("add", "d", "memory://d"));
  await world.settle();
  assert.is(refused.code, "ChangeRefused");
  assert.match(String(refused.error?.message), /add d was refused: d is a member/);
});

test("close ends the session in good order, then the connections, and leaves no timer", async () => {
  const { world, a } = pair();
  const client = world.client();
  watch(client.openSession());
  await world.settle();
  a.taken();
  const closed = watch(client.close());
  assert.is(closed.state, "waiting");
  await world.settle();
  assert.is(closed.state, "resolved");
  assert.equal(
    a.taken().map(({ type }) => type),
    ["end"],
  );
  assert.is(a.open.length, 0);
  assert.is(world.timers, 0);
});

test("close without a session is done at once, in every state of the connection", async () => {
  const states: ((world: World, a: Node) => Promise<void> | void)[] = [
    () => {},
    (world) => world.settle(),
    async (world, a) => {
      a.mute = true;
      await world.pass(100);
    },
    async (world, a) => {
      a.down = true;
      await world.pass(100);
    },
    async (world, a) => {
      a.reply = { accepted: false, code: "WrongMachine", text: "" };
      await world.pass(100);
    },
  ];
  for (const [n, reach] of states.entries()) {
    const world = new World();
    const a = world.node("a");
    const client = world.client();
    await reach(world, a);
    const closed = watch(client.close());
    await world.settle();
    assert.is(closed.state, "resolved", `state ${n}`);
    assert.is(world.timers, 0, `state ${n}`);
    assert.is(a.open.length, 0, `state ${n}`);
    const dials = a.dials.length;
    await world.pass(10_000);
    assert.is(a.dials.length, dials, `state ${n}`);
  }
});

test("close waits no longer than closeMs for a cluster that does not answer", async () => {
  const { world, a, b } = pair();
  const client = world.client();
  watch(client.openSession());
  await world.settle();
  a.kill();
  b.down = true;
  await world.pass(100);
  const closed = watch(client.close());
  await world.pass(999);
  assert.is(closed.state, "waiting");
  await world.pass(1);
  assert.is(closed.state, "resolved");
  assert.is(world.timers, 0);
});

test("close follows the primary to end the session there, also after BUSY", async () => {
  const { world, a, b } = pair();
  const client = world.client();
  watch(client.openSession());
  await world.settle();
  a.kill();
  let busy = 2;
  b.answer = (message, end) =>
    message.type === "end" && busy-- > 0
      ? [{ type: "declined", xid: message.xid, code: "BUSY", outcomeUnknown: false, text: "" }]
      : obey(message, end);
  const closed = watch(client.close());
  b.follow(b, 2);
  await world.pass(500);
  assert.is(closed.state, "resolved");
  assert.is(b.taken().filter(({ type }) => type === "end").length, 3);
});

test("a session that is over already needs no end", async () => {
  const { world, a } = pair();
  const client = world.client();
  watch(client.openSession());
  await world.settle();
  a.answer = (message) =>
    message.type === "end"
      ? [{ type: "declined", xid: message.xid, code: "SESSION_EXPIRED", outcomeUnknown: false, text: "" }]
      : [];
  const closed = watch(client.close());
  await world.settle();
  assert.is(closed.state, "resolved");
});

test("close rejects what is under way with Closed, and what comes later", async () => {
  const { world, a } = pair();
  a.answer = onlySessions;
  const client = world.client();
  const changes: SessionChange[] = [];
  client.onSession((change) => changes.push(change));
  const sent = watch(client.execute("m", "put", 1));
  const query = watch(client.ask("m", "get", 1));
  await world.settle();
  const leaving = watch(client.execute("m", "put", 2));
  const closed = client.close();
  const later = [watch(client.execute("m", "put", 3)), watch(client.ask("m", "get", 1)), watch(client.openSession())];
  await world.settle();
  for (const call of [sent, query, leaving, ...later]) assert.is(call.code, "Closed");
  assert.is(sent.error?.outcomeUnknown, true);
  assert.is(later[0]?.error?.outcomeUnknown, false);
  assert.equal(changes.at(-1), { type: "lost", id: "1.7", reason: "the client was closed" });
  assert.is(client.close(), closed, "the same promise each time");
  assert.is(numbers(a.requests()), "1 2", "it was on its way already");
  assert.is(leaving.error?.outcomeUnknown, true);
});

test("close before the session is open does not wait for it", async () => {
  const { world, a } = pair();
  a.answer = () => [];
  const client = world.client();
  const call = watch(client.execute("m", "put", 1));
  await world.settle();
  const closed = watch(client.close());
  await world.settle();
  assert.is(closed.state, "resolved");
  assert.is(call.code, "Closed");
});

test("a long life leaves nothing behind", async () => {
  const { world, a, b } = pair();
  const client = world.client();
  for (let n = 0; n < 50; n++) {
    const call = watch(client.execute("m", "put", n));
    await world.pass(n % 5 === 0 ? 700 : 10);
    assert.is(call.value, n);
    const [from, to] = n % 2 === 0 ? [a, b] : [b, a];
    from.follow(to, n + 2);
    to.follow(to, n + 2);
    await world.settle();
  }
  assert.ok(world.timers <= 3, String(world.timers));
  assert.is(a.open.length + b.open.length, 1);
});

test("a session that could not be opened is told in words, and not by the name of our own function", async () => {
  const world = new World();
  world.node("a").answer = () => [];
  const opened = watch(world.client().openSession({ timeoutMs: 300 }));
  await world.pass(400);
  assert.match(String(opened.error?.message), /^opening a session had no answer within 300 ms/);
});

test.run();
