/**
 * The locks of a cluster in the shape of redlock 5, for programs that move over. MIGRATION.md says what is different.
 *
 * @example
 * ```ts
 * import { connectLocks } from "viewstamp/locks";
 * import { Redlock } from "viewstamp/locks/redlock";
 *
 * const redlock = new Redlock(await connectLocks({ cluster: ["ws://a:7001", "ws://b:7001", "ws://c:7001"] }));
 * await redlock.using(["invoice/42"], 5_000, async (signal, lock) => {
 *   await save(row, { fence: lock.tokens.get("invoice/42") ?? 0n, signal });
 * });
 * ```
 * @module
 */
export { ClusterLocks } from "../locks/cluster-locks.ts";
export {
  ExecutionError,
  type ExecutionStats,
  Redlock,
  type RedlockAbortSignal,
  RedlockLock,
  type RedlockRoutine,
  type RedlockSettings,
  ResourceLockedError,
} from "../locks/redlock.ts";
export { ViewstampError } from "../protocol/errors.ts";
