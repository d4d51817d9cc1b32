/**
 * Rule 12. The checks are in `workload/lock-checks.ts`, which sees the lock machine and its clients.
 * @module
 */
import type { Rule } from "../observer.ts";

export const exclusion: Rule = {
  number: 12,
  statement:
    "Never two exclusive holders, or an exclusive beside a shared one; never a dead session holding or waiting.",
  watch() {
    return {};
  },
};
