/**
 * The program `npm run sim`: campaigns of the simulator, from the command line.
 * @module
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { addTotals, campaign, noTotals, type Totals } from "../simulator/campaign.ts";
import { REAL_PARTS } from "../simulator/parts.ts";
import type { PlanWishes } from "../simulator/plan.ts";

const USAGE = `npm run sim -- [options]
  --seeds N     how many seeds (default 100; 1 with --seed)
  --seed S      the first seed (default: from the clock)
  --nodes N     instead of a drawn number, also --clients N, --calls N
  --faults A,B  only these kinds of faults; "none" for none
  --workers N   so many processes (default 1)
  --trace       tell the story
  --hash        print each run's hash
  --keep-going  do not end at the first failure
  --json        totals as one line of JSON`;

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== "--"),
  options: {
    seeds: { type: "string" },
    seed: { type: "string" },
    stride: { type: "string", default: "1" },
    nodes: { type: "string" },
    clients: { type: "string" },
    calls: { type: "string" },
    faults: { type: "string" },
    workers: { type: "string", default: "1" },
    trace: { type: "boolean", default: false },
    hash: { type: "boolean", default: false },
    "keep-going": { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const firstSeed = values.seed === undefined ? Date.now() * 1000 : Number(values.seed);
const seeds = Number(values.seeds ?? (values.seed === undefined ? 100 : 1));
const workers = Number(values.workers);

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function wishes(): PlanWishes {
  const number = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text));
  const [nodes, clients, calls] = [number(values.nodes), number(values.clients), number(values.calls)];
  return {
    ...(nodes !== undefined && { nodes }),
    ...(clients !== undefined && { clients }),
    ...(calls !== undefined && { calls }),
    ...(values.faults !== undefined && { faults: values.faults === "none" ? [] : values.faults.split(",") }),
  };
}

async function alone(): Promise<Totals> {
  return campaign(
    {
      firstSeed,
      seeds,
      stride: Number(values.stride),
      wishes: wishes(),
      tell: values.trace,
      failFast: !values["keep-going"],
    },
    REAL_PARTS,
    (outcome) => {
      if (values.trace) for (const line of outcome.story) say(line);
      if (values.hash) say(`${outcome.seed} ${outcome.hash}`);
    },
  );
}

/** Each worker takes every n-th seed. */
async function together(): Promise<Totals> {
  const totals = noTotals();
  const share = Math.ceil(seeds / workers);
  const parts = await Promise.all(Array.from({ length: workers }, (_, i) => worker(firstSeed + i, share)));
  for (const part of parts) addTotals(totals, part);
  return totals;
}

function worker(first: number, share: number): Promise<Totals> {
  const passed = process.argv.slice(2).filter((argument) => argument.startsWith("--keep"));
  for (const name of ["nodes", "clients", "calls", "faults"] as const)
    if (values[name] !== undefined) passed.push(`--${name}=${values[name]}`);
  const isDeno = "deno" in process.versions;
  const runtime = isDeno ? ["run", "--no-check", "-A"] : process.execArgv;
  const own = [`--seed=${first}`, `--seeds=${share}`, `--stride=${workers}`, "--json"];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...runtime, fileURLToPath(import.meta.url), ...own, ...passed], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.on("data", (chunk) => (output += String(chunk)));
    child.on("error", reject);
    child.on("close", () => {
      try {
        resolve(JSON.parse(output) as Totals);
      } catch (cause) {
        reject(new Error(`a worker said no totals: ${output}`, { cause }));
      }
    });
  });
}

function report(totals: Totals, seconds: number): void {
  const faults = Object.entries(totals.counts).sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [kind, count] of faults) say(`  ${kind.padEnd(32)} ${count}`);
  const rate = (totals.seeds / seconds).toFixed(1);
  const hours = (totals.simulatedMs / 3_600_000).toFixed(2);
  say(
    `${totals.seeds} seeds in ${seconds.toFixed(1)} s (${rate}/s), ${hours} simulated hours, ${totals.steps} steps, ${totals.calls} calls answered`,
  );
  const rest = process.argv.slice(2).filter((argument) => /^--(nodes|clients|calls|faults)/.test(argument));
  for (const { seed, rule, text } of totals.failures) {
    say(`FAILED rule ${rule}: ${text}`);
    say(`  replay: npm run sim -- --seed=${seed} --trace ${rest.join(" ")}`.trimEnd());
  }
}

if (values.help) {
  say(USAGE);
} else {
  const began = performance.now();
  const totals = workers > 1 ? await together() : await alone();
  const seconds = (performance.now() - began) / 1000;
  if (values.json) say(JSON.stringify(totals));
  else report(totals, seconds);
  process.exitCode = totals.failures.length > 0 ? 1 : 0;
}
