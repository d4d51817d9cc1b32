/**
 * A semaphore: up to so many hold it at once, in the whole cluster.
 * @module
 */
import type { AcquiredLock, Lock, LockCallback, PermitOptions } from "./client-types.ts";

/** How permits are asked for. */
export interface SemaphoreHost {
  /** `null` if a permit was only wanted if available, and is not. */
  acquire(options: PermitOptions | undefined): Promise<AcquiredLock | null>;
  /** Calls back with a permit, and gives it back afterwards. */
  request<T>(options: PermitOptions | undefined, callback: LockCallback<T, Lock | null>): Promise<Awaited<T>>;
}

/**
 * Up to `permits` holders at once, first come first served. Semaphores have names of their own: the lock and the semaphore
 * `"x"` have nothing to do with each other. A permit is a lock of mode `shared`: with a fencing token (greater than that
 * of everyone who got a permit of this name before), a signal, an age. Permits are not kept after use: each is asked
 * for at the cluster.
 *
 * Those who use a semaphore at the same time must agree on its permits: as long as anybody holds one or waits, a request
 * with another number rejects with `InvalidOptions`; `data.permits` is the number that counts.
 *
 * @example
 * ```ts
 * const uploads = locks.semaphore("uploads", 4);
 * await uploads.request((permit) => upload(file, permit.signal));
 *
 * await using permit = await uploads.acquire({ timeoutMs: 5_000 });
 * ```
 */
export class Semaphore {
  /** As it was asked for. */
  readonly name: string;
  /** How many may hold it at once. */
  readonly permits: number;
  readonly #host: SemaphoreHost;

  /** Lock clients make it. */
  constructor(host: SemaphoreHost, name: string, permits: number) {
    this.#host = host;
    this.name = name;
    this.permits = permits;
  }

  /**
   * Waits for a permit and gives it; the caller releases it.
   *
   * @example
   * ```ts
   * await using permit = await uploads.acquire();
   * ```
   *
   * @throws as `LockClient.acquire` does, and {ViewstampError} `InvalidOptions` if others use it with another number of permits
   */
  acquire(options?: PermitOptions & { readonly ifAvailable?: false }): Promise<AcquiredLock>;
  /** The same; `null` if it was only wanted if available, and is not. */
  acquire(options: PermitOptions): Promise<AcquiredLock | null>;
  acquire(options?: PermitOptions): Promise<AcquiredLock | null> {
    return this.#host.acquire(options);
  }

  /**
   * Waits for a permit, calls back with it, and releases it when what the callback returned has settled; the result is
   * the callback's. As `LockClient.request`.
   *
   * @example
   * ```ts
   * await uploads.request({ timeoutMs: 5_000 }, (permit) => upload(file, permit.signal));
   * ```
   *
   * @throws what the callback throws, and as `acquire` does
   */
  request<T>(callback: LockCallback<T>): Promise<Awaited<T>>;
  /** The same, with options. */
  request<T>(options: PermitOptions & { readonly ifAvailable?: false }, callback: LockCallback<T>): Promise<Awaited<T>>;
  /** The same, with a permit that may be `null`. */
  request<T>(options: PermitOptions, callback: LockCallback<T, Lock | null>): Promise<Awaited<T>>;
  request<T>(options: PermitOptions | LockCallback<T>, ...rest: readonly LockCallback<T>[]): Promise<Awaited<T>> {
    const [given, callback] = rest.length === 0 ? [undefined, options] : [options as PermitOptions, rest[0]];
    return this.#host.request(given, callback as LockCallback<T, Lock | null>);
  }
}
