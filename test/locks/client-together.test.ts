// Several locks at once, semaphores and lock delays, as clients see them.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { AcquiredLock, AcquiredLocks } from "../../src/locks/client-types.ts";
import type { ViewstampError } from "../../src/protocol/errors.ts";
import { codeOf, eitherWay, gate, held, inTime, seen, timersLeft, watch } from "./support.ts";
import { settled, World } from "./world.ts";

eitherWay("several locks are granted together, each with a token of its own", async (cache) => {
  const world = new World({ cache });
  const { locks } = world.client();
  const both = await inTime(world, locks.acquireAll(["a", "b", "a"]));
  assert.equal([...both.names], ["a", "b"]);
  assert.equal(await held(world), ["a 1.1", "b 1.1"]);
  both.assertHeld();
  assert.ok(both.get("b")!.token > 0n);
  assert.is(both.get("c"), undefined);
  await inTime(world, both.release());
  assert.throws(() => both.assertHeld(), /released/);
  assert.equal(await held(world), []);
});

eitherWay("whoever waits for several locks holds none of them", async (cache) => {
  const world = new World({ cache });
  const [a, b, c] = [world.client(), world.client(), world.client()];
  const inTheWay = await inTime(world, a.locks.acquire("y"));
  const group = watch(b.locks.acquireAll(["x", "y"]));
  await world.clock.advance(20);
  assert.not(group.isSettled);
  assert.equal(await held(world), ["y 1.1"]);
  const behind = watch(c.locks.acquire("x"));
  const probe = watch(c.locks.acquire("x", { ifAvailable: true }));
  await world.clock.advance(20);
  assert.not(behind.isSettled, "nobody overtakes it where the lock is free");
  assert.is(probe.value, null);
  await inTime(world, inTheWay.release());
  await world.clock.advance(20);
  assert.ok(group.isSettled);
  assert.equal(await held(world), ["x 1.2", "y 1.2"]);
  await inTime(world, (group.value as AcquiredLocks).release());
  await world.clock.advance(20);
  assert.ok(behind.isSettled);
});

eitherWay("clients that name the same locks in other orders do not stop each other", async (cache) => {
  const world = new World({ cache });
  world.delays = { request: 5, reply: 10, notice: 10 };
  const clients = Array.from({ length: 4 }, () => world.client());
  let inside = 0;
  let done = 0;
  const rounds = clients.flatMap(({ locks }, n) =>
    Array.from({ length: 5 }, () =>
      locks.requestAll(n % 2 === 0 ? ["a", "b"] : ["b", "c", "a"], async (all) => {
        assert.is(++inside, 1);
        await new Promise<void>((resolve) => world.clock.setTimer(3, resolve));
        all.assertHeld();
        inside--;
        done++;
      }),
    ),
  );
  await inTime(world, Promise.all(rounds));
  assert.is(done, 20);
});

eitherWay("a group that does not wait is told so", async (cache) => {
  const world = new World({ cache });
  const [a, b] = [world.client(), world.client()];
  const lock = await inTime(world, a.locks.acquire("x"));
  assert.is(await inTime(world, b.locks.acquireAll(["y", "x"], { ifAvailable: true })), null);
  await inTime(world, lock.release());
  await world.clock.advance(20);
  const both = await inTime(world, b.locks.acquireAll(["y", "x"], { ifAvailable: true }));
  assert.ok(both !== null);
  assert.is(
    await inTime(
      world,
      a.locks.requestAll(["x"], { ifAvailable: true }, (all) => all),
    ),
    null,
  );
});

eitherWay("an aborted group lets the others in, and one that has waited for too long", async (cache) => {
  const world = new World({ cache });
  const [a, b] = [world.client(), world.client()];
  const lock = await inTime(world, a.locks.acquire("x"));
  const controller = new AbortController();
  const aborted = watch(b.locks.acquireAll(["x", "y"], { signal: controller.signal }));
  const late = watch(b.locks.acquireAll(["x", "z"], { timeoutMs: 50 }));
  await world.clock.advance(20);
  controller.abort("enough");
  await world.clock.advance(50);
  assert.is(aborted.error, "enough");
  assert.is(codeOf(late.error), "Timeout");
  assert.ok(await inTime(world, a.locks.acquire("y", { ifAvailable: true })));
  assert.ok(await inTime(world, a.locks.acquire("z", { ifAvailable: true })));
  await inTime(world, lock.release());
  assert.equal((await seen(world)).pending, []);
});

eitherWay("a group is lost with the first of its locks, and its others go back with its callback", async (cache) => {
  const world = new World({ cache });
  const [a, b] = [world.client(), world.client()];
  const { opened, open } = gate();
  let signal: AbortSignal | undefined;
  const request = watch(
    a.locks.requestAll(["x", "y"], (all) => {
      signal = all.signal;
      return opened;
    }),
  );
  await world.clock.advance(20);
  await inTime(world, b.locks.acquire("y", { steal: true }));
  await world.clock.advance(20);
  assert.ok(signal?.aborted);
  assert.is((request.error as Error).name, "AbortError");
  assert.equal(await held(world), ["x 1.1", "y 1.2"]);
  open();
  await world.clock.advance(20);
  assert.equal(await held(world), ["y 1.2"]);
});

eitherWay("a request whose locks are all lost with the session rejects once, and nothing else does", async (cache) => {
  const world = new World({ cache });
  const { locks, core } = world.client();
  const { opened, open } = gate();
  const request = watch(locks.requestAll(["x", "y", "z"], () => opened));
  await world.clock.advance(20);
  core.lose("planted");
  await world.clock.advance(20);
  assert.is(codeOf(request.error), "LockLost");
  open();
  await world.clock.advance(20);
  // The runtime ends a program whose rejections nobody hears, in a turn of its own.
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(await held(world), []);
});

eitherWay("a lost session sends a waiting group to the line of the next", async (cache) => {
  const world = new World({ cache });
  const [a, b] = [world.client(), world.client()];
  const lock = await inTime(world, a.locks.acquire("x"));
  const group = watch(b.locks.acquireAll(["x", "y"]));
  await world.clock.advance(20);
  b.core.lose("planted");
  await world.clock.advance(20);
  await inTime(world, lock.release());
  await world.clock.advance(20);
  (group.value as AcquiredLocks).assertHeld();
  assert.equal(await held(world), ["x 1.3", "y 1.3"]);
});

eitherWay("a group whose news come late, twice and out of order is granted once", async (cache) => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const world = new World({ cache, seed });
    world.delays = { request: 5, reply: 60, notice: 60 };
    world.repeats = 0.5;
    const [a, b] = [world.client(), world.client()];
    const lock = await inTime(world, a.locks.acquire("y"));
    const group = watch(b.locks.acquireAll(["x", "y", "z"], { maxHoldMs: 5000 }));
    void lock.release();
    await world.clock.advance(500);
    const all = group.value as AcquiredLocks;
    all.assertHeld();
    await inTime(world, all.release());
    await world.clock.advance(200);
    assert.equal(await held(world), []);
  }
});

eitherWay("one whose group was given up in the moment of the grant gives all of it back", async (cache) => {
  const world = new World({ cache });
  world.delays = { request: 0, reply: 0, notice: 100 };
  const [a, b] = [world.client(), world.client()];
  const lock = await inTime(world, a.locks.acquire("x"));
  const controller = new AbortController();
  const group = watch(b.locks.acquireAll(["x", "y"], { signal: controller.signal }));
  await world.clock.advance(10);
  void lock.release();
  await world.clock.advance(2);
  controller.abort();
  await world.clock.advance(500);
  assert.ok(group.error !== undefined);
  assert.equal(await held(world), []);
});

test("locks that are kept and free are taken together without a message", async () => {
  const world = new World({ cache: {} });
  const { locks, core } = world.client();
  for (const name of ["a", "b"]) await inTime(world, (await inTime(world, locks.acquire(name))).release());
  await world.clock.advance(5);
  const before = core.done.length;
  const both = await inTime(world, locks.acquireAll(["a", "b"]));
  assert.is(core.done.length, before);
  await inTime(world, both.release());
  await inTime(world, (await inTime(world, locks.acquireAll(["b", "c"]))).release());
  assert.equal(core.done.slice(before), ["release b", "acquireAll "]);
});

test("a group of one waits for a kept lock without a message, as any other request", async () => {
  const world = new World({ cache: {} });
  const { locks, core } = world.client();
  const lock = await inTime(world, locks.acquire("a"));
  const before = core.done.length;
  const next = watch(locks.requestAll(["a"], (all) => all.names));
  await world.clock.advance(5);
  assert.not(next.isSettled);
  await inTime(world, lock.release());
  assert.equal(next.value, ["a"]);
  assert.is(core.done.length, before);
});

eitherWay("groups that are none are refused", async (cache) => {
  const { locks } = new World({ cache }).client();
  const refused = (names: unknown, options?: object): Promise<string> =>
    locks.acquireAll(names as string[], options).then(
      () => "none",
      (error: unknown) => codeOf(error),
    );
  assert.is(await refused([]), "TypeError");
  assert.is(await refused("x"), "TypeError");
  assert.is(await refused(["x"], { steal: true }), "NotSupportedError");
  assert.is(await refused(["-x"]), "NotSupportedError");
  assert.is(await refused(Array.from({ length: 65 }, (_, n) => `${n}`)), "InvalidInput");
  await locks.close();
  assert.is(await refused(["x"]), "Closed");
});

eitherWay("a semaphore has so many holders at most, first come first served", async (cache) => {
  const world = new World({ cache });
  const clients = [world.client("one"), world.client("two"), world.client("three")];
  const order: number[] = [];
  const grants = clients.flatMap(({ locks }, n) =>
    [0, 1].map(() =>
      watch(
        locks
          .semaphore("s", 2)
          .acquire()
          .then((permit) => {
            order.push(n);
            return permit;
          }),
      ),
    ),
  );
  await world.clock.advance(20);
  assert.equal(order, [0, 0]);
  const { held: holders, pending } = await seen(world);
  assert.equal(
    holders.map(({ name, owner, permits }) => `${name} ${owner} ${permits}`),
    ["s one 2", "s one 2"],
  );
  assert.is(pending.length, 4);
  const tokens = new Set<bigint>();
  for (const grant of grants) {
    await world.clock.advance(5);
    const permit = grant.value as AcquiredLock;
    assert.is(permit.name, "s");
    tokens.add(permit.token);
    await inTime(world, permit.release());
  }
  assert.equal(order, [0, 0, 1, 1, 2, 2]);
  assert.is(tokens.size, 6);
  assert.is(await timersLeft(world), 0);
});

eitherWay(
  "a semaphore does not wait where it shall not, and has nothing to do with the lock of its name",
  async (cache) => {
    const world = new World({ cache });
    const { locks } = world.client();
    const semaphore = locks.semaphore("x", 1);
    const permit = await inTime(world, semaphore.acquire());
    assert.is(await inTime(world, semaphore.acquire({ ifAvailable: true })), null);
    const late = watch(semaphore.request({ timeoutMs: 20 }, () => {}));
    await world.clock.advance(30);
    assert.match((late.error as Error).message, 'the semaphore "x" was not granted');
    await inTime(world, (await inTime(world, locks.acquire("x"))).release());
    await inTime(world, permit.release());
    assert.is(
      await inTime(
        world,
        semaphore.request(({ token }) => token > permit.token),
      ),
      true,
    );
  },
);

eitherWay("those who name other permits of a semaphore in use are told which count", async (cache) => {
  const world = new World({ cache });
  const [a, b] = [world.client(), world.client()];
  const permit = await inTime(world, a.locks.semaphore("s", 2).acquire());
  const refused = watch(b.locks.semaphore("s", 3).acquire());
  await world.clock.advance(20);
  assert.is(codeOf(refused.error), "InvalidOptions");
  assert.equal((refused.error as ViewstampError).data, { name: "s", permits: 2 });
  await inTime(world, permit.release());
  await inTime(world, b.locks.semaphore("s", 3).acquire());
});

test("semaphores that are none are refused", async () => {
  const { locks } = new World().client();
  for (const permits of [0, -1, 1.5, 5000, "2" as unknown as number])
    assert.throws(() => locks.semaphore("s", permits), /permits must be/);
  assert.throws(() => locks.semaphore("-s", 1), /reserved/);
  const refused = watch(locks.semaphore("s", 1).acquire({ steal: true } as object));
  await settled();
  assert.is(codeOf(refused.error), "InvalidOptions");
});

/** The session falls silent, and the cluster ends it. */
async function die(world: World, { core }: ReturnType<World["client"]>): Promise<void> {
  core.lose("planted", "SessionExpired", true);
  await world.clock.advance(5);
}

eitherWay("a lock stays away for a while after its holder's session was lost", async (cache) => {
  const world = new World({ cache });
  const [a, b] = [world.client("a"), world.client("b")];
  await inTime(world, a.locks.acquire("x", { lockDelayMs: 1000 }));
  await inTime(world, a.locks.acquire("y"));
  const next = watch(b.locks.acquire("x"));
  await die(world, a);
  assert.ok(await inTime(world, b.locks.acquire("y", { ifAvailable: true })));
  assert.is(await inTime(world, b.locks.acquire("x", { ifAvailable: true })), null);
  const [barred] = (await seen(world)).held;
  assert.is(barred?.owner, "a");
  assert.ok(barred!.availableInMs! > 900 && barred!.availableInMs! <= 1000);
  await world.clock.advance(900);
  assert.not(next.isSettled);
  await world.clock.advance(100);
  await world.clock.advance(5);
  (next.value as AcquiredLock).assertHeld();
});

eitherWay("a lock that was released, or whose client was closed, is there at once", async (cache) => {
  const world = new World({ cache });
  const [a, b] = [world.client("a"), world.client("b")];
  await inTime(world, a.locks.acquire("x", { lockDelayMs: 1000 }));
  const lock = await inTime(world, a.locks.acquire("y", { lockDelayMs: 1000 }));
  await inTime(world, lock.release());
  assert.ok(await inTime(world, b.locks.acquire("y")));
  await inTime(world, a.locks.close());
  await world.clock.advance(5);
  assert.ok(await inTime(world, b.locks.acquire("x")));
});

eitherWay("a steal does not wait for the delay", async (cache) => {
  const world = new World({ cache });
  const [a, b] = [world.client("a"), world.client("b")];
  await inTime(world, a.locks.acquire("x", { lockDelayMs: 1000 }));
  await die(world, a);
  const lock = await inTime(world, b.locks.acquire("x", { steal: true }));
  await inTime(world, lock.release());
  assert.ok(await inTime(world, b.locks.acquire("x")));
});

test("a lock that is kept without a delay is asked for anew where a delay is wanted", async () => {
  const world = new World({ cache: {} });
  const [a, b] = [world.client("a"), world.client("b")];
  await inTime(world, (await inTime(world, a.locks.acquire("x"))).release());
  await inTime(world, a.locks.acquire("x", { lockDelayMs: 1000 }));
  await die(world, a);
  assert.is(await inTime(world, b.locks.acquire("x", { ifAvailable: true })), null);
});

test("a lock that was asked for with a delay is not kept: a client that dies without using it leaves it free", async () => {
  const world = new World({ cache: {} });
  const [a, b] = [world.client("a"), world.client("b")];
  await inTime(world, (await inTime(world, a.locks.acquire("x", { lockDelayMs: 1000 }))).release());
  const both = await inTime(world, a.locks.acquireAll(["y", "z"], { lockDelayMs: 1000 }));
  await inTime(world, both.release());
  await die(world, a);
  assert.ok(await inTime(world, b.locks.acquireAll(["x", "y", "z"], { ifAvailable: true })));
});

test("a delay that is none is refused", async () => {
  const { locks } = new World().client();
  const refused = async (options: object): Promise<string> =>
    locks.acquire("x", options).then(
      () => "none",
      (error: unknown) => codeOf(error),
    );
  for (const lockDelayMs of [-1, 60_001, Number.NaN, "1"]) assert.is(await refused({ lockDelayMs }), "TypeError");
  assert.is(await refused({ lockDelayMs: 1, mode: "shared" }), "NotSupportedError");
});

test("whoever does not ask what became of a release of several hears of no rejection", async () => {
  const world = new World({ cache: false });
  const { locks, core } = world.client();
  const both = await inTime(world, locks.acquireAll(["x", "y"]));
  core.failures.push({ code: "InvalidInput", isExecuted: true });
  let unheard = 0;
  const count = (): void => void unheard++;
  process.on("unhandledRejection", count);
  void both.release();
  await world.clock.advance(20);
  process.off("unhandledRejection", count);
  assert.is(unheard, 0);
  assert.equal(await held(world), []);
});

test.run();
