/**
 * Rule 14. The checks are in `workload/lock-checks.ts`, which sees the lock machine and its clients.
 * @module
 */
import type { Rule } from "../observer.ts";

export const wakeUps: Rule = {
  number: 14,
  statement: "Never a free lock with a waiter and no grant under way; never a lost wake-up after fail-over.",
  watch() {
    return {};
  },
};
