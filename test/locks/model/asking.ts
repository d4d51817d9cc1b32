/**
 * How what the model wishes is asked of a real client.
 * @module
 */
import type { Lock, LockGroup, LockOptions } from "../../../src/locks/client-types.ts";
import type { ClusterLocks } from "../../../src/locks/cluster-locks.ts";
import type { Election, Leadership } from "../../../src/locks/election.ts";
import type { Wish } from "./model.ts";

/** What a request comes to: a lock or several. */
export type Held = Lock | LockGroup;
export type Acquired = Held & { release(): Promise<void>; [Symbol.asyncDispose](): Promise<void> };

export interface Source {
  acquire(options: LockOptions): Promise<Acquired | null>;
  request(options: LockOptions, run: (lock: Held | null) => Promise<number>): Promise<number>;
}

export function nameOf({ names }: Wish): string {
  return names[0] as string;
}

export function sourceOf(locks: ClusterLocks, wish: Wish): Source {
  const { names, isGroup, permits } = wish;
  const name = nameOf(wish);
  if (permits !== undefined) return locks.semaphore(name, permits);
  if (isGroup) {
    // Saying one twice is saying it once.
    const said = [...names, name];
    return {
      acquire: (options) => locks.acquireAll(said, options),
      request: (options, run) => locks.requestAll(said, options, run),
    };
  }
  return {
    acquire: (options) => locks.acquire(name, options),
    request: (options, run) => locks.request(name, options, run),
  };
}

export function optionsOf(wish: Wish, signal: AbortSignal): LockOptions {
  const { mode, how, timeoutMs, maxHoldMs, lockDelayMs, hasSignal, permits } = wish;
  return {
    ...(maxHoldMs !== undefined && { maxHoldMs }),
    ...(lockDelayMs > 0 && { lockDelayMs }),
    ...(permits === undefined && { mode }),
    ...(how !== "wait" && { [how]: true }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(hasSignal && { signal }),
  };
}

/** Each term of an election, as its iteration tells. */
export function termsOf(election: Election): Leadership[] {
  const told: Leadership[] = [];
  void (async () => {
    for await (const term of election) told.push(term);
  })();
  return told;
}
