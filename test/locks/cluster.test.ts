// The lock service whole, in one process: real client, real replicas, a network of memory.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { runLockTester } from "../../examples/lock-cluster/lock-tester.ts";
import { startCluster } from "../../src/entry/cluster.ts";
import { connectLocks, locks } from "../../src/entry/locks.ts";
import { codeOf, gate, watch } from "./support.ts";

async function primaryOf(
  cluster: { status(id: string): Promise<{ primary: string }> },
  asked: string,
): Promise<string> {
  return (await cluster.status(asked)).primary;
}

test("the lock tester passes while the primary is killed and comes back", async () => {
  const cluster = await startCluster({ nodes: 3, machine: locks });
  try {
    const until = new AbortController();
    const parts = new Set<number>();
    let grants = 0;
    let trouble: Promise<void> | undefined;
    let grantsBefore = Number.POSITIVE_INFINITY;
    const bounce = async (): Promise<void> => {
      const primary = await primaryOf(cluster, "a");
      await cluster.kill(primary);
      await cluster.restart(primary);
      grantsBefore = grants;
    };
    const report = await runLockTester({
      connect: () => connectLocks({ cluster: cluster.urls, transport: cluster.transport }),
      holdMs: 5,
      until: until.signal,
      onProgress: (progress) => {
        if (progress.event === "part") parts.add(progress.part);
        if (progress.event !== "held") return;
        if (++grants === 50) trouble = bounce();
        if (grants > grantsBefore + 50 && parts.size === 5) until.abort();
      },
    });
    await trouble;
    assert.equal(report.failures, []);
    assert.ok(report.grants >= 100);
  } finally {
    await cluster.close();
  }
});

test("a lock and a place in line survive the primary, and a lone surrogate is a name", async () => {
  const cluster = await startCluster({ nodes: 3, machine: locks });
  try {
    const connect = () => connectLocks({ cluster: cluster.urls, transport: cluster.transport, owner: "test" });
    const [a, b] = [await connect(), await connect()];
    const held = await a.acquire("\ud800");
    const waiting = watch(b.acquire("\ud800"));
    while ((await a.query()).pending.length === 0);
    await cluster.kill(await primaryOf(cluster, "a"));
    const { held: holders, pending } = await b.query();
    assert.equal(
      holders.map(({ name, owner, token }) => ({ name, owner, token })),
      [{ name: "\ud800", owner: "test", token: held.token }],
    );
    assert.is(pending.length, 1);
    held.assertHeld();
    assert.not(waiting.isSettled);
    await held.release();
    const next = await b.acquire("other");
    while (!waiting.isSettled) await b.query();
    assert.ok((waiting.value?.token ?? 0n) > held.token);
    await next.release();
    await Promise.all([a.close(), b.close()]);
  } finally {
    await cluster.close();
  }
});

test("a query sees the requests that its own client has just made, with and without a session", async () => {
  const cluster = await startCluster({ nodes: 3, machine: locks });
  try {
    for (const cache of [false, {}] as const) {
      const client = await connectLocks({ cluster: cluster.urls, transport: cluster.transport, cache });
      for (const name of ["first", "second"]) {
        const { opened, open } = gate();
        const results = [client.request(name, () => opened), client.request(name, () => opened)];
        const { held, pending } = await client.query();
        assert.equal(
          [held, pending].map((infos) => infos.map((info) => info.name)),
          [[name], [name]],
        );
        open();
        await Promise.all(results);
      }
      await client.close();
    }
  } finally {
    await cluster.close();
  }
});

test("an abort in the turn in which the lock becomes free wins, on this runtime too", async () => {
  const cluster = await startCluster({ nodes: 1, machine: locks });
  try {
    const client = await connectLocks({ cluster: cluster.urls, transport: cluster.transport });
    for (let round = 0; round < 3; round++) {
      const lock = await client.acquire("x");
      const controllers = [new AbortController(), new AbortController()];
      const [first, second] = controllers.map(({ signal }) => signal);
      const events: string[] = [];
      const granted = client.request("x", { mode: "shared", signal: first! }, () => {
        events.push("called");
        controllers[1]?.abort();
      });
      const aborted = watch(
        client.request("x", { mode: "shared", signal: second! }, () => {
          events.push("called in vain");
        }),
      );
      await client.query();
      void lock.release();
      await granted;
      assert.is(codeOf(aborted.error), "AbortError");
      assert.equal(events, ["called"]);
    }
    await client.close();
  } finally {
    await cluster.close();
  }
});

test("whoever tries again and again keeps nobody from giving the lock back", async () => {
  const cluster = await startCluster({ nodes: 1, machine: locks });
  try {
    for (const cache of [false, {}] as const) {
      const client = await connectLocks({ cluster: cluster.urls, transport: cluster.transport, cache });
      await client.request("x", () => {});
      const holder = client.request("x", () => new Promise((resolve) => setTimeout(resolve, 50)));
      const began = performance.now();
      let tries = 0;
      for (let isDone = false; !isDone; tries++) {
        assert.ok(performance.now() - began < 10_000, "time stands still");
        isDone = await client.request("x", { ifAvailable: true }, (lock) => lock !== null);
      }
      assert.ok(tries > 1);
      await holder;
      let isOver = false;
      const reader = client.request("x", { mode: "shared" }, async () => {
        await new Promise((resolve) => setTimeout(resolve, 50));
        isOver = true;
      });
      const readBegan = performance.now();
      while (!isOver) {
        assert.ok(performance.now() - readBegan < 10_000, "time stands still beside a reader");
        await client.request("x", { mode: "shared" }, () => {});
      }
      await reader;
      await client.close();
    }
  } finally {
    await cluster.close();
  }
});

test("connectLocks refuses what it does not know", async () => {
  const refused: [string, object][] = [
    ["InvalidOptions", { cluster: ["memory://a"], owners: "typo" }],
    ["InvalidOptions", { cluster: [] }],
    ["InvalidOptions", { cluster: ["memory://a"], owner: 5 }],
    ["InvalidOptions", { cluster: ["memory://a"], sessionTtlMs: -1 }],
  ];
  for (const [code, options] of refused) {
    const error = await connectLocks(options as never).catch((reason: unknown) => reason);
    assert.is(codeOf(error), code, JSON.stringify(options));
  }
});

test.run();
