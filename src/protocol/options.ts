/**
 * Options of a replica's core and their defaults. Times are milliseconds, sizes are bytes.
 * @module
 */

/** How the replicas of a cluster work. Times are milliseconds, sizes are bytes. */
export interface CoreOptions {
  /**
   * The primary says that it lives this often.
   * @default 100
   */
  readonly heartbeatMs: number;
  /**
   * Silence for this long is a suspicion.
   * @default 500
   */
  readonly suspectMs: number;
  /**
   * No view has fewer members than this; 1 in a one-node cluster. Must agree within a cluster.
   * @default 2, or 1 in a one-node cluster
   */
  readonly minCopies: number;
  /**
   * An acceptor that is no member and silent for this long is forgotten; `undefined`: never. If it comes back it joins again,
   * if the `cluster` of the others names it; one that was added has to be added again.
   * @default undefined
   */
  readonly forgetAfterMs: number | undefined;
  /**
   * How much clocks may run apart, in percent. Must agree within a cluster.
   * @default 1
   */
  readonly driftPercent: number;
  /**
   * The largest command, query or reply body. Must agree within a cluster, and stay what it was, also when all nodes are restarted:
   * with another one a node that executes its log anew makes other replies than those that are kept, and stops as `Diverged`.
   * @default 262_144 (256 KiB)
   */
  readonly maxBodyBytes: number;
  /**
   * Entries in one `invoke` end at about this many bytes, so that a heartbeat never waits behind a large frame.
   * @default 262_144 (256 KiB)
   */
  readonly maxInvokeBytes: number;
  /**
   * Sent to one backup or learner and not yet acknowledged; at most 4 MiB.
   * @default 4_194_304 (4 MiB)
   */
  readonly maxInFlightBytes: number;
  /**
   * Stamped and not yet applied, all sessions together; beyond it requests are `OVERLOADED`.
   * @default 20_000
   */
  readonly maxPendingEntries: number;
  /**
   * Stamped and not yet applied, in bytes, and as much again of queries that wait; beyond it requests and queries are `OVERLOADED`.
   * @default 33_554_432 (32 MiB)
   */
  readonly maxPendingBytes: number;
  /**
   * Replies kept for one session and not yet acknowledged by it.
   * @default 4_096
   */
  readonly maxSessionReplies: number;
  /**
   * Open sessions at once; beyond it opening one is `OVERLOADED`.
   * @default 100_000
   */
  readonly maxSessions: number;
  /**
   * The shortest TTL a session may have; opening one with less is `INVALID`.
   * @default 500
   */
  readonly minSessionTtlMs: number;
  /**
   * The longest TTL a session may have; opening one with more is `INVALID`.
   * @default 600_000 (10 minutes)
   */
  readonly maxSessionTtlMs: number;
  /**
   * A snapshot is taken when the log after the last one has grown to this; each view and vote counts as 256 bytes.
   * @default 33_554_432 (32 MiB)
   */
  readonly snapshotEveryBytes: number;
}

export const CORE_DEFAULTS: CoreOptions = {
  heartbeatMs: 100,
  suspectMs: 500,
  minCopies: 2,
  forgetAfterMs: undefined,
  driftPercent: 1,
  maxBodyBytes: 256 * 1024,
  maxInvokeBytes: 256 * 1024,
  maxInFlightBytes: 4 * 1024 * 1024,
  maxPendingEntries: 20_000,
  maxPendingBytes: 32 * 1024 * 1024,
  maxSessionReplies: 4096,
  maxSessions: 100_000,
  minSessionTtlMs: 500,
  maxSessionTtlMs: 600_000,
  snapshotEveryBytes: 32 * 1024 * 1024,
};
