/**
 * Options of a replica's core and their defaults. Times are milliseconds, sizes are bytes.
 * @module
 */

export interface CoreOptions {
  /** The primary says that it lives this often. */
  readonly heartbeatMs: number;
  /** Silence for this long is a suspicion. */
  readonly suspectMs: number;
  /** No view has fewer members than this; 1 in a one-node cluster. Must agree within a cluster. */
  readonly minCopies: number;
  /** An acceptor that is no member and silent for this long is forgotten; `undefined`: never. */
  readonly forgetAfterMs: number | undefined;
  /** How much clocks may run apart, in percent. Must agree within a cluster. */
  readonly driftPercent: number;
  /** The largest command, query or reply body. Must agree within a cluster. */
  readonly maxBodyBytes: number;
  /** Entries in one `invoke` end at about this many bytes, so that a heartbeat never waits behind a large frame. */
  readonly maxInvokeBytes: number;
  /** Sent to one backup or learner and not yet acknowledged. */
  readonly maxInFlightBytes: number;
  /** Stamped and not yet applied, all sessions together; beyond it requests are `OVERLOADED`. */
  readonly maxPendingEntries: number;
  /** Stamped and not yet applied, in bytes; beyond it requests are `OVERLOADED`. */
  readonly maxPendingBytes: number;
  /** Replies kept for one session and not yet acknowledged by it. */
  readonly maxSessionReplies: number;
  readonly maxSessions: number;
  readonly minSessionTtlMs: number;
  readonly maxSessionTtlMs: number;
  /** A snapshot is taken when the log after the last one has grown to this. */
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
