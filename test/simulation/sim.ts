/**
 * The program `npm run sim`: campaigns of the simulator, from the command line.
 */
import { campaign, type Failure, type Totals } from "../../src/simulator/campaign.ts";
import { DEMANDED_FAULTS, FAULTS } from "../../src/simulator/faults.ts";
import { REAL_PARTS } from "../../src/simulator/parts.ts";
import { missing } from "./coverage.ts";
import { runMutants } from "./mutants/run.ts";
import { parseOptions, type SimOptions, USAGE, wishArguments } from "./options.ts";
import { WorkerProgram } from "./workers.ts";

const PROGRESS_MS = 60_000;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function run(options: SimOptions): Promise<Totals> {
  const { firstSeed, seeds, stride, wishes, keepGoing, trace, hash, workers, json } = options;
  const found = (failure: Failure): void => {
    if (!json) reportFailure(failure, options);
  };
  if (!trace && !hash) {
    const program = await WorkerProgram.build({ runtime: options.runtime });
    const { done, end } = tellProgress(seeds);
    try {
      return await program.runTogether(options, workers, { found, done });
    } finally {
      end();
      await program.remove();
    }
  }
  return campaign({ firstSeed, seeds, stride, wishes, tell: trace, failFast: !keepGoing }, REAL_PARTS, (outcome) => {
    for (const line of outcome.story) say(line);
    if (hash) say(`${outcome.seed} ${outcome.hash}`);
    if (outcome.violation !== undefined) found({ seed: outcome.seed, ...outcome.violation });
  });
}

/** A campaign of an hour that says nothing looks like one that hangs; beside what it prints, which may be read by a program. */
function tellProgress(seeds: number): { readonly done: () => void; readonly end: () => void } {
  const began = performance.now();
  let done = 0;
  const tell = (): void => {
    const seconds = (performance.now() - began) / 1000;
    process.stderr.write(
      `${done} of ${seeds} seeds after ${seconds.toFixed(0)} s (${(done / seconds).toFixed(1)}/s)\n`,
    );
  };
  const timer = setInterval(tell, PROGRESS_MS);
  return { done: () => void done++, end: () => clearInterval(timer) };
}

/** What did not happen, if this was a campaign of the usual draw that is large enough to say so. */
function missed({ wishes, seeds }: SimOptions, totals: Totals): string[] {
  const isUsual = Object.keys(wishes).length === 0;
  return isUsual && totals.failures.length === 0 ? missing(totals.counts, seeds) : [];
}

function report(totals: Totals, seconds: number): void {
  const counts = Object.entries(totals.counts).sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [kind, count] of counts) say(`  ${kind.padEnd(32)} ${count}`);
  const rate = (totals.seeds / seconds).toFixed(1);
  const hours = (totals.simulatedMs / 3_600_000).toFixed(2);
  say(
    `${totals.seeds} seeds in ${seconds.toFixed(1)} s (${rate}/s), ${hours} simulated hours, ${totals.steps} steps, ${totals.calls} calls answered`,
  );
  if (totals.failures.length > 0) say(`FAILED: ${totals.failures.length} seeds`);
}

function reportFailure({ seed, rule, statement, text }: Failure, { wishes }: SimOptions): void {
  const replay = ["npm run sim --", `--seed=${seed}`, "--trace", ...wishArguments(wishes).map(quoted)].join(" ");
  say(`FAILED rule ${rule} (${statement}): ${text}`);
  say(`  replay: ${replay}`);
}

function quoted(argument: string): string {
  return argument.includes(" ") ? `"${argument}"` : argument;
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) say(USAGE);
  else if (options.listFaults) for (const kind of Object.keys({ ...FAULTS, ...DEMANDED_FAULTS })) say(kind);
  else if (options.mutants !== undefined) {
    const { firstSeed, seeds, workers, runtime, mutants, json } = options;
    const only = mutants === "" ? {} : { only: mutants.split(",") };
    const result = await runMutants({ ...only, firstSeed, seeds, workers, runtime, say: json ? () => {} : say });
    if (json) say(JSON.stringify(result));
    return result.survivors.length > 0 || result.broken.length > 0 ? 1 : 0;
  } else {
    const began = performance.now();
    const totals = await run(options);
    const seconds = (performance.now() - began) / 1000;
    const never = missed(options, totals);
    if (options.json) say(JSON.stringify({ ...totals, seconds, never }));
    else report(totals, seconds);
    if (never.length > 0 && !options.json) say(`FAILED: never happened: ${never.join(", ")}`);
    return totals.failures.length > 0 || never.length > 0 ? 1 : 0;
  }
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof TypeError)) throw error;
  say(error.message);
  say(USAGE);
  process.exitCode = 2;
}
