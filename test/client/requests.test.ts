// Commands of a session: numbers, order, retries, skips.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { numbers, obey, onlySessions, refuse, replyTo, SESSION, World, watch } from "./world.ts";

test("a command opens a session, and its reply is the promise's result", async () => {
  const world = new World();
  const a = world.node("a");
  const client = world.client();
  const call = watch(client.execute("m", "put", { x: 1 }));
  await world.settle();
  assert.equal(call.value, { x: 1 });
  assert.equal(
    a.taken().map(({ type }) => type),
    ["open", "keepAlive", "request"],
  );
  assert.is(client.session?.id, "1.7");
});

test("nothing is sent before there is something to say", async () => {
  const world = new World();
  const a = world.node("a");
  world.client();
  await world.pass(60_000);
  assert.equal(a.taken(), []);
  assert.is(a.dials.length, 1);
});

test("calls are numbered in the order they are made, also while the session is being opened", async () => {
  const world = new World();
  const a = world.node("a");
  a.answer = () => [];
  const client = world.client();
  for (const input of [10, 20, 30]) watch(client.execute("m", "put", input));
  await world.settle();
  const open = a.taken();
  assert.equal(
    open.map(({ type }) => type),
    ["open"],
  );
  watch(client.execute("m", "put", 40));
  a.answer = obey;
  a.end.send({ type: "opened", xid: open[0]?.type === "open" ? open[0].xid : 0, session: SESSION, ttlMs: 10_000 });
  await world.settle();
  const requests = a.requests();
  assert.is(numbers(requests), "1 2 3 4");
});

test("all messages of a turn leave in one frame", async () => {
  const world = new World();
  const a = world.node("a");
  const client = world.client();
  await firstCall(world, client.execute("m", "put", 0));
  a.end.frames.length = 0;
  for (let n = 0; n < 64; n++) watch(client.execute("m", "put", n));
  watch(client.ask("m", "get", 1));
  await world.settle();
  assert.is(a.end.frames.length, 1);
});

test("frames stay below the largest that a transport carries", async () => {
  const world = new World();
  const a = world.node("a", { welcome: { maxBodyBytes: 100_000 } });
  const client = world.client();
  await firstCall(world, client.execute("m", "put", 0));
  a.taken();
  a.end.frames.length = 0;
  for (let n = 0; n < 20; n++) watch(client.execute("m", "put", new Uint8Array(90_000)));
  await world.settle();
  assert.is(a.requests().length, 20);
  assert.ok(a.end.frames.length > 1 && Math.max(...a.end.frames) < 2 ** 20, String(a.end.frames));
});

test("a retry on another primary keeps its number, and all outstanding ones go in one frame, in order", async () => {
  const world = new World();
  const [a, b] = [world.node("a"), world.node("b")];
  b.follow(a, 1);
  a.answer = onlySessions;
  world.dice = [0];
  const client = world.client();
  const calls = [1, 2, 3].map((input) => watch(client.execute("m", "put", input)));
  await world.settle();
  a.end.send(replyTo({ ...requestOf(a.requests(), 2) }));
  await world.settle();
  assert.is(calls[1]?.state, "resolved");
  a.kill();
  await world.settle();
  b.follow(b, 2);
  await world.settle();
  const again = b.taken();
  assert.equal(
    again.map(({ type }) => type),
    ["keepAlive", "request", "request"],
  );
  assert.is(numbers(again.filter((message) => message.type === "request")), "1 3");
  assert.is(b.end.frames.length, 1);
  assert.equal(
    calls.map(({ value }) => value),
    [1, 2, 3],
  );
});

test("replies may come in any order, and twice", async () => {
  const world = new World();
  const a = world.node("a");
  a.answer = onlySessions;
  const client = world.client();
  const calls = [1, 2, 3].map((input) => watch(client.execute("m", "put", input)));
  await world.settle();
  const sent = a.requests();
  for (const number of [3, 3, 1, 3, 2, 1]) a.end.send(replyTo(requestOf(sent, number)));
  await world.settle();
  assert.equal(
    calls.map(({ value }) => value),
    [1, 2, 3],
  );
  a.answer = obey;
  watch(client.execute("m", "put", 4));
  await world.settle();
  assert.is(requestOf(a.requests(), 4).acknowledgedThrough, 3);
});

test("only what has every reply before it is acknowledged", async () => {
  const world = new World();
  const a = world.node("a");
  a.answer = onlySessions;
  const client = world.client();
  for (const input of [1, 2, 3]) watch(client.execute("m", "put", input));
  await world.settle();
  const sent = a.requests();
  a.end.send(replyTo(requestOf(sent, 1)), replyTo(requestOf(sent, 3)));
  await world.settle();
  watch(client.execute("m", "put", 4));
  await world.settle();
  assert.is(requestOf(a.requests(), 4).acknowledgedThrough, 1);
});

test("a reply for another session is not taken", async () => {
  const world = new World();
  const a = world.node("a");
  a.answer = onlySessions;
  const client = world.client();
  const call = watch(client.execute("m", "put", 1));
  await world.settle();
  a.end.send(replyTo({ ...requestOf(a.requests(), 1), session: { vid: 1, seqno: 6 } }));
  await world.settle();
  assert.is(call.state, "waiting");
});

test("BUSY is tried again at once, then with growing pauses, in the order of the numbers", async () => {
  const world = new World();
  const a = world.node("a");
  let busy = 5;
  a.answer = (message, end) =>
    message.type === "request" && busy > 0 ? [refuse(message, "BUSY")] : obey(message, end);
  const client = world.client();
  const calls = [1, 2].map((input) => watch(client.execute("m", "put", input)));
  await world.settle();
  assert.is(numbers(a.requests()), "1 2 1 2", "the first retry is immediate");
  const pauses: number[] = [];
  const from = world.time;
  for (let ms = 0; ms < 500 && calls[1]?.state === "waiting"; ms++) {
    await world.pass(1);
    const sent = a.requests();
    if (sent.length > 0) {
      assert.is(numbers(sent), "1 2");
      pauses.push(world.time - from);
      busy--;
    }
  }
  assert.equal(
    calls.map(({ value }) => value),
    [1, 2],
  );
  assert.ok(
    pauses.length >= 5 && (pauses[3] as number) - (pauses[2] as number) > 3 * (pauses[0] as number),
    `${pauses}`,
  );
});

test("the pause after BUSY ends with a move to another primary", async () => {
  const world = new World();
  const [a, b] = [world.node("a"), world.node("b")];
  b.follow(a, 1);
  world.dice = [0];
  a.answer = (message, end) => (message.type === "request" ? [refuse(message, "BUSY")] : obey(message, end));
  const client = world.client();
  const call = watch(client.execute("m", "put", 1));
  await world.pass(150);
  for (const node of [b, a]) node.follow(b, 2);
  await world.settle();
  assert.is(call.state, "resolved");
});

test("news of an active primary end the pause after BUSY at once", async () => {
  const world = new World();
  const a = world.node("a");
  a.answer = (message, end) => (message.type === "request" ? [refuse(message, "BUSY")] : obey(message, end));
  const client = world.client();
  const call = watch(client.execute("m", "put", 1));
  await world.pass(300);
  a.taken();
  a.answer = obey;
  a.tell({ ...a.news });
  await world.settle();
  assert.is(call.state, "resolved");
  assert.is(numbers(a.requests()), "1");
});

test("after a refusal nothing overtakes what was refused", async () => {
  const world = new World();
  const a = world.node("a");
  a.answer = (message, end) => (message.type === "request" ? [refuse(message, "BUSY")] : obey(message, end));
  const client = world.client();
  watch(client.execute("m", "put", 1));
  await world.pass(100);
  a.taken();
  watch(client.execute("m", "put", 2));
  await world.settle();
  assert.is(numbers(a.requests()), "", "it waits for the pause");
  a.answer = obey;
  await world.pass(200);
  assert.is(numbers(a.requests()), "1 2");
});

test("a late refusal of what is answered changes nothing", async () => {
  const world = new World();
  const a = world.node("a");
  a.answer = onlySessions;
  const client = world.client();
  for (const input of [1, 2]) watch(client.execute("m", "put", input));
  await world.settle();
  const sent = a.requests();
  a.end.send(replyTo(requestOf(sent, 2)), refuse(requestOf(sent, 2), "BUSY"));
  await world.pass(500);
  assert.equal(a.requests(), []);
});

test("OVERLOADED is tried again later too", async () => {
  const world = new World();
  const a = world.node("a");
  let left = 3;
  a.answer = (message, end) =>
    message.type === "request" && left-- > 0 ? [refuse(message, "OVERLOADED")] : obey(message, end);
  const client = world.client();
  const call = watch(client.execute("m", "put", 1));
  await world.pass(1000);
  assert.is(call.state, "resolved");
});

test("INVALID rejects the call, and its number is filled by a skip", async () => {
  const world = new World();
  const a = world.node("a");
  a.answer = (message, end) =>
    message.type === "request" && message.number === 1 && !message.skip
      ? [refuse(message, "INVALID")]
      : obey(message, end);
  const client = world.client();
  const calls = [1, 2].map((input) => watch(client.execute("m", "put", input)));
  await world.settle();
  assert.is(calls[0]?.code, "InvalidInput");
  assert.match(String(calls[0]?.error?.message), /m\.put.*because/);
  assert.is(calls[1]?.state, "resolved");
  assert.is(numbers(a.requests()), "1 2 1s");
});

test("a number given up before it was sent goes out as a skip, so that later ones go on", async () => {
  const world = new World();
  const a = world.node("a");
  a.down = true;
  const client = world.client();
  const controller = new AbortController();
  const first = watch(client.execute("m", "put", 1, { signal: controller.signal }));
  const second = watch(client.execute("m", "put", 2));
  await world.pass(50);
  controller.abort(new Error("enough"));
  await world.settle();
  assert.is(first.error?.message, "enough");
  a.down = false;
  await world.pass(1000);
  assert.is(numbers(a.requests()), "1s 2");
  assert.is(second.state, "resolved");
});

test("a number given up after it was sent is resent as a skip only", async () => {
  const world = new World();
  const [a, b] = [world.node("a"), world.node("b")];
  b.follow(a, 1);
  world.dice = [0];
  a.answer = onlySessions;
  const client = world.client();
  const first = watch(client.execute("m", "put", 1, { timeoutMs: 100 }));
  const second = watch(client.execute("m", "put", 2));
  await world.pass(150);
  assert.is(first.code, "Timeout");
  assert.is(first.error?.outcomeUnknown, true);
  a.kill();
  b.follow(b, 2);
  await world.settle();
  const sent = b.requests();
  assert.is(numbers(sent), "1s 2");
  assert.is(sent[0]?.body.length, 0);
  assert.is(second.state, "resolved");
  watch(client.execute("m", "put", 3));
  await world.settle();
  assert.is(requestOf(b.requests(), 3).acknowledgedThrough, 2, "a skipped number is acknowledged as any other");
});

test("more than maxOutstanding are refused, and room comes back", async () => {
  const world = new World();
  const a = world.node("a");
  a.answer = onlySessions;
  const client = world.client({ maxOutstanding: 3 });
  const calls = [1, 2, 3, 4].map((input) => watch(client.execute("m", "put", input)));
  const query = watch(client.ask("m", "get", 1));
  await world.settle();
  assert.equal([calls[3]?.code, query.code], ["Overloaded", "Overloaded"]);
  assert.is(calls[3]?.error?.outcomeUnknown, false);
  for (const request of a.requests()) a.end.send(replyTo(request));
  await world.settle();
  a.answer = obey;
  const more = watch(client.execute("m", "put", 5));
  await world.settle();
  assert.is(more.state, "resolved");
});

test("a thousand calls keep their order and their replies over a change of primary", async () => {
  const world = new World();
  const [a, b] = [world.node("a"), world.node("b")];
  b.follow(a, 1);
  world.dice = [0];
  a.answer = (message, end) => (message.type === "request" && message.number % 3 !== 0 ? [] : obey(message, end));
  const client = world.client();
  const calls = Array.from({ length: 1000 }, (_, n) => watch(client.execute("m", "put", n)));
  await world.settle();
  a.kill();
  b.follow(b, 2);
  await world.settle();
  assert.ok(calls.every(({ value }, n) => value === n));
  const sent = b.requests().map(({ number }) => number);
  assert.equal(
    sent,
    Array.from({ length: 1000 }, (_, n) => n + 1).filter((n) => n % 3 !== 0),
  );
});

async function firstCall(world: World, first: Promise<unknown>): Promise<void> {
  const ready = watch(first);
  await world.settle();
  assert.is(ready.state, "resolved");
}

function requestOf<T extends { readonly number: number }>(requests: readonly T[], number: number): T {
  const found = requests.find((request) => request.number === number);
  if (found === undefined) throw new Error(`no request ${number}`);
  return found;
}

test.run();
