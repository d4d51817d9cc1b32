// Stages `unit`, `scenarios` and `sim`: uvu programs, each in its own process.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { getRuntime, root } from "../runtimes.ts";
import { type Plan, runJobs } from "./plan.ts";
import { judgeSuite } from "./report.ts";

const unitLimitMs = 120_000;
const scenarioLimitMs = 420_000;
const simulationLimitMs = 600_000;
/** These read the sources: what they find is the same on every runtime. */
const houseRules = "test/house/";
const simulationGate = "test/simulation/gate.ts";

export async function runUnitSuites(plan: Plan): Promise<void> {
  const files = suites(".test.ts", plan.match);
  if (files.length === 0) return plan.report.skip("unit", "no test/**/*.test.ts");
  const jobs = plan.runtimes.flatMap((runtime, index) =>
    files
      .filter((file) => index === 0 || !file.startsWith(houseRules))
      .map((file) => ({
        name: `${runtime.name.padEnd(7)} ${file}`,
        command: [...runtime.command, file],
        limitMs: unitLimitMs,
        judge: judgeSuite,
      })),
  );
  await runJobs(plan, jobs);
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
