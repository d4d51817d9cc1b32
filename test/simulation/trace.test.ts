// One seed gives one trace on every runtime: Node runs a few seeds on each runtime that is there, and compares their hashes.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { runCommand } from "../gate/process.ts";
import { findRuntime, type Runtime, type RuntimeName } from "../runtimes.ts";

const PROGRAM = "test/simulation/trace-hash.ts";
const SEEDS = 6;
const LIMIT_MS = 60_000;

async function hashesOn({ name, command }: Runtime): Promise<string[]> {
  const { code, output, timedOut } = await runCommand([...command, PROGRAM], { limitMs: LIMIT_MS });
  if (code !== 0) throw new Error(`${name} ${timedOut ? "takes too long" : `ends with ${code}`}: ${output}`);
  return output.trim().split("\n");
}

/** Why there is nothing to compare here, if so. (The others are compared once: where Node is the one that asks.) */
function reasonToSkip(others: readonly Runtime[]): string | undefined {
  if ("bun" in process.versions || "deno" in process.versions) return "the test on Node compares all runtimes";
  return others.length === 0 ? "neither Bun nor Deno is here" : undefined;
}

function present(...names: readonly RuntimeName[]): Runtime[] {
  return names.map(findRuntime).filter((runtime) => runtime !== undefined);
}

test("a seed gives the same trace on Node, Bun and Deno", async () => {
  const others = present("bun", "deno");
  const reason = reasonToSkip(others);
  if (reason !== undefined) return console.log(`skipped: ${reason}`);
  const [node] = present("node");
  const expected = await hashesOn(node!);
  assert.is(expected.length, SEEDS);
  assert.is(new Set(expected).size, SEEDS, "different seeds give different traces");
  for (const other of others) assert.equal(await hashesOn(other), expected, other.name);
});

test.run();
