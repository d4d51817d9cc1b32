// Groups, semaphores and lock delays on real replicas, in one process: they survive the primary, and a silent client.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { startCluster } from "../../src/entry/cluster.ts";
import { connectLocks, locks } from "../../src/entry/locks.ts";
import type { Transport } from "../../src/protocol/transport.ts";
import { watch } from "./support.ts";

/** A client's way to the cluster, on which nothing gets through once it is cut. */
function cuttable(transport: Transport): { readonly transport: Transport; cut(): void } {
  let isCut = false;
  return {
    cut: () => {
      isCut = true;
    },
    transport: {
      listen: (url, accept) => transport.listen(url, accept),
      dial: (url, handler) => {
        const connection = transport.dial(url, {
          opened: () => handler.opened(),
          received: (frame) => !isCut && handler.received(frame),
          closed: (closed) => handler.closed(closed),
        });
        return {
          get queuedBytes() {
            return connection.queuedBytes;
          },
          send: (frame) => !isCut && connection.send(frame),
          close: (reason, abrupt) => connection.close(reason, abrupt),
        };
      },
    },
  };
}

test("a group and a permit in line survive the primary", async () => {
  const cluster = await startCluster({ nodes: 3, machine: locks });
  try {
    const connect = () => connectLocks({ cluster: cluster.urls, transport: cluster.transport });
    const [a, b] = [await connect(), await connect()];
    const held = await a.acquireAll(["x", "y"]);
    const permit = await a.semaphore("s", 1).acquire();
    const group = watch(b.acquireAll(["y", "z"]));
    const next = watch(b.semaphore("s", 1).acquire());
    while ((await a.query()).pending.length < 3);
    await cluster.kill((await cluster.status("a")).primary);
    const { held: holders } = await b.query();
    assert.equal(holders.map(({ name }) => name).sort(), ["s", "x", "y"]);
    held.assertHeld();
    await Promise.all([held.release(), permit.release()]);
    while (!(group.isSettled && next.isSettled)) await b.query();
    group.value?.assertHeld();
    assert.ok((group.value?.get("y")?.token ?? 0n) > (held.get("y")?.token ?? 0n));
    assert.ok((next.value?.token ?? 0n) > permit.token);
    await Promise.all([a.close(), b.close()]);
  } finally {
    await cluster.close();
  }
});

test("a lock stays away for its delay after a client has fallen silent, and not after one that was closed", async () => {
  const cluster = await startCluster({ nodes: 3, machine: locks });
  try {
    const way = cuttable(cluster.transport);
    const cautious = { mode: "exclusive", lockDelayMs: 2000 } as const;
    const silent = await connectLocks({ cluster: cluster.urls, transport: way.transport, sessionTtlMs: 500 });
    const closed = await connectLocks({ cluster: cluster.urls, transport: cluster.transport, sessionTtlMs: 2000 });
    const other = await connectLocks({ cluster: cluster.urls, transport: cluster.transport });
    const lost = await silent.acquire("x", cautious);
    await closed.acquire("y", cautious);
    const next = watch(other.acquire("x"));
    way.cut();
    await closed.close();
    const free = await other.acquire("y", { ifAvailable: true });
    assert.ok(free !== null);
    const barred = async (): Promise<number | undefined> => (await other.query()).held[0]?.availableInMs;
    while ((await barred()) === undefined) assert.not(next.isSettled);
    assert.ok(lost.signal.aborted);
    const since = performance.now();
    while (!next.isSettled) await other.query();
    assert.ok(performance.now() - since > 1000, "the delay was seen when it had begun");
    await Promise.all([other.close(), silent.close()]);
  } finally {
    await cluster.close();
  }
});

test.run();
