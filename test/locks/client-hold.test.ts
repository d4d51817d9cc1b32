// How long a lock is held: its age, and the limit that its holder sets itself.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { AcquiredLock, Lock } from "../../src/locks/client-types.ts";
import type { ViewstampError } from "../../src/protocol/errors.ts";
import { codeOf, eitherWay, type Fate, held, inTime, timersLeft, watch } from "./support.ts";
import { World } from "./world.ts";

function reasonOf(error: unknown): unknown {
  return (error as ViewstampError).data["reason"];
}

eitherWay("a lock is as old as this use of it", async (cache) => {
  const world = new World({ cache });
  const { locks } = world.client();
  const lock = await inTime(world, locks.acquire("x"));
  assert.ok(lock.age <= 1);
  await world.clock.advance(250);
  assert.ok(lock.age >= 250 && lock.age < 252, `${lock.age}`);
  await inTime(world, lock.release());
  await world.clock.advance(500);
  const again = await inTime(world, locks.acquire("x"));
  assert.ok(again.age <= 2, `${again.age}`);
});

eitherWay("a promise with a `then` of its own frees the lock as any other", async (cache) => {
  const world = new World({ cache });
  const { locks } = world.client();
  await inTime(
    world,
    locks.request("x", () => {}),
  );
  const odd = Promise.resolve("done");
  // biome-ignore lint/suspicious/noThenProperty: that it does no harm is the test
  odd.then = () => {
    throw new Error("not this way");
  };
  assert.is(
    await inTime(
      world,
      locks.request("x", () => odd),
    ),
    "done",
  );
  await inTime(world, locks.acquire("x"));
});

eitherWay("a lock that is held for too long is lost to its holder before the next one has it", async (cache) => {
  const world = new World({ cache });
  const a = world.client();
  const b = world.client();
  const events: string[] = [];
  const lock = await inTime(world, a.locks.acquire("x", { maxHoldMs: 100 }));
  lock.signal.addEventListener("abort", () => events.push("lost"));
  const next = watch(b.locks.acquire("x"));
  await world.clock.advance(90);
  assert.not(next.isSettled);
  lock.assertHeld();
  await world.clock.advance(20);
  assert.equal(events, ["lost"]);
  assert.is(codeOf(lock.signal.reason), "LockLost");
  assert.is(reasonOf(lock.signal.reason), "maxHoldMs");
  assert.throws(() => lock.assertHeld(), /maxHoldMs/);
  assert.ok((next.value as AcquiredLock).token > lock.token);
  await lock.release();
});

eitherWay(
  "a request rejects as soon as its lock is held for too long, and its callback frees nothing",
  async (cache) => {
    const world = new World({ cache });
    const { locks } = world.client();
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const request = watch(locks.request("x", { maxHoldMs: 50 }, () => ended));
    await world.clock.advance(60);
    assert.is(reasonOf(request.error), "maxHoldMs");
    const next = await inTime(world, locks.acquire("x"));
    end();
    await world.clock.advance(20);
    next.assertHeld();
  },
);

eitherWay("a holder that wakes up late finds by itself that it has had the lock for too long", async (cache) => {
  const world = new World({ cache });
  const { locks } = world.client();
  const lock = await inTime(world, locks.acquire("x", { maxHoldMs: 100 }));
  world.clock.jump(150);
  assert.throws(() => lock.assertHeld(), /maxHoldMs/);
  assert.ok(lock.signal.aborted);
});

eitherWay("a lock given back in time is not lost, and leaves no timer", async (cache) => {
  const world = new World({ cache });
  const { locks } = world.client();
  const lock = await inTime(world, locks.acquire("x", { maxHoldMs: 100 }));
  await inTime(world, lock.release());
  await world.clock.advance(300);
  assert.not(lock.signal.aborted);
  assert.is(await timersLeft(world), 0);
});

eitherWay("shared holders are limited each by itself", async (cache) => {
  const world = new World({ cache });
  const { locks } = world.client();
  const short = await inTime(world, locks.acquire("x", { mode: "shared", maxHoldMs: 50 }));
  const long = await inTime(world, locks.acquire("x", { mode: "shared", maxHoldMs: 500 }));
  await world.clock.advance(100);
  assert.ok(short.signal.aborted);
  long.assertHeld();
  await world.clock.advance(500);
  assert.ok(long.signal.aborted);
  assert.equal(await held(world), []);
});

eitherWay("whoever is told of the loss may ask again, behind those that wait", async (cache) => {
  const world = new World({ cache });
  const { locks } = world.client();
  const order: string[] = [];
  const first: Lock = await inTime(world, locks.acquire("x", { maxHoldMs: 50 }));
  first.signal.addEventListener("abort", () => {
    void locks.acquire("x").then(() => order.push("again"));
  });
  void locks.acquire("x").then((lock) => {
    order.push("second");
    void lock.release();
  });
  await world.clock.advance(100);
  assert.equal(order, ["second", "again"]);
});

eitherWay("whoever is told of the loss may release, and hears when others can have the lock", async (cache) => {
  const world = new World({ cache });
  const a = world.client();
  const b = world.client();
  const lock = await inTime(world, a.locks.acquire("x", { maxHoldMs: 100 }));
  const next = watch(b.locks.acquire("x"));
  let released: Fate<void> | undefined;
  lock.signal.addEventListener("abort", () => {
    world.delays = { ...world.delays, reply: 1000 };
    released = watch(lock.release());
  });
  await world.clock.advance(110);
  assert.is(released?.isSettled, false, "the cluster has not said yet that it is back");
  await world.clock.advance(1000);
  assert.ok(released?.isSettled && next.isSettled);
});

eitherWay("whoever is told of the loss may close the client", async (cache) => {
  const world = new World({ cache });
  const { locks } = world.client();
  const lock = await inTime(world, locks.acquire("x", { maxHoldMs: 50 }));
  lock.signal.addEventListener("abort", () => void locks.close());
  await world.clock.advance(100);
  assert.is(reasonOf(lock.signal.reason), "maxHoldMs");
  assert.equal(await held(world), []);
});

test("a limit that is none is refused", async () => {
  const { locks } = new World().client();
  for (const maxHoldMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, "1" as unknown as number]) {
    const refused = watch(locks.acquire("x", { maxHoldMs }));
    await Promise.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    assert.instance(refused.error, TypeError);
  }
});

eitherWay("what a callback has left for the end of its step still runs under the lock", async (cache) => {
  const world = new World({ cache });
  const { locks } = world.client();
  for (const end of ["a value", "an error"]) {
    const seen: string[] = [];
    const request = watch(
      locks.request("a", (lock) => {
        Promise.resolve().then(() => seen.push(assertion(lock)));
        if (end === "an error") throw new RangeError("planted");
        return end;
      }),
    );
    await world.clock.advance(20);
    assert.equal(seen, ["held"]);
    assert.is(request.value ?? codeOf(request.error), end === "an error" ? "RangeError" : end);
    assert.equal(await held(world), []);
  }
});

function assertion(lock: Lock): string {
  try {
    lock.assertHeld();
    return "held";
  } catch (error) {
    return codeOf(error);
  }
}

test("a kept lock has its callback called after the request, and its result said with no more than three steps", async () => {
  const world = new World({ cache: {} });
  const { locks } = world.client();
  await inTime(
    world,
    locks.request("a", () => {}),
  );
  await world.clock.advance(1);
  let steps = 0;
  let calledAt = -1;
  let isDone = false;
  const request = locks.request("a", () => {
    calledAt = steps;
  });
  void request.then(() => {
    isDone = true;
  });
  assert.is(calledAt, -1);
  for (; !isDone && steps < 20; steps++) await undefined;
  assert.is(calledAt, 0, "in the first step");
  assert.ok(steps <= 3, `${steps}`);
});

test.run();
