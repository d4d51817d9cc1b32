/**
 * All rules, in order.
 * @module
 */
import type { Rule } from "./observer.ts";
import { committedStays } from "./rules/committed-stays.ts";
import { durableBeforeSent } from "./rules/durable-before-sent.ts";
import { equalStates } from "./rules/equal-states.ts";
import { exactlyOnce } from "./rules/exactly-once.ts";
import { exclusion } from "./rules/exclusion.ts";
import { freshReads } from "./rules/fresh-reads.ts";
import { goodEnd } from "./rules/good-end.ts";
import { inSync } from "./rules/in-sync.ts";
import { noAmnesia } from "./rules/no-amnesia.ts";
import { noCorruption } from "./rules/no-corruption.ts";
import { noOldCommits } from "./rules/no-old-commits.ts";
import { onePrimary } from "./rules/one-primary.ts";
import { oneValue } from "./rules/one-value.ts";
import { tokens } from "./rules/tokens.ts";
import { wakeUps } from "./rules/wake-ups.ts";

export const RULES: readonly Rule[] = [
  oneValue,
  durableBeforeSent,
  inSync,
  onePrimary,
  noOldCommits,
  noAmnesia,
  committedStays,
  freshReads,
  exactlyOnce,
  equalStates,
  noCorruption,
  exclusion,
  tokens,
  wakeUps,
  goodEnd,
];
