// Stages `types` and `package`: what tools can tell without running our code.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { getRuntime, npm, root } from "../runtimes.ts";
import { type Job, type Plan, present, runJobs, tool } from "./plan.ts";

const limitMs = 180_000;

export async function checkTypes(plan: Plan): Promise<void> {
  const sources = present(["mod.ts", "src", "transports", "examples"]);
  const jobs: Job[] = [
    { name: "tsc", command: tool("typescript/bin/tsc", "--noEmit"), limitMs },
    { name: "biome check", command: tool("@biomejs/biome/bin/biome", "check", "--error-on-warnings"), limitMs },
  ];
  if (sources.length > 0) jobs.push({ name: "deno check", command: deno("check", ...sources), limitMs });
  await runJobs(plan, jobs);
}

/** Builds and packs, then lets the package tools judge the tarball and the sources that go to JSR. */
export async function checkPackage(plan: Plan, folder: string): Promise<void> {
  const tarball = await buildTarball(plan, folder);
  const entries = Object.values(jsrExports());
  const jobs: Job[] = [
    { name: "deno publish --dry-run", command: deno("publish", "--dry-run", "--allow-dirty"), limitMs },
    { name: "deno doc --lint", command: deno("doc", "--lint", ...entries), limitMs },
  ];
  if (tarball !== undefined) {
    jobs.push({ name: "publint", command: tool("publint/src/cli.js", tarball, "--strict"), limitMs });
    const attw = tool("@arethetypeswrong/cli/dist/index.js", tarball, "--profile", "esm-only");
    jobs.push({ name: "attw", command: attw, limitMs });
  }
  await runJobs(plan, jobs);
}

let packed: string | undefined;

/** The packed tarball, made once a run; undefined when it can't be built (which the report then says). */
export async function buildTarball(plan: Plan, folder: string): Promise<string | undefined> {
  if (packed !== undefined) return packed;
  const [build] = await runJobs(plan, [{ name: "tsup", command: tool("tsup/dist/cli-default.js"), limitMs }]);
  if (build?.code !== 0) return undefined;
  const { status, stdout, stderr } = npm(["pack", "--json", "--ignore-scripts", "--pack-destination", folder], limitMs);
  const file = status === 0 ? join(folder, tarballName()) : "";
  const ok = existsSync(file);
  const outcome = { code: ok ? 0 : 1, signal: null, output: stdout + stderr, timedOut: false, elapsedMs: 0, strays: 0 };
  plan.report.add("npm pack", outcome, { passed: ok ? 1 : 0, failed: ok ? 0 : 1, reason: ok ? "" : "no tarball" });
  packed = ok ? file : undefined;
  return packed;
}

export function packageJson(): { name: string; version: string; dependencies: Record<string, string> } {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
}

function tarballName(): string {
  const { name, version } = packageJson();
  return `${name}-${version}.tgz`;
}

function jsrExports(): Record<string, string> {
  return JSON.parse(readFileSync(join(root, "deno.json"), "utf8")).exports;
}

function deno(...args: string[]): string[] {
  return [getRuntime("deno").command[0]!, ...args];
}
