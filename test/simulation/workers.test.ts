// Campaigns run on whichever runtime is fastest: what they find must not depend on it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { within } from "../harness/within.ts";
import { findRuntime, type RuntimeName } from "../runtimes.ts";
import { runMutants } from "./mutants/run.ts";
import { parseOptions, wishArguments } from "./options.ts";
import { workerCommand } from "./worker-runtime.ts";
import { WorkerProgram } from "./workers.ts";

const LIMIT_MS = 60_000;

/** Node asks for all: three answers to the same question would only cost time. */
function present(): RuntimeName[] {
  if ("bun" in process.versions || "deno" in process.versions) return [];
  return (["node", "bun", "deno"] as const).filter((name) => findRuntime(name) !== undefined);
}

test("a campaign comes to the same on the workers of every runtime", async () => {
  const { firstSeed, stride, wishes, keepGoing } = parseOptions(["--seed=1", "--nodes=3", "--calls=40"]);
  const began = performance.now();
  const totals = await Promise.all(
    present().map(async (runtime) => {
      const program = await WorkerProgram.build({ runtime, limitMs: LIMIT_MS });
      const told: number[] = [];
      try {
        const share = { firstSeed, seeds: 2, stride, wishes, keepGoing };
        const totals = await program.run(share, { done: (seed) => told.push(seed) });
        assert.equal(told, [1, 2], "it tells how far it is");
        return totals;
      } finally {
        await program.remove();
      }
    }),
  );
  assert.ok(performance.now() - began < LIMIT_MS, "they end by themselves");
  for (const other of totals) assert.equal(other, totals[0]);
  for (const { seeds, calls } of totals) assert.ok(seeds === 2 && calls > 0);
});

test("a runtime is named as it is called, and any that is here does without a name", () => {
  assert.is(parseOptions(["--runtime=bun"]).runtime, "bun");
  assert.is(parseOptions([]).runtime, undefined);
  assert.throws(() => parseOptions(["--runtime=rhino"]), /--runtime must be one of node, current, bun, deno/);
  assert.ok(workerCommand().length > 0);
});

test("of work there is all, or calls alone", () => {
  assert.is(parseOptions([]).wishes.work, undefined);
  assert.equal(wishArguments(parseOptions(["--work=calls"]).wishes), ["--work=calls"]);
  assert.throws(() => parseOptions(["--work=some"]), /--work must be "calls", not "some"/);
});

test("a fault is one that there is, and a trace is of the process that tells it", () => {
  assert.equal(parseOptions(["--faults=kill,lost fsync"]).wishes.faults, ["kill", "lost fsync"]);
  assert.throws(() => parseOptions(["--faults=constructor"]), /there is no fault "constructor"/);
  assert.throws(() => parseOptions(["--hash", "--runtime=bun"]), /are of this very process/);
});

test("a mutant that there is not is asked for by mistake", async () => {
  const none = await runMutants({ only: ["no such"] }).catch((error: unknown) => error);
  assert.instance(none, TypeError);
});

/** Only Linux lets us look. */
for (const runtime of process.platform === "linux" ? present() : []) {
  test(`a worker on ${runtime} ends when its parent is killed, however much it has still to do`, async () => {
    const parent = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", campaignOn(runtime)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await within(LIMIT_MS, "the parent has started it", once(parent.stdout, "data"));
    const [worker] = workersOf(parent.pid!);
    assert.ok(worker !== undefined);
    try {
      await until("it is at work", () => Number(statOf(worker.pid)?.[11]) > 50);
      parent.kill("SIGKILL");
      await until("it ends", () => statOf(worker.pid) === undefined);
    } finally {
      parent.kill("SIGKILL");
      if (statOf(worker.pid) !== undefined) process.kill(worker.pid, "SIGKILL");
      rmSync(dirname(worker.file), { recursive: true, force: true });
    }
  });
}

/** A program that has a worker run seeds for days. */
function campaignOn(runtime: RuntimeName): string {
  return `
    import { WorkerProgram } from ${JSON.stringify(new URL("./workers.ts", import.meta.url).href)};
    const program = await WorkerProgram.build({ runtime: ${JSON.stringify(runtime)} });
    const wishes = { nodes: 3, calls: 20 };
    void program.run({ firstSeed: 1, seeds: 1e6, stride: 1, wishes, keepGoing: true });
    console.log("it runs");
  `;
}

function workersOf(parent: number): { readonly pid: number; readonly file: string }[] {
  return readdirSync("/proc")
    .filter((name) => statOf(Number(name))?.[1] === String(parent))
    .map((name) => {
      const words = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0");
      return { pid: Number(name), file: words.find((word) => word.endsWith("worker.mjs")) ?? "" };
    })
    .filter(({ file }) => file !== "");
}

/** The fields of `/proc/PID/stat` from the third on, of a process that has not ended. */
function statOf(pid: number): readonly string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields;
  } catch {
    return undefined;
  }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const look = async (): Promise<void> => {
    while (!holds()) await new Promise((again) => setTimeout(again, 20));
  };
  await within(LIMIT_MS, what, look());
}

test.run();
