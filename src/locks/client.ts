/**
 * The lock client: the Web Locks API (W3C) for a whole cluster, and what goes beyond it.
 * @module
 */
import type { ClientCore, QueryOptions } from "../client/contract.ts";
import { Cache } from "./client-cache.ts";
import type { Use } from "./client-claim.ts";
import { Claims } from "./client-claims.ts";
import { closedError } from "./client-errors.ts";
import { GroupRequest } from "./client-group.ts";
import { HeldLocks } from "./client-held.ts";
import { hold, holding, holdLater } from "./client-hold.ts";
import { Line } from "./client-line.ts";
import {
  type LockClientOptions,
  readCallback,
  readClientOptions,
  readGroupTerms,
  readPermitTerms,
  readSemaphore,
  readTerms,
  type Terms,
} from "./client-options.ts";
import { querySnapshot } from "./client-query.ts";
import { type Desk, LockRequest, type Outcome } from "./client-request.ts";
import type {
  AcquiredLock,
  AcquiredLocks,
  GroupOptions,
  Lock,
  LockCallback,
  LockGroup,
  LockOptions,
  LockSnapshot,
} from "./client-types.ts";
import { Semaphore } from "./semaphore.ts";

/**
 * Locks of a cluster, in the hands of one client. `request` and `query` have the shape and the rules of the Web Locks
 * API. `connectLocks` makes one.
 *
 * Every wait for a lock ends: by the grant, an abort, `timeoutMs`, or `close`. If the client's session is lost (it was cut
 * off from the cluster for longer than its TTL) then what it held is lost, which `lock.signal` says in time, and what
 * waited stands in line anew. A lock is released when its holder says so, when its client closes, or when its client
 * has been silent for the session's TTL.
 *
 * The client keeps a lock after use until others want it, and takes it again without any message (`cache`). A kept lock
 * that is not in use counts as available to others; nothing but speed tells that it is kept.
 *
 * @example
 * ```ts
 * await locks.request("invoice/42", async (lock) => {
 *   await save(row, { fence: lock.token, signal: lock.signal });
 * });
 * ```
 */
export class LockClient {
  readonly #core: ClientCore;
  readonly #desk: Desk;
  #closed: Promise<void> | undefined;

  /**
   * A lock client over a client's core, which becomes its own: closing the one closes the other.
   * @throws {ViewstampError} `InvalidOptions`
   */
  constructor(core: ClientCore, options: LockClientOptions = {}) {
    const { owner, cache: limits } = readClientOptions(options);
    this.#core = core;
    const claims: Claims = new Claims(core, owner, limits !== undefined, {
      kept: (claim) => cache.keep(claim),
      freed: ({ keeping }) => keeping !== undefined && cache.freed(keeping),
      withdrawn: ({ keeping }) => keeping !== undefined && cache.withdraw(keeping),
      crowded: () => cache.evict(),
      cleared: () => cache.clear(),
      answered: () => line.answered(),
    });
    const cache = new Cache(core.environment, claims, limits ?? { size: 0, idleMs: 0 });
    const line = new Line(core, claims, cache);
    this.#desk = { environment: core.environment, claims, cache, line };
  }

  /**
   * Waits for the lock, calls back with it, and releases it when what the callback returned has settled; the result is
   * the callback's. One client's requests for a lock are granted in the order they are made.
   *
   * If the lock is lost before the callback is done the promise rejects at once, and the callback's result is ignored:
   * have it watch `lock.signal`.
   *
   * @example
   * ```ts
   * const report = await locks.request("report", { mode: "shared", timeoutMs: 5_000 }, () => readReport());
   * await locks.request("nightly", { ifAvailable: true }, async (lock) => {
   *   if (lock !== null) await runNightly();
   * });
   * ```
   *
   * @throws what the callback throws
   * @throws {TypeError} for arguments that are none
   * @throws {DOMException} `NotSupportedError` for options that exclude each other and names beginning with "-";
   * `AbortError` when the lock is stolen
   * @throws the signal's reason, when it is aborted during the wait
   * @throws {ViewstampError} `LockLost`, `Timeout`, `Overloaded`, `Closed`, `InvalidInput` for a name that is too long; or why
   * every node refuses this client, such as `WrongCluster`
   */
  request<T>(name: string, callback: LockCallback<T>): Promise<Awaited<T>>;
  /** The same, with options. */
  request<T>(
    name: string,
    options: LockOptions & { readonly ifAvailable?: false },
    callback: LockCallback<T>,
  ): Promise<Awaited<T>>;
  /** The same, with a lock that may be `null`. */
  request<T>(name: string, options: LockOptions, callback: LockCallback<T, Lock | null>): Promise<Awaited<T>>;
  request<T>(
    name: string,
    options: LockOptions | LockCallback<T>,
    ...rest: readonly LockCallback<T>[]
  ): Promise<Awaited<T>> {
    // As in Web IDL the number of arguments decides what they are, not their types.
    const isBare = rest.length === 0;
    const callback = (isBare ? options : rest[0]) as LockCallback<T, Lock | null>;
    try {
      const use = isBare && typeof callback === "function" ? this.#takePlain(name) : undefined;
      return use === undefined ? this.#requestAs(name, isBare ? undefined : options, callback) : holding(use, callback);
    } catch (error) {
      // It was called without its object.
      return Promise.reject(error);
    }
  }

  /**
   * Waits for the lock and gives it; the caller releases it.
   *
   * @example
   * ```ts
   * await using lock = await locks.acquire("invoice/42", { timeoutMs: 5_000 });
   * ```
   *
   * @throws as `request` does, but for the callback
   */
  acquire(name: string, options?: LockOptions & { readonly ifAvailable?: false }): Promise<AcquiredLock>;
  /** The same; `null` if it was only wanted if available, and is not. */
  acquire(name: string, options: LockOptions): Promise<AcquiredLock | null>;
  acquire(name: string, options?: LockOptions): Promise<AcquiredLock | null> {
    try {
      const use = options === undefined ? this.#takePlain(name) : undefined;
      return use === undefined ? this.#acquireAs(name, options) : Promise.resolve(use);
    } catch (error) {
      // It was called without its object.
      return Promise.reject(error);
    }
  }

  /**
   * Waits for several locks, calls back with all of them, and releases them when what the callback returned has settled.
   * They are granted in one step of the cluster: whoever waits for several holds none of them meanwhile, so there is no
   * deadlock, in whatever order clients name them; and nobody overtakes it at any of them, so it is not starved.
   *
   * Its options are for all of the locks. If one of them is lost the promise rejects at once.
   *
   * @example
   * ```ts
   * await locks.requestAll(["account/1", "account/2"], async (both) => {
   *   await transfer({ fence: both.get("account/1")?.token, signal: both.signal });
   * });
   * ```
   *
   * @throws as `request` does; {TypeError} if `names` is no array or an empty one; {ViewstampError} `InvalidInput` for more than 64 names
   */
  requestAll<T>(names: readonly string[], callback: LockCallback<T, LockGroup>): Promise<Awaited<T>>;
  /** The same, with options. */
  requestAll<T>(
    names: readonly string[],
    options: GroupOptions & { readonly ifAvailable?: false },
    callback: LockCallback<T, LockGroup>,
  ): Promise<Awaited<T>>;
  /** The same, with locks that may be `null`. */
  requestAll<T>(
    names: readonly string[],
    options: GroupOptions,
    callback: LockCallback<T, LockGroup | null>,
  ): Promise<Awaited<T>>;
  requestAll<T>(
    names: readonly string[],
    options: GroupOptions | LockCallback<T, LockGroup>,
    ...rest: readonly LockCallback<T, LockGroup>[]
  ): Promise<Awaited<T>> {
    const [given, callback] = rest.length === 0 ? [undefined, options] : [options, rest[0]];
    return new Promise((resolve, reject) => {
      const run = readCallback(callback) as LockCallback<T, LockGroup | null>;
      this.#takeAll(names, given, { granted: holdLater<T, HeldLocks>(run, resolve, reject), failed: reject });
    });
  }

  /**
   * Waits for several locks, as `requestAll` does, and gives them; the caller releases them.
   *
   * @example
   * ```ts
   * await using both = await locks.acquireAll(["account/1", "account/2"], { timeoutMs: 5_000 });
   * ```
   *
   * @throws as `requestAll` does, but for the callback
   */
  acquireAll(
    names: readonly string[],
    options?: GroupOptions & { readonly ifAvailable?: false },
  ): Promise<AcquiredLocks>;
  /** The same; `null` if they were only wanted if available, and one of them is not. */
  acquireAll(names: readonly string[], options: GroupOptions): Promise<AcquiredLocks | null>;
  acquireAll(names: readonly string[], options?: GroupOptions): Promise<AcquiredLocks | null> {
    return new Promise((resolve, reject) => {
      this.#takeAll(names, options, { granted: (held) => resolve(held ?? null), failed: reject });
    });
  }

  /**
   * The semaphore of this name: `permits` (1 to 4096) may hold it at once, in the whole cluster. Nothing is sent until a
   * permit is asked for.
   *
   * @example
   * ```ts
   * await using permit = await locks.semaphore("uploads", 4).acquire();
   * ```
   *
   * @throws {TypeError} for permits that are none
   * @throws {DOMException} `NotSupportedError` for names beginning with "-"
   * @throws {ViewstampError} `InvalidInput` for a name that is too long
   */
  semaphore(name: string, permits: number): Semaphore {
    const which = readSemaphore(name, permits);
    return new Semaphore(
      {
        acquire: (options) => this.#acquire(() => readPermitTerms(which, options)),
        request: (options, callback) =>
          this.#request(callback, () => {
            readCallback(callback);
            return readPermitTerms(which, options);
          }),
      },
      `${name}`,
      which.permits,
    );
  }

  /**
   * Who holds and who waits, in the whole cluster, with all that this client has asked for before. Thousands of locks come in several pages, each read at its own
   * moment. Clients that keep locks are asked for what they use, for up to a second; with `consistency: "local"` they are
   * not asked, and what they keep is shown as held.
   *
   * @example
   * ```ts
   * for (const { name, clientId, ageMs } of (await locks.query()).held) console.log(name, clientId, ageMs);
   * ```
   *
   * @throws {ViewstampError} `Timeout`, `Closed` …
   */
  async query(options: QueryOptions = {}): Promise<LockSnapshot> {
    return await querySnapshot(this.#core, options, this.#desk.line.backlog());
  }

  /**
   * Ends the client: locks that are held are lost (`LockLost`), then released; waits reject with `Closed`. Resolves when
   * the cluster knows, or after a bounded time when it cannot be reached.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** Closes: for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #close(): Promise<void> {
    this.#desk.line.close();
    this.#desk.claims.close();
    return this.#core.close();
  }

  /**
   * Where most locks come from: what is kept and free has a name that is none to refuse, and there are no options. Nothing
   * is made on this way that is not needed, closures least of all: half of its cost would be the collecting of garbage.
   */
  #takePlain(name: unknown): Use | undefined {
    return typeof name === "string" ? this.#desk.line.take(name, "exclusive") : undefined;
  }

  #requestAs<T>(name: unknown, options: unknown, callback: LockCallback<T, Lock | null>): Promise<Awaited<T>> {
    return this.#request(callback, () => readTerms(name, options, () => readCallback(callback)));
  }

  #acquireAs(name: unknown, options: unknown): Promise<AcquiredLock | null> {
    return this.#acquire(() => readTerms(name, options));
  }

  /** `read` refuses before anything is asked for. */
  #request<T>(run: LockCallback<T, Lock | null>, read: () => Terms): Promise<Awaited<T>> {
    return new Promise((resolve, reject) => {
      const terms = read();
      const use = this.#take(terms);
      if (use === undefined) this.#wait(terms, { granted: holdLater<T, Use>(run, resolve, reject), failed: reject });
      else hold(use, run, resolve, reject);
    });
  }

  #acquire(read: () => Terms): Promise<AcquiredLock | null> {
    return new Promise((resolve, reject) => {
      const terms = read();
      const use = this.#take(terms);
      if (use === undefined) this.#wait(terms, { granted: (later) => resolve(later ?? null), failed: reject });
      else resolve(use);
    });
  }

  #takeAll(names: readonly string[], options: unknown, { granted, failed }: Outcome<HeldLocks>): void {
    const terms = readGroupTerms(names, options);
    if (this.#closed !== undefined) throw closedError();
    const { names: wanted, ...wish } = terms;
    const give = (uses?: readonly Use[]): void => granted(uses === undefined ? undefined : new HeldLocks(uses));
    if (wanted.length > 1) {
      this.#desk.line.join(new GroupRequest(terms, this.#desk, { granted: give, failed }));
      return;
    }
    // One alone can be waited for here, as any other lock that this client keeps.
    const alone = { ...wish, name: wanted[0] as string, permits: 0 };
    const use = this.#take(alone);
    if (use !== undefined) give([use]);
    else this.#wait(alone, { granted: (later) => give(later === undefined ? undefined : [later]), failed });
  }

  /** A kept lock that it can have on the spot. */
  #take(terms: Terms): Use | undefined {
    if (this.#closed !== undefined) throw closedError();
    const use = isPlain(terms) ? this.#desk.line.take(terms.name, terms.mode) : undefined;
    if (use !== undefined && terms.maxHoldMs !== undefined) use.limit(terms.maxHoldMs);
    return use;
  }

  #wait(terms: Terms, outcome: Outcome): void {
    this.#desk.line.join(new LockRequest(terms, this.#desk, outcome));
  }
}

/** Whether it can have a kept lock on the spot. */
function isPlain({ how, signal, permits, lockDelayMs }: Terms): boolean {
  return how !== "steal" && signal === undefined && permits === 0 && lockDelayMs === 0;
}
