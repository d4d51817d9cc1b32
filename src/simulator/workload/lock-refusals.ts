/**
 * What a lock client may be given under faults; anything else is a violation.
 * @module
 */
import { ViewstampError } from "../../protocol/errors.ts";

const EXPECTED: readonly string[] = [
  "Timeout",
  "LockLost",
  "SessionExpired",
  "Overloaded",
  "Closed",
  "NoQuorum",
  "Busy",
];

export function isExpectedRefusal(error: unknown): boolean {
  return error instanceof ViewstampError && EXPECTED.includes(error.code);
}
