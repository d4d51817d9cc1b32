/**
 * What a mutant is: a bug that a tired programmer could plant, as a change of the sources.
 * @module
 */
import type { PlanWishes } from "../../../src/simulator/plan.ts";
import type { Patch } from "../build.ts";

export interface Mutant {
  /** A phrase that says what is wrong in the mutated code. */
  readonly name: string;
  /** The rules of design.md 5, any of which is expected to catch it. */
  readonly rules: readonly number[];
  readonly patches: readonly Patch[];
  /** Only where the usual draw would take too long, with the reason in `why`. */
  readonly wishes?: PlanWishes;
  /** How it comes to harm, where that is not plain. */
  readonly why?: string;
}
