/**
 * A fixed number of seeded runs of trouble. `SEED=7` replays one, `SEED=100-299` a range.
 * @module
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Chaos } from "./chaos.ts";

const chosen = process.env["SEED"];
const paths = new Set<string>();

function seeds(): number[] {
  const [first = 1, last = first] = (chosen ?? "1-25").split("-").map(Number);
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

for (const seed of seeds()) {
  test(`seed ${seed}: nothing committed is lost, nothing is done twice, and the cluster heals`, () => {
    const chaos = new Chaos(seed);
    try {
      chaos.run();
    } catch (error) {
      const replay = `SEED=${seed} node --import tsx test/rsm/fuzz.test.ts`;
      const what = error instanceof Error ? error.message : String(error);
      throw new Error([what, replay, ...chaos.story.slice(-25), chaos.situation].join("\n    "), { cause: error });
    }
    for (const path of chaos.paths.keys()) paths.add(path);
  });
}

if (chosen === undefined) {
  test("the runs take the paths for whose sake they are made", () => {
    for (const path of ["acceptedValueAdopted", "activationInterrupted", "duelOfProposers", "snapshotInstalled"]) {
      assert.ok(paths.has(path), path);
    }
  });
}

test.run();
