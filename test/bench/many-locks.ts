/**
 * Many locks in the hands of many sessions: `node --import tsx test/bench/many-locks.ts [sessions] [locks of each] [runtime]`.
 * Memory of the replicas for each lock; the gap that a client sees when the primary is killed, and whether a session was lost
 * by it; how long it takes after the holders' death until nothing is held any more.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type ClusterLocks, connectLocks } from "../../src/entry/locks.ts";
import { Child } from "../harness/child.ts";
import { freePorts } from "../harness/ports.ts";
import { getRuntime, type RuntimeName, root } from "../runtimes.ts";
import { steadily } from "../scenarios/steady.ts";

const SESSION_TTL_MS = 10_000;
/** So many at a time. */
const AT_ONCE = 50;
/** Between two looks at what is still held. */
const LOOK_MS = 100;

const [first = "1000", second = "100", third = "node"] = process.argv.slice(2);

/** In a process of its own, which is killed. */
async function hold(cluster: readonly string[], sessions: number, locksEach: number): Promise<void> {
  const say = (fact: object): void => void process.stdout.write(`${JSON.stringify(fact)}\n`);
  const holders: ClusterLocks[] = [];
  for (let from = 0; from < sessions; from += AT_ONCE) {
    const numbers = Array.from({ length: Math.min(AT_ONCE, sessions - from) }, (_, index) => from + index);
    const connected = numbers.map(() => connectLocks({ cluster, cache: false, sessionTtlMs: SESSION_TTL_MS }));
    holders.push(...(await Promise.all(connected)));
  }
  say({ event: "connected" });
  let lost = 0;
  const names = Array.from({ length: locksEach }, (_, index) => index);
  for (let from = 0; from < sessions; from += AT_ONCE) {
    const some = holders.slice(from, from + AT_ONCE);
    const asked = some.flatMap((locks, index) => names.map((n) => locks.acquire(`lock-${from + index}-${n}`)));
    for (const lock of await Promise.all(asked)) lock.signal.addEventListener("abort", () => lost++);
  }
  say({ event: "held" });
  process.stdin.on("data", () => say({ event: "lost", locks: lost }));
}

function memoryOf({ pid }: Child): number {
  const found = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(found) * 1024;
}

async function heldNow(locks: ClusterLocks): Promise<number> {
  return (await locks.query({ consistency: "local" })).held.length;
}

async function measure(sessions: number, locksEach: number, runtime: RuntimeName, folder: string): Promise<void> {
  const ids = ["a", "b", "c"];
  const urls = (await freePorts(3)).map((port) => `ws://127.0.0.1:${port}`);
  const list = ids.map((id, index) => `${id}=${urls[index]}`).join(",");
  const nodes = ids.map((id) => {
    const own = ["--id", id, "--cluster", list, "--data", join(folder, id), "--json", "--with-parent"];
    return new Child(id, getRuntime(runtime), join(root, "src/entry/cli.ts"), ["serve", ...own]);
  });
  const [primary] = nodes as [Child, ...Child[]];
  await Promise.all(nodes.map((node) => node.waitFor(({ event }) => event === "listening")));
  const args = ["--hold", urls.join(","), `${sessions}`, `${locksEach}`];
  const holders = new Child("holders", getRuntime("node"), fileURLToPath(import.meta.url), args);
  await holders.waitFor(({ event }) => event === "connected");
  const before = nodes.map(memoryOf);
  const began = performance.now();
  await holders.waitFor(({ event }) => event === "held");
  const count = sessions * locksEach;
  console.log(`${count} locks of ${sessions} sessions taken in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  const grown = nodes.map((node, index) => Math.round((memoryOf(node) - (before[index] ?? 0)) / count));
  console.log(
    `resident memory on ${runtime}, for each lock: ${grown.join(", ")} bytes (primary, backups; with the log)`,
  );

  const stranger = await connectLocks({ cluster: urls, cache: false });
  let round = 0;
  const { longestGapMs } = await steadily(
    async () => (await stranger.acquire(`other-${round++}`)).release(),
    async (goesOn) => {
      await goesOn(1000);
      primary.signal("SIGKILL");
      await goesOn(3000);
    },
  );
  await new Promise((resolve) => setTimeout(resolve, 2 * SESSION_TTL_MS));
  const answer = holders.waitFor(({ event }) => event === "lost");
  holders.say({ order: "how many are lost" });
  const { locks: lost } = await answer;
  console.log(
    `primary killed: a client waited ${longestGapMs.toFixed(0)} ms; locks lost within ${2 * SESSION_TTL_MS} ms: ${lost}`,
  );

  holders.signal("SIGKILL");
  const died = performance.now();
  let firstFree: number | undefined;
  for (let held = count; held > 0; held = await heldNow(stranger)) {
    if (held < count) firstFree ??= performance.now();
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  const end = performance.now();
  const seconds = (ms: number): string => (ms / 1000).toFixed(1);
  console.log(
    `holders killed: the last lock is free ${seconds(end - died)} s later, ${seconds(end - (firstFree ?? end))} s after the first; sessions live ${SESSION_TTL_MS / 1000} s`,
  );
  await stranger.close();
  for (const node of nodes) node.signal("SIGKILL");
}

if (first === "--hold") await hold(second.split(","), Number(third), Number(process.argv[5]));
else {
  const folder = mkdtempSync(join(tmpdir(), "viewstamp-many-"));
  try {
    await measure(Number(first), Number(second), third as RuntimeName, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
