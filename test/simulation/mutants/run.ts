/**
 * The campaign of the mutants: each is bundled, and run seed after seed until a rule catches it. A catch counts only if the
 * real code passes the same seed.
 * @module
 */
import type { Failure, Totals } from "../../../src/simulator/campaign.ts";
import type { RuntimeName } from "../../runtimes.ts";
import { WorkerProgram } from "../workers.ts";
import type { Mutant } from "./mutant.ts";
import { MUTANTS } from "./table.ts";

export interface MutantsOptions {
  /** Only those whose name contains one of these. */
  readonly only?: readonly string[];
  /** How many seeds each gets at most. */
  readonly seeds?: number;
  /** So many at a time. */
  readonly workers?: number;
  readonly firstSeed?: number;
  readonly runtime?: RuntimeName | undefined;
  readonly say?: (line: string) => void;
}

export type Verdict =
  | { readonly kind: "caught"; readonly failure: Failure }
  | { readonly kind: "survived" }
  /** Its process ended without a verdict. */
  | { readonly kind: "broke"; readonly text: string };

export interface Trial {
  readonly mutant: Mutant;
  readonly verdict: Verdict;
  readonly seeds: number;
  readonly seconds: number;
  /** Seeds that the real code fails too: they say nothing. */
  readonly voidSeeds: readonly number[];
}

export interface MutantsResult {
  readonly trials: readonly Trial[];
  readonly survivors: readonly string[];
  /** By another rule than was expected. */
  readonly byAnother: readonly string[];
  readonly broken: readonly string[];
}

const DEFAULT_SEEDS = 2000;
/** The first batch is small, as most are caught at once. */
const FIRST_BATCH = 10;
const BATCH = 50;
/** A seed takes a fraction of a second, on a busy machine a few; this long only if the code spins. */
const MOST_MS_PER_BATCH = 300_000;

export async function runMutants(options: MutantsOptions = {}): Promise<MutantsResult> {
  const { only, workers = 1, runtime, say = () => {} } = options;
  const waiting = MUTANTS.filter(({ name }) => only === undefined || only.some((part) => name.includes(part)));
  if (waiting.length === 0) throw new TypeError(`--mutants: no mutant has ${only?.join(" or ")} in its name`);
  const real = await WorkerProgram.build({ limitMs: MOST_MS_PER_BATCH, runtime });
  try {
    const trials: Trial[] = [];
    const work = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const trial = await tried(next, real, options);
        trials.push(trial);
        say(lineOf(trial));
      }
    };
    await Promise.all(Array.from({ length: workers }, work));
    const result = resultOf(trials);
    say(summaryOf(result));
    return result;
  } finally {
    await real.remove();
  }
}

async function tried(mutant: Mutant, real: WorkerProgram, options: MutantsOptions): Promise<Trial> {
  const program = await WorkerProgram.build({
    patches: mutant.patches,
    limitMs: MOST_MS_PER_BATCH,
    runtime: options.runtime,
  });
  try {
    return await hunted(mutant, program, real, options);
  } finally {
    await program.remove();
  }
}

/** Seed after seed, in processes of their own: a mutant may hang, or take its process with it. */
async function hunted(
  mutant: Mutant,
  program: WorkerProgram,
  real: WorkerProgram,
  { seeds = DEFAULT_SEEDS, firstSeed = 1 }: MutantsOptions,
): Promise<Trial> {
  const { wishes = {} } = mutant;
  const began = performance.now();
  const voidSeeds: number[] = [];
  let done = 0;
  const over = (verdict: Verdict): Trial => {
    return { mutant, verdict, seeds: done, seconds: (performance.now() - began) / 1000, voidSeeds };
  };
  const run = (of: WorkerProgram, first: number, count: number): Promise<Totals> =>
    of.run({ firstSeed: first, seeds: count, stride: 1, wishes, keepGoing: false });
  while (done < seeds) {
    const batch = Math.min(done === 0 ? FIRST_BATCH : BATCH, seeds - done);
    let failure: Failure | undefined;
    try {
      [failure] = (await run(program, firstSeed + done, batch)).failures;
    } catch (error) {
      return over({ kind: "broke", text: (error as Error).message });
    }
    done = failure === undefined ? done + batch : failure.seed - firstSeed + 1;
    if (failure === undefined) continue;
    const same = await run(real, failure.seed, 1);
    if (same.failures.length === 0) return over({ kind: "caught", failure });
    voidSeeds.push(failure.seed);
  }
  return over({ kind: "survived" });
}

function resultOf(trials: readonly Trial[]): MutantsResult {
  const namesOf = (is: (trial: Trial) => boolean): string[] => trials.filter(is).map(({ mutant }) => mutant.name);
  return {
    trials,
    survivors: namesOf(({ verdict }) => verdict.kind === "survived"),
    byAnother: namesOf((trial) => trial.verdict.kind === "caught" && !isExpected(trial)),
    broken: namesOf(({ verdict }) => verdict.kind === "broke"),
  };
}

function isExpected({ mutant, verdict }: Trial): boolean {
  return verdict.kind === "caught" && mutant.rules.includes(verdict.failure.rule);
}

function lineOf(trial: Trial): string {
  const { mutant, seeds, seconds, voidSeeds } = trial;
  const spent = `${seeds} seeds, ${seconds.toFixed(1)} s`;
  const expected = `rule ${mutant.rules.join(" or ")}`;
  const without = voidSeeds.length === 0 ? "" : `; the real code fails seeds ${voidSeeds.join(", ")}`;
  return `${mutant.name.padEnd(72)} ${verdictOf(trial, expected)} (${spent}${without})`;
}

function verdictOf(trial: Trial, expected: string): string {
  const { verdict } = trial;
  switch (verdict.kind) {
    case "caught": {
      const { rule, seed, text } = verdict.failure;
      const other = isExpected(trial) ? "" : `, expected was ${expected}: ${text.slice(0, 300)}`;
      return `caught by rule ${rule} at seed ${seed}${other}`;
    }
    case "survived":
      return `SURVIVED, expected was ${expected}`;
    case "broke":
      return `BROKE its process: ${verdict.text}`;
  }
}

function summaryOf({ trials, survivors, byAnother, broken }: MutantsResult): string {
  const caught = trials.length - survivors.length - broken.length;
  const others = byAnother.length === 0 ? "" : `, ${byAnother.length} of them by another rule than expected`;
  return `${caught} of ${trials.length} mutants caught${others}; ${survivors.length} survived, ${broken.length} broke`;
}
