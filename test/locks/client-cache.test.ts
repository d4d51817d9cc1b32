// Locks that a client keeps after use: fast for itself, as if they were free for everybody else.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { keep, setUp, use } from "./cache-support.ts";
import { codeOf, gate, held, inTime, seen, timersLeft, watch } from "./support.ts";
import { settled } from "./world.ts";

test("a kept lock is taken again without a message, under greater tokens", async () => {
  const { world, a } = setUp();
  let last = await keep(world, a);
  const sent = a.core.done.length;
  for (let n = 0; n < 100; n++) {
    const lock = await a.locks.acquire("x");
    lock.assertHeld();
    assert.ok(lock.token > last);
    last = lock.token;
    await lock.release();
    assert.throws(() => lock.assertHeld(), /it was released/);
  }
  assert.is(a.core.done.length, sent);
});

test("a task that only takes a lock again and again lets others have it", async () => {
  const { world, a, b } = setUp();
  await keep(world, a);
  await keep(world, b, "warm");
  const other = watch(b.locks.acquire("x"));
  let rounds = 0;
  let roundsBefore = 0;
  const task = (async () => {
    while (rounds < 200) {
      const lock = await a.locks.acquire("x");
      if (!other.isSettled) roundsBefore = rounds;
      rounds++;
      world.clock.jump(0.3);
      await lock.release();
    }
  })();
  while (!other.isSettled) await world.clock.advance(1);
  assert.ok(roundsBefore < 20, `${roundsBefore} rounds`);
  void other.value?.release();
  await inTime(world, task);
  assert.is(rounds, 200);
});

test("a task that only tries to have a lock lets the one that uses it here come to its end", async () => {
  const { world, a } = setUp();
  await keep(world, a);
  const { opened, open } = gate();
  const holder = a.locks.request("x", () => opened);
  world.clock.setTimer(5, open);
  let tries = 0;
  const task = (async () => {
    while (!(await a.locks.request("x", { ifAvailable: true }, (lock) => lock !== null))) {
      assert.ok(++tries < 1000, "the turn never ends");
      world.clock.jump(0.3);
    }
  })();
  await inTime(world, task);
  await holder;
});

test("tasks of one client wait for each other without a message, in their order", async () => {
  const { world, a } = setUp();
  await keep(world, a);
  const sent = a.core.done.length;
  const order: number[] = [];
  await Promise.all([1, 2, 3].map((n) => a.locks.request("x", async () => void order.push(n))));
  assert.equal(order, [1, 2, 3]);
  assert.is(a.core.done.length, sent);
});

test("a callback is never called within its request, and not after close", async () => {
  const { world, a } = setUp();
  await keep(world, a);
  let calls = 0;
  const first = a.locks.request("x", () => ++calls);
  assert.is(calls, 0);
  await first;
  assert.is(calls, 1);
  const late = watch(a.locks.request("x", () => ++calls));
  void a.locks.close();
  await settled();
  assert.is(codeOf(late.error), "LockLost");
  assert.is(calls, 1);
});

test("who wants a lock that another keeps gets it at once, by one release", async () => {
  const { world, a, b } = setUp();
  const token = await keep(world, a);
  const lock = await use(world, b);
  assert.ok(lock.token > token);
  assert.equal(a.core.done, ["acquire x", "release x"]);
  assert.equal(b.core.done, ["acquire x"]);
});

test("a revoke that was lost with its primary comes again from the next", async () => {
  const { world, a, b } = setUp();
  await keep(world, a);
  a.core.isCutOff = true;
  const waiting = watch(b.locks.acquire("x"));
  await world.clock.advance(1000);
  assert.not(waiting.isSettled);
  a.core.isCutOff = false;
  a.core.tellAgain();
  a.core.tellAgain();
  await world.clock.advance(10);
  assert.ok(waiting.value);
});

test("a busy client passes the lock on after its present holder; its other tasks stand behind", async () => {
  const { world, a, b } = setUp();
  await keep(world, a);
  const order: string[] = [];
  const { opened, open } = gate();
  const tell = (who: string): Promise<void> => {
    order.push(who);
    return opened;
  };
  const done = ["a1", "a2", "a3"].map((who) => a.locks.request("x", () => tell(who)));
  done.push(b.locks.request("x", () => tell("b1")));
  await world.clock.advance(10);
  done.push(a.locks.request("x", () => tell("a4")));
  await world.clock.advance(10);
  assert.equal(order, ["a1"]);
  open();
  await inTime(world, Promise.all(done));
  assert.equal(order, ["a1", "b1", "a2", "a3", "a4"]);
});

test("the revoke may come before the grant", async () => {
  for (const how of ["wait", "ifAvailable"] as const) {
    const { world, a, b } = setUp();
    for (const { locks } of [a, b])
      await inTime(
        world,
        locks.request("warm", { mode: "shared" }, () => {}),
      );
    world.delays = { request: 0, reply: 100, notice: 0 };
    const first = watch(a.locks.acquire("x"));
    await world.clock.advance(0);
    const second = watch(b.locks.acquire("x", { ifAvailable: how === "ifAvailable" }));
    await world.clock.advance(300);
    assert.ok(first.value);
    assert.is(second.isSettled, how === "ifAvailable");
    if (how === "ifAvailable") assert.is(second.value, null);
    void first.value.release();
    await world.clock.advance(300);
    assert.is(second.value === null, how === "ifAvailable");
    assert.is(a.core.done.filter((command) => command === "release x").length, 1);
  }
});

test("a kept lock is available to others when it is not in use, and not when it is", async () => {
  const { world, a, b } = setUp();
  await keep(world, a);
  const got = await inTime(world, b.locks.acquire("x", { ifAvailable: true }));
  assert.ok(got);
  assert.is(await inTime(world, a.locks.acquire("x", { ifAvailable: true })), null);
  assert.is(await inTime(world, a.locks.acquire("x", { ifAvailable: true })), null);
  assert.is(b.core.done.filter((command) => command === "settle x").length, 1, "it answers once");
  got.assertHeld();
  await inTime(world, got.release());
  assert.ok(await inTime(world, a.locks.acquire("x", { ifAvailable: true })));
});

test("whoever waits for the end of shared uses is overtaken by nobody, not in the client that keeps the lock either", async () => {
  for (const queued of [false, true]) {
    const { world, a, b } = setUp();
    await keep(world, a);
    const first = await use(world, a, "x", queued ? "exclusive" : "shared");
    const reader = queued ? watch(a.locks.acquire("x", { mode: "shared" })) : { value: first };
    const writer = watch(a.locks.acquire("x"));
    await world.clock.advance(5);
    if (queued) await inTime(world, first.release());
    assert.is(await inTime(world, b.locks.acquire("x", { mode: "shared", ifAvailable: true })), null);
    const later = watch(b.locks.acquire("x", { mode: "shared" }));
    await world.clock.advance(30);
    assert.is(later.isSettled, false);
    await inTime(world, reader.value!.release());
    await world.clock.advance(30);
    assert.ok(writer.value);
    assert.is(later.isSettled, false);
    await inTime(world, writer.value.release());
    await world.clock.advance(30);
    assert.ok(later.value);
  }
});

test("ifAvailable is decided by the client that keeps the lock, and never overtakes its waiters", async () => {
  const { world, a } = setUp();
  await keep(world, a);
  const sent = a.core.done.length;
  const lock = await a.locks.acquire("x", { ifAvailable: true, mode: "shared" });
  assert.ok(lock);
  assert.ok(await a.locks.acquire("x", { ifAvailable: true, mode: "shared" }));
  assert.is(a.core.done.length, sent);
  const waiting = watch(a.locks.acquire("x"));
  await settled();
  assert.is(await inTime(world, a.locks.acquire("x", { ifAvailable: true, mode: "shared" })), null);
  assert.not(waiting.isSettled);
});

test("ifAvailable waits for a dead client that kept the lock until its session ends, or its own time is up", async () => {
  const { world, a, b } = setUp();
  await keep(world, a);
  const diedAt = world.clock.now();
  a.core.die();
  const impatient = watch(b.locks.acquire("x", { ifAvailable: true, timeoutMs: 500 }));
  const patient = watch(b.locks.acquire("x", { ifAvailable: true }));
  await world.clock.advance(600);
  assert.is(codeOf(impatient.error), "Timeout");
  assert.not(patient.isSettled, "nobody knows whether it is used");
  await inTime(world, new Promise<void>((resolve) => world.clock.setTimer(a.core.ttlMs, resolve)));
  assert.ok(patient.value, "then nobody uses it");
  assert.ok(world.clock.now() - diedAt < a.core.ttlMs + 1_000);
});

test("query shows uses and local waiters, not what is merely kept", async () => {
  const { world, a, b } = setUp();
  await keep(world, a, "unused");
  await keep(world, a, "x");
  await world.clock.advance(100);
  const lock = await a.locks.acquire("x");
  const waiting = watch(a.locks.acquire("x"));
  await world.clock.advance(50);
  for (const locks of [b.locks, a.locks]) {
    const { held, pending } = await seen(world, locks);
    assert.equal(
      held.map(({ ageMs, ...rest }) => rest),
      [{ name: "x", mode: "exclusive", clientId: "1.1", owner: "a", token: lock.token }],
    );
    assert.ok(held[0]!.ageMs >= 50 && held[0]!.ageMs < 90, `${held[0]!.ageMs}`);
    assert.equal(
      pending.map(({ ageMs, ...rest }) => rest),
      [{ name: "x", mode: "exclusive", clientId: "1.1", owner: "a" }],
    );
    assert.ok(pending[0]!.ageMs >= 50 && pending[0]!.ageMs < 90);
  }
  void lock.release();
  await world.clock.advance(10);
  assert.ok(waiting.value);
});

test("query takes a client that does not answer for one that uses what it keeps", async () => {
  const { world, a, b } = setUp();
  await keep(world, a);
  a.core.isCutOff = true;
  assert.equal((await seen(world, b.locks)).held.length, 1);
  assert.equal((await inTime(world, b.locks.query({ consistency: "local" }))).held.length, 1);
});

test("a query of many pages waits a second in all for clients that do not answer, and hears those that do", async () => {
  const { world, a, b } = setUp();
  const c = world.client("c");
  const pages = ["1", "2", "3", "4", "5"].map((first) => first.padEnd(16_000, "."));
  for (const name of pages.flatMap((page) => [`${page}x`, `${page}y`])) await keep(world, a, name);
  for (const page of pages) await keep(world, c, `${page}z`);
  await use(world, c, pages[4]);
  a.core.isCutOff = true;
  const began = world.clock.now();
  const { held } = await seen(world, b.locks);
  const took = world.clock.now() - began;
  assert.equal(
    ["a", "c"].map((who) => held.filter(({ owner }) => owner === who).length),
    [10, 1],
  );
  assert.ok(took >= 1000 && took < 1100, `it took ${took} ms`);
});

test("a query with a time limit waits for no client beyond it", async () => {
  const { world, a, b } = setUp();
  await keep(world, a);
  a.core.isCutOff = true;
  const began = world.clock.now();
  const late = watch(b.locks.query({ timeoutMs: 100 }));
  await world.clock.advance(99);
  assert.not(late.isSettled);
  await world.clock.advance(1);
  assert.is(codeOf(late.error), "Timeout");
  const answered = await inTime(world, b.locks.query({ timeoutMs: 2000 }));
  assert.equal(answered.held.length, 1);
  assert.ok(world.clock.now() - began < 2000);
  for (const timeoutMs of [-1, "5"]) {
    const refused = watch(b.locks.query({ timeoutMs: timeoutMs as number }));
    await world.clock.advance(1);
    assert.is(codeOf(refused.error), "InvalidOptions");
  }
});

test("shared locks are kept too, by several clients, until somebody wants the lock for himself", async () => {
  const { world, a, b } = setUp();
  await keep(world, a, "x", "shared");
  await keep(world, b, "x", "shared");
  const sent = [a.core.done.length, b.core.done.length];
  const both = await Promise.all([a, b].map(({ locks }) => locks.acquire("x", { mode: "shared" })));
  assert.equal([a.core.done.length, b.core.done.length], sent);
  const c = world.client();
  const alone = watch(c.locks.acquire("x"));
  await world.clock.advance(10);
  assert.not(alone.isSettled);
  const behind = watch(a.locks.acquire("x", { mode: "shared" }));
  for (const lock of both) void lock.release();
  await world.clock.advance(10);
  assert.ok(alone.value);
  assert.not(behind.isSettled);
});

test("a revoked lock with several uses goes back after the last of them", async () => {
  const { world, a, b } = setUp();
  await keep(world, a, "x", "shared");
  const uses = await Promise.all([1, 2].map(() => a.locks.acquire("x", { mode: "shared" })));
  const alone = watch(b.locks.acquire("x"));
  await world.clock.advance(10);
  for (const lock of uses) {
    assert.not(alone.isSettled);
    lock.assertHeld();
    void lock.release();
    await world.clock.advance(10);
  }
  assert.ok(alone.value);
});

test("a kept shared lock is given back for an exclusive use of the same client", async () => {
  const { world, a } = setUp();
  await keep(world, a, "x", "shared");
  const lock = await use(world, a);
  assert.is(lock.mode, "exclusive");
  const reader = await inTime(world, a.locks.acquire("y", { mode: "shared" }));
  const writer = watch(a.locks.acquire("y"));
  const late = watch(a.locks.acquire("y", { mode: "shared" }));
  await world.clock.advance(10);
  assert.not(writer.isSettled || late.isSettled);
  void reader.release();
  await world.clock.advance(10);
  assert.ok(writer.value);
  assert.not(late.isSettled);
});

test("shared uses of a lock that is kept for oneself let others share it", async () => {
  const { world, a, b } = setUp();
  await keep(world, a);
  const own = await Promise.all([1, 2].map(() => a.locks.acquire("x", { mode: "shared" })));
  const other = await inTime(world, b.locks.acquire("x", { mode: "shared" }));
  for (const lock of [...own, other]) lock.assertHeld();
  assert.is(new Set([...own, other].map(({ token }) => token)).size, 3);
  assert.equal(await held(world), ["x 1.1", "x 1.1", "x 1.2"]);
  for (const lock of own) await inTime(world, lock.release());
  assert.equal(await held(world), ["x 1.2"]);
});

test("an idle lock goes back when its time is up, one in use does not", async () => {
  const { world, a } = setUp({ cache: { idleMs: 100 } });
  const lock = await use(world, a, "y");
  await keep(world, a);
  await world.clock.advance(90);
  assert.equal(a.core.done, ["acquire y", "acquire x"]);
  await world.clock.advance(60);
  assert.equal(a.core.done, ["acquire y", "acquire x", "release x"]);
  lock.assertHeld();
  void lock.release();
  await world.clock.advance(60);
  await (await a.locks.acquire("y")).release();
  await world.clock.advance(90);
  assert.is(a.core.done.length, 3, "it was used in between");
  await world.clock.advance(60);
  assert.is(a.core.done.length, 4);
  assert.is(await timersLeft(world), 0);
});

test("beyond its size the cache gives back what was idle longest, and keeps nothing that is in use", async () => {
  const { world, a } = setUp({ cache: { size: 2, idleMs: 400 } });
  await keep(world, a, "1");
  await world.clock.advance(150);
  await keep(world, a, "2");
  await keep(world, a, "3");
  assert.equal(a.core.done.slice(3), ["release 1"]);
  const locks = await Promise.all(["2", "3"].map((name) => a.locks.acquire(name)));
  await keep(world, a, "4");
  assert.equal(a.core.done.slice(4), ["acquire 4", "release 4"]);
  for (const lock of locks) lock.assertHeld();
});

test.run();
