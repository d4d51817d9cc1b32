// What programs written against `navigator.locks` rely on, and few would think to promise: W3C Web Locks to the letter.

import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { LockClient } from "../../src/locks/client.ts";
import type { LockOptions } from "../../src/locks/client-types.ts";
import { ClusterLocks } from "../../src/locks/cluster-locks.ts";
import { codeOf, counted, eitherWay, gate, held, inTime, seen, timersLeft, watch } from "./support.ts";
import { FakeCore, settled, World } from "./world.ts";

eitherWay("arguments are converted from the left, all of them before any is judged", async (cache) => {
  const { locks } = new World({ cache }).client();
  const read: string[] = [];
  const reading = (name: string, value: unknown): PropertyDescriptor => ({
    get: () => {
      read.push(name);
      return value;
    },
  });
  const name = {
    toString: () => {
      read.push("name");
      return "-reserved";
    },
  };
  const options = Object.defineProperties(
    {},
    {
      steal: reading("steal", true),
      signal: reading("signal", undefined),
      mode: reading("mode", "exclusive"),
      ifAvailable: reading("ifAvailable", true),
    },
  ) as LockOptions;
  const notCallable = watch(locks.request(name as never, options, "no function" as never));
  await settled();
  assert.is(codeOf(notCallable.error), "TypeError");
  assert.equal(read, ["name", "ifAvailable", "mode", "signal", "steal"]);
  const thrower = {
    toString: () => {
      throw new RangeError("no name");
    },
  };
  const notNamed = watch(locks.request(thrower as never, { mode: "both" } as never, "no function" as never));
  await settled();
  assert.is(codeOf(notNamed.error), "RangeError");
});

eitherWay("an abort in the turn in which the lock is given back wins over the grant", async (cache) => {
  const world = new World({ cache });
  const { locks } = world.client();
  const lock = await inTime(world, locks.acquire("x"));
  const controllers = [new AbortController(), new AbortController()];
  const [first, second] = controllers.map(({ signal }) => signal);
  let called = false;
  const requested = watch(
    locks.request("x", { signal: first! }, () => {
      called = true;
    }),
  );
  const acquired = watch(locks.acquire("x", { signal: second! }));
  await world.clock.advance(10);
  void lock.release();
  for (const controller of controllers) controller.abort(new RangeError("enough"));
  await settled();
  assert.is(codeOf(requested.error), "RangeError");
  assert.is(codeOf(acquired.error), "RangeError");
  await world.clock.advance(10);
  assert.not(called);
  assert.equal(await held(world), []);
  assert.is(await timersLeft(world), 0);
});

eitherWay("an abort ends a wait, also if a listener that hears of it before gives the lock back", async (cache) => {
  const world = new World({ cache });
  const { locks } = world.client();
  const lock = await inTime(world, locks.acquire("x"));
  const controller = new AbortController();
  const { signal } = controller;
  signal.addEventListener("abort", () => void lock.release());
  let called = false;
  const aborted = watch(
    locks.request("x", { signal }, () => {
      called = true;
    }),
  );
  const behind = watch(locks.request("x", () => "mine"));
  await world.clock.advance(10);
  controller.abort(new RangeError("enough"));
  await world.clock.advance(10);
  assert.is(codeOf(aborted.error), "RangeError");
  assert.not(called);
  assert.is(behind.value, "mine");
  assert.equal(await held(world), []);
});

eitherWay("a callback may abort a request that was granted with it, and has not been called", async (cache) => {
  const world = new World({ cache });
  const { locks } = world.client();
  const keepers = [locks, world.client().locks];
  for (const keeper of keepers) {
    const lock = await inTime(world, keeper.acquire("x"));
    const controller = new AbortController();
    let called = false;
    const first = watch(locks.request("x", { mode: "shared" }, () => controller.abort()));
    const second = watch(
      locks.request("x", { mode: "shared", signal: controller.signal }, () => {
        called = true;
      }),
    );
    const behind = watch(locks.request("x", () => "in"));
    await world.clock.advance(10);
    void lock.release();
    await world.clock.advance(20);
    assert.ok(first.isSettled && first.error === undefined);
    assert.is(codeOf(second.error), "AbortError");
    assert.not(called);
    assert.is(behind.value, "in");
  }
});

eitherWay("callbacks are called in the order of the requests, those with a signal among the others", async (cache) => {
  const world = new World({ cache });
  const { locks } = world.client();
  const { signal } = new AbortController();
  const all: readonly [string, LockOptions][] = [
    ["x", { signal }],
    ["x", {}],
    ["y", {}],
    ["x", { signal, timeoutMs: 100 }],
    ["held", { ifAvailable: true }],
    ["z", {}],
  ];
  await inTime(world, world.client().locks.acquire("held"));
  const blocker = await inTime(world, world.client().locks.acquire("x"));
  for (let round = 0; round < 3; round++) {
    const order: number[] = [];
    const results = all.map(([name, options], n) =>
      locks.request(name, { mode: "shared", ...options }, () => order.push(n)),
    );
    if (round === 0) {
      await world.clock.advance(10);
      // Whether a lock that another client may keep unused is available takes a question.
      assert.equal([...order].sort(), [2, 4, 5], "those that nobody is in the way of");
      order.length = 0;
      void blocker.release();
      await inTime(world, Promise.all(results));
      assert.equal(order, [0, 1, 3]);
    } else {
      await inTime(world, Promise.all(results));
      assert.equal(order, [0, 1, 2, 3, 4, 5]);
    }
  }
});

eitherWay(
  "callbacks are called in the order of the requests, those for several locks among the others",
  async (cache) => {
    const world = new World({ cache });
    const { locks } = world.client();
    for (let round = 0; round < 3; round++) {
      const order: number[] = [];
      const shared = { mode: "shared" } as const;
      const results = [
        locks.request("a", shared, () => order.push(0)),
        locks.requestAll(["a", "b"], shared, () => order.push(1)),
        locks.request("b", shared, () => order.push(2)),
        locks.requestAll(["b"], shared, () => order.push(3)),
        locks.request("c", () => order.push(4)),
      ];
      await inTime(world, Promise.all(results));
      assert.equal(order, [0, 1, 2, 3, 4], `round ${round}`);
    }
  },
);

eitherWay("what an earlier request of the same client waits for is not available", async (cache) => {
  for (const together of [false, true]) {
    const world = new World({ cache });
    const { locks } = world.client();
    await inTime(world, locks.acquire("warm"));
    world.delays = { request: 0, reply: 0, notice: 5 };
    const seen: unknown[] = [];
    const first = locks.request("x", () => void seen.push("first"));
    const second = together
      ? locks.requestAll(["y", "x"], { ifAvailable: true }, (both) => void seen.push(both))
      : locks.request("x", { ifAvailable: true }, (lock) => void seen.push(lock?.name ?? null));
    await inTime(world, Promise.all([first, second]));
    assert.equal(seen, ["first", null]);
  }
});

test("a kept lock that is lost before its callback could be called rejects, and nobody is called", async () => {
  for (const reason of ["stolen", "session"] as const) {
    const world = new World({ cache: {} });
    const { locks, core } = world.client();
    const lock = await inTime(world, locks.acquire("x"));
    let called = false;
    const next = watch(
      locks.request("x", { signal: new AbortController().signal }, () => {
        called = true;
      }),
    );
    await world.clock.advance(10);
    void lock.release();
    if (reason === "session") core.lose("planted");
    else core.noticed("1.1", { type: "stolen", name: "x", xid: 1, token: lock.token });
    await world.clock.advance(10);
    assert.is(codeOf(next.error), reason === "stolen" ? "AbortError" : "LockLost");
    assert.not(called);
  }
});

eitherWay("a query shows what the same client has asked for and given back just before", async (cache) => {
  for (const isWarm of [false, true]) {
    const world = new World({ cache });
    world.delays = { request: 5, reply: 5, notice: 5 };
    const { locks } = world.client();
    const { opened, open } = gate();
    if (isWarm)
      await inTime(
        world,
        locks.request("x", () => {}),
      );
    void locks.request("x", () => opened);
    void locks.request("x", { signal: new AbortController().signal }, () => opened);
    const names = async (): Promise<string[][]> => {
      const { held, pending } = await seen(world, locks);
      return [held, pending].map((infos) => infos.map(({ name }) => name));
    };
    assert.equal(await names(), [["x"], ["x"]]);
    const lock = await inTime(world, locks.acquire("y"));
    void lock.release();
    assert.equal(await names(), [["x"], ["x"]]);
    open();
    await world.clock.advance(100);
    assert.equal(await names(), [[], []]);
  }
});

test("a query of a client that has asked for nothing opens no session, and a local one waits for nothing", async () => {
  const world = new World();
  const { locks, core } = world.client();
  await inTime(world, locks.query());
  assert.is(core.session, undefined);
  const request = watch(locks.request("x", () => {}));
  await locks.query({ consistency: "local" });
  assert.not(request.isSettled);
  assert.equal(core.done, []);
});

eitherWay("many requests wait with one signal, and are no leak to Node", async (cache) => {
  const world = new World({ cache });
  const { locks } = world.client();
  const blocker = await inTime(world, world.client().locks.acquire("x"));
  const { controller, listeners } = counted();
  const { signal } = controller;
  const order: number[] = [];
  const ask = (): Promise<number>[] =>
    Array.from({ length: 12 }, (_, n) => locks.request("x", { signal }, () => order.push(n)));
  const granted = ask();
  const together = locks.acquireAll(["x", "y"], { signal });
  await world.clock.advance(10);
  assert.is(listeners.size, 1);
  void blocker.release();
  await inTime(world, Promise.all(granted));
  const both = await inTime(world, together);
  assert.equal(order, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  assert.is(listeners.size, 0, "nobody waits with it");
  const aborted = ask().map((promise) => watch(promise));
  await world.clock.advance(10);
  controller.abort(new RangeError("enough"));
  await settled();
  assert.ok(aborted.every(({ error }) => codeOf(error) === "RangeError"));
  await inTime(world, both.release());
  assert.equal(await held(world), []);
});

eitherWay("what a query gives can be logged as JSON, as programs for navigator.locks do", async (cache) => {
  const world = new World({ cache });
  const { locks } = world.client("ann");
  const lock = await inTime(world, locks.acquire("x"));
  const waiting = watch(locks.acquire("x", { timeoutMs: 10_000 }));
  await world.clock.advance(10);
  const snapshot = await seen(world);
  const { held, pending } = JSON.parse(JSON.stringify(snapshot)) as Record<string, Record<string, unknown>[]>;
  assert.equal(held, [{ ...snapshot.held[0], token: String(lock.token) }], "a token is a string there");
  assert.equal(pending, [{ ...snapshot.pending[0] }]);
  assert.equal(Object.keys(snapshot.held[0] ?? {}).sort(), ["ageMs", "clientId", "mode", "name", "owner", "token"]);
  void lock.release();
  await world.clock.advance(50);
  void waiting.value?.release();
});

test("a method that has lost its object rejects, as an operation of Web IDL does", async () => {
  const { request, query, acquire, acquireAll, runOnce } = new ClusterLocks(new FakeCore(new World(), "1"));
  const calls: readonly (() => Promise<unknown>)[] = [
    ...[() => request("x", () => {}), () => query(), () => acquire("x"), () => acquire("x", {})],
    ...[() => acquireAll(["x"]), () => runOnce("x", { ttlMs: 1000 }, () => {})],
  ];
  for (const call of calls) {
    const fate = watch(call());
    await settled();
    assert.is(codeOf(fate.error), "TypeError");
  }
});

eitherWay("of several that steal in one turn the last has the lock, and the others hear of it", async (cache) => {
  const world = new World({ cache });
  const { locks } = world.client();
  const { opened, open } = gate();
  const robbed = [undefined, { steal: true }, { steal: true }].map((options) =>
    watch(locks.request("x", options ?? {}, () => opened)),
  );
  const last = watch(locks.request("x", { steal: true }, (lock) => lock.mode));
  await world.clock.advance(20);
  for (const { error } of robbed) assert.is(codeOf(error), "AbortError");
  assert.is(last.value, "exclusive");
  open();
  await world.clock.advance(10);
  assert.equal(await held(world), []);
});

eitherWay("a robbed callback goes on, and what it comes to is nobody's business any more", async (cache) => {
  const world = new World({ cache });
  const { locks } = world.client();
  const { opened, open } = gate();
  let isDone = false;
  const robbed = watch(
    locks.request("x", async () => {
      await opened;
      isDone = true;
      throw new RangeError("too late");
    }),
  );
  await world.clock.advance(10);
  assert.is(
    await inTime(
      world,
      locks.request("x", { steal: true }, () => "stolen"),
    ),
    "stolen",
  );
  await world.clock.advance(10);
  assert.is(codeOf(robbed.error), "AbortError");
  open();
  await settled();
  assert.ok(isDone);
  assert.is(codeOf(robbed.error), "AbortError");
});

eitherWay(
  "a lock that its client uses is not available, though it is given back before that is told",
  async (cache) => {
    const ways: readonly [LockOptions, (locks: LockClient) => Promise<unknown>][] = [
      [{}, (locks) => locks.request("x", { ifAvailable: true }, (lock) => lock?.name)],
      [{ mode: "shared" }, (locks) => locks.request("x", { ifAvailable: true }, (lock) => lock?.name)],
      [
        {},
        (locks) => {
          const asked = locks.request("x", { ifAvailable: true }, (lock) => lock?.name);
          void locks.request("x", { lockDelayMs: 1 }, () => {});
          return asked;
        },
      ],
      [{}, (locks) => locks.requestAll(["x", "y"], { ifAvailable: true }, (both) => both?.names)],
      [{}, (locks) => locks.acquireAll(["x"], { ifAvailable: true, mode: "shared" })],
    ];
    for (const [options, ask] of ways) {
      const world = new World({ cache });
      const { locks } = world.client();
      const order: string[] = [];
      let asked: Promise<unknown> | undefined;
      for (let round = 0; round < 2; round++) {
        const other = gate();
        const done = locks.request("x", options, () => {
          void locks.request(`other ${round}`, () => order.push("the one before") && other.opened);
          asked = ask(locks).then((given) => order.push("the one that asks") && given);
        });
        await inTime(world, done);
        assert.ok((await inTime(world, asked as Promise<unknown>)) == null, JSON.stringify(options));
        other.open();
      }
      assert.equal(order, ["the one before", "the one that asks", "the one before", "the one that asks"]);
      await world.clock.advance(10);
      assert.equal(await held(world), []);
    }
  },
);

eitherWay("a callback runs in the context of its request, not of whoever gave the lock back", async (cache) => {
  const world = new World({ cache });
  const [one, two] = [world.client("one").locks, world.client("two").locks];
  const context = new AsyncLocalStorage<string>();
  const seen: string[] = [];
  const ask = (who: string, locks: LockClient, options: LockOptions): Promise<void> =>
    context.run(who, () => locks.request("x", options, () => void seen.push(`${who} in ${context.getStore()}`)));
  const first = await inTime(
    world,
    context.run("first", () => one.acquire("x")),
  );
  const waits = [
    ...[ask("here", one, {}), ask("with a signal", one, { signal: new AbortController().signal })],
    ...[ask("elsewhere", two, {}), ask("at once", two, { ifAvailable: true })],
  ];
  await world.clock.advance(50);
  context.run("the release", () => void first.release());
  await inTime(world, Promise.all(waits));
  assert.equal(seen.sort(), [
    "at once in at once",
    "elsewhere in elsewhere",
    "here in here",
    "with a signal in with a signal",
  ]);
});

eitherWay("without options nothing is read from the prototype of all objects", async (cache) => {
  const world = new World({ cache });
  const { locks } = world.client("one");
  const modeOf = ({ mode }: { readonly mode: string }): string => mode;
  const asked: Promise<string>[] = [];
  Object.defineProperty(Object.prototype, "mode", { value: "shared", configurable: true });
  try {
    asked.push(locks.request("a", modeOf), locks.request("b", {}, modeOf));
    asked.push(locks.request("c", undefined as unknown as { readonly mode?: "shared" }, modeOf));
  } finally {
    Reflect.deleteProperty(Object.prototype, "mode");
  }
  assert.equal(await inTime(world, Promise.all(asked)), ["exclusive", "shared", "exclusive"]);
});

test.run();
