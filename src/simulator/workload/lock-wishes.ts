/**
 * What the lock tester asks for beside plain locks: several at once, permits, limits and delays. Drawn apart from all else,
 * so that what is added here changes no other draw.
 * @module
 */
import type { LockClient } from "../../locks/client.ts";
import { semaphoreName } from "../../locks/client-names.ts";
import type { AcquiredLock, Lock, LockMode } from "../../locks/client-types.ts";
import type { Random } from "../random.ts";

export interface LockWishes {
  /** Of the rounds, how many take several locks at once, and how many a permit. */
  readonly groups: number;
  readonly permitRounds: number;
  readonly permits: number;
  /** The share of the requests with a limit, and that. */
  readonly limited: number;
  readonly maxHoldMs: number;
  /** The same of delays. */
  readonly delayed: number;
  readonly lockDelayMs: number;
}

export function drawWishes(random: Random): LockWishes {
  return {
    groups: random.pick([0, 0.2, 0.5]),
    permitRounds: random.pick([0, 0.2]),
    permits: random.integer(1, 3),
    limited: random.pick([0, 0, 0.3]),
    maxHoldMs: random.pick([1, 20, 80]),
    delayed: random.pick([0, 0.5]),
    lockDelayMs: random.pick([20, 200, 1000]),
  };
}

/** What one round has in its hands. */
export interface Taken {
  /** As the cluster calls them. */
  readonly locks: readonly { readonly name: string; readonly lock: Lock }[];
  readonly maxHoldMs: number | undefined;
  release(): Promise<void>;
}

/** Options of one request. */
export interface Asking {
  readonly mode: LockMode;
  readonly ifAvailable: boolean;
  readonly timeoutMs?: number;
}

/** What a round of one client asks for, and how it gets that. */
export class Wishing {
  readonly wishes: LockWishes;
  readonly #random: Random;

  constructor(wishes: LockWishes, random: Random) {
    this.wishes = wishes;
    this.#random = random;
  }

  /** Of so many locks: several, a permit, or the one that was drawn. */
  draw(names: number): "group" | "permit" | "lock" {
    if (names > 1 && this.#random.chance(this.wishes.groups)) return "group";
    return this.#random.chance(this.wishes.permitRounds) ? "permit" : "lock";
  }

  /** Limits and delays, for one request more. */
  terms(mode: LockMode): { readonly maxHoldMs?: number; readonly lockDelayMs?: number } {
    const { limited, maxHoldMs, delayed, lockDelayMs } = this.wishes;
    return {
      ...(this.#random.chance(limited) && { maxHoldMs }),
      ...(this.#random.chance(delayed) && mode === "exclusive" && { lockDelayMs }),
    };
  }

  /** Two of them at least, in any order. */
  async group(locks: LockClient, names: readonly string[], asking: Asking): Promise<Taken | null> {
    const first = this.#random.integer(0, names.length - 1);
    const count = this.#random.integer(2, names.length);
    const wanted = Array.from({ length: count }, (_, index) => names[(first + index) % names.length] as string);
    const terms = this.terms(asking.mode);
    const held = await locks.acquireAll(wanted, { ...asking, ...terms });
    if (held === null) return null;
    const taken = held.locks.map((lock) => ({ name: lock.name, lock }));
    return { locks: taken, maxHoldMs: terms.maxHoldMs, release: () => held.release() };
  }

  async permit(locks: LockClient, name: string, { mode: _, ...asking }: Asking): Promise<Taken | null> {
    const { lockDelayMs: __, ...terms } = this.terms("shared");
    const permit = await locks.semaphore(name, this.wishes.permits).acquire({ ...asking, ...terms });
    return permit === null ? null : takenOf(permit, semaphoreName(name), terms.maxHoldMs);
  }
}

export function takenOf(lock: AcquiredLock, name: string, maxHoldMs: number | undefined): Taken {
  return { locks: [{ name, lock }], maxHoldMs, release: () => lock.release() };
}
