/**
 * The state of the lock machine: per name who holds it and who waits, and per session where it has a part.
 * @module
 */
import { VersionedMap } from "../machine/versioned-map.ts";
import type { SessionId } from "../protocol/session.ts";
import { OnceTable } from "./machine-once.ts";

/** Exclusive locks are held alone, shared ones together with other shared ones. */
export type LockMode = "exclusive" | "shared";

/** A request that waits in line. Like everything in the state it is replaced, never changed in place. */
export interface Waiter {
  /** Whose it is. */
  readonly session: SessionId;
  /** Numbers the requests of a session, so that an answer or notice finds the one it is meant for. */
  readonly xid: number;
  /** What it asks for. */
  readonly mode: LockMode;
  /** Replicated time at which it began to wait. */
  readonly since: number;
  /** Who wants it, for people. */
  readonly owner: string;
  /** Its client would keep the lock after use. */
  readonly keeps: boolean;
  /** It does not wait for anybody's use of the lock, only for the answer of those who may keep it unused. */
  readonly probes: boolean;
}

/** A request that was granted; `since` is when. */
export interface Tenure extends Omit<Waiter, "keeps" | "probes"> {
  /** The fencing token; of a kept tenure the first of several. */
  readonly token: bigint;
  /** Granted out of the queue: its client knows of it by a notice, not by the reply. */
  readonly waited: boolean;
  /**
   * How many tokens its client has for taking the lock again by itself, and so whether it may have the lock without using
   * it. 0: it uses the lock, and gives it back after that.
   */
  readonly keep: number;
  /** Its client was asked what it is used for, if it is. */
  readonly asked: boolean;
}

/** A request in few words. */
export interface Named {
  /** Whose it is. */
  readonly session: SessionId;
  /** Its number. */
  readonly xid: number;
}

/**
 * One lock. Invariants: holders are either one exclusive or any number of shared ones; the first of the queue cannot
 * be granted, and if it probes, those in its way may all have the lock unused; those that probe are before all that
 * wait; whoever was granted while others stayed in line does not keep the lock; something in it is not empty, for a
 * lock that nobody wants is not stored.
 */
export interface Lock {
  /** Who has it. */
  readonly holders: readonly Tenure[];
  /** Who waits for it, the next one first. */
  readonly queue: readonly Waiter[];
  /** Tenures ended by a steal whose clients have not let go yet: they are told until they do. */
  readonly stolen: readonly Tenure[];
  /** Probes that ended at somebody's use; their clients are told until they let go. */
  readonly declined: readonly Named[];
}

const NOBODY: readonly never[] = [];
const UNWANTED: Lock = { holders: NOBODY, queue: NOBODY, stolen: NOBODY, declined: NOBODY };

/** How many requests a session has at each name, and in all. */
interface Part {
  readonly names: Map<string, number>;
  requests: number;
}

/** All locks, with an index by session that is derived from them. */
export class LockTable {
  /** What was claimed to be done once; nothing to do with locks but the machine. */
  readonly once: OnceTable = new OnceTable();
  readonly #locks: VersionedMap<string, Lock> = new VersionedMap();
  readonly #parts: Map<SessionId, Part> = new Map();

  /** The lock of this name; one that nobody wants has nobody in it. */
  get(name: string): Lock {
    return this.#locks.get(name) ?? UNWANTED;
  }

  /** Stores the lock, or forgets it when nobody wants it any more. */
  put(name: string, lock: Lock): void {
    if (partsIn(lock) > 0) this.#locks.set(name, lock);
    else this.#locks.delete(name);
  }

  /** The locks that somebody wants, by name, from the first that is not before `name`. */
  from(name: string): IterableIterator<[string, Lock]> {
    return this.#locks.entries(name);
  }

  /** The same, all of them, as they are now: while the table changes. */
  snapshot(): IterableIterator<[string, Lock]> {
    return this.#locks.snapshot();
  }

  /** Counts a request that came. */
  enter(session: SessionId, name: string): void {
    let part = this.#parts.get(session);
    if (part === undefined) this.#parts.set(session, (part = { names: new Map(), requests: 0 }));
    part.names.set(name, (part.names.get(name) ?? 0) + 1);
    part.requests++;
  }

  /** Counts a request that is gone. */
  leave(session: SessionId, name: string): void {
    const part = this.#parts.get(session);
    const count = part?.names.get(name);
    if (part === undefined || count === undefined) return;
    if (count > 1) part.names.set(name, count - 1);
    else part.names.delete(name);
    if (--part.requests === 0) this.#parts.delete(session);
  }

  /** Forgets a session in the index; its requests are the caller's business. */
  leaveAll(session: SessionId): void {
    this.#parts.delete(session);
  }

  /** How many requests of the session wait or hold. */
  requestsOf(session: SessionId): number {
    return this.#parts.get(session)?.requests ?? 0;
  }

  /** The locks in which the session has a part, in the same order on every replica. */
  namesOf(session: SessionId): string[] {
    // The index of a replica restored from a snapshot was filled in another order: sorted (by code units) they agree.
    return [...(this.#parts.get(session)?.names.keys() ?? [])].sort();
  }
}

/** How many requests have a part in the lock. */
export function partsIn({ holders, queue, stolen, declined }: Lock): number {
  return holders.length + queue.length + stolen.length + declined.length;
}

/** Whether two may not hold a lock at the same time. */
export function conflicts(one: { readonly mode: LockMode }, other: { readonly mode: LockMode }): boolean {
  return one.mode === "exclusive" || other.mode === "exclusive";
}

/** Whether a request of this mode may hold the lock beside its holders. */
export function isCompatible(lock: Lock, mode: LockMode): boolean {
  const [first] = lock.holders;
  return first === undefined || (mode === "shared" && first.mode === "shared");
}
