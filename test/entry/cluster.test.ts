// Whole clusters in this process: what users test their own machines with.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import type { ReplicaEvent } from "../../mod.ts";
import { command, defineMachine, MachineError, query, startCluster, ViewstampError } from "../../mod.ts";
import { kv } from "../../src/entry/kv.ts";

const stock = defineMachine({
  name: "stock",
  version: 1,
  init: () => new Map<string, number>(),
  commands: {
    add: command(v.object({ sku: v.string(), by: v.number() }), (state, { sku, by }) => {
      const next = (state.get(sku) ?? 0) + by;
      if (next < 0) throw new MachineError("OUT_OF_STOCK", { sku });
      state.set(sku, next);
      return next;
    }),
  },
  queries: {
    count: query(v.string(), (state, sku) => state.get(sku) ?? 0),
  },
});

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    return (error as { code: string }).code;
  }
  throw new Error("it did not fail");
}

test("a cluster serves, survives the loss of its primary, and takes it back", async () => {
  const active: string[] = [];
  const followed: string[] = [];
  let rejoined: () => void = () => {};
  const observer = (id: string, event: ReplicaEvent): void => {
    if (event.event === "active") active.push(id);
    if (event.event !== "following") return;
    followed.push(id);
    if (id === "a") rejoined();
  };
  const cluster = await startCluster({ nodes: 3, machine: stock, observer });
  const client = await cluster.connect();
  assert.is(await client.add({ sku: "bolt", by: 3 }), 3);
  assert.is(await codeOf(client.add({ sku: "bolt", by: -4 })), "OUT_OF_STOCK");
  const first = active[0] as string;
  assert.is(first, "a");
  await cluster.kill("a");
  assert.is(await client.add({ sku: "bolt", by: 1 }), 4);
  assert.is(await codeOf(cluster.status("a")), "Closed");
  const back = new Promise<void>((resolve) => {
    rejoined = resolve;
  });
  await cluster.restart("a");
  await back;
  assert.is(await client.count("bolt"), 4);
  const status = await cluster.status("a");
  assert.equal(
    status.members.map(({ id }) => id),
    ["a", "b", "c"],
  );
  await cluster.close();
});

test("a primary that is stopped hands over first", async () => {
  const cluster = await startCluster({ machines: [stock, kv] });
  const client = await cluster.connect();
  await client.kv.put({ key: "k", value: "v" });
  await cluster.stop("a");
  await client.stock.add({ sku: "nut", by: 1 });
  assert.is((await client.kv.get("k"))?.value, "v");
  assert.is((await cluster.status("b")).primary, "b");
  await cluster.close();
});

test("all nodes may be killed and come back with what was acknowledged", async () => {
  const cluster = await startCluster({ machine: stock });
  const client = await cluster.connect();
  await client.add({ sku: "bolt", by: 7 });
  await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
  await Promise.all(cluster.ids.map((id) => cluster.restart(id)));
  assert.is(await client.count("bolt"), 7);
  await cluster.close();
});

test("one node is a cluster too", async () => {
  const cluster = await startCluster({ nodes: 1, machine: stock });
  const client = await cluster.connect();
  assert.is(await client.add({ sku: "bolt", by: 1 }), 1);
  await cluster.close();
});

test("what cannot be is refused", async () => {
  assert.is(await codeOf(startCluster({ nodes: 0, machine: stock })), "InvalidOptions");
  assert.is(await codeOf(startCluster({ nodes: 3, machine: stock, suspectMs: 100 })), "InvalidOptions");
  const unknown = { nodes: 3, machine: stock, size: 3 };
  assert.is(await codeOf(startCluster(unknown)), "InvalidOptions");
  const cluster = await startCluster({ nodes: 1, machine: stock });
  assert.is(await codeOf(cluster.kill("z")), "InvalidOptions");
  assert.is(await codeOf(cluster.restart("a")), "InvalidOptions");
  await cluster.close();
  assert.instance(await cluster.status("a").catch((error: unknown) => error), ViewstampError);
});

test("a closed cluster stays closed, also for a node that was about to start", async () => {
  const cluster = await startCluster({ nodes: 1, machine: stock });
  await cluster.kill("a");
  const underWay = codeOf(cluster.restart("a"));
  await cluster.close();
  assert.is(await underWay, "Closed");
  assert.is(await codeOf(cluster.restart("a")), "Closed");
  assert.is(await codeOf(cluster.connect()), "Closed");
  assert.is(await codeOf(cluster.status("a")), "Closed");
});

test.run();
