// The lock tester passes over the real lock client and machine, and sees what it is there to see.
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  runLockTester,
  TESTER_PARTS,
  type TesterProgress,
  type TesterReport,
} from "../../examples/lock-cluster/lock-tester.ts";
import type { LockClient } from "../../src/locks/client.ts";
import type { Lock } from "../../src/locks/client-types.ts";
import { eitherWay, watch } from "./support.ts";
import { World } from "./world.ts";

/** Runs the tester in a world whose clock is moved on until the tester is done. */
async function runIn(
  world: World,
  wrap: (client: LockClient) => LockClient = (client) => client,
  more: { readonly until?: AbortSignal; readonly onProgress?: (progress: TesterProgress) => void } = {},
): Promise<TesterReport> {
  const { clock } = world;
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => clock.setTimer(ms, resolve));
  const time = { now: () => clock.now(), random: () => clock.random(), sleep };
  const connect = (): Promise<LockClient> => Promise.resolve(wrap(world.client().locks));
  const fate = watch(runLockTester({ connect, time, ...more }));
  for (let n = 0; n < 2000 && !fate.isSettled; n++) await clock.advance(100);
  if (fate.value === undefined) throw new Error("the tester does not end");
  return fate.value;
}

/** A client whose every lock is changed on its way to the holder. */
function withLocks(client: LockClient, change: (lock: Lock) => Lock): LockClient {
  const request = (name: string, options: object, callback: (lock: Lock) => unknown): Promise<unknown> =>
    client.request(name, options, (lock) => callback(change(lock as Lock)));
  return new Proxy(client, {
    get: (target, key) => {
      if (key === "request") return request;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** A lock whose properties are overridden; the others are the real ones. */
function changed(lock: Lock, other: Partial<Lock>): Lock {
  const { name, mode, token, signal, age } = lock;
  return { name, mode, token, signal, age, assertHeld: () => lock.assertHeld(), ...other };
}

eitherWay("it passes over a slow, repeating, reordering network", async (cache) => {
  for (const seed of [1, 2, 3]) {
    const world = new World({ seed, cache });
    world.delays = { request: 5, reply: 20, notice: 30 };
    world.repeats = 0.3;
    const parts: number[] = [];
    const report = await runIn(world, undefined, {
      onProgress: (progress) => {
        if (progress.event === "part") parts.push(progress.part);
      },
    });
    assert.equal(report.failures, []);
    assert.ok(report.ok);
    assert.is(report.grants, 6 + 6 + 60 + 20 + 60);
    assert.ok(report.longestGapMs > 0 && report.longestGapMs < 200, `${report.longestGapMs}`);
    assert.equal(
      parts,
      TESTER_PARTS.map((_, index) => index + 1),
    );
  }
});

eitherWay("it goes on until it is told to stop", async (cache) => {
  const world = new World({ cache });
  const until = new AbortController();
  let parts = 0;
  const report = await runIn(world, undefined, {
    until: until.signal,
    onProgress: ({ event }) => {
      if (event === "part" && ++parts === 12) until.abort();
    },
  });
  assert.ok(report.ok);
  assert.is(parts, 12);
});

eitherWay("it sees two holders", async (cache) => {
  const twice = (client: LockClient): LockClient =>
    new Proxy(client, {
      get: (target, key) => {
        if (key === "request") {
          return (name: string, options: object, callback: (lock: Lock) => unknown): Promise<unknown> =>
            target.request(name, { ...options, mode: "shared" }, (lock) => callback(lock as Lock));
        }
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  const report = await runIn(new World({ cache }), twice);
  assert.match(report.failures.join("\n"), /at the same time/);
});

eitherWay("it sees tokens that repeat or go back", async (cache) => {
  const same = await runIn(new World({ cache }), (client) =>
    withLocks(client, (lock) => changed(lock, { token: 1n << 60n })),
  );
  assert.match(same.failures.join("\n"), /given out before/);
  const back = await runIn(new World({ cache }), (client) =>
    withLocks(client, (lock) => changed(lock, { token: -lock.token })),
  );
  assert.match(back.failures.join("\n"), /after/);
});

eitherWay("it sees a lock that is lost, and a wait without end", async (cache) => {
  const world = new World({ cache });
  const lost = await runIn(world, undefined, {
    onProgress: ({ event }) => {
      if (event === "part") world.clock.setTimer(40, () => world.cores[0]?.lose("planted"));
    },
  });
  assert.match(lost.failures.join("\n"), /lost tester\//);
  const stuck = new World({ cache });
  const waiting = await runIn(stuck, undefined, {
    onProgress: (progress) => {
      if (progress.event === "part" && progress.part === 3) for (const core of stuck.cores) core.isCutOff = true;
    },
  });
  assert.match(waiting.failures.join("\n"), /Timeout|not granted within/);
});

test.run();
