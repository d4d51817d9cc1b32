/**
 * The lock client: the Web Locks API (W3C) for a whole cluster, and what goes beyond it.
 * @module
 */
import * as v from "valibot";
import type { ClientCore, QueryOptions } from "../client/contract.ts";
import { ViewstampError } from "../protocol/errors.ts";
import { type Claim, Claims, closedError, stolenError } from "./client-claims.ts";
import { Line } from "./client-line.ts";
import { HeldLock } from "./client-lock.ts";
import { readCallback, readTerms, type Terms } from "./client-options.ts";
import { LockRequest, type Outcome } from "./client-request.ts";
import type { AcquiredLock, Lock, LockInfo, LockOptions, LockSnapshot } from "./client-types.ts";
import { type Listed, type ListPage, MAX_OWNER_LENGTH, pageSchema } from "./machine-words.ts";

/** What a lock client can be told. */
export interface LockClientOptions {
  /** Who this client is, shown to people by `query`; at most 256 characters. Default `""`. */
  readonly owner?: string;
}

/** What `request` calls back: gets the lock, or `null` where it was only wanted if available. */
export type LockCallback<T, Given = Lock> = (lock: Given) => T;

/**
 * Locks of a cluster, in the hands of one client. `request` and `query` have the shape and the rules of the Web Locks
 * API. `connectLocks` makes one.
 *
 * Every wait for a lock ends: by the grant, an abort, `timeoutMs`, or `close`. If the client's session is lost (it was cut
 * off from the cluster for longer than its TTL) then what it held is lost, which `lock.signal` says in time, and what
 * waited stands in line anew. A lock is released when its holder says so, when its client closes, or when its client
 * has been silent for the session's TTL.
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
  readonly #claims: Claims;
  readonly #line: Line;
  #closed: Promise<void> | undefined;

  /**
   * A lock client over a client's core, which becomes its own: closing the one closes the other.
   * @throws {ViewstampError} `InvalidOptions`
   */
  constructor(core: ClientCore, options: LockClientOptions = {}) {
    const { owner = "" } = options;
    checkOwner(owner);
    this.#core = core;
    this.#claims = new Claims(core, owner);
    this.#line = new Line(core, this.#claims);
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
   * @throws {ViewstampError} `LockLost`, `Timeout`, `Overloaded`, `Closed`
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
  async request<T>(
    name: string,
    options: LockOptions | LockCallback<T>,
    ...rest: readonly LockCallback<T>[]
  ): Promise<Awaited<T>> {
    // As in Web IDL the number of arguments decides what they are, not their types.
    const [given, callback] = rest.length === 0 ? [undefined, options] : [options, rest[0]];
    const run = readCallback(callback) as LockCallback<T, Lock | null>;
    const terms = readTerms(name, given);
    return new Promise<Awaited<T>>((resolve, reject) => {
      this.#submit(terms, {
        granted: (claim) => resolve(claim === undefined ? calling(run, null) : this.#hold(claim, run)),
        failed: reject,
      });
    });
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
  async acquire(name: string, options?: LockOptions): Promise<AcquiredLock | null> {
    const terms = readTerms(name, options);
    return new Promise((resolve, reject) => {
      this.#submit(terms, {
        granted: (claim) => resolve(claim === undefined ? null : new HeldLock(claim, this.#claims)),
        failed: reject,
      });
    });
  }

  /**
   * Who holds and who waits, in the whole cluster. Thousands of locks come in several pages, each read at its own
   * moment.
   *
   * @example
   * ```ts
   * for (const { name, clientId, ageMs } of (await locks.query()).held) console.log(name, clientId, ageMs);
   * ```
   *
   * @throws {ViewstampError} `Timeout`, `Closed` …
   */
  async query(options: QueryOptions = {}): Promise<LockSnapshot> {
    const snapshot: LockSnapshot = { held: [], pending: [] };
    let from: ListPage["next"] = { name: "", index: 0 };
    while (from !== undefined) {
      const page: ListPage = v.parse(pageSchema, await this.#core.ask("locks", "list", from, options));
      for (const listed of page.requests) addTo(snapshot, listed);
      from = page.next;
    }
    return snapshot;
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
    this.#line.close();
    this.#claims.close();
    return this.#core.close();
  }

  #submit(terms: Terms, outcome: Outcome): void {
    if (this.#closed !== undefined) throw closedError();
    this.#line.join(new LockRequest(terms, this.#claims, this.#line, this.#core.environment, outcome));
  }

  /** Runs the callback under the lock. Whatever comes first decides: its result, or the loss of the lock. */
  #hold<T>(claim: Claim, callback: LockCallback<T>): Promise<Awaited<T>> {
    return new Promise((resolve, reject) => {
      const lock = new HeldLock(claim, this.#claims, (loss) =>
        reject(loss.data["reason"] === "stolen" ? stolenError(claim.terms.name) : loss),
      );
      calling(callback, lock).then(
        (value) => lock.release().then(() => resolve(value), reject),
        (error: unknown) =>
          lock.release().then(
            () => reject(error),
            () => reject(error),
          ),
      );
    });
  }
}

/** @throws {ViewstampError} `InvalidOptions` */
export function checkOwner(owner: unknown): void {
  if (typeof owner === "string" && owner.length <= MAX_OWNER_LENGTH) return;
  throw new ViewstampError("InvalidOptions", `owner must be a string of at most ${MAX_OWNER_LENGTH} characters`);
}

/** What a callback comes to; one that throws rejects. */
async function calling<T, Given>(callback: LockCallback<T, Given>, given: Given): Promise<Awaited<T>> {
  return await callback(given);
}

function addTo(snapshot: LockSnapshot, { name, mode, session, owner, ageMs, token }: Listed): void {
  const info: LockInfo = { name, mode, clientId: session, owner, ageMs };
  if (token === undefined) snapshot.pending.push(info);
  else snapshot.held.push({ ...info, token });
}
