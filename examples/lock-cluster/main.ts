/**
 * `npm start`: three replicas on three runtimes, six clients that fight over locks, and a crash in between. A person sees
 * what happens; the exit code says whether the locks held.
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { connectLocks } from "viewstamp/locks";
import { getRuntime, type RuntimeName } from "../../test/runtimes.ts";
import { LockCluster } from "./lock-cluster.ts";
import { runLockTester, TESTER_PARTS, type TesterProgress, type TesterReport } from "./lock-tester.ts";
import { cyan, gray, green, Narrator, red } from "./narrator.ts";
import { freePorts } from "./ports.ts";
import { Standings } from "./standings.ts";

const { values: options } = parseArgs({ options: { keep: { type: "boolean", default: false } } });

/** On a slow machine everything takes longer; nothing takes longer than this. */
const patienceMs = 30_000;
const runtimes: readonly RuntimeName[] = ["node", "bun", "deno"];

async function main(): Promise<boolean> {
  const narrator = new Narrator();
  const folder = mkdtempSync(join(tmpdir(), "viewstamp-lock-cluster-"));
  const cluster = new LockCluster(folder, await freePorts(3), runtimes.map(getRuntime));
  const removeData = (): void => rmSync(folder, { recursive: true, force: true });
  process.on("exit", removeData);
  cluster.onFact((id, fact) => narrator.hear(id, fact));
  try {
    introduce(cluster, narrator);
    const report = await story(cluster, narrator);
    const equal = await replicasAgree(cluster);
    const ok = verdict(report, equal, narrator);
    if (options.keep) await keep(cluster, narrator);
    return ok;
  } finally {
    await cluster.stop();
  }
}

await main().then(
  (ok) => process.exit(ok ? 0 : 1),
  (error: unknown) => {
    console.error(red(error instanceof Error ? error.message : String(error)));
    process.exit(1);
  },
);
