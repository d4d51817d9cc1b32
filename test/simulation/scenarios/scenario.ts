// A scenario: a stage of its own for each seed, a script, and an end at which all must be well.
//
//   VIEWSTAMP_SCENARIO=11 (those whose titles begin so), VIEWSTAMP_SCENARIO_SEEDS=50, VIEWSTAMP_SCENARIO_SEED=3 (the first),
//   VIEWSTAMP_VERBOSE=1 (tells each story)
import { test } from "uvu";
import { Stage, type StageOptions } from "./stage.ts";

// Errors are made all the time in a simulation, and their stacks cost more than all else about them.
Error.stackTraceLimit = 3;

const { env } = process;
const chosen = env["VIEWSTAMP_SCENARIO"] ?? "";
const firstSeed = Number(env["VIEWSTAMP_SCENARIO_SEED"] ?? 1);
const seeds = Number(env["VIEWSTAMP_SCENARIO_SEEDS"] ?? 5);
const isVerbose = env["VIEWSTAMP_VERBOSE"] !== undefined;

/** `number` is that of scenarios.md. The cluster is up and in its first view when the script begins. */
export function scenario(
  number: number,
  title: string,
  options: StageOptions,
  script: (stage: Stage) => Promise<void>,
): void {
  const name = `${number}: ${title}`;
  if (!name.startsWith(chosen)) return;
  test(name, async () => {
    for (let seed = firstSeed; seed < firstSeed + seeds; seed++) await play(name, number, seed, options, script);
  });
}

async function play(
  name: string,
  number: number,
  seed: number,
  options: StageOptions,
  script: (stage: Stage) => Promise<void>,
): Promise<void> {
  const stage = new Stage(1_000_000 * number + seed, options, isVerbose);
  try {
    await stage.begin();
    await script(stage);
    await stage.finish();
  } catch (error) {
    const replay = `VIEWSTAMP_SCENARIO=${number}: VIEWSTAMP_SCENARIO_SEED=${seed} VIEWSTAMP_SCENARIO_SEEDS=1 VIEWSTAMP_VERBOSE=1`;
    throw new Error(`${name}, seed ${seed} (replay: ${replay}): ${String(error)}`, { cause: error });
  } finally {
    if (isVerbose)
      console.log(`${name}, seed ${seed}, ${stage.world.steps} steps\n${stage.world.story.lines.join("\n")}`);
  }
}
