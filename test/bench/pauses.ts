// How long one node's event loop stands still while it starts with a long log, takes a snapshot of a large state, and
// starts from that: `node --import tsx test/bench/pauses.ts --entries=300000 --megabytes=100 --sessions=100000`.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { kv } from "../../src/entry/kv.ts";
import { type Replica, startReplica } from "../../src/entry/replica.ts";
import { encodeCall } from "../../src/protocol/calls.ts";
import type { Entry } from "../../src/protocol/entry.ts";
import { makeEntry } from "../../src/protocol/entry-codec.ts";
import type { StorageRecord } from "../../src/protocol/storage.ts";
import { encodeValue } from "../../src/protocol/values.ts";
import { ORIGIN } from "../../src/protocol/view.ts";
import { fileStorage } from "../../src/storage/file.ts";
import { memory } from "../../transports/memory.ts";
import { PauseProbe, textOf } from "../harness/pause-probe.ts";

const { values: options } = parseArgs({
  options: {
    entries: { type: "string", default: "300000" },
    megabytes: { type: "string", default: "100" },
    sessions: { type: "string", default: "100000" },
  },
});
const url = "memory://a";
const session = { vid: 1, seqno: 1 };

function entry(seqno: number, kind: Entry["kind"], number: number, body: Uint8Array): Entry {
  const of = kind === "open" ? ORIGIN : session;
  return makeEntry({
    kind,
    vid: 1,
    seqno,
    time: 0,
    session: of,
    number,
    acknowledgedThrough: Math.max(0, number - 1),
    body,
  });
}

function* entries(puts: number, valueBytes: number, sessions: number): Generator<Entry> {
  const ttl = encodeValue(600_000);
  for (let seqno = 1; seqno <= sessions; seqno++) yield entry(seqno, "open", 0, ttl);
  const value = "x".repeat(valueBytes);
  for (let number = 1; number <= puts; number++) {
    yield entry(sessions + number, "command", number, encodeCall("kv", "put", { key: `key ${number}`, value }));
  }
}

/** A node's data as it would be after this log, without running a cluster for it. */
async function prepare(directory: string, log: Iterable<Entry>): Promise<void> {
  const storage = fileStorage(directory);
  await new Promise<void>((resolve, reject) => storage.open((error) => (error ? reject(error) : resolve())));
  const write = (records: readonly StorageRecord[]): Promise<void> =>
    new Promise((resolve, reject) => storage.write(records, (error) => (error ? reject(error) : resolve())));
  const self = { id: "a", incarnation: "1".repeat(16), url };
  const view = { vid: 1, members: [self], acceptors: [self], barred: [], invited: [], primary: "a" };
  await write([
    { kind: "identity", incarnation: self.incarnation, clusterId: "2".repeat(16) },
    { kind: "view", view },
  ]);
  let batch: Entry[] = [];
  for (const one of log) {
    if (batch.push(one) < 5_000) continue;
    await write([{ kind: "append", entries: batch }]);
    batch = [];
  }
  await write([{ kind: "append", entries: batch }]);
  await new Promise<void>((resolve) => storage.close(() => resolve()));
}

async function start(directory: string, snapshotEveryBytes: number): Promise<Replica> {
  let active = (): void => {};
  const isActive = new Promise<void>((resolve) => (active = resolve));
  const replica = await startReplica({
    id: "a",
    cluster: { a: url },
    machine: kv,
    storage: fileStorage(directory),
    transport: memory(),
    snapshotEveryBytes,
    observer: (event) => {
      if (event.event === "active") active();
    },
  });
  await isActive;
  return replica;
}

async function phase<Result>(what: string, act: () => Promise<Result>): Promise<Result> {
  const probe = new PauseProbe();
  const began = performance.now();
  const result = await act();
  const { longest, count } = probe.take();
  probe.stop();
  const ms = performance.now() - began;
  console.log(
    `${what}: ${ms.toFixed(0)} ms, longest pause ${textOf(longest)}, ${count} above 20 ms, ${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MB`,
  );
  return result;
}

async function saved(replica: Replica): Promise<void> {
  while ((await replica.status()).snapshotPauseMs === 0) await new Promise((resolve) => setTimeout(resolve, 20));
}

const folder = mkdtempSync(join(tmpdir(), "viewstamp-pauses-"));
try {
  const count = Number(options.entries);
  await prepare(join(folder, "log"), entries(count, 20, 1));
  const first = await phase(`start with ${count} entries`, () => start(join(folder, "log"), 2 ** 40));
  await phase("stop", () => first.stop());
  const [megabytes, sessions] = [Number(options.megabytes), Number(options.sessions)];
  await prepare(join(folder, "state"), entries(megabytes * 256, 4096, sessions));
  const what = `${megabytes} MB and ${sessions} sessions`;
  const second = await phase(`start with a log of ${what}`, () => start(join(folder, "state"), 2 ** 40));
  await second.stop();
  const third = await phase(`the same, taking snapshots`, async () => {
    const replica = await start(join(folder, "state"), 1 << 20);
    await saved(replica);
    return replica;
  });
  console.log(`  status says ${(await third.status()).snapshotPauseMs.toFixed(1)} ms`);
  await third.stop();
  const fourth = await phase(`start with a snapshot of ${what}`, () => start(join(folder, "state"), 2 ** 40));
  await fourth.stop();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
