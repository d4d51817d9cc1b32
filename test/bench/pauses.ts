// How long one node's event loop stands still while it starts with a long log, takes a snapshot of a large state, and
// starts from that, and gives a copy of it: `node --import tsx test/bench/pauses.ts --entries=300000 --megabytes=100 --sessions=100000 --state=kv`.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { copyState } from "../../src/client/backup.ts";
import { systemEnvironment } from "../../src/entry/environment.ts";
import { kv } from "../../src/entry/kv.ts";
import { locks } from "../../src/entry/locks.ts";
import { type Replica, startReplica } from "../../src/entry/replica.ts";
import type { Member, View } from "../../src/protocol/view.ts";
import { fileStorage } from "../../src/storage/file.ts";
import { memory } from "../../transports/memory.ts";
import { type Pause, PauseProbe, textOf } from "../harness/pause-probe.ts";
import { prepare, putEntries, type StateName, stateEntries } from "./prepared.ts";

const { values: options } = parseArgs({
  options: {
    entries: { type: "string", default: "300000" },
    megabytes: { type: "string", default: "100" },
    sessions: { type: "string", default: "100000" },
    state: { type: "string", default: "kv" },
  },
});
const self: Member = { id: "a", incarnation: "1".repeat(16), url: "memory://a" };
const view: View = { vid: 1, members: [self], acceptors: [self], barred: [], invited: [], primary: "a" };
const state = options.state as StateName;
const transport = memory();

async function start(directory: string, snapshotEveryBytes: number): Promise<Replica> {
  let active = (): void => {};
  const isActive = new Promise<void>((resolve) => (active = resolve));
  const replica = await startReplica({
    id: "a",
    cluster: { a: self.url },
    machines: [kv, locks],
    storage: fileStorage(directory),
    transport,
    snapshotEveryBytes,
    observer: (event) => {
      if (event.event === "active") active();
    },
  });
  await isActive;
  return replica;
}

async function phase<Result>(what: string, act: () => Promise<Result>): Promise<Result> {
  let most: Pause | undefined;
  const probe = new PauseProbe(5, (pause) => {
    if (pause.threadMs > (most?.threadMs ?? 0)) most = pause;
  });
  const began = performance.now();
  const result = await act();
  const { longest } = probe.take();
  probe.stop();
  const ms = performance.now() - began;
  const memory = (process.memoryUsage().rss / 2 ** 20).toFixed(0);
  console.log(`${what}: ${ms.toFixed(0)} ms, ${memory} MB\n  longest pause ${textOf(longest)}`);
  console.log(`  most work ${most === undefined ? "below 5 ms" : textOf(most)}`);
  return result;
}

async function saved(replica: Replica): Promise<void> {
  while ((await replica.status()).snapshotPauseMs === 0) await new Promise((resolve) => setTimeout(resolve, 20));
}

const folder = mkdtempSync(join(tmpdir(), "viewstamp-pauses-"));
try {
  const count = Number(options.entries);
  await prepare(join(folder, "log"), self, view, putEntries(count, 20, 1));
  const first = await phase(`start with ${count} entries`, () => start(join(folder, "log"), 2 ** 40));
  await phase("stop", () => first.stop());
  const [megabytes, sessions] = [Number(options.megabytes), Number(options.sessions)];
  await prepare(join(folder, "state"), self, view, stateEntries(state, megabytes, sessions));
  const what = `${megabytes} MB of ${state} and ${sessions} sessions`;
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
  await phase("a copy of that for an operator", () =>
    copyState({
      ...{ cluster: [self.url], environment: systemEnvironment, transport },
      ...{ timeoutMs: 60_000, take: async () => {} },
    }),
  );
  await fourth.stop();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
