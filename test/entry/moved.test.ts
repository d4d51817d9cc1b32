// A cluster that is started again somewhere else.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { connect, memoryStorage, type Replica, startReplica } from "../../mod.ts";
import { kv } from "../../src/entry/kv.ts";
import { memory, memoryNetwork } from "../../transports/memory.ts";

const IDS = ["a", "b", "c"];

test("a cluster all of whose nodes have moved serves again at its new addresses", async () => {
  const network = memoryNetwork();
  const storages = IDS.map(() => memoryStorage());
  const startAt = (place: string): Promise<Replica[]> => {
    const cluster = Object.fromEntries(IDS.map((id) => [id, `memory://${place}-${id}`]));
    const common = { cluster, machine: kv, transport: memory(network), heartbeatMs: 50, suspectMs: 150 };
    return Promise.all(IDS.map((id, at) => startReplica({ ...common, id, storage: storages[at]! })));
  };
  const before = await startAt("old");
  const first = await connect({ cluster: before.map(({ url }) => url), machine: kv, transport: memory(network) });
  await first.put({ key: "place", value: "old" });
  await first.close();
  await Promise.all(before.map((replica) => replica.stop()));
  const after = await startAt("new");
  const client = await connect({ cluster: after.map(({ url }) => url), machine: kv, transport: memory(network) });
  assert.is((await client.get("place", { timeoutMs: 20_000 }))?.value, "old");
  await client.close();
  await Promise.all(after.map((replica) => replica.stop()));
});

test.run();
