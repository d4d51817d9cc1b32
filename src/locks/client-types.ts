/**
 * What users of the lock client see.
 * @module
 */
import type { LockMode } from "./machine-state.ts";

export type { LockMode } from "./machine-state.ts";

/** How to ask for a lock: the options of the Web Locks API, and a time limit. */
export interface LockOptions {
  /** `shared` locks are held together by any number of clients, `exclusive` ones alone. Default `exclusive`. */
  readonly mode?: LockMode;
  /** Gives `null` instead of waiting if the lock is held or others wait for it. Default `false`. */
  readonly ifAvailable?: boolean;
  /**
   * Takes the lock from whoever holds it, before those that wait. The robbed holder's `lock.signal` is aborted as soon as
   * the news reaches it, which is after this request has the lock: only fencing tokens protect what it still does, and a
   * client that keeps the lock unused may even take it anew until then.
   * Default `false`.
   */
  readonly steal?: boolean;
  /** Ends the wait; the promise rejects with the signal's reason. Without effect once the lock is held. */
  readonly signal?: AbortSignal;
  /** The wait rejects with `Timeout` after this many milliseconds. Default: no limit. */
  readonly timeoutMs?: number;
}

/** A lock that is held. */
export interface Lock {
  /** As it was asked for. */
  readonly name: string;
  /** As it was asked for. */
  readonly mode: LockMode;
  /**
   * The fencing token: greater than that of every earlier exclusive holder of this name, and never given out twice. Send
   * it along with each write to the protected resource, which refuses a token smaller than the greatest it has seen.
   */
  readonly token: bigint;
  /**
   * Aborted with a `LockLost` error when the lock is lost before it was released: `data.reason` is `session`, `stolen` or
   * `closed`. It comes before the cluster can give the lock to another (a steal apart).
   */
  readonly signal: AbortSignal;
  /**
   * Looks at the clock itself, so it is right even in a process that has just woken up.
   * @throws {ViewstampError} `LockLost` unless the lock is surely held at this moment
   */
  assertHeld(): void;
}

/** A lock that its holder gives back. */
export interface AcquiredLock extends Lock {
  /**
   * Gives the lock back; the promise resolves once others can have it. Releasing again, or releasing a lock that was
   * lost, does nothing.
   */
  release(): Promise<void>;
  /** Releases: for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** One holder or waiter, as `query` shows it. */
export interface LockInfo {
  /** Of the lock. */
  readonly name: string;
  /** What it holds or waits for. */
  readonly mode: LockMode;
  /** The session of the client that holds it or waits. */
  readonly clientId: string;
  /** What the client said about itself, or `""`. */
  readonly owner: string;
  /** For how long it has held or waited, in milliseconds. */
  readonly ageMs: number;
  /** The fencing token; only of holders. */
  readonly token?: bigint;
}

/** Who holds and who waits, by name; waiters in the order of their line. */
export interface LockSnapshot {
  /** The holders. */
  readonly held: LockInfo[];
  /** The waiters. */
  readonly pending: LockInfo[];
}
