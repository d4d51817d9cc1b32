// Stages `unit`, `scenarios` and `sim`: uvu programs, each in its own process.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { getRuntime, type RuntimeName, root } from "../runtimes.ts";
import { type Plan, runJobs } from "./plan.ts";
import { judgeSuite } from "./report.ts";

const unitLimitMs = 120_000;
const scenarioLimitMs = 420_000;
const simulationLimitMs = 600_000;
const simulationGate = "test/simulation/gate.ts";

export async function runUnitSuites(plan: Plan): Promise<void> {
  const files = suites(".test.ts", plan.match);
  if (files.length === 0) return plan.report.skip("unit", "no test/**/*.test.ts");
  const jobs = plan.runtimes.flatMap(({ name, command }, index) =>
    files
      .filter((file) => index === 0 || !saysTheSame(name, file))
      .map((file) => ({
        name: `${name.padEnd(7)} ${file}`,
        command: [...command, file],
        limitMs: unitLimitMs,
        judge: judgeSuite,
      })),
  );
  await runJobs(plan, jobs);
}

/** House rules read the sources, and what is simulated differs between two Nodes in nothing. */
function saysTheSame(runtime: RuntimeName, file: string): boolean {
  return file.startsWith("test/house/") || (runtime === "current" && file.startsWith("test/simulation/"));
}

/** One at a time: each starts a cluster of real processes on every runtime by itself. */
export async function runScenarios(plan: Plan): Promise<void> {
  const files = suites(".scenario.ts", plan.match);
  if (files.length === 0) return plan.report.skip("scenarios", "no test/scenarios/*.scenario.ts");
  const jobs = files.map((file) => ({
    name: file,
    command: [...getRuntime("node").command, file],
    limitMs: scenarioLimitMs,
    judge: judgeSuite,
  }));
  await runJobs(plan, jobs, 1);
}

export async function runSimulation(plan: Plan): Promise<void> {
  if (!existsSync(join(root, simulationGate))) return plan.report.skip("sim", `no ${simulationGate}`);
  const command = [...getRuntime("node").command, simulationGate];
  await runJobs(plan, [{ name: simulationGate, command, limitMs: simulationLimitMs, judge: judgeSuite }]);
}

function suites(ending: string, match: string): string[] {
  const files = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" });
  return files
    .filter((file) => file.endsWith(ending))
    .map((file) => `test/${file.replaceAll("\\", "/")}`)
    .filter((file) => file.includes(match))
    .sort();
}
