/**
 * Campaigns on several processes: the simulator is bundled once, and each worker takes every n-th seed.
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { addTotals, type Failure, noTotals, type Totals } from "../../src/simulator/campaign.ts";
import type { RuntimeName } from "../runtimes.ts";
import { bundleSimulator, type Patch } from "./build.ts";
import { type SimOptions, wishArguments } from "./options.ts";
import { workerCommand } from "./worker-runtime.ts";

export type Share = Pick<SimOptions, "firstSeed" | "seeds" | "stride" | "wishes" | "keepGoing">;

/** What a worker says, as a line of JSON: a failure when it is found, that a seed is done, and last the totals. */
export type Line = { readonly failure: Failure } | { readonly done: number } | { readonly totals: Totals };

/** Is told of a campaign while it runs. */
export interface Watcher {
  found?(failure: Failure): void;
  done?(seed: number): void;
}

export interface ProgramOptions {
  /** Planted while it is bundled. */
  readonly patches?: readonly Patch[];
  /** A run that takes longer is ended, and has failed. */
  readonly limitMs?: number;
  /** On which it runs; the fastest that is here by default. */
  readonly runtime?: RuntimeName | undefined;
}

const MOST_COMPLAINT = 2000;

/** A bundled worker, for as long as it is needed. */
export class WorkerProgram {
  readonly #folder: string;
  readonly #file: string;
  readonly #command: readonly string[];
  readonly #limitMs: number | undefined;

  private constructor(folder: string, command: readonly string[], limitMs: number | undefined) {
    this.#folder = folder;
    this.#file = join(folder, "worker.mjs");
    this.#command = command;
    this.#limitMs = limitMs;
  }

  static async build({ patches = [], limitMs, runtime }: ProgramOptions = {}): Promise<WorkerProgram> {
    const command = workerCommand(runtime);
    const program = new WorkerProgram(await mkdtemp(join(tmpdir(), "viewstamp-sim-")), command, limitMs);
    await bundleSimulator({ entry: "test/simulation/worker.ts", outfile: program.#file, patches });
    return program;
  }

  /**
   * @throws if the worker ends without totals, with what it complained of
   */
  run(share: Share, watcher: Watcher = {}): Promise<Totals> {
    const { firstSeed, seeds, stride, wishes, keepGoing } = share;
    const own = [
      `--seed=${firstSeed}`,
      `--seeds=${seeds}`,
      `--stride=${stride}`,
      ...(keepGoing ? ["--keep-going"] : []),
    ];
    const [binary, ...flags] = this.#command as [string, ...string[]];
    return new Promise((resolve, reject) => {
      const child = spawn(binary, [...flags, this.#file, ...own, ...wishArguments(wishes)], {
        // Its input says nothing: it ends with this process, however that ends, and so does the worker.
        stdio: ["pipe", "pipe", "pipe"],
      });
      const late = this.#limitMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), this.#limitMs);
      let totals: Totals | undefined;
      let complaint = "";
      createInterface({ input: child.stdout }).on("line", (text) => {
        const line = JSON.parse(text) as Line;
        if ("failure" in line) watcher.found?.(line.failure);
        else if ("done" in line) watcher.done?.(line.done);
        else totals = line.totals;
      });
      child.stderr.on("data", (chunk) => (complaint = `${complaint}${String(chunk)}`.slice(0, MOST_COMPLAINT)));
      child.on("error", reject);
      child.on("close", (code, signal) => {
        clearTimeout(late);
        if (totals !== undefined) resolve(totals);
        else reject(new Error(`a worker said no totals, and ended with ${signal ?? code}: ${complaint}`));
      });
    });
  }

  /** Shares the seeds among so many processes. */
  async runTogether(share: Share, workers: number, watcher?: Watcher): Promise<Totals> {
    const totals = noTotals();
    const running = Array.from({ length: Math.min(workers, share.seeds) }, (_, i) =>
      this.run(
        {
          ...share,
          firstSeed: share.firstSeed + i * share.stride,
          seeds: Math.ceil((share.seeds - i) / workers),
          stride: share.stride * workers,
        },
        watcher,
      ),
    );
    for (const part of await Promise.all(running)) addTotals(totals, part);
    return totals;
  }

  remove(): Promise<void> {
    return rm(this.#folder, { recursive: true, force: true });
  }
}
