/**
 * Many seeds, one after another, and what they came to together.
 * @module
 */
import { drawPlan, type PlanWishes } from "./plan.ts";
import { Random } from "./random.ts";
import { type Outcome, type Parts, simulateSeed } from "./simulation.ts";

export interface CampaignOptions {
  readonly firstSeed: number;
  readonly seeds: number;
  /** Takes every `stride`-th seed: several workers share a campaign. */
  readonly stride?: number;
  readonly wishes?: PlanWishes;
  readonly tell?: boolean;
  /** Stop at the first failure. */
  readonly failFast?: boolean;
}

export interface Totals {
  seeds: number;
  steps: number;
  simulatedMs: number;
  calls: number;
  readonly counts: Record<string, number>;
  readonly failures: Failure[];
}

export interface Failure {
  readonly seed: number;
  readonly rule: number;
  readonly statement: string;
  readonly text: string;
}

export function noTotals(): Totals {
  return { seeds: 0, steps: 0, simulatedMs: 0, calls: 0, counts: {}, failures: [] };
}

export async function campaign(
  options: CampaignOptions,
  parts: Parts,
  each: (outcome: Outcome) => void = () => {},
): Promise<Totals> {
  const totals = noTotals();
  const { firstSeed, seeds, stride = 1 } = options;
  for (let seed = firstSeed; seed < firstSeed + seeds * stride; seed += stride) {
    const plan = drawPlan(new Random(seed).fork("plan"), options.wishes);
    const outcome = await simulateSeed(seed, plan, parts, options.tell);
    take(totals, outcome);
    each(outcome);
    if (outcome.violation !== undefined && options.failFast) break;
  }
  return totals;
}

function take(totals: Totals, outcome: Outcome): void {
  totals.seeds++;
  totals.steps += outcome.steps;
  totals.simulatedMs += outcome.simulatedMs;
  totals.calls += outcome.calls;
  for (const [kind, count] of outcome.counts) totals.counts[kind] = (totals.counts[kind] ?? 0) + count;
  if (outcome.violation !== undefined) totals.failures.push({ seed: outcome.seed, ...outcome.violation });
}

export function addTotals(into: Totals, from: Totals): void {
  into.seeds += from.seeds;
  into.steps += from.steps;
  into.simulatedMs += from.simulatedMs;
  into.calls += from.calls;
  for (const [kind, count] of Object.entries(from.counts)) into.counts[kind] = (into.counts[kind] ?? 0) + count;
  into.failures.push(...from.failures);
}
