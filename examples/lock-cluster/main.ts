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
import { freePorts } from "../../test/harness/ports.ts";
import { getRuntime } from "../../test/runtimes.ts";
import { Fight } from "./fight.ts";
import { LockCluster } from "./lock-cluster.ts";
import type { TesterReport } from "./lock-tester.ts";
import { cyan, gray, green, Narrator, red } from "./narrator.ts";

const { values: options } = parseArgs({ options: { keep: { type: "boolean", default: false } } });
const narrator = new Narrator();
const folder = mkdtempSync(join(tmpdir(), "viewstamp-lock-cluster-"));
const cluster = new LockCluster(
  folder,
  await freePorts(3),
  (["node", "bun", "deno"] as const).map((name) => getRuntime(name)),
);
const interrupted = new Promise<"interrupted">((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => resolve("interrupted"));
});

async function show(): Promise<boolean> {
  introduce();
  const report = await story();
  const equal = await cluster.replicasAgree();
  return verdict(report, equal);
}

function introduce(): void {
  narrator.say("Three replicas, six clients that fight over locks, and a crash.\n");
  for (const { id, runtime, place } of cluster.replicas) {
    narrator.say(`  ${id}   ${`${runtime.name} ${runtime.version}`.padEnd(14)} ${gray(place.url)}`);
  }
  narrator.say();
}

async function story(): Promise<TesterReport> {
  cluster.onFact((id, fact) => narrator.hear(id, fact));
  const primary = await cluster.start();
  const fight = new Fight(narrator, (client) => connectLocks({ cluster: cluster.urls, owner: `client ${client}` }));
  await fight.goesOn(80);

  narrator.tell(red(`SIGKILL for ${primary}, the primary`));
  const killedAt = performance.now();
  await cluster.kill(primary);
  await cluster.nextPrimary();
  await fight.goesOn(1);
  narrator.tell(green(`locks are granted again, ${Math.round(performance.now() - killedAt)} ms after the crash`));
  await fight.goesOn(80);

  narrator.tell(cyan(`${primary} is started again, with its data`));
  await cluster.restart(primary);
  narrator.tell(green(`${primary} is a member again, and level`));
  await fight.goesOn(80);
  return fight.end();
}

function verdict({ ok, failures, grants, longestGapMs, longestWaitMs }: TesterReport, equal: boolean): boolean {
  const line = (good: boolean, text: string): void => narrator.say(`  ${good ? green("yes") : red("NO ")}  ${text}`);
  narrator.say("\nVerdict");
  line(ok, `${grants} times a lock was granted: never to two at once, never with a token twice`);
  for (const failure of failures) narrator.say(`       ${red(failure)}`);
  line(equal, "the three replicas have the same state");
  narrator.say(
    `       longest gap: ${Math.round(longestGapMs)} ms in which a lock was free and wanted, and nobody had it`,
  );
  narrator.say(`       longest wait of a client for its turn: ${Math.round(longestWaitMs)} ms\n`);
  return ok && equal;
}

async function keep(): Promise<void> {
  const program = "node --import tsx src/entry/cli.ts";
  const where = `--cluster ${cluster.urls.join(",")}`;
  narrator.say("The cluster stays up. In another terminal, in this folder:\n");
  narrator.say(`  ${program} status ${where}`);
  narrator.say(`  ${program} put color green ${where}`);
  narrator.say(`  ${program} get color ${where}`);
  narrator.say(`  ${program} lock door ${where} -- sh -c 'echo "token $VIEWSTAMP_TOKEN"; sleep 5'\n`);
  narrator.say(
    "Kill a replica and look at its status, then come back here: Ctrl-C ends the cluster and removes its data.\n",
  );
  for (const { id, pid } of cluster.replicas) narrator.say(`  ${gray(`${id} is process ${pid}`)}`);
  await interrupted;
}

async function main(): Promise<number> {
  try {
    const outcome = await Promise.race([show(), interrupted]);
    if (outcome === "interrupted") return 130;
    if (options.keep) await keep();
    return outcome ? 0 : 1;
  } catch (error) {
    narrator.say(`\n${red(error instanceof Error ? error.message : String(error))}`);
    return 1;
  } finally {
    await cluster.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exit(await main());
