// Locks that a client keeps after use, when sessions end, requests are given up, answers are lost.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { LockClient } from "../../src/locks/client.ts";
import type { AcquiredLock, Lock } from "../../src/locks/client-types.ts";
import type { ViewstampError } from "../../src/protocol/errors.ts";
import { keep, setUp, use } from "./cache-support.ts";
import { codeOf, held, inTime, watch } from "./support.ts";
import { settled } from "./world.ts";

test("a kept lock is not used after its session's deadline, not even for a moment", async () => {
  for (const jump of [100, 101, 5000]) {
    const { world, a } = setUp();
    a.core.checksItself = true;
    const token = await keep(world, a);
    a.core.trustUntil(world.clock.now() + 100);
    const before = await a.locks.acquire("x");
    void before.release();
    world.clock.jump(jump);
    const late = watch(a.locks.acquire("x"));
    await settled();
    assert.not(late.isSettled, `after ${jump} ms`);
    await world.clock.advance(10);
    assert.ok((late.value as AcquiredLock).token > token + (1n << 24n), "under a session and a tenure of its own");
  }
});

test("those who wait for a kept lock when its session is lost claim anew, in their order", async () => {
  const { world, a, b } = setUp();
  await keep(world, a);
  const order: string[] = [];
  const holder = watch(a.locks.request("x", () => new Promise<void>(() => {})));
  const done = ["a2", "a3"].map((who) => a.locks.request("x", () => void order.push(who)));
  await settled();
  a.core.lose("planted");
  done.push(a.locks.request("x", () => void order.push("a4")));
  await settled();
  assert.is(codeOf(holder.error), "LockLost");
  await inTime(world, Promise.all(done));
  assert.equal(order, ["a2", "a3", "a4"]);
  assert.ok(await use(world, b));
});

test("a kept lock is not handed out before earlier requests of the same client are answered", async () => {
  const { world, a } = setUp();
  await keep(world, a);
  world.delays = { request: 0, reply: 30, notice: 0 };
  const order: string[] = [];
  const request = (name: string): Promise<unknown> => a.locks.request(name, () => void order.push(name));
  await inTime(world, Promise.all([request("y"), request("x"), request("z"), request("x")]));
  assert.ok(order.indexOf("y") < order.indexOf("x"));
  assert.ok(order.indexOf("z") < order.lastIndexOf("x"));
});

test("who waits in line for one lock holds up no kept one", async () => {
  const { world, a, b } = setUp();
  await keep(world, a);
  await use(world, b, "y");
  void watch(a.locks.acquire("y"));
  await world.clock.advance(10);
  const sent = a.core.done.length;
  await (await a.locks.acquire("x")).release();
  assert.is(a.core.done.length, sent);
});

test("an abort in the same turn wins over a kept lock", async () => {
  const { world, a } = setUp();
  await keep(world, a);
  const controller = new AbortController();
  let called = false;
  const aborted = watch(
    a.locks.request("x", { signal: controller.signal }, () => {
      called = true;
    }),
  );
  const behind = watch(a.locks.request("x", { signal: new AbortController().signal }, () => "behind"));
  await Promise.resolve();
  controller.abort();
  await world.clock.advance(10);
  assert.is(codeOf(aborted.error), "AbortError");
  assert.not(called);
  assert.is(behind.value, "behind");
});

test("whoever gives up waiting for a kept lock lets in those behind", async () => {
  const { world, a } = setUp();
  await keep(world, a);
  const reader = await a.locks.acquire("x", { mode: "shared" });
  const controller = new AbortController();
  const aborted = watch(a.locks.acquire("x", { signal: controller.signal }));
  const late = watch(a.locks.acquire("x", { timeoutMs: 50 }));
  const behind = watch(a.locks.acquire("x", { mode: "shared" }));
  await world.clock.advance(10);
  controller.abort();
  await world.clock.advance(10);
  assert.is(codeOf(aborted.error), "AbortError");
  assert.not(behind.isSettled);
  await world.clock.advance(50);
  assert.is(codeOf(late.error), "Timeout");
  assert.ok(behind.value);
  reader.assertHeld();
});

test("a kept lock that is stolen is gone, and whoever waited for it stands in line", async () => {
  const { world, a, b } = setUp();
  await keep(world, a);
  const old = watch(a.locks.request("x", () => new Promise<void>(() => {})));
  const waiting = watch(a.locks.acquire("x"));
  await settled();
  const stolen = await inTime(world, b.locks.acquire("x", { steal: true }));
  await world.clock.advance(10);
  assert.is(codeOf(old.error), "AbortError");
  assert.not(waiting.isSettled);
  void stolen.release();
  await world.clock.advance(10);
  assert.ok(waiting.value);
  await keep(world, a, "y");
  const other = await inTime(world, b.locks.acquire("y", { steal: true }));
  await world.clock.advance(10);
  assert.is(await inTime(world, a.locks.acquire("y", { ifAvailable: true })), null);
  other.assertHeld();
});

test("a kept lock that is not in use is given back to a thief, and its client cannot have it meanwhile", async () => {
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
    const { world, a, b } = setUp({ seed });
    const lost: unknown[] = [];
    const before = await use(world, a);
    before.signal.addEventListener("abort", () => lost.push(before.signal.reason));
    await inTime(world, before.release());
    world.delays = { request: 20, reply: 0, notice: 20 };
    const thief = watch(b.locks.acquire("x", { steal: true }));
    while (!thief.isSettled) await world.clock.advance(1);
    const late = watch(a.locks.acquire("x"));
    const only = watch(a.locks.acquire("x", { ifAvailable: true }));
    await world.clock.advance(100);
    const stolen = thief.value as AcquiredLock;
    stolen.assertHeld();
    assert.not(late.isSettled, `seed ${seed}`);
    assert.ok(only.isSettled && only.value === null);
    assert.equal(lost, []);
    assert.not(world.log.outstanding(a.core.session?.id ?? "").some(({ type }) => type === "stolen"));
    void stolen.release();
    await world.clock.advance(100);
    assert.ok((late.value as AcquiredLock).token > stolen.token);
  }
});

test("a thief that gets no answer does without one after a second", async () => {
  const { world, a, b } = setUp();
  const old = watch(a.locks.request("x", () => new Promise<void>(() => {})));
  await world.clock.advance(10);
  a.core.isCutOff = true;
  const thief = watch(b.locks.acquire("x", { steal: true }));
  await world.clock.advance(990);
  assert.not(thief.isSettled);
  await world.clock.advance(30);
  (thief.value as AcquiredLock).assertHeld();
  assert.not(old.isSettled);
  a.core.isCutOff = false;
  a.core.tellAgain();
  await world.clock.advance(10);
  assert.is(codeOf(old.error), "AbortError");
  const impatient = watch(a.locks.acquire("x", { steal: true, timeoutMs: 5 }));
  b.core.isCutOff = true;
  await world.clock.advance(20);
  assert.is(codeOf(impatient.error), "Timeout");
  b.core.isCutOff = false;
  await world.clock.advance(2000);
  assert.equal(await held(world), ["x 1.2"]);
});

test("a client that steals from itself leaves nothing to hand out meanwhile", async () => {
  const { world, a } = setUp();
  await keep(world, a);
  const stolen = watch(a.locks.acquire("x", { steal: true }));
  const behind = watch(a.locks.acquire("x"));
  await world.clock.advance(10);
  (stolen.value as AcquiredLock).assertHeld();
  assert.not(behind.isSettled);
});

test("a steal that crosses the answer of what is used ends those uses", async () => {
  const { world, a, b } = setUp();
  const c = world.client();
  for (const { locks } of [b, c])
    await inTime(
      world,
      locks.request("warm", { mode: "shared" }, () => {}),
    );
  await keep(world, a);
  const lost: unknown[] = [];
  const old = watch(
    a.locks.request("x", (lock) => {
      lock.signal.addEventListener("abort", () => lost.push((lock.signal.reason as ViewstampError).data["reason"]));
      return new Promise<void>(() => {});
    }),
  );
  await settled();
  a.core.failures.push({ code: "Busy", isExecuted: false }, { code: "Busy", isExecuted: false });
  const probe = watch(b.locks.acquire("x", { ifAvailable: true }));
  await world.clock.advance(0);
  const thief = watch(c.locks.acquire("x", { steal: true }));
  await world.clock.advance(500);
  assert.is(codeOf(old.error), "AbortError");
  assert.equal(lost, ["stolen"]);
  assert.is(probe.value, null);
  (thief.value as AcquiredLock).assertHeld();
  assert.equal(world.log.outstanding(a.core.session?.id ?? ""), []);
  assert.equal(await held(world), ["x 1.2"]);
});

test("an answer that meets trouble is said again, and a release waits for it", async () => {
  for (const isExecuted of [true, false]) {
    const { world, a, b } = setUp();
    await keep(world, a);
    const lock = await a.locks.acquire("x");
    a.core.failures.push({ code: "Timeout", isExecuted });
    const probe = watch(b.locks.acquire("x", { ifAvailable: true }));
    await world.clock.advance(1);
    const released = watch(lock.release());
    await world.clock.advance(500);
    assert.is(probe.value, null);
    assert.ok(released.isSettled && released.error === undefined);
    assert.equal(await held(world), []);
    assert.equal(world.log.outstanding(a.core.session?.id ?? ""), []);
  }
});

test("a lock whose tokens are used up is refilled ahead of need, or claimed anew", async () => {
  for (const [isRefilled, most] of [
    [true, 8],
    [false, 30],
  ] as const) {
    const { world, a } = setUp();
    world.tokens = 8;
    let last = await keep(world, a);
    const sent = a.core.done.length;
    for (let n = 0; n < 40; n++) {
      const taken = watch(a.locks.acquire("x"));
      await settled();
      while (!taken.isSettled) await world.clock.advance(1);
      const lock = taken.value as AcquiredLock;
      assert.ok(lock.token > last, "tokens increase");
      last = lock.token;
      void lock.release();
      if (isRefilled) await world.clock.advance(1);
    }
    const more = a.core.done.slice(sent);
    assert.ok(more.length <= most, more.join());
    assert.is(more.includes("acquire x"), !isRefilled);
    assert.ok(more.includes("refill x"));
  }
});

test("notices about another tenure are left alone", async () => {
  const { world, a } = setUp();
  const token = await keep(world, a);
  const sent = a.core.done.length;
  for (const wrong of [{ token: token + 1n }, { xid: 7 }, { name: "y" }, { answer: 1 }])
    a.core.noticed("1.1", { type: "revoke", name: "x", xid: 1, token, answer: true, ...wrong });
  await world.clock.advance(10);
  await a.locks.acquire("x");
  assert.is(a.core.done.length, sent);
});

test("with the cache off nothing is kept, and nobody is asked for an answer", async () => {
  const { world, a, b } = setUp({ cache: false });
  await keep(world, a);
  await use(world, a, "y");
  assert.ok(await inTime(world, b.locks.acquire("x", { ifAvailable: true })));
  assert.is(await inTime(world, b.locks.acquire("y", { ifAvailable: true })), null);
  assert.equal(a.core.done, ["acquire x", "release x", "acquire y"]);
});

test("what a cache can be told is checked", () => {
  const { a } = setUp();
  const wrong = [
    true,
    5,
    { size: 0 },
    { size: 1.5 },
    { idleMs: 0 },
    { idleMs: Number.NaN },
    { later: 1 },
    { size: "2" },
  ];
  for (const cache of wrong) {
    assert.throws(
      () => new LockClient(a.core, { cache: cache as never }),
      (error: unknown) => codeOf(error) === "InvalidOptions",
      JSON.stringify(cache),
    );
  }
});

test("close loses what is in use, and gives back what is kept", async () => {
  const { world, a, b } = setUp();
  await keep(world, a);
  const lock: Lock = await use(world, a, "y");
  const waiting = watch(a.locks.acquire("y"));
  await settled();
  void a.locks.close();
  await settled();
  assert.throws(() => lock.assertHeld(), /closed/);
  assert.is(codeOf(waiting.error), "Closed");
  assert.ok(await use(world, b));
  void b.locks.close();
  await world.clock.advance(10);
  assert.is(world.clock.timers, 0);
});

test("what is only kept does not count when the cluster is asked for as many locks as it allows", async () => {
  const { world, a } = setUp();
  for (const name of ["a", "b", "c"]) await keep(world, a, name);
  const names = (group: number): string[] => Array.from({ length: 64 }, (_, n) => `${group}/${n}`);
  const all = Array.from({ length: 256 }, (_, group) => a.locks.acquireAll(names(group)));
  await inTime(world, Promise.all(all));
  const more = watch(a.locks.acquire("more"));
  await world.clock.advance(10);
  assert.is(codeOf(more.error), "Overloaded");
});

test.run();
