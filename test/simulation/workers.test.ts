// Campaigns run on whichever runtime is fastest: what they find must not depend on it.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { findRuntime, type RuntimeName } from "../runtimes.ts";
import { parseOptions, wishArguments } from "./options.ts";
import { workerCommand } from "./worker-runtime.ts";
import { WorkerProgram } from "./workers.ts";

const LIMIT_MS = 60_000;

/** Node asks for all: three answers to the same question would only cost time. */
function present(): RuntimeName[] {
  if ("bun" in process.versions || "deno" in process.versions) return [];
  return (["node", "bun", "deno"] as const).filter((name) => findRuntime(name) !== undefined);
}

test("a campaign comes to the same on the workers of every runtime", async () => {
  const { firstSeed, stride, wishes, keepGoing } = parseOptions(["--seed=1", "--nodes=3", "--calls=40"]);
  const totals = await Promise.all(
    present().map(async (runtime) => {
      const program = await WorkerProgram.build({ runtime, limitMs: LIMIT_MS });
      try {
        return await program.run({ firstSeed, seeds: 2, stride, wishes, keepGoing });
      } finally {
        await program.remove();
      }
    }),
  );
  for (const other of totals) assert.equal(other, totals[0]);
  for (const { seeds, calls } of totals) assert.ok(seeds === 2 && calls > 0);
});

test("a runtime is named as it is called, and any that is here does without a name", () => {
  assert.is(parseOptions(["--runtime=bun"]).runtime, "bun");
  assert.is(parseOptions([]).runtime, undefined);
  assert.throws(() => parseOptions(["--runtime=rhino"]), /--runtime must be one of node, current, bun, deno/);
  assert.ok(workerCommand().length > 0);
});

test("of work there is all, or calls alone", () => {
  assert.is(parseOptions([]).wishes.work, undefined);
  assert.equal(wishArguments(parseOptions(["--work=calls"]).wishes), ["--work=calls"]);
  assert.throws(() => parseOptions(["--work=some"]), /--work must be "calls", not "some"/);
});

test.run();
