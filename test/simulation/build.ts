/**
 * Bundles a program with the simulator into one file, which starts at once and runs faster than sources that are
 * translated one by one. Patches are planted while the sources are read: nothing in `src` knows of them, and nothing that is
 * shipped has them.
 * @module
 */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";

/** One change of a source file; `find` occurs in it exactly once. */
export interface Patch {
  /** From the root of the repository. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface BundleOptions {
  /** From the root of the repository. */
  readonly entry: string;
  readonly outfile: string;
  readonly patches?: readonly Patch[];
}

export const ROOT: string = fileURLToPath(new URL("../../", import.meta.url));

/** @throws if a patch does not fit, or if what comes out is no program */
export async function bundleSimulator({ entry, outfile, patches = [] }: BundleOptions): Promise<void> {
  const patched = await patchedFiles(patches);
  await build({
    absWorkingDir: ROOT,
    entryPoints: [entry],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    logLevel: "error",
    plugins: [planting(patched)],
  });
}

/** The patched text of each file that has patches, by its absolute path. */
export async function patchedFiles(patches: readonly Patch[]): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  for (const patch of patches) {
    const path = resolve(ROOT, patch.file);
    texts.set(path, applyPatch(texts.get(path) ?? (await readFile(path, "utf8")), patch));
  }
  return texts;
}

function applyPatch(text: string, { file, find, replace }: Patch): string {
  const parts = text.split(find);
  if (parts.length !== 2) throw new Error(`a patch of ${file} fits ${parts.length - 1} times: ${find}`);
  return parts.join(replace);
}

function planting(patched: ReadonlyMap<string, string>): Plugin {
  return {
    name: "planting",
    setup: ({ onLoad }) => {
      if (patched.size === 0) return;
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const contents = patched.get(path);
        return contents === undefined ? undefined : { contents, loader: "ts" };
      });
    },
  };
}
