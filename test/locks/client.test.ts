// The lock client over a core without a network: what its users are promised.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { AcquiredLock, Lock } from "../../src/locks/client-types.ts";
import type { ViewstampError } from "../../src/protocol/errors.ts";
import { codeOf, eitherWay, gate, held, seen, timersLeft, watch } from "./support.ts";
import { settled, World } from "./world.ts";

eitherWay(
  "a request calls back with the lock, gives its result, and the lock is free when it resolves",
  async (cache) => {
    const world = new World({ cache });
    const { locks } = world.client();
    let seen: Lock | undefined;
    const result = watch(
      locks.request("x", async (lock) => {
        seen = lock;
        lock.assertHeld();
        assert.equal(await held(world), ["x 1.1"]);
        return 42;
      }),
    );
    while (!result.isSettled) await world.clock.advance(10);
    assert.is(result.value, 42);
    assert.is(seen?.name, "x");
    assert.is(seen?.mode, "exclusive");
    assert.is(seen?.token, 1n << 24n);
    assert.not(seen?.signal.aborted);
    assert.throws(
      () => seen?.assertHeld(),
      (error: unknown) => codeOf(error) === "LockLost",
    );
    assert.equal(await held(world), []);
  },
);

eitherWay("a callback that throws or rejects rejects the request, and the lock is released", async (cache) => {
  const world = new World({ cache });
  const { locks } = world.client();
  const thrown = watch(
    locks.request("x", () => {
      throw new RangeError("thrown");
    }),
  );
  const rejected = watch(locks.request("x", { mode: "shared" }, () => Promise.reject(new SyntaxError("rejected"))));
  await world.clock.advance(10);
  assert.is(codeOf(thrown.error), "RangeError");
  assert.is(codeOf(rejected.error), "SyntaxError");
  assert.equal(await held(world), []);
});

eitherWay("acquire gives a lock that is held until it is released, once", async (cache) => {
  const world = new World({ cache });
  const { locks, core } = world.client();
  const acquired = watch(locks.acquire("x", { timeoutMs: 100 }));
  await world.clock.advance(10);
  const lock = acquired.value as AcquiredLock;
  lock.assertHeld();
  const releases = [lock.release(), lock.release(), lock[Symbol.asyncDispose]()].map(watch);
  await world.clock.advance(10);
  assert.ok(releases.every(({ isSettled, error }) => isSettled && error === undefined));
  assert.equal(core.done, cache === false ? ["acquire x", "release x"] : ["acquire x"]);
  assert.is(await timersLeft(world), 0);
});

eitherWay("await using releases", async (cache) => {
  const world = new World({ cache });
  const { locks } = world.client();
  const done = watch(
    (async () => {
      await using lock = await locks.acquire("x");
      return lock.token;
    })(),
  );
  await world.clock.advance(10);
  assert.ok(done.isSettled);
  assert.equal(await held(world), []);
});

eitherWay("ifAvailable calls back with null when the lock is held, and acquire gives null", async (cache) => {
  const world = new World({ cache });
  const a = world.client().locks;
  const b = world.client().locks;
  const { opened, open } = gate();
  void a.request("x", () => opened);
  await world.clock.advance(10);
  const seen: unknown[] = [];
  const result = watch(
    b.request("x", { ifAvailable: true }, (lock) => {
      seen.push(lock);
      return "declined";
    }),
  );
  const failing = watch(
    b.request("x", { ifAvailable: true }, () => {
      throw new RangeError("in the callback");
    }),
  );
  const acquired = watch(b.acquire("x", { ifAvailable: true }));
  const other = watch(b.request("y", { ifAvailable: true }, (lock) => lock?.name));
  await world.clock.advance(10);
  assert.equal(seen, [null]);
  assert.is(result.value, "declined");
  assert.is(codeOf(failing.error), "RangeError");
  assert.is(acquired.value, null);
  assert.is(other.value, "y");
  open();
  await world.clock.advance(10);
});

eitherWay("requests are granted in the order they were made, over clients", async (cache) => {
  const world = new World({ cache });
  const clients = [world.client().locks, world.client().locks, world.client().locks];
  for (const locks of clients) void locks.request("other", { mode: "shared" }, () => {});
  await world.clock.advance(10);
  const order: number[] = [];
  for (let n = 0; n < 9; n++) {
    void clients[n % 3]!.request("x", async () => {
      order.push(n);
    });
    await world.clock.advance(1);
  }
  await world.clock.advance(1000);
  assert.equal(order, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
});

eitherWay("more requests than may be under way keep their order", async (cache) => {
  const world = new World({ cache });
  world.delays = { request: 3, reply: 20, notice: 20 };
  const { locks, core } = world.client();
  const order: number[] = [];
  const results = Array.from({ length: 600 }, (_, n) => locks.request("x", () => order.push(n)));
  const done = watch(Promise.all(results));
  await world.clock.advance(60_000);
  assert.ok(done.isSettled);
  assert.equal(
    order,
    Array.from({ length: 600 }, (_, n) => n),
  );
  assert.is(core.done.length, 1200);
});

eitherWay("arguments are refused as the standard says, by rejections", async (cache) => {
  const { locks } = new World({ cache }).client();
  const signal = new AbortController().signal;
  const callback = (): void => {};
  const refused: [string, () => Promise<unknown>][] = [
    ["TypeError", () => locks.request("x", undefined as never)],
    ["TypeError", () => locks.request("x", {} as never)],
    ["TypeError", () => locks.request("x", {}, "no function" as never)],
    ["TypeError", () => locks.request(Symbol("x") as never, callback)],
    ["TypeError", () => locks.request("x", 5 as never, callback)],
    ["TypeError", () => locks.request("x", { mode: "both" as never }, callback)],
    ["TypeError", () => locks.request("x", { mode: null as never }, callback)],
    ["TypeError", () => locks.request("x", { signal: null as never }, callback)],
    ["TypeError", () => locks.request("x", { signal: {} as never }, callback)],
    ["TypeError", () => locks.request("x", { signal: { aborted: false, addEventListener() {} } as never }, callback)],
    ["TypeError", () => locks.request("x", { signal: { ...new EventTarget(), aborted: 0 } as never }, callback)],
    ["TypeError", () => locks.request("x", { timeoutMs: 0 }, callback)],
    ["TypeError", () => locks.request("x", { timeoutMs: 2 ** 31 }, callback)],
    ["TypeError", () => locks.acquire("x", { timeoutMs: Number.NaN })],
    ["NotSupportedError", () => locks.request("-", callback)],
    ["NotSupportedError", () => locks.request("-x", callback)],
    ["NotSupportedError", () => locks.request("x", { steal: true, ifAvailable: true }, callback)],
    ["NotSupportedError", () => locks.request("x", { steal: true, mode: "shared" }, callback)],
    ["NotSupportedError", () => locks.request("x", { steal: true, signal }, callback)],
    ["NotSupportedError", () => locks.request("x", { ifAvailable: true, signal }, callback)],
    ["InvalidInput", () => locks.acquire("x".repeat(16_385))],
    ["AbortError", () => locks.request("x", { signal: AbortSignal.abort() }, callback)],
  ];
  for (const [name, call] of refused) {
    const fate = watch(call());
    await settled();
    assert.is(codeOf(fate.error), name, String(call));
  }
});

eitherWay(
  "what a browser takes for granted is taken: null options, numbers as names, unknown members",
  async (cache) => {
    const world = new World({ cache });
    const { locks } = world.client();
    const results = [
      watch(locks.request("", null as never, (lock) => lock?.name)),
      watch(locks.request(7 as never, (lock) => lock.name)),
      watch(locks.request("x", { later: 1 } as never, (lock) => lock?.mode)),
    ];
    await world.clock.advance(10);
    assert.equal(
      results.map(({ value }) => value),
      ["", "7", "exclusive"],
    );
  },
);

eitherWay("an abort ends the wait with the signal's reason, and lets in who stood behind", async (cache) => {
  const world = new World({ cache });
  const { locks } = world.client();
  const { opened, open } = gate();
  void locks.request("x", { mode: "shared" }, () => opened);
  const controller = new AbortController();
  let called = false;
  const aborted = watch(
    locks.request("x", { signal: controller.signal }, () => {
      called = true;
    }),
  );
  const behind = watch(locks.request("x", { mode: "shared" }, () => "in"));
  await world.clock.advance(10);
  assert.not(behind.isSettled);
  controller.abort(new RangeError("enough"));
  await settled();
  assert.is(codeOf(aborted.error), "RangeError");
  await world.clock.advance(10);
  assert.is(behind.value, "in");
  open();
  await world.clock.advance(10);
  assert.not(called);
});

eitherWay("an abort in the same turn as the request wins, also before there is a session", async (cache) => {
  const world = new World({ cache });
  const { locks } = world.client();
  for (let round = 0; round < 2; round++) {
    const controller = new AbortController();
    let called = false;
    const aborted = watch(
      locks.request("x", { signal: controller.signal }, () => {
        called = true;
      }),
    );
    controller.abort();
    await world.clock.advance(10);
    assert.is(codeOf(aborted.error), "AbortError");
    assert.not(called);
    assert.equal(await held(world), []);
    void locks.request("y", () => {});
    await world.clock.advance(10);
  }
});

eitherWay("an abort after the grant changes nothing", async (cache) => {
  const world = new World({ cache });
  const { locks } = world.client();
  const controller = new AbortController();
  const { opened, open } = gate();
  const result = watch(locks.request("x", { signal: controller.signal }, () => opened.then(() => "done")));
  await world.clock.advance(10);
  controller.abort();
  await world.clock.advance(10);
  assert.equal(await held(world), ["x 1.1"]);
  open();
  await world.clock.advance(10);
  assert.is(result.value, "done");
});

eitherWay("timeoutMs ends the wait with Timeout, and a grant that was on its way goes back", async (cache) => {
  const world = new World({ cache });
  world.delays = { request: 0, reply: 0, notice: 1 };
  const a = world.client();
  const b = world.client();
  const { opened, open } = gate();
  void a.locks.request("x", () => opened);
  await world.clock.advance(5);
  const late = watch(b.locks.request("x", { timeoutMs: 50 }, () => "granted"));
  await world.clock.advance(49);
  assert.not(late.isSettled);
  b.core.isCutOff = true;
  open();
  await world.clock.advance(0);
  await world.clock.advance(0);
  await world.clock.advance(1.5);
  assert.is(codeOf(late.error), "Timeout");
  await world.clock.advance(10);
  assert.equal(await held(world), []);
  assert.is(await timersLeft(world), 0);
});

eitherWay("close loses what is held, ends what waits, and leaves nothing behind", async (cache) => {
  const world = new World({ cache });
  const { locks, core } = world.client();
  const other = world.client().locks;
  const lock = watch(locks.acquire("x"));
  await world.clock.advance(10);
  const waiting = watch(locks.acquire("x"));
  const next = watch(other.acquire("x"));
  await world.clock.advance(10);
  const { signal } = lock.value as AcquiredLock;
  const closed = [watch(locks.close()), watch(locks.close()), watch(locks[Symbol.asyncDispose]())];
  assert.is((signal.reason as ViewstampError).data["reason"], "closed");
  await world.clock.advance(10);
  assert.ok(closed.every(({ isSettled }) => isSettled));
  assert.is(codeOf(waiting.error), "Closed");
  assert.ok(next.value);
  assert.is(core.handlers, 0);
  void other.close();
  await world.clock.advance(10);
  assert.is(await timersLeft(world), 0);
  const late = watch(locks.acquire("x"));
  const released = watch((lock.value as AcquiredLock).release());
  await settled();
  assert.is(codeOf(late.error), "Closed");
  assert.ok(released.isSettled && released.error === undefined);
});

eitherWay("close before there is a session ends the waits too", async (cache) => {
  const world = new World({ cache });
  const { locks, core } = world.client();
  core.openFailures.push("Busy", "Busy", "Busy");
  const waiting = watch(locks.acquire("x"));
  await world.clock.advance(1);
  void locks.close();
  await world.clock.advance(1000);
  assert.is(codeOf(waiting.error), "Closed");
  assert.is(await timersLeft(world), 0);
});

eitherWay("query shows who holds and who waits, and whom the client says it is", async (cache) => {
  const world = new World({ cache });
  const a = world.client("billing").locks;
  const b = world.client().locks;
  const lock = watch(a.acquire("x", { mode: "shared" }));
  await world.clock.advance(10);
  const waiting = watch(b.acquire("x"));
  await world.clock.advance(100);
  const { held, pending } = await seen(world, a);
  const { token } = lock.value as AcquiredLock;
  assert.equal(
    held.map(({ ageMs, ...rest }) => rest),
    [{ name: "x", mode: "shared", clientId: "1.1", owner: "billing", token }],
  );
  assert.ok(held[0]!.ageMs >= 100 && held[0]!.ageMs <= 120);
  assert.equal(
    pending.map(({ name, mode, clientId, owner }) => ({ name, mode, clientId, owner })),
    [{ name: "x", mode: "exclusive", clientId: "1.2", owner: "" }],
  );
  assert.not(waiting.isSettled);
});

eitherWay("an owner that is too long is refused", (cache) => {
  assert.throws(
    () => new World({ cache }).client("x".repeat(257)),
    (error: unknown) => codeOf(error) === "InvalidOptions",
  );
});

test.run();
