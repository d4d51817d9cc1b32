// What the gate shares between its stages: the options of a run and the way jobs are run.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Runtime, root } from "../runtimes.ts";
import { type Outcome, type RunOptions, runCommand } from "./process.ts";
import { judgeCommand, type Report, type Verdict } from "./report.ts";

export interface Plan {
  readonly runtimes: readonly Runtime[];
  readonly report: Report;
  readonly match: string;
  /** How many processes may run at once. */
  readonly jobs: number;
  /** Multiplies every time limit. */
  readonly patience: number;
}

export interface Job {
  readonly name: string;
  readonly command: readonly string[];
  readonly limitMs: number;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly judge?: (outcome: Outcome) => Verdict;
}

/** Runs the jobs, at most `atOnce` at a time, in order. Resolves to the outcomes in the order of the jobs. */
export async function runJobs(plan: Plan, jobs: readonly Job[], atOnce: number = plan.jobs): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < jobs.length) {
      const index = next++;
      const job = jobs[index]!;
      const outcome = await runCommand(job.command, optionsOf(plan, job));
      outcomes[index] = outcome;
      plan.report.add(job.name, outcome, (job.judge ?? judgeCommand)(outcome));
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, jobs.length) }, worker));
  return outcomes;
}

function optionsOf(plan: Plan, job: Job): RunOptions {
  return {
    limitMs: job.limitMs * plan.patience,
    ...(job.cwd !== undefined && { cwd: job.cwd }),
    env: { VIEWSTAMP_PATIENCE: String(plan.patience), ...job.env },
  };
}

/** The command line of a JavaScript tool that npm installed, run without the wrapper in `.bin`. */
export function tool(path: string, ...args: string[]): string[] {
  return [process.execPath, join(root, "node_modules", path), ...args];
}

export function present(paths: readonly string[]): string[] {
  return paths.filter((path) => existsSync(join(root, path)));
}
