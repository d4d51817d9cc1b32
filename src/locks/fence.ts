/**
 * The guard at the door of a resource in process: it remembers the greatest fencing token it has seen and lets nobody in
 * who comes with a smaller one.
 * @module
 */
import { ViewstampError } from "../protocol/errors.ts";
import { quoted } from "./client-errors.ts";
import type { LockMode } from "./machine-state.ts";

/** Under what somebody writes: a held lock is one, and so is what a message said about it. */
export interface FenceHolder {
  /** The fencing token of the lock. */
  readonly token: bigint;
  /** Default `exclusive`. */
  readonly mode?: LockMode;
}

/** The greatest tokens that were seen for one key. */
export interface FenceMark {
  /** Of the resource. */
  readonly key: string;
  /** Of exclusive holders; 0 if there was none. */
  readonly exclusive: bigint;
  /** Of shared holders; 0 if there was none. */
  readonly shared: bigint;
}

const UNSEEN = { exclusive: 0n, shared: 0n };
/** design.md 4.8: tokens are below this. */
const TOKENS_END = 2n ** 63n;

/**
 * Remembers the greatest token for each key. Made by `fence()`.
 *
 * An exclusive holder is let in unless a greater token has come before. Shared holders stand beside each other, so the
 * smaller token of two may be the one of a holder in good standing: a shared holder is let in unless a greater *exclusive*
 * token has come before.
 */
export class Fence {
  readonly #seen: Map<string, { exclusive: bigint; shared: bigint }> = new Map();

  /**
   * A fence that has seen `marks`.
   * @throws {ViewstampError} `InvalidInput`
   */
  constructor(marks: Iterable<FenceMark> = []) {
    for (const { key, exclusive, shared } of marks) {
      if (exclusive !== 0n) this.#raise(key, readHolder(exclusive));
      if (shared !== 0n) this.#raise(key, readHolder({ token: shared, mode: "shared" }));
    }
  }

  /**
   * Lets a holder in and remembers its token. Call it in the same turn as the write, or under whatever makes the two one
   * step.
   *
   * @example
   * ```ts
   * guard.check("invoice/42", lock);
   * invoices.set("invoice/42", total);
   * ```
   *
   * @throws {ViewstampError} `Fenced` if a greater token has come before, with `key`, `token` and `greatest` in its data;
   * `InvalidInput` for what is no token
   */
  check(key: string, holder: FenceHolder | bigint): void {
    const given = readHolder(holder);
    const greatest = this.#blocking(key, given.mode);
    if (given.token < greatest) throw fencedError(key, given.token, greatest);
    this.#raise(key, given);
  }

  /**
   * Whether `check` would let this holder in; remembers nothing.
   * @throws {ViewstampError} `InvalidInput`
   */
  allows(key: string, holder: FenceHolder | bigint): boolean {
    const { token, mode } = readHolder(holder);
    return token >= this.#blocking(key, mode);
  }

  /** Forgets a key whose resource is gone for good. A late writer to it would be let in. */
  forget(key: string): void {
    this.#seen.delete(key);
  }

  /** What has been seen, to be kept with the resource: `fence(marks)` goes on from there. */
  marks(): FenceMark[] {
    return [...this.#seen].map(([key, marks]) => ({ key, ...marks }));
  }

  /** The smallest token that is let in. */
  #blocking(key: string, mode: LockMode): bigint {
    const { exclusive, shared } = this.#seen.get(key) ?? UNSEEN;
    return mode === "shared" || exclusive > shared ? exclusive : shared;
  }

  #raise(key: string, { token, mode }: Required<FenceHolder>): void {
    const seen = this.#seen.get(key) ?? { ...UNSEEN };
    if (token > seen[mode]) seen[mode] = token;
    this.#seen.set(key, seen);
  }
}

/**
 * A guard for a resource in this process. What is guarded has to outlive its writers in the same process: after a restart,
 * begin with the `marks()` that were kept, or guard the data where it lies (`fenceSql`).
 *
 * @example
 * ```ts
 * const guard = fence();
 * function write(key: string, value: string, lock: Lock): void {
 *   guard.check(key, lock); // throws `Fenced` for a holder that was overtaken
 *   table.set(key, value);
 * }
 * ```
 *
 * @throws {ViewstampError} `InvalidInput` for marks that are none
 */
export function fence(marks: Iterable<FenceMark> = []): Fence {
  return new Fence(marks);
}

/** @throws {ViewstampError} `InvalidInput` */
export function readHolder(holder: FenceHolder | bigint): Required<FenceHolder> {
  const { token, mode = "exclusive" } = typeof holder === "object" && holder !== null ? holder : { token: holder };
  if (typeof token !== "bigint" || token <= 0n || token >= TOKENS_END) {
    throw new ViewstampError(
      "InvalidInput",
      `a fencing token is a bigint above 0 and below 2^63, not ${String(token)}`,
    );
  }
  if (mode !== "exclusive" && mode !== "shared") {
    throw new ViewstampError("InvalidInput", `a lock is "exclusive" or "shared", not ${JSON.stringify(mode)}`);
  }
  return { token, mode };
}

function fencedError(key: string, token: bigint, greatest: bigint): ViewstampError {
  const why = `${quoted(key)} is fenced: token ${token} comes after ${greatest}, so its lock was lost`;
  return new ViewstampError("Fenced", why, { data: { key, token, greatest } });
}
