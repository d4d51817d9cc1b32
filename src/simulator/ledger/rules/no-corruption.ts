/**
 * Rule 11. The check is in `recovery.ts`, as what was recovered also becomes a fact.
 * @module
 */
import type { Rule } from "../observer.ts";

export const noCorruption: Rule = {
  number: 11,
  statement: "Never corrupt bytes read as data or as absence.",
  watch() {
    return {};
  },
};
