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
  /**
   * Gives `null` instead of waiting if the lock is held or others wait for it. Whether a client that keeps the lock uses it
   * only that client knows: it is asked, which takes a round trip, and if it is dead or cut off until its session ends;
   * who cannot wait for that sets `timeoutMs`. Default `false`.
   */
  readonly ifAvailable?: boolean;
  /**
   * Takes the lock from whoever holds it, before those that wait. The robbed holder's `lock.signal` is aborted as soon as
   * the news reaches it, which is after this request has the lock: only fencing tokens protect what it still does.
   *
   * A client that may keep the lock without using it is asked first, which takes a round trip; what it does not use it
   * gives back, and loses nothing. If it does not answer for a second (it is dead, cut off, or stands still) it is robbed
   * all the same, and may take itself for the holder, also anew, until the news reaches it or its session is over.
   * Default `false`.
   */
  readonly steal?: boolean;
  /** Ends the wait; the promise rejects with the signal's reason. Without effect once the lock is held. */
  readonly signal?: AbortSignal;
  /** The wait rejects with `Timeout` after this many milliseconds. Default: no limit. */
  readonly timeoutMs?: number;
  /**
   * A lock that is held for this many milliseconds is lost to its holder, `data.reason` is `maxHoldMs`, and goes to the
   * next one. Its own client sees to that, by its own monotonic clock, so the holder knows it first. A client that cannot
   * (it stands still, or is dead) loses the lock with its session: others wait for `maxHoldMs` and the session's TTL at
   * most. Default: no limit.
   */
  readonly maxHoldMs?: number;
  /**
   * If this client's session is lost while it holds the lock (it is dead or cut off, and has not released it), nobody gets
   * the lock for so many milliseconds after that, at most 60 000: time for what it has sent to arrive or fail. Only for
   * exclusive requests; a steal does not wait for it. Such a lock is not kept after use. Default 0.
   */
  readonly lockDelayMs?: number;
}

/** How to ask for several locks at once: as for one, but that nothing can be stolen so. */
export type GroupOptions = Omit<LockOptions, "steal">;

/** How to ask for a permit of a semaphore. */
export type PermitOptions = Pick<LockOptions, "ifAvailable" | "signal" | "timeoutMs" | "maxHoldMs">;

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
   * Aborted with a `LockLost` error when the lock is lost before it was released: `data.reason` is `session`, `stolen`,
   * `maxHoldMs` or `closed`. It comes before the cluster can give the lock to another (a steal apart).
   */
  readonly signal: AbortSignal;
  /** For how long it is held, in milliseconds since its client learned of the grant, by that client's monotonic clock. */
  readonly age: number;
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

/** What `request` calls back: gets the lock, or `null` where it was only wanted if available. */
export type LockCallback<T, Given = Lock> = (lock: Given) => T;

/** Several locks that are held together. */
export interface LockGroup {
  /** One for each name, in their order. */
  readonly locks: readonly Lock[];
  /** As they were asked for, each once. */
  readonly names: readonly string[];
  /** The lock of this name. */
  get(name: string): Lock | undefined;
  /** Aborted with a `LockLost` error when the first of them is lost. */
  readonly signal: AbortSignal;
  /** For how long all of them are held, in milliseconds. */
  readonly age: number;
  /**
   * Says whether all of them are surely held at this moment.
   *
   * @throws {ViewstampError} `LockLost` if not
   */
  assertHeld(): void;
}

/** Several locks that their holder gives back. */
export interface AcquiredLocks extends LockGroup {
  /** Gives all of them back; the promise resolves once others can have them. */
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
  /** The fencing token; only of holders. `JSON.stringify` writes it as a string. */
  readonly token?: bigint;
  /** Only of semaphores: how many may hold it at a time. */
  readonly permits?: number;
  /**
   * It held the lock until its session was lost, and `lockDelayMs` is not over: nobody has the lock for so many
   * milliseconds more.
   */
  readonly availableInMs?: number;
}

/** Who holds and who waits, by name; waiters in the order of their line. */
export interface LockSnapshot {
  /** The holders. */
  readonly held: LockInfo[];
  /** The waiters. */
  readonly pending: LockInfo[];
}
