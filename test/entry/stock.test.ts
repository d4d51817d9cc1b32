// The first machine of the documentation as its reader would run it: three replicas with files and WebSockets, and the
// package under its public names.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { command, connect, defineMachine, query, type Replica, startReplica } from "viewstamp";
import { fileStorage } from "viewstamp/storage/file";
import { webSocket } from "viewstamp/transports/websocket";
import { freePorts } from "../harness/ports.ts";

const stock = defineMachine({
  name: "stock",
  version: 1,
  init: () => new Map<string, number>(),
  commands: {
    add: command(v.object({ sku: v.string(), by: v.number() }), (state, { sku, by }) => {
      const next = (state.get(sku) ?? 0) + by;
      state.set(sku, next);
      return next;
    }),
  },
  queries: {
    count: query(v.string(), (state, sku) => state.get(sku) ?? 0),
  },
});

const documentation = suite("the stock of the documentation");
const data = mkdtempSync(join(tmpdir(), "viewstamp-stock-"));
documentation.after(() => rmSync(data, { recursive: true, force: true }));

async function startAll(cluster: Readonly<Record<string, string>>): Promise<Replica[]> {
  const start = (id: string): Promise<Replica> =>
    startReplica({ id, cluster, machine: stock, storage: fileStorage(join(data, id)), transport: webSocket() });
  return Promise.all(Object.keys(cluster).map(start));
}

documentation("counts bolts on three replicas, also after all of them have been stopped", async () => {
  const [a, b, c] = await freePorts(3);
  const cluster = { a: `ws://127.0.0.1:${a}`, b: `ws://127.0.0.1:${b}`, c: `ws://127.0.0.1:${c}` };
  const urls = Object.values(cluster);

  const replicas = await startAll(cluster);
  const client = await connect({ cluster: urls, machine: stock, transport: webSocket() });
  const added: number = await client.add({ sku: "bolt", by: 3 });
  const counted: number = await client.count("bolt");
  assert.equal([added, counted], [3, 3]);
  await client.close();
  await Promise.all(replicas.map((replica) => replica.stop()));

  const again = await startAll(cluster);
  const later = await connect({ cluster: urls, machine: stock, transport: webSocket() });
  assert.is(await later.count("bolt"), 3);
  assert.is(await later.add({ sku: "bolt", by: 4 }), 7);
  await later.close();
  await Promise.all(again.map((replica) => replica.stop()));
});

documentation.run();
