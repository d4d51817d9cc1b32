/**
 * Rule 13. The checks are in `workload/lock-checks.ts`, which sees the lock machine and its clients.
 * @module
 */
import type { Rule } from "../observer.ts";

export const tokens: Rule = {
  number: 13,
  statement: "Never a token repeated or decreased; never a client trusting a lock after the server may give it away.",
  watch() {
    return {};
  },
};
