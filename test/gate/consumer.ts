// Stage `consumer`: the packed tarball, installed in an empty folder, as a stranger would use it.
import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Runtime, root } from "../runtimes.ts";
import { buildTarball, packageJson } from "./checks.ts";
import { type Job, type Plan, runJobs, tool } from "./plan.ts";

const limitMs = 60_000;

export async function checkConsumer(plan: Plan, folder: string): Promise<void> {
  const tarball = await buildTarball(plan, folder);
  if (tarball === undefined) return plan.report.skip("consumer", "there is no tarball");
  const home = join(folder, "consumer");
  install(tarball, home);
  for (const file of ["consumer.mjs", "program.mjs"]) copyFileSync(join(root, "test/package", file), join(home, file));
  writeFileSync(join(home, "types.ts"), importAll(home));
  writeFileSync(
    join(home, "tsconfig.json"),
    JSON.stringify({ compilerOptions: strangersOptions, files: ["types.ts"] }),
  );
  const types: Job = {
    name: "consumer types",
    command: tool("typescript/bin/tsc", "-p", home),
    limitMs,
    cwd: home,
  };
  await runJobs(plan, [types, ...plan.runtimes.flatMap((runtime) => jobsOn(runtime, home))]);
}

function jobsOn(runtime: Runtime, home: string): Job[] {
  const run = [runtime.command[0]!, ...(runtime.name === "deno" ? ["run", "--allow-all"] : [])];
  const program = "node_modules/viewstamp/dist/entry/cli.js";
  return [
    { name: `consumer ${runtime.name}`, command: [...run, "consumer.mjs"], limitMs, cwd: home },
    {
      name: `consumer ${runtime.name} viewstamp`,
      command: [process.execPath, "program.mjs", ...run, program],
      limitMs,
      cwd: home,
    },
  ];
}

/** By hand, so that it needs no network: the dependencies are those of the checkout. */
function install(tarball: string, home: string): void {
  const modules = join(home, "node_modules");
  const target = join(modules, packageJson().name);
  mkdirSync(target, { recursive: true });
  writeFileSync(join(home, "package.json"), '{ "private": true, "type": "module" }\n');
  const { status, stderr } = spawnSync("tar", ["-xzf", tarball, "-C", target, "--strip-components=1"], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`tar could not unpack ${tarball}: ${stderr}`);
  for (const name of Object.keys(packageJson().dependencies)) {
    cpSync(join(root, "node_modules", name), join(modules, name), { recursive: true });
  }
}

function importAll(home: string): string {
  const { name, exports } = JSON.parse(readFileSync(join(home, "node_modules/viewstamp/package.json"), "utf8"));
  const paths = Object.keys(exports).filter((path) => path !== "./package.json");
  const lines = paths.map((path, index) => `import * as module${index} from "${name}${path.slice(1)}";`);
  return `${lines.join("\n")}\nexport const all = [${paths.map((_, index) => `module${index}`).join(", ")}];\n`;
}

/** No Node types and no skipLibCheck: our declarations must stand alone. */
const strangersOptions = {
  target: "ES2022",
  lib: ["ES2022", "ESNext.Disposable", "DOM"],
  module: "NodeNext",
  types: [],
  strict: true,
  exactOptionalPropertyTypes: true,
  noEmit: true,
  skipLibCheck: false,
};
