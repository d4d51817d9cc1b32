// The adapter for programs that come from redlock.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { CacheOptions } from "../../src/locks/client-options.ts";
import { ClusterLocks } from "../../src/locks/cluster-locks.ts";
import {
  ExecutionError,
  Redlock,
  type RedlockAbortSignal,
  type RedlockSettings,
  ResourceLockedError,
} from "../../src/locks/redlock.ts";
import { codeOf, eitherWay, gate, held, inTime, timersLeft, watch } from "./support.ts";
import { FakeCore, World } from "./world.ts";

function user(world: World, settings: RedlockSettings = {}): { redlock: Redlock; core: FakeCore } {
  const core = new FakeCore(world, "1");
  world.cores.push(core);
  const locks = new ClusterLocks(core, world.cache === undefined ? {} : { cache: world.cache });
  return { core, redlock: new Redlock(locks, settings) };
}

function newWorld(cache: CacheOptions | false = false): World {
  const world = new World({ cache });
  world.delays = { request: 2, reply: 2, notice: 2 };
  return world;
}

eitherWay(
  "a failure has its attempts and votes, for programs that look among them for who was locked",
  async (cache) => {
    const world = newWorld(cache);
    const { redlock } = user(world, { retryCount: 0 });
    const lock = await inTime(world, redlock.acquire(["a"], 5000));
    const told: unknown[] = [];
    const listener = (error: Error): void => void told.push(error);
    redlock.on("error", listener).off("error", listener);
    const refusal = await inTime(
      world,
      redlock.acquire(["a"], 5000).catch((error: unknown) => error),
    );
    assert.instance(refusal, ExecutionError);
    const [stats, ...others] = await Promise.all((refusal as ExecutionError).attempts);
    assert.equal([others.length, stats?.membershipSize, stats?.quorumSize, stats?.votesFor.size], [0, 1, 1, 0]);
    const votes = [...(stats?.votesAgainst.values() ?? [])];
    assert.ok(votes.length === 1 && votes[0] instanceof ResourceLockedError);
    await world.clock.advance(5001);
    const over = await lock.extend(1000).catch((error: unknown) => error);
    assert.equal((over as ExecutionError).attempts, [], "nobody was asked");
    assert.equal(told, [], "the listener was taken back");
  },
);

test("whoever gives it Redis clients is told what to give", () => {
  for (const clients of [[{}], undefined, {}]) {
    try {
      new Redlock(clients as unknown as ClusterLocks);
      assert.unreachable();
    } catch (error) {
      assert.is(codeOf(error), "InvalidOptions");
      assert.match((error as Error).message, "what connectLocks gave");
    }
  }
});

async function errorOf(world: World, promise: Promise<unknown>): Promise<unknown> {
  return inTime(
    world,
    promise.then(
      () => "none",
      (error: unknown) => error,
    ),
  );
}

eitherWay("resources are held by one, each with a token, until they are released", async (cache) => {
  const world = newWorld(cache);
  const [a, b] = [user(world).redlock, user(world).redlock];
  const lock = await inTime(world, a.acquire(["y", "x", "y"], 60_000));
  assert.equal(lock.resources, ["y", "x"]);
  assert.equal([...lock.tokens.keys()], ["y", "x"]);
  const next = watch(b.acquire(["x"], 60_000, { retryCount: -1 }));
  await world.clock.advance(5000);
  assert.not(next.isSettled);
  await inTime(world, lock.release());
  await inTime(world, lock.release());
  await world.clock.advance(100);
  assert.ok(next.value!.tokens.get("x")! > lock.tokens.get("x")!);
  await inTime(world, b.release(next.value!));
  assert.equal(await held(world), []);
  assert.is(await timersLeft(world), 0);
});

eitherWay(
  "a resource that others hold is waited for as long as the settings say, and no part is kept",
  async (cache) => {
    const world = newWorld(cache);
    const holder = await inTime(world, user(world).redlock.acquire(["y"], 60_000));
    const { redlock } = user(world, { retryCount: 3, retryDelay: 100 });
    const began = world.clock.now();
    const error = await errorOf(world, redlock.acquire(["x", "y"], 1000));
    assert.instance(error, ExecutionError);
    assert.instance((error as Error).cause, ResourceLockedError);
    assert.is(codeOf(error), "Timeout");
    assert.ok(world.clock.now() - began >= 250 && world.clock.now() - began <= 400);
    assert.equal((await held(world)).length, 1);
    await inTime(world, holder.release());
  },
);

eitherWay("whoever waits for several resources holds none of them, and has them in one step", async (cache) => {
  const world = newWorld(cache);
  const [a, b] = [user(world).redlock, user(world)];
  const holder = await inTime(world, a.acquire(["y"], 60_000));
  const waiter = watch(b.redlock.acquire(["x", "y"], 60_000, { retryCount: -1 }));
  await world.clock.advance(1000);
  assert.not(waiter.isSettled);
  assert.equal(await held(world), ["y 1.1"]);
  await inTime(world, holder.release());
  await world.clock.advance(100);
  assert.equal(await held(world), ["x 1.2", "y 1.2"]);
  assert.equal(
    b.core.done.map((one) => one.split(" ")[0]).filter((name) => name === "acquireAll"),
    ["acquireAll"],
  );
  await inTime(world, waiter.value!.release());
  assert.is(await timersLeft(world), 0);
});

eitherWay("with no time to wait, or hardly any, a free lock is had and a held one refused at once", async (cache) => {
  const world = newWorld(cache);
  const [a, b] = [user(world).redlock, user(world).redlock];
  for (const settings of [{ retryCount: 0 }, { retryCount: 1, retryDelay: 3 }]) {
    const lock = await inTime(world, a.acquire(["x", "y"], 60_000, settings));
    const began = world.clock.now();
    const error = await errorOf(world, b.acquire(["x", "y"], 60_000, settings));
    assert.instance(error, ExecutionError);
    assert.instance((error as Error).cause, ResourceLockedError);
    assert.ok(world.clock.now() - began < 50);
    await inTime(world, lock.release());
    await inTime(world, (await inTime(world, b.acquire(["y"], 60_000, settings))).release());
  }
  assert.equal(await held(world), []);
  assert.is(await timersLeft(world), 0);
});

eitherWay("programs that ask for the same resources in other orders do not wait for each other", async (cache) => {
  const world = newWorld(cache);
  const fates = [
    ["x", "y"],
    ["y", "x"],
    ["y", "z", "x"],
  ].map((names) => {
    const { redlock } = user(world, { retryCount: -1 });
    const rounds = async (): Promise<number> => {
      for (let n = 0; n < 5; n++) await redlock.using(names, 1000, () => {});
      return 5;
    };
    return watch(rounds());
  });
  await world.clock.advance(5000);
  assert.equal(
    fates.map(({ value }) => value),
    [5, 5, 5],
  );
});

eitherWay("a lock ends when its duration has passed, unless it is extended", async (cache) => {
  const world = newWorld(cache);
  const { redlock } = user(world);
  const told: string[] = [];
  redlock.on("error", (error) => told.push(codeOf(error)));
  const lock = await inTime(world, redlock.acquire(["x"], 1000));
  assert.ok(Math.abs(lock.expiration - world.clock.wallNow() - 1000) < 10);
  await world.clock.advance(900);
  assert.is(await lock.extend(1000), lock);
  await world.clock.advance(900);
  lock.assertHeld();
  await world.clock.advance(200);
  assert.ok(lock.signal.aborted);
  assert.equal(told, ["LockLost"]);
  assert.equal(await held(world), []);
  for (const end of [() => lock.extend(1000), () => lock.release()]) {
    assert.instance(await errorOf(world, end()), ExecutionError);
  }
  assert.is(await timersLeft(world), 0);
});

eitherWay(
  "a lock that is over has no time left: programs ask its expiration whether they still hold it",
  async (cache) => {
    const world = newWorld(cache);
    const { redlock, core } = user(world);
    const released = await inTime(world, redlock.acquire(["x"], 60_000));
    void released.release();
    assert.is(released.expiration, 0);
    const lost = await inTime(world, redlock.acquire(["x"], 60_000));
    core.lose("planted");
    assert.is(lost.expiration, 0);
    const overdue = await inTime(world, redlock.acquire(["x"], 1000));
    world.clock.jump(2000);
    assert.is(overdue.expiration, 0);
    assert.ok(overdue.signal.aborted);
  },
);

eitherWay("a routine that extends its lock does not make it end while it runs", async (cache) => {
  const world = newWorld(cache);
  const { redlock } = user(world);
  const { opened, open } = gate();
  const result = watch(
    redlock.using(["x"], 1000, async (signal, lock) => {
      await lock.extend(1000);
      await opened;
      lock.assertHeld();
      return signal.aborted ? "lost" : "held";
    }),
  );
  await world.clock.advance(5000);
  open();
  await world.clock.advance(100);
  assert.is(result.value, "held");
  assert.is(await timersLeft(world), 0);
});

test("the routine may stand before an argument that is left undefined, as in redlock", async () => {
  const world = newWorld();
  const { redlock } = user(world);
  const using = redlock.using.bind(redlock) as unknown as (...given: unknown[]) => Promise<unknown>;
  assert.is(
    await inTime(
      world,
      using(["x"], 1000, () => 1, undefined),
    ),
    1,
  );
  assert.is(
    await inTime(
      world,
      using(["x"], 1000, undefined, () => 2),
    ),
    2,
  );
  assert.is(codeOf(await errorOf(world, using(["x"], 1000, {}, undefined))), "TypeError");
});

test("a process that wakes after the duration knows it before a timer says so", async () => {
  const world = newWorld();
  const { redlock } = user(world);
  const lock = await inTime(world, redlock.acquire(["x"], 1000));
  world.clock.jump(2000);
  assert.throws(() => lock.assertHeld());
  assert.is(codeOf(await lock.extend(1000).catch((error: unknown) => error)), "LockLost");
  const late = await inTime(world, redlock.acquire(["x"], 1000));
  world.clock.jump(2000);
  assert.is(codeOf(await late.release().catch((error: unknown) => error)), "LockLost");
});

test("the signal of a lock is right in a process that wakes after the duration", async () => {
  const world = newWorld();
  const { redlock } = user(world);
  const lock = await inTime(world, redlock.acquire(["x"], 1000));
  world.clock.jump(2000);
  assert.ok(lock.signal.aborted);
});

test("a setting that is left undefined is the one of the constructor, and retries without end are none to count", async () => {
  const world = newWorld();
  const lock = await inTime(world, user(world).redlock.acquire(["x"], 60_000));
  const { redlock } = user(world, { retryCount: 0 });
  const began = world.clock.now();
  const undefinedOnes = { retryCount: undefined, retryDelay: undefined } as unknown as RedlockSettings;
  assert.instance(await errorOf(world, redlock.acquire(["x"], 1000, undefinedOnes)), ExecutionError);
  assert.ok(world.clock.now() - began < 100);
  for (const retryDelay of [0, 200]) {
    const patient = watch(redlock.acquire(["x"], 1000, { retryCount: Number.POSITIVE_INFINITY, retryDelay }));
    await world.clock.advance(5000);
    assert.not(patient.isSettled);
  }
  await inTime(world, lock.release());
});

eitherWay("using holds its locks while the routine runs, however long, and gives its result", async (cache) => {
  const world = newWorld(cache);
  const { redlock } = user(world);
  const { opened, open } = gate();
  const result = watch(
    redlock.using(["x"], 100, async (signal, lock) => {
      await opened;
      lock.assertHeld();
      return signal.aborted ? "lost" : "held";
    }),
  );
  await world.clock.advance(5000);
  open();
  await world.clock.advance(100);
  assert.is(result.value, "held");
  const failed = redlock.using(["x"], 100, { retryCount: 1 }, () => Promise.reject(new Error("planted")));
  assert.is(((await errorOf(world, failed)) as Error).message, "planted");
  assert.equal(await held(world), []);
});

eitherWay("using aborts its signal when the session is lost, says why, and rejects in the end", async (cache) => {
  const world = newWorld(cache);
  const { redlock, core } = user(world);
  let told: unknown;
  const heard = (signal: RedlockAbortSignal): Promise<string> =>
    new Promise((end) => {
      signal.addEventListener("abort", () => {
        told = signal.error;
        end("done all the same");
      });
    });
  const result = watch(redlock.using(["x", "y"], 100, heard));
  await world.clock.advance(500);
  core.lose("planted");
  await world.clock.advance(500);
  assert.instance(told, ExecutionError);
  assert.is(codeOf(told), "LockLost");
  assert.is(result.error, told, "as of redlock, whose release fails then");
});

eitherWay("a routine that fails rejects with its own error, also when its resources were lost", async (cache) => {
  const world = newWorld(cache);
  const { redlock, core } = user(world);
  const { opened, open } = gate();
  const routine = async (): Promise<void> => {
    await opened;
    throw new Error("planted");
  };
  const result = watch(redlock.using(["x"], 100, routine));
  await world.clock.advance(500);
  core.lose("planted");
  open();
  await world.clock.advance(500);
  assert.is((result.error as Error).message, "planted");
});

eitherWay("resources of which one is stolen are all lost, and the others go back", async (cache) => {
  const world = newWorld(cache);
  const { redlock } = user(world);
  const lock = await inTime(world, redlock.acquire(["x", "y"], 60_000));
  const robber = await inTime(world, world.client().locks.acquire("y", { steal: true }));
  await world.clock.advance(100);
  assert.ok(lock.signal.aborted);
  assert.equal((await held(world)).length, 1);
  await inTime(world, robber.release());
});

eitherWay("a listener that throws keeps no lock from going back", async (cache) => {
  const world = newWorld(cache);
  const { redlock } = user(world);
  redlock.on("error", () => {
    throw new RangeError("in a listener");
  });
  await inTime(world, redlock.acquire(["x"], 100));
  const thrown = await world.clock.advance(200).catch((error: unknown) => error);
  assert.is(codeOf(thrown), "RangeError");
  await world.clock.advance(50);
  assert.equal(await held(world), []);
});

test("quit closes the client", async () => {
  const world = newWorld();
  const { redlock } = user(world);
  const lock = await inTime(world, redlock.acquire(["x"], 60_000));
  await redlock.quit();
  assert.ok(lock.signal.aborted);
  assert.is(codeOf(await redlock.acquire(["x"], 1000).catch((error: unknown) => error)), "Closed");
});

test("what is no list, duration or setting is refused", async () => {
  const world = newWorld();
  const { redlock, core } = user(world);
  const wrong: [unknown, unknown, unknown?][] = [
    [[], 1000],
    ["x", 1000],
    [[5], 1000],
    [["x"], 0],
    [["x"], "1000"],
    [["x"], 1000, { retryCount: -2 }],
    [["x"], 1000, { retries: 2 }],
    [Array.from({ length: 65 }, (_, n) => `${n}`), 1000],
  ];
  for (const [names, duration, settings] of wrong) {
    const error = await redlock.acquire(names as string[], duration as number, settings as object).catch((e) => e);
    assert.is(codeOf(error), "InvalidOptions", JSON.stringify([names, duration, settings]));
  }
  assert.equal(core.done, []);
  assert.throws(() => new Redlock({} as never, { retryDelay: -1 }));
});

test.run();
