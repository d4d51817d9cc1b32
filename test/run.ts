// The gate, `npm test`. Prints each runtime's version, runs the stages, and ends with `N passed, N failed`.
//
//   --only=types,package,consumer,unit,scenarios,sim   these stages
//   --runtime=node,current,bun,deno                    these runtimes, for unit and consumer
//   --match=text                                       suites whose path contains the text
//   --jobs=2                                           processes at once
//   --patience=1                                       multiplies every time limit; or VIEWSTAMP_PATIENCE
//   --cache=both                                       all scenarios with locks, cache on and off; or on, or off
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { checkPackage, checkTypes } from "./gate/checks.ts";
import { checkConsumer } from "./gate/consumer.ts";
import type { Plan } from "./gate/plan.ts";
import { killAll } from "./gate/process.ts";
import { Report } from "./gate/report.ts";
import { runScenarios, runSimulation, runUnitSuites } from "./gate/suites.ts";
import { fetchCurrentNode, findRuntime, type Runtime, type RuntimeName, runtimeNames } from "./runtimes.ts";

type Stage = (plan: Plan, folder: string) => Promise<void>;

const stages: Readonly<Record<string, Stage>> = {
  types: checkTypes,
  package: checkPackage,
  consumer: checkConsumer,
  unit: runUnitSuites,
  scenarios: runScenarios,
  sim: runSimulation,
};

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: Object.keys(stages).join(",") },
    runtime: { type: "string", default: runtimeNames.join(",") },
    match: { type: "string", default: "" },
    jobs: { type: "string", default: "2" },
    patience: { type: "string", default: process.env["VIEWSTAMP_PATIENCE"] ?? "1" },
    cache: { type: "string" },
  },
});

async function main(): Promise<void> {
  const report = new Report();
  const folder = mkdtempSync(join(tmpdir(), "viewstamp-gate-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const stageNames = chosen(options.only, Object.keys(stages), "stage");
  const runtimes = meetRuntimes(report, chosen(options.runtime, runtimeNames, "runtime"));
  const { match } = options;
  const plan = { runtimes, report, match, jobs: Number(options.jobs), patience: Number(options.patience) };
  if (options.cache !== undefined)
    process.env["VIEWSTAMP_CACHE"] = chosen(options.cache, ["both", "on", "off"], "cache")[0];
  for (const name of stageNames) await runStage(name, plan, folder);
  report.close();
  process.exitCode = report.failed > 0 || report.passed === 0 ? 1 : 0;
}

function meetRuntimes(report: Report, names: readonly RuntimeName[]): Runtime[] {
  const missing = names.includes("current") ? fetchCurrentNode() : undefined;
  if (missing !== undefined) report.skip("the current Node", missing);
  const found: Runtime[] = [];
  for (const name of names) {
    const runtime = findRuntime(name);
    if (runtime !== undefined) found.push(runtime);
    else if (name !== "current") throw new Error(`no ${name} here; run npm ci`);
    if (runtime !== undefined) console.log(`${title[name].padEnd(15)} ${runtime.version}`);
  }
  return found;
}

const title: Readonly<Record<RuntimeName, string>> = {
  node: "installed Node",
  current: "current Node",
  bun: "Bun",
  deno: "Deno",
};

async function runStage(name: string, plan: Plan, folder: string): Promise<void> {
  console.log(`\n-- ${name}`);
  const startedAt = performance.now();
  await stages[name]!(plan, folder);
  console.log(`-- ${name} took ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
}

function chosen<Name extends string>(list: string, known: readonly Name[], kind: string): Name[] {
  const names = list.split(",");
  const unknown = names.find((name) => !known.includes(name as Name));
  if (unknown !== undefined) throw new Error(`no ${kind} "${unknown}"; there are ${known.join(", ")}`);
  return known.filter((name) => names.includes(name));
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    killAll();
    process.exit(130);
  });
}
process.on("exit", killAll);

await main().catch((error: unknown) => {
  console.error(error);
  console.log("0 passed, 1 failed");
  process.exit(1);
});
