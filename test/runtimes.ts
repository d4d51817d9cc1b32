// The runtimes the tests run on. The scenario harness starts its nodes with these command lines too.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** `current` is the newest Node, beside the installed one (`node`). */
export type RuntimeName = "node" | "current" | "bun" | "deno";

export interface Runtime {
  readonly name: RuntimeName;
  /** Append a TypeScript file and its arguments. */
  readonly command: readonly string[];
  readonly version: string;
}

export const runtimeNames: readonly RuntimeName[] = ["node", "current", "bun", "deno"];

/** The root of the checkout. */
export const root: string = fileURLToPath(new URL("..", import.meta.url));

const currentNodeVersion = "26.10.0";
const cacheFolder = join(root, "node_modules", ".cache", "viewstamp");
const require = createRequire(import.meta.url);

/**
 * The runtime of that name, or undefined when this machine does not have it.
 * The command starts the real binary: killing a wrapper would leave the runtime alive.
 */
export function findRuntime(name: RuntimeName): Runtime | undefined {
  const binary = binaries[name]();
  if (binary === undefined) return undefined;
  const version = versionOf(binary);
  return version === undefined ? undefined : { name, command: [binary, ...flags[name]()], version };
}

/** Like {@link findRuntime}, for runtimes that `npm ci` always brings. */
export function getRuntime(name: RuntimeName): Runtime {
  const runtime = findRuntime(name);
  if (runtime === undefined) throw new Error(`no ${name} here; run npm ci`);
  return runtime;
}

/**
 * Fetches the current Node from npm. It can't be a devDependency: its package has a `bin` named node,
 * which would shadow the installed Node in every npm script.
 *
 * @returns undefined when it is there, else why it is not.
 */
export function fetchCurrentNode(): string | undefined {
  if (existsSync(currentNodeBinary())) return undefined;
  const target = currentNodeFolder();
  const staging = `${target}.${process.pid}`;
  mkdirSync(staging, { recursive: true });
  try {
    writeFileSync(join(staging, "package.json"), '{ "private": true }\n');
    const spec = `${currentNodePackage()}@${currentNodeVersion}`;
    const flags = ["--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
    const done = npm(["install", "--prefix", staging, ...flags, spec], 180_000);
    if (done.status !== 0) return `npm could not install ${spec}: ${lastLine(done.stderr)}`;
    if (!existsSync(target)) renameSync(staging, target);
    return existsSync(currentNodeBinary()) ? undefined : `${spec} has no bin/node`;
  } catch (error) {
    return String(error);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** Runs npm with an environment that does not carry the settings of an npm script around us. */
export function npm(
  args: readonly string[],
  timeoutMs: number,
): { status: number | null; stdout: string; stderr: string } {
  const script = process.env["npm_execpath"];
  const [file, before] = script?.endsWith("js") ? [installedNode(), [script]] : ["npm", []];
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.toLowerCase().startsWith("npm_")));
  return spawnSync(file, [...before, ...args], { cwd: root, env, encoding: "utf8", timeout: timeoutMs });
}

const flags: Record<RuntimeName, () => string[]> = {
  node: () => ["--import", tsxLoader()],
  current: () => ["--import", tsxLoader()],
  bun: () => [],
  deno: () => ["run", "--no-check", "--allow-all"],
};

const binaries: Record<RuntimeName, () => string | undefined> = {
  node: installedNode,
  current: () => existing(currentNodeBinary()),
  bun: () =>
    packagedBinary([
      [bunPackage(), "bin/bun"],
      ["bun", "bin/bun.exe"],
    ]),
  deno: () =>
    packagedBinary([
      [`@deno/${process.platform}-${process.arch}-glibc`, "deno"],
      [`@deno/${process.platform}-${process.arch}`, "deno"],
      ["deno", "deno"],
    ]),
};

/** An absolute address, because a bare `tsx` would be looked up from the child's working directory. */
function tsxLoader(): string {
  return pathToFileURL(require.resolve("tsx")).href;
}

function installedNode(): string {
  const isNode = process.versions["bun"] === undefined && process.versions["deno"] === undefined;
  return isNode ? process.execPath : "node";
}

function bunPackage(): string {
  return `@oven/bun-${process.platform}-${process.arch === "arm64" ? "aarch64" : process.arch}`;
}

function currentNodePackage(): string {
  return `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
}

function currentNodeFolder(): string {
  return join(cacheFolder, `node-${currentNodeVersion}`);
}

function currentNodeBinary(): string {
  return join(currentNodeFolder(), "node_modules", currentNodePackage(), "bin", "node");
}

/** Looks into the platform package first: after `npm ci --ignore-scripts` only that one has the binary. */
function packagedBinary(places: readonly (readonly [string, string])[]): string | undefined {
  for (const [name, file] of places) {
    const found = existing(join(root, "node_modules", name, file));
    if (found !== undefined && isBinary(found)) return found;
  }
  return undefined;
}

/** Without its install script the package `bun` holds a shell stub in place of the binary. */
function isBinary(file: string): boolean {
  return readFileSync(file).subarray(0, 2).toString("latin1") !== "#!";
}

function existing(file: string): string | undefined {
  return existsSync(file) ? file : undefined;
}

function versionOf(binary: string): string | undefined {
  const { status, stdout } = spawnSync(binary, ["--version"], { encoding: "utf8" });
  return status === 0 ? stdout.match(/\d+\.\d+\.\d+[^\s]*/)?.[0] : undefined;
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
