/**
 * Campaigns on several processes: the simulator is bundled once, and each worker takes every n-th seed.
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { addTotals, type Failure, noTotals, type Totals } from "../../src/simulator/campaign.ts";
import { bundleSimulator, type Patch } from "./build.ts";
import { type SimOptions, wishArguments } from "./options.ts";

export type Share = Pick<SimOptions, "firstSeed" | "seeds" | "stride" | "wishes" | "keepGoing">;

/** What a worker says, as a line of JSON. */
export type Line = { readonly failure: Failure } | { readonly totals: Totals };

/** A bundled worker, for as long as it is needed. */
export class WorkerProgram {
  readonly #folder: string;
  readonly #file: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#file = join(folder, "worker.mjs");
  }

  static async build(patches: readonly Patch[] = []): Promise<WorkerProgram> {
    const program = new WorkerProgram(await mkdtemp(join(tmpdir(), "viewstamp-sim-")));
    await bundleSimulator({ entry: "test/simulation/worker.ts", outfile: program.#file, patches });
    return program;
  }

  /**
   * `found` is told each failure when it is found.
   * @throws if the worker ends without totals
   */
  run(share: Share, found: (failure: Failure) => void = () => {}): Promise<Totals> {
    const { firstSeed, seeds, stride, wishes, keepGoing } = share;
    const own = [
      `--seed=${firstSeed}`,
      `--seeds=${seeds}`,
      `--stride=${stride}`,
      ...(keepGoing ? ["--keep-going"] : []),
    ];
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [...runtimeFlags(), this.#file, ...own, ...wishArguments(wishes)], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let totals: Totals | undefined;
      createInterface({ input: child.stdout }).on("line", (text) => {
        const line = JSON.parse(text) as Line;
        if ("failure" in line) found(line.failure);
        else totals = line.totals;
      });
      child.on("error", reject);
      child.on("close", (code) => {
        if (totals === undefined) reject(new Error(`a worker said no totals, and ended with ${code}`));
        else resolve(totals);
      });
    });
  }

  /** Shares the seeds among so many processes. */
  async runTogether(share: Share, workers: number, found?: (failure: Failure) => void): Promise<Totals> {
    const totals = noTotals();
    const running = Array.from({ length: Math.min(workers, share.seeds) }, (_, i) =>
      this.run(
        {
          ...share,
          firstSeed: share.firstSeed + i * share.stride,
          seeds: Math.ceil((share.seeds - i) / workers),
          stride: share.stride * workers,
        },
        found,
      ),
    );
    for (const part of await Promise.all(running)) addTotals(totals, part);
    return totals;
  }

  remove(): Promise<void> {
    return rm(this.#folder, { recursive: true, force: true });
  }
}

/** A young generation that holds a whole run: little of it outlives the run. */
function runtimeFlags(): string[] {
  if ("deno" in process.versions) return ["run", "--no-check", "-A"];
  return "bun" in process.versions ? [] : ["--max-semi-space-size=64"];
}
