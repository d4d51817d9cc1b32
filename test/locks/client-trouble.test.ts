// The lock client when things go wrong: races, lost sessions, steals, failing calls.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { AcquiredLock, Lock } from "../../src/locks/client-types.ts";
import { ViewstampError } from "../../src/protocol/errors.ts";
import { codeOf, eitherWay, gate, held, inTime, timersLeft, watch } from "./support.ts";
import { settled, World } from "./world.ts";

eitherWay("a grant that comes before the reply, or twice, or after the release is one grant", async (cache) => {
  const world = new World({ cache });
  world.delays = { request: 0, reply: 50, notice: 0 };
  world.repeats = 1;
  const a = world.client();
  const b = world.client();
  const token = watch(a.locks.request("x", (lock) => lock.token));
  let calls = 0;
  await world.clock.advance(200);
  const first = watch(a.locks.request("x", () => {}));
  const second = watch(
    b.locks.request("x", () => {
      calls++;
      b.core.tellAgain();
    }),
  );
  await world.clock.advance(500);
  b.core.tellAgain();
  await world.clock.advance(500);
  assert.ok(token.isSettled && first.isSettled && second.isSettled);
  assert.is(calls, 1);
  assert.equal(await held(world), []);
});

eitherWay("a grant notice that was lost with its primary comes again from the next", async (cache) => {
  const world = new World({ cache });
  const a = world.client();
  const b = world.client();
  const { opened, open } = gate();
  void a.locks.request("x", () => opened);
  await world.clock.advance(10);
  const waiting = watch(b.locks.request("x", () => "granted"));
  await world.clock.advance(10);
  b.core.isCutOff = true;
  open();
  await world.clock.advance(1000);
  assert.not(waiting.isSettled);
  b.core.isCutOff = false;
  b.core.tellAgain();
  await world.clock.advance(10);
  assert.is(waiting.value, "granted");
});

eitherWay(
  "a lost session aborts every lock before anything else, and each request rejects with LockLost",
  async (cache) => {
    const world = new World({ cache });
    const { locks, core } = world.client();
    const events: string[] = [];
    const grabbed: Lock[] = [];
    const results = ["a", "b"].map((name) =>
      watch(
        locks.request(name, (lock) => {
          grabbed.push(lock);
          lock.signal.addEventListener("abort", () => {
            events.push(`lost ${name}`);
            for (const other of grabbed) assert.throws(() => other.assertHeld(), /is lost/);
            void locks.request("c", () => events.push("c"));
          });
          return new Promise<void>(() => {});
        }),
      ),
    );
    await world.clock.advance(10);
    core.lose("silent for too long");
    assert.equal(events, ["lost a", "lost b"]);
    await settled();
    for (const { error } of results) assert.is(codeOf(error), "LockLost");
    assert.equal((results[0]!.error as ViewstampError).data, {
      reason: "session",
      name: "a",
      token: grabbed[0]!.token,
    });
    await world.clock.advance(10);
    assert.equal(events, ["lost a", "lost b", "c", "c"]);
  },
);

eitherWay(
  "what waited when the session was lost queues anew, in its order and before later requests",
  async (cache) => {
    const world = new World({ cache });
    const a = world.client();
    const b = world.client();
    const { opened, open } = gate();
    void a.locks.request("x", () => opened);
    await world.clock.advance(10);
    const order: number[] = [];
    const results = [1, 2, 3].map((n) => b.locks.request("x", () => order.push(n)));
    await world.clock.advance(10);
    b.core.openFailures.push("Timeout", "Busy", "NoQuorum");
    b.core.lose("silent for too long");
    results.push(b.locks.request("x", () => order.push(4)));
    await world.clock.advance(1000);
    open();
    await world.clock.advance(1000);
    await Promise.all(results);
    assert.equal(order, [1, 2, 3, 4]);
  },
);

eitherWay("a request made while a loss is being told stands behind those that waited before", async (cache) => {
  const world = new World({ cache });
  const { locks } = world.client();
  const core = world.cores[0]!;
  const order: string[] = [];
  const { opened, open } = gate();
  void world.client().locks.request("x", () => opened);
  const holder = watch(
    locks.request("y", (lock) => {
      lock.signal.addEventListener("abort", () => void locks.request("x", () => order.push("later")));
      return new Promise<void>(() => {});
    }),
  );
  await world.clock.advance(10);
  void locks.request("x", () => order.push("earlier"));
  await world.clock.advance(10);
  core.lose("silent for too long");
  await world.clock.advance(10);
  open();
  await world.clock.advance(1000);
  assert.is(codeOf(holder.error), "LockLost");
  assert.equal(order, ["earlier", "later"]);
});

eitherWay("asking for the session may find that it is over, at any step", async (cache) => {
  for (let n = 0; n < 80; n++) {
    const looks = 1 + (n >> 1);
    const isEarly = n % 2 === 0;
    const world = new World({ seed: n, cache });
    world.delays = { request: 1, reply: 2, notice: 2 };
    const a = world.client();
    const b = world.client();
    const { opened, open } = gate();
    void a.locks.request("x", () => opened);
    await world.clock.advance(10);
    const ends: string[] = [];
    const request = (n: number, signal?: AbortSignal): void => {
      const options = { ...(signal !== undefined && { signal }) };
      b.locks
        .request(n % 2 === 0 ? "x" : `y${n}`, options, (lock) => lock.assertHeld())
        .then(
          () => ends.push("done"),
          (error: unknown) => ends.push(codeOf(error)),
        );
    };
    const controller = new AbortController();
    const locker = watch(
      b.locks.request("h", (lock) => {
        lock.signal.addEventListener("abort", () => controller.abort());
        return opened;
      }),
    );
    request(0);
    if (!isEarly) await world.clock.advance(10);
    b.core.looksLeft = looks;
    for (let n = 1; n < 6; n++) request(n, n === 4 ? controller.signal : undefined);
    await world.clock.advance(1);
    controller.abort();
    open();
    await world.clock.advance(1000);
    assert.is(ends.length, 6, `after ${looks} looks: ${ends.join(" ")}`);
    assert.ok(locker.isSettled);
    assert.ok(
      ends.every((end) => ["done", "LockLost", "AbortError"].includes(end)),
      ends.join(" "),
    );
    assert.equal(await held(world), []);
    assert.is(await timersLeft(world), 0);
  }
});

eitherWay("a request that is aborted while a loss is being told does not come back", async (cache) => {
  const world = new World({ cache });
  const { locks, core } = world.client();
  const other = world.client().locks;
  const { opened, open } = gate();
  void other.request("x", () => opened);
  await world.clock.advance(10);
  const controller = new AbortController();
  const holder = watch(
    locks.request("y", (lock) => {
      lock.signal.addEventListener("abort", () => controller.abort());
      return new Promise<void>(() => {});
    }),
  );
  const aborted = watch(locks.request("x", { signal: controller.signal }, () => "granted"));
  await world.clock.advance(10);
  core.lose("silent for too long");
  open();
  await world.clock.advance(1000);
  assert.is(codeOf(holder.error), "LockLost");
  assert.is(codeOf(aborted.error), "AbortError");
  assert.equal(core.done, ["acquire y", "acquire x"]);
  assert.equal(await held(world), []);
});

eitherWay("a session that cannot be opened for good ends the waits, with the reason", async (cache) => {
  const world = new World({ cache });
  const { locks, core } = world.client();
  core.openFailures.push("Busy", "WrongMachine");
  const result = watch(locks.acquire("x"));
  await world.clock.advance(1000);
  assert.is(codeOf(result.error), "WrongMachine");
  const again = watch(locks.acquire("x"));
  await world.clock.advance(1000);
  assert.ok(again.value);
});

eitherWay("a wait that times out without a session says what the trouble was", async (cache) => {
  const world = new World({ cache });
  const { locks, core } = world.client();
  core.openFailures.push(...Array<"NoQuorum">(100).fill("NoQuorum"));
  const result = watch(locks.acquire("x", { timeoutMs: 300 }));
  await world.clock.advance(300);
  assert.is(codeOf(result.error), "Timeout");
  assert.is(codeOf((result.error as Error).cause), "NoQuorum");
});

eitherWay(
  "a wait that times out says so when no primary could grant it, and nothing when others hold",
  async (cache) => {
    const world = new World({ cache });
    const { locks, core } = world.client();
    const holder = await inTime(world, world.client().locks.acquire("x"));
    const held = watch(locks.acquire("x", { timeoutMs: 300 }));
    await world.clock.advance(300);
    assert.is((held.error as Error).message, 'the lock "x" was not granted within 300 ms');
    core.trouble = new ViewstampError("NoQuorum", "no primary is to be found");
    const lost = watch(locks.acquire("x", { timeoutMs: 300 }));
    await world.clock.advance(300);
    assert.is((lost.error as Error).message, 'the lock "x" was not granted within 300 ms: no primary is to be found');
    assert.is((lost.error as Error).cause, core.trouble);
    holder.assertHeld();
  },
);

eitherWay(
  "assertHeld looks at the clock: an unconfirmed session is a lost lock, before anyone says so",
  async (cache) => {
    const world = new World({ cache });
    const { locks, core } = world.client();
    let lock: Lock | undefined;
    const result = watch(
      locks.request("x", (given) => {
        lock = given;
        return new Promise<void>(() => {});
      }),
    );
    await world.clock.advance(10);
    core.trustUntil(world.clock.now() + 100);
    world.clock.jump(99);
    lock?.assertHeld();
    world.clock.jump(1);
    assert.throws(
      () => lock?.assertHeld(),
      (error: unknown) => codeOf(error) === "LockLost",
    );
    assert.ok(lock?.signal.aborted);
    assert.is(codeOf(lock?.signal.reason), "LockLost");
    core.trustUntil(world.clock.now() + 100);
    assert.throws(() => lock?.assertHeld(), /is lost/);
    await world.clock.advance(10);
    assert.is(codeOf(result.error), "LockLost");
    assert.equal(await held(world), []);
  },
);

eitherWay("a grant that arrives when the session is no longer trusted is not used", async (cache) => {
  const world = new World({ cache });
  const a = world.client();
  const b = world.client();
  const { opened, open } = gate();
  void a.locks.request("x", () => opened);
  await world.clock.advance(10);
  const granted: boolean[] = [];
  const waiting = watch(
    b.locks.request("x", () => {
      granted.push(world.clock.now() < (b.core.session?.trustedUntil ?? 0));
    }),
  );
  await world.clock.advance(10);
  b.core.trustUntil(world.clock.now());
  world.delays = { request: 10, reply: 0, notice: 0 };
  open();
  await world.clock.advance(15);
  b.core.lose("no keep-alive was confirmed in time");
  await world.clock.advance(1000);
  assert.ok(waiting.isSettled);
  assert.equal(granted, [true]);
});

eitherWay("steal breaks the holder: its signal aborts, its request rejects with AbortError", async (cache) => {
  const world = new World({ cache });
  const a = world.client();
  const b = world.client();
  const robbed: Lock[] = [];
  const old = watch(
    a.locks.request("x", (lock) => {
      robbed.push(lock);
      void lock.signal;
      return new Promise<void>(() => {});
    }),
  );
  await world.clock.advance(10);
  const { opened, open } = gate();
  const thief = watch(b.locks.request("x", { steal: true }, () => opened.then(() => "stolen")));
  await world.clock.advance(10);
  assert.is(codeOf(old.error), "AbortError");
  assert.ok(old.error instanceof DOMException);
  assert.is((robbed[0]!.signal.reason as ViewstampError).data["reason"], "stolen");
  assert.throws(() => robbed[0]!.assertHeld(), /stolen/);
  assert.equal(await held(world), ["x 1.2"]);
  assert.equal(world.log.outstanding("1.1"), []);
  open();
  await world.clock.advance(10);
  assert.is(thief.value, "stolen");
});

eitherWay("a lock that is stolen before its grant was heard of ends the wait", async (cache) => {
  const world = new World({ cache });
  const a = world.client();
  const b = world.client();
  world.delays = { request: 0, reply: 100, notice: 0 };
  const robbed = watch(a.locks.request("x", () => "never"));
  void b.locks.request("y", () => {});
  await world.clock.advance(300);
  const first = watch(a.locks.request("x", () => new Promise<void>(() => {})));
  const thief = watch(b.locks.acquire("x", { steal: true }));
  await world.clock.advance(1);
  assert.ok(robbed.isSettled);
  assert.is(codeOf(first.error), "AbortError");
  await world.clock.advance(300);
  assert.ok(thief.value);
  assert.equal(await held(world), [`x ${b.core.session?.id}`]);
});

eitherWay("a release that meets trouble is done all the same, once the cluster can", async (cache) => {
  const world = new World({ cache });
  const { locks, core } = world.client();
  const lock = watch(locks.acquire("x"));
  await world.clock.advance(10);
  core.failures.push(
    { code: "Busy", isExecuted: false },
    { code: "Timeout", isExecuted: true },
    { code: "Overloaded", isExecuted: false },
  );
  const released = watch((lock.value as AcquiredLock).release());
  const next = watch(locks.acquire("x"));
  await world.clock.advance(1000);
  assert.ok(released.isSettled && released.error === undefined);
  assert.ok(next.value);
});

eitherWay("a command that meets trouble goes before those that were not sent yet", async (cache) => {
  const world = new World({ cache });
  const { locks, core } = world.client();
  void watch(locks.request("y", () => {}));
  await world.clock.advance(10);
  core.failures.push({ code: "Busy", isExecuted: false });
  const order: number[] = [];
  for (let n = 0; n < 300; n++) void locks.request("x", () => order.push(n));
  await world.clock.advance(5000);
  assert.is(order.length, 300);
  assert.is(order[0], 1);
  assert.ok(order.indexOf(0) < order.indexOf(299));
});

eitherWay("a request that meets trouble is granted once, whether or not the command was done", async (cache) => {
  const world = new World({ cache });
  const { locks, core } = world.client();
  for (const isExecuted of [true, false]) {
    core.failures.push({ code: "Timeout", isExecuted });
    const first = watch(locks.request("x", () => "first"));
    const second = watch(locks.request("x", () => "second"));
    await world.clock.advance(1000);
    assert.is(first.value, "first");
    assert.is(second.value, "second");
    assert.equal(await held(world), []);
  }
});

eitherWay("a refusal that trying again cannot help rejects the request", async (cache) => {
  const world = new World({ cache });
  const { locks, core } = world.client();
  core.failures.push({ code: "MachineFailed", isExecuted: true });
  const result = watch(locks.acquire("x"));
  await world.clock.advance(1000);
  assert.is(codeOf(result.error), "MachineFailed");
  assert.equal(await held(world), []);
});

eitherWay(
  "what is given back while every node refuses the client goes back when one lets it in again",
  async (cache) => {
    const world = new World({ cache });
    const [a, b] = [world.client(), world.client()];
    const lock = await inTime(world, a.locks.acquire("x"));
    const controller = new AbortController();
    const aborted = watch(b.locks.acquire("x", { signal: controller.signal }));
    await world.clock.advance(20);
    const refusal = { code: "WrongMachine", isExecuted: false, data: { url: "memory://a" } } as const;
    b.core.failures.push(refusal);
    controller.abort();
    await world.clock.advance(20);
    assert.ok(aborted.error);
    a.core.failures.push(refusal, refusal);
    const released = watch(lock.release());
    const next = watch(world.client().locks.acquire("x"));
    await world.clock.advance(2000);
    assert.ok(released.isSettled && released.error === undefined);
    assert.ok(next.value);
  },
);

test("a use is not lost because the cluster could not be told of it while every node refused the client", async () => {
  const world = new World({ cache: {} });
  const [a, b] = [world.client(), world.client()];
  const lock = await inTime(world, a.locks.acquire("x"));
  a.core.failures.push({ code: "WrongCluster", isExecuted: false, data: { url: "memory://a" } });
  assert.is(await inTime(world, b.locks.acquire("x", { ifAvailable: true })), null);
  lock.assertHeld();
});

test("a machine that does not know what it is asked to undo is asked once", async () => {
  const world = new World({ cache: false });
  const { locks, core } = world.client();
  const lock = await inTime(world, locks.acquire("x"));
  core.failures.push({ code: "WrongMachine", isExecuted: false });
  const released = watch(lock.release());
  await world.clock.advance(2000);
  assert.is(codeOf(released.error), "WrongMachine");
});

eitherWay("notices that nobody understands are left alone", async (cache) => {
  const world = new World({ cache });
  const { locks, core } = world.client();
  const lock = watch(locks.acquire("x"));
  await world.clock.advance(10);
  for (const notice of [undefined, 7, {}, { type: "revoke", name: "x", xid: 1, token: 1n }])
    core.noticed("1.1", notice);
  core.noticed("1.1", { type: "stolen", name: "x", xid: 1, token: 99n });
  core.noticed("1.1", { type: "stolen", name: "other", xid: 1, token: (lock.value as AcquiredLock).token });
  (lock.value as AcquiredLock).assertHeld();
});

test.run();
