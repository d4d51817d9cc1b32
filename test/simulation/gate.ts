/**
 * The simulator in the gate: seeds that once found a bug, a fixed number of others, and fresh ones, whose first is
 * printed so that a failure can be replayed.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type CampaignOptions, campaign, type Totals } from "../../src/simulator/campaign.ts";
import { REAL_PARTS } from "../../src/simulator/parts.ts";

/** Each with the cause of what it found. */
const REGRESSIONS: readonly { readonly seed: number; readonly nodes: number; readonly cause: string }[] = [
  { seed: 4, nodes: 3, cause: "a genesis that carried a later view than the first was taken for no message" },
  { seed: 142, nodes: 3, cause: "a primary that had said it is impaired was never heard again as a backup" },
];

const FIXED = Number(process.env["VIEWSTAMP_SIM_FIXED"] ?? 60);
const FRESH = Number(process.env["VIEWSTAMP_SIM_FRESH"] ?? 120);
const firstFresh = Number(process.env["VIEWSTAMP_SIM_SEED"] ?? Date.now() * 1000);

function failuresOf(totals: Totals): string[] {
  return totals.failures.map(
    ({ seed, rule, statement, text }) =>
      `rule ${rule} (${statement}): ${text}; replay: npm run sim -- --seed ${seed} --trace`,
  );
}

async function run(options: CampaignOptions): Promise<void> {
  const totals = await campaign(options, REAL_PARTS);
  const minutes = (totals.simulatedMs / 60_000).toFixed(1);
  console.log(
    `\n  ${totals.seeds} seeds from ${options.firstSeed}: ${totals.steps} steps, ${minutes} simulated minutes`,
  );
  assert.equal(failuresOf(totals), []);
  assert.is(totals.seeds, options.seeds);
  assert.ok(totals.calls > 0, "no client call was answered");
}

for (const { seed, nodes, cause } of REGRESSIONS) {
  test(`seed ${seed}: ${cause}`, () => run({ firstSeed: seed, seeds: 1, wishes: { nodes } }));
}

test(`${FIXED} fixed seeds find nothing`, () => run({ firstSeed: 1, seeds: FIXED }));

test(`${FRESH} fresh seeds from ${firstFresh} find nothing`, () => run({ firstSeed: firstFresh, seeds: FRESH }));

test.run();
