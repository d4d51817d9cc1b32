/**
 * The locks of a cluster in the shape of redlock 5: for programs that move over from Redis with as few changes as can be.
 * @module
 */
import { MAX_TIMEOUT_MS, refuseUnknown } from "../client/options.ts";
import type { Environment, Timer } from "../protocol/environment.ts";
import { ViewstampError } from "../protocol/errors.ts";
import { titled } from "./client-errors.ts";
import type { AcquiredLocks } from "./client-types.ts";
import { ClusterLocks, environmentOf } from "./cluster-locks.ts";
import { MAX_GROUP } from "./machine-words.ts";

/** How long to wait for a lock, as redlock says it. Times are milliseconds. */
export interface RedlockSettings {
  /** A lock is waited for `retryCount * retryDelay` milliseconds; -1 or `Infinity`: for ever. Default 10. */
  readonly retryCount?: number;
  /** Default 200. Nothing is polled: the lock comes as soon as it is free. */
  readonly retryDelay?: number;
  /** Without effect: there are no retries to spread. */
  readonly retryJitter?: number;
  /** Without effect: the client reckons with drift by itself. */
  readonly driftFactor?: number;
  /** Without effect: `using` holds the locks for as long as its routine runs. */
  readonly automaticExtensionThreshold?: number;
}

/** Told to the routine of `using`. */
export interface RedlockAbortSignal extends AbortSignal {
  /** Why it is aborted. */
  error?: Error;
}

/** What came of an attempt, as redlock says it; the whole cluster is one member. */
export interface ExecutionStats {
  /** 1. */
  readonly membershipSize: number;
  /** 1. */
  readonly quorumSize: number;
  /** Nobody: it failed. */
  readonly votesFor: ReadonlySet<unknown>;
  /** The cluster, and why. */
  readonly votesAgainst: ReadonlyMap<unknown, Error>;
}

/** A lock could not be had, or is not held any more. `code` and `cause` say why. */
export class ExecutionError extends ViewstampError {
  /** `"ExecutionError"`, also in minified code. */
  override readonly name: string = "ExecutionError";

  /** For programs that look for a `ResourceLockedError` among the votes, as redlock has them: one attempt, or none if nobody was asked. */
  get attempts(): readonly Promise<ExecutionStats>[] {
    const { cause } = this;
    if (!(cause instanceof Error)) return [];
    const votesAgainst = new Map<unknown, Error>([["cluster", cause]]);
    return [Promise.resolve({ membershipSize: 1, quorumSize: 1, votesFor: new Set(), votesAgainst })];
  }
}

/** The cause of an `ExecutionError`: others held the resource for as long as it was waited for. */
export class ResourceLockedError extends ViewstampError {
  /** `"ResourceLockedError"`, also in minified code. */
  override readonly name: string = "ResourceLockedError";
}

/** What `using` runs. */
export type RedlockRoutine<T> = (signal: RedlockAbortSignal, lock: RedlockLock) => Promise<T> | T;

/** So long the cluster may take to say whether a lock is free. */
const TRY_MS = 1000;
const SETTINGS: readonly string[] = [
  "retryCount",
  "retryDelay",
  "retryJitter",
  "driftFactor",
  "automaticExtensionThreshold",
];

/** Locks on one or several resources. It is lost when its duration has passed, and when the client's session ends. */
export class RedlockLock {
  /** As they were asked for, each once. */
  readonly resources: readonly string[];
  /** The fencing token of each resource: let it refuse smaller ones. */
  readonly tokens: ReadonlyMap<string, bigint>;
  readonly #environment: Environment;
  readonly #held: AcquiredLocks;
  readonly #controller: AbortController = new AbortController();
  readonly #told: (error: Error) => void;
  #expiresAt: number;
  #timer: Timer | undefined;
  #end: Error | "released" | undefined;

  /** Of locks that are held; made by `Redlock`. */
  constructor(environment: Environment, held: AcquiredLocks, durationMs: number, told: (error: Error) => void) {
    this.resources = held.names;
    this.tokens = new Map(held.locks.map(({ name, token }) => [name, token]));
    this.#environment = environment;
    this.#held = held;
    this.#told = told;
    this.#expiresAt = environment.now() + durationMs;
    const { signal } = held;
    const lose = (): void => this.#lose(signal.reason);
    signal.addEventListener("abort", lose, { once: true });
    if (signal.aborted) lose();
    if (durationMs !== Number.POSITIVE_INFINITY) this.#arm();
  }

  /**
   * When the lock ends unless it is extended, in milliseconds since 1970; 0 once it is lost or released. In `using` it is
   * `Infinity`: there the lock lasts while the routine runs.
   */
  get expiration(): number {
    this.#lookAtClock();
    if (this.#end !== undefined) return 0;
    return this.#environment.wallNow() + this.#expiresAt - this.#environment.now();
  }

  /** Aborted when the lock is lost before it was released, its duration's end included. */
  get signal(): AbortSignal {
    this.#lookAtClock();
    return this.#controller.signal;
  }

  /**
   * Lets the lock last for `durationMs` from now; gives this lock. No message is sent. In `using` it lasts anyway.
   * @throws {ExecutionError} if it is lost or released
   * @throws {ViewstampError} `InvalidOptions`
   */
  async extend(durationMs: number): Promise<RedlockLock> {
    checkDuration(durationMs);
    this.assertHeld();
    // In `using` it lasts for longer than that.
    if (this.#expiresAt === Number.POSITIVE_INFINITY) return this;
    this.#expiresAt = this.#environment.now() + durationMs;
    this.#arm();
    return this;
  }

  /**
   * Looks at the clock itself.
   * @throws {ExecutionError} unless all resources are surely held at this moment
   */
  assertHeld(): void {
    this.#lookAtClock();
    if (this.#end === "released") throw new ExecutionError("LockLost", "the lock is not held: it was released");
    if (this.#end !== undefined) throw this.#end;
  }

  /**
   * Gives all resources back; resolves once others can have them. Releasing again does nothing.
   * @throws {ExecutionError} if it was lost before
   */
  async release(): Promise<void> {
    this.#lookAtClock();
    if (this.#end === "released") return;
    if (this.#end !== undefined) throw this.#end;
    this.#end = "released";
    await this.#giveBack().catch((error: unknown) => {
      throw asExecutionError(error);
    });
  }

  /** A timer may not have had its turn yet. */
  #lookAtClock(): void {
    if (this.#end !== undefined) return;
    if (this.#environment.now() >= this.#expiresAt) this.#expire();
    else if (this.#held.signal.aborted) this.#lose(this.#held.signal.reason);
  }

  #arm(): void {
    this.#timer?.cancel();
    const ms = Math.max(0, this.#expiresAt - this.#environment.now());
    this.#timer = this.#environment.setTimer(ms, () => {
      if (this.#end !== undefined) return;
      if (this.#environment.now() >= this.#expiresAt) this.#expire();
      else this.#arm();
    });
  }

  #expire(): void {
    this.#lose(
      new ExecutionError("LockLost", "the lock's duration has passed; extend it in time, or have `using` do so"),
    );
  }

  /** Whoever works under it hears of its end before it is given back. */
  #lose(reason: unknown): void {
    if (this.#end !== undefined) return;
    const error = asExecutionError(reason);
    this.#end = error;
    this.#controller.abort(error);
    try {
      this.#told(error);
    } finally {
      this.#giveBack().catch(() => {});
    }
  }

  async #giveBack(): Promise<void> {
    this.#timer?.cancel();
    await this.#held.release();
  }
}

/**
 * `using`, `acquire`, `extend` and `release` as redlock has them, over the locks of a cluster. Several resources (at most
 * 64) are granted in one step: whoever waits for them holds none of them meanwhile, so there is no deadlock, in whatever
 * order programs name them.
 *
 * A duration is counted by this client: when it has passed the lock is given back. A client that dies or is cut off keeps
 * its locks until its session ends (`sessionTtlMs`), whatever their duration. `using` extends by itself: its locks are held
 * while the routine runs, and are lost only with the session or by a steal.
 *
 * @example
 * ```ts
 * const redlock = new Redlock(await connectLocks({ cluster: ["ws://127.0.0.1:7001"] }));
 * await redlock.using(["invoice/42", "customer/7"], 5_000, async (signal, lock) => {
 *   await save(row, { fence: lock.tokens.get("invoice/42") ?? 0n, signal });
 * });
 * ```
 */
export class Redlock {
  readonly #locks: ClusterLocks;
  readonly #environment: Environment;
  readonly #settings: RedlockSettings;
  readonly #listeners: Set<(error: Error) => void> = new Set();

  /**
   * On a connected lock client, which stays the caller's to close.
   * @throws {ViewstampError} `InvalidOptions`
   */
  constructor(locks: ClusterLocks, settings: RedlockSettings = {}) {
    if (!(locks instanceof ClusterLocks))
      throw invalid(
        "Redlock takes what connectLocks gave, in place of Redis clients: new Redlock(await connectLocks(…))",
      );
    readWait(settings);
    this.#locks = locks;
    this.#environment = environmentOf(locks);
    this.#settings = settings;
  }

  /** Tells of each lock that is lost before it was released. Without listeners nothing is thrown. */
  on(_event: "error", listener: (error: Error) => void): this {
    this.#listeners.add(listener);
    return this;
  }

  /** Takes a listener back. */
  off(_event: "error", listener: (error: Error) => void): this {
    this.#listeners.delete(listener);
    return this;
  }

  /**
   * Takes all resources.
   *
   * @example
   * ```ts
   * const lock = await redlock.acquire(["invoice/42"], 5_000);
   * await lock.release();
   * ```
   *
   * @throws {ExecutionError} if they could not be had in time: its cause is a `ResourceLockedError` if others held one
   * @throws {ViewstampError} `InvalidOptions`
   * @throws {DOMException} `NotSupportedError` for names beginning with "-"
   */
  acquire(resources: readonly string[], durationMs: number, settings: RedlockSettings = {}): Promise<RedlockLock> {
    return this.#acquire(resources, durationMs, settings, false);
  }

  /** The same as `lock.release()`. @throws {ExecutionError} */
  release(lock: RedlockLock): Promise<void> {
    return lock.release();
  }

  /** The same as `lock.extend(durationMs)`. @throws {ExecutionError} */
  extend(lock: RedlockLock, durationMs: number): Promise<RedlockLock> {
    return lock.extend(durationMs);
  }

  /**
   * Runs the routine while it holds all resources; its result is the routine's. The signal aborts when they are lost. The
   * routine is waited for all the same, so have it watch the signal.
   *
   * @throws what the routine throws, else as `acquire`
   * @throws {ExecutionError} if the resources were lost before the routine was done
   */
  async using<T>(resources: readonly string[], durationMs: number, routine: RedlockRoutine<T>): Promise<T>;
  /** The same, with settings. */
  async using<T>(
    resources: readonly string[],
    durationMs: number,
    settings: RedlockSettings,
    routine: RedlockRoutine<T>,
  ): Promise<T>;
  async using<T>(
    resources: readonly string[],
    durationMs: number,
    ...[first, second]: readonly (RedlockSettings | RedlockRoutine<T> | undefined)[]
  ): Promise<T> {
    const routine = second ?? first;
    const settings = typeof first === "object" ? first : {};
    if (typeof routine !== "function") throw new TypeError("the routine must be a function");
    const lock = await this.#acquire(resources, durationMs, settings, true);
    const signal: RedlockAbortSignal = lock.signal;
    signal.addEventListener("abort", () => {
      signal.error = signal.reason as Error;
    });
    let result: T;
    try {
      result = await routine(signal, lock);
    } catch (error) {
      await lock.release().catch(() => {});
      throw error;
    }
    await lock.release();
    return result;
  }

  /** Closes the lock client: what is held is lost. */
  quit(): Promise<void> {
    return this.#locks.close();
  }

  async #acquire(
    resources: readonly string[],
    durationMs: number,
    settings: RedlockSettings,
    lasts: boolean,
  ): Promise<RedlockLock> {
    checkResources(resources);
    checkDuration(durationMs);
    const waitMs = readWait({ ...settings }, this.#settings);
    const told = (error: Error): void => {
      for (const listener of this.#listeners) listener(error);
    };
    try {
      const held = await this.#takeAll(resources, waitMs);
      const lock = new RedlockLock(this.#environment, held, lasts ? Number.POSITIVE_INFINITY : durationMs, told);
      // It may be lost again already.
      lock.assertHeld();
      return lock;
    } catch (error) {
      throw asExecutionError(error);
    }
  }

  async #takeAll(names: readonly string[], waitMs: number): Promise<AcquiredLocks> {
    if (waitMs === Number.POSITIVE_INFINITY) return this.#locks.acquireAll(names);
    if (waitMs >= TRY_MS) return this.#locks.acquireAll(names, { timeoutMs: Math.min(MAX_TIMEOUT_MS, waitMs) });
    // So little time may not do for an answer. With none at all it is still tried once, as redlock does.
    const end = this.#environment.now() + waitMs;
    const free = await this.#locks.acquireAll(names, { ifAvailable: true, timeoutMs: TRY_MS });
    const timeoutMs = end - this.#environment.now();
    if (free !== null) return free;
    if (timeoutMs > 0) return this.#locks.acquireAll(names, { timeoutMs });
    throw new ViewstampError("Timeout", `${titled(names)} is held by others`);
  }
}

/** @throws {ViewstampError} `InvalidOptions` */
function checkResources(resources: readonly string[]): void {
  const isList = Array.isArray(resources) && resources.length > 0;
  if (!isList || !resources.every((name) => typeof name === "string")) {
    throw invalid("resources must be a list of at least one name");
  }
  if (new Set(resources).size > MAX_GROUP) throw invalid(`at most ${MAX_GROUP} resources can be held together`);
}

function checkDuration(durationMs: number): void {
  if (typeof durationMs !== "number" || !(durationMs > 0 && durationMs <= MAX_TIMEOUT_MS)) {
    throw invalid(`a duration must be a number above 0 and at most ${MAX_TIMEOUT_MS}, not ${String(durationMs)}`);
  }
}

/** What is not set counts as it usually does. */
function readWait(settings: RedlockSettings, usual: RedlockSettings = {}): number {
  refuseUnknown(settings, SETTINGS, "Redlock");
  const { retryCount = usual.retryCount ?? 10, retryDelay = usual.retryDelay ?? 200 } = settings;
  const isEndless = retryCount === -1 || retryCount === Number.POSITIVE_INFINITY;
  if (!isEndless && !(Number.isInteger(retryCount) && retryCount >= 0)) {
    throw invalid(`retryCount must be a whole number of at least -1, not ${String(retryCount)}`);
  }
  if (typeof retryDelay !== "number" || !(retryDelay >= 0 && retryDelay <= MAX_TIMEOUT_MS)) {
    throw invalid(`retryDelay must be a number from 0 to ${MAX_TIMEOUT_MS}, not ${String(retryDelay)}`);
  }
  return isEndless ? Number.POSITIVE_INFINITY : retryCount * retryDelay;
}

function asExecutionError(error: unknown): Error {
  // Stolen in the moment of the grant.
  if (error instanceof DOMException && error.name === "AbortError") {
    return new ExecutionError("LockLost", error.message, { cause: error });
  }
  if (!(error instanceof ViewstampError) || error instanceof ExecutionError) return error as Error;
  const isLocked = error.code === "Timeout" && error.cause === undefined;
  const cause = isLocked ? new ResourceLockedError("Timeout", error.message, { cause: error }) : error;
  return new ExecutionError(error.code, error.message, { cause, data: error.data });
}

function invalid(message: string): ViewstampError {
  return new ViewstampError("InvalidOptions", message);
}
