/**
 * The simulator in the gate: seeds that once found a bug, a fixed number of others, and fresh ones, whose first is
 * printed so that a failure can be replayed. On two processes, as the machine has at least two cores.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { addTotals, noTotals, type Totals } from "../../src/simulator/campaign.ts";
import type { PlanWishes } from "../../src/simulator/plan.ts";
import { FAULT_KINDS } from "./coverage.ts";
import { WorkerProgram } from "./workers.ts";

/** Each with the cause of what it found. (How seeds are drawn has changed since: each is also a mutant, or a test by name.) */
const REGRESSIONS: readonly { readonly seed: number; readonly wishes: PlanWishes; readonly cause: string }[] = [
  {
    seed: 4,
    wishes: { nodes: 3 },
    cause: "a genesis that carried a later view than the first was taken for no message",
  },
  {
    seed: 142,
    wishes: { nodes: 3 },
    cause: "a primary that had said it is impaired was never heard again as a backup",
  },
  {
    seed: 1795421450211473,
    wishes: {},
    cause:
      "a node that said fresh with a newer program than it came back with became a member, and ended at its first entry",
  },
  {
    seed: 1795423510002379,
    wishes: {},
    cause:
      "a view was chosen by its only proposer, which stayed mute: only members might find that out, and nobody else was one",
  },
  {
    seed: 1795423510019333,
    wishes: {},
    cause:
      "false alarm: an old program was refused by its data when it had already been told to make room for the newer one",
  },
  {
    seed: 1795423510065277,
    wishes: {},
    cause:
      "false alarm: four connections of seven nodes were still being made anew when it was looked whether anything grows",
  },
  {
    seed: 1795430302913224,
    wishes: {},
    cause: "false alarm: a client had met the cluster of a founder that lost its disk before anybody else heard of it",
  },
  {
    seed: 1795430384000236,
    wishes: {},
    cause: "false alarm: such a founder had proposed a second view, and does so again after its other first one",
  },
  {
    seed: 1795441902002959,
    wishes: {},
    cause:
      "a node with new data knew only the view that its old data had led, was forgotten, and its one question was not heard: it never asked again",
  },
  {
    seed: 1795446000003763,
    wishes: {},
    cause: "false alarm: an operator's removal was decided late, when all seemed well",
  },
  {
    seed: 1795500000013712,
    wishes: {},
    cause: "false alarm: two nodes had been told to stop and were about to leave when all seemed well",
  },
  {
    seed: 1796100000014538,
    wishes: {},
    cause:
      "false alarm: a view without a node was all but chosen when all seemed well, and the next one let that node back",
  },
  {
    seed: 1795800000002854,
    wishes: {},
    cause:
      "the only node lost its power before it was a primary: clients that had met it waited for its news on dead connections for ever",
  },
  {
    seed: 2100000000045896,
    wishes: {},
    cause: "false alarm: a clock that got another rate while its machine slept went back by the length of that sleep",
  },
  {
    seed: 2100000000056585,
    wishes: {},
    cause:
      "a client that had met a founder which then lost its disk was refused by the cluster that the next one founded",
  },
];

const WORKERS = 2;
const FIXED = Number(process.env["VIEWSTAMP_SIM_FIXED"] ?? 100);
const FRESH = Number(process.env["VIEWSTAMP_SIM_FRESH"] ?? 300);
const firstFresh = Number(process.env["VIEWSTAMP_SIM_SEED"] ?? Date.now() * 1000);

const all = noTotals();
let program: WorkerProgram;

function failuresOf(totals: Totals): string[] {
  return totals.failures.map(
    ({ seed, rule, statement, text }) =>
      `rule ${rule} (${statement}): ${text}; replay: npm run sim -- --seed ${seed} --trace`,
  );
}

async function run(firstSeed: number, seeds: number, wishes: PlanWishes = {}): Promise<void> {
  const began = performance.now();
  const totals = await program.runTogether({ firstSeed, seeds, stride: 1, wishes, keepGoing: false }, WORKERS);
  const minutes = (totals.simulatedMs / 60_000).toFixed(1);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(
    `\n  ${seeds} seeds from ${firstSeed}: ${totals.steps} steps, ${minutes} simulated minutes in ${seconds} s`,
  );
  assert.equal(failuresOf(totals), []);
  assert.is(totals.seeds, seeds);
  assert.ok(totals.calls > 0, "no client call was answered");
  addTotals(all, totals);
}

test.before(async () => {
  program = await WorkerProgram.build();
});

test.after(() => program.remove());

for (const { seed, wishes, cause } of REGRESSIONS) test(`seed ${seed}: ${cause}`, () => run(seed, 1, wishes));

test(`${FIXED} fixed seeds find nothing`, () => run(1, FIXED));

test(`${FRESH} fresh seeds from ${firstFresh} find nothing`, () => run(firstFresh, FRESH));

test("every kind of fault has happened", () => {
  assert.equal(
    FAULT_KINDS.filter((kind) => (all.counts[kind] ?? 0) === 0),
    [],
  );
});

test.run();
