// How a TypeScript program is started as a process of its own. Node would translate hundreds of sources one by one at each
// start, which takes it five times as long as all the rest: it is given one file. Bun and Deno take the sources.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { buildSync } from "esbuild";
import { type Runtime, root } from "../runtimes.ts";

/** Inside the checkout, so that packages are found from there. */
const cacheFolder = join(root, "node_modules", ".cache", "viewstamp");

const bundles = new Map<string, string>();

export function commandFor({ name, command }: Runtime, file: string): readonly string[] {
  const [binary = ""] = command;
  return name === "node" || name === "current" ? [binary, bundleOf(file)] : [...command, file];
}

function bundleOf(file: string): string {
  const known = bundles.get(file);
  if (known !== undefined) return known;
  mkdirSync(cacheFolder, { recursive: true });
  const folder = mkdtempSync(join(cacheFolder, "program-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const outfile = join(folder, `${basename(file, ".ts")}.mjs`);
  buildSync({
    absWorkingDir: root,
    entryPoints: [file],
    outfile,
    bundle: true,
    packages: "external",
    format: "esm",
    platform: "node",
    target: "node20",
    sourcemap: "inline",
    logLevel: "error",
  });
  bundles.set(file, outfile);
  return outfile;
}
