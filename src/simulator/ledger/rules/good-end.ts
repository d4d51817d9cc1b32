/**
 * Rule 15. The checks are in `simulation.ts`, which knows when faults have ended.
 * @module
 */
import type { Rule } from "../observer.ts";

export const goodEnd: Rule = {
  number: 15,
  statement:
    "Never, after faults end, a live client still waiting, hashes unequal, memory or timers still growing; never a cluster with a majority of acceptors up, and with a holder of everything committed among them, that forms no writable view.",
  watch() {
    return {};
  },
};
