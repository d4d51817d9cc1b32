/**
 * The state of the lock machine: per name who holds it and who waits, and per session where it has a part.
 * @module
 */
import { VersionedMap } from "../machine/versioned-map.ts";
import type { SessionId } from "../protocol/session.ts";
import { GroupTable } from "./machine-groups.ts";
import { OnceTable } from "./machine-once.ts";
import { Queue } from "./machine-queue.ts";

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
  /** 0 for a lock; of a semaphore, how many may hold it at a time. */
  readonly permits: number;
  /** If its session is lost while it holds the lock exclusively, nobody gets the lock for so long after that. */
  readonly delayMs: number;
  /** Number of the first request of those that are granted together; 0: it is granted by itself. */
  readonly group: number;
  /** Its client would keep the lock after use. */
  readonly keeps: boolean;
  /** It does not wait for anybody's use of the lock, only for the answer of those who may keep it unused. */
  readonly probes: boolean;
  /**
   * Not 0: it steals, and is in line only for the same answer. What is in use it robs as soon as it knows that, and what it
   * has no answer about, at this moment of replicated time.
   */
  readonly robsAt: number;
}

/** A request that was granted; `since` is when. */
export interface Tenure extends Omit<Waiter, "keeps" | "probes" | "robsAt" | "group"> {
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

/** A lock that nobody may have for a while, because the session of its last holder was lost. */
export interface Bar {
  /** The session that was lost. */
  readonly session: SessionId;
  /** Whose it was, for people. */
  readonly owner: string;
  /** Since when it held the lock. */
  readonly since: number;
  /** Under which token. */
  readonly token: bigint;
  /** Until then, in replicated time; it ends with the first tick after that. */
  readonly until: number;
}

/**
 * One lock. Invariants: holders are either one exclusive or any number of shared ones, of a semaphore at most as many as it
 * has permits; while it is barred nobody holds it; the first of the queue cannot be granted (with all of its group, which
 * is first in line everywhere), and if it probes, those in its way may all have the lock unused; those that probe are
 * first in line, then those that steal, then all that wait; while anybody steals, a holder may have the lock unused; whoever was granted while others stayed in line does not keep the lock; something in it is not
 * empty, for a lock that nobody wants is not stored.
 */
export interface Lock {
  /** Who has it. */
  readonly holders: readonly Tenure[];
  /** Who waits for it, the next one first. */
  readonly queue: Queue;
  /** Tenures ended by a steal whose clients have not let go yet: they are told until they do. */
  readonly stolen: readonly Tenure[];
  /** Probes that ended at somebody's use; their clients are told until they let go. */
  readonly declined: readonly Named[];
  /** Nobody may have it for now. */
  readonly barred: Bar | undefined;
}

const NOBODY: readonly never[] = [];
const UNWANTED: Lock = { holders: NOBODY, queue: Queue.EMPTY, stolen: NOBODY, declined: NOBODY, barred: undefined };

/** How many requests a session has at each name, and in all; none of them has a greater number than `newest`. */
interface Part {
  readonly names: Map<string, number>;
  requests: number;
  newest: number;
}

/** All locks, with an index by session that is derived from them. */
export class LockTable {
  /** What was claimed to be done once; nothing to do with locks but the machine. */
  readonly once: OnceTable = new OnceTable();
  /** Requests that are granted together, while they wait. */
  readonly groups: GroupTable = new GroupTable();
  readonly #locks: VersionedMap<string, Lock> = new VersionedMap();
  /** Derived: where something happens by itself, and when. */
  readonly #due: VersionedMap<Due, true> = new VersionedMap<Due, true>(byTime);
  readonly #parts: Map<SessionId, Part> = new Map();

  /** The lock of this name; one that nobody wants has nobody in it. */
  get(name: string): Lock {
    return this.#locks.get(name) ?? UNWANTED;
  }

  /** Stores the lock, or forgets it when nobody wants it any more. */
  put(name: string, lock: Lock): void {
    const before = dueOf(this.get(name));
    const due = dueOf(lock);
    if (before !== due) {
      if (before !== undefined) this.#due.delete([before, name]);
      if (due !== undefined) this.#due.set([due, name], true);
    }
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

  /** When a bar ends or a steal has waited for long enough, the first of all. */
  get deadline(): number | undefined {
    for (const [[until]] of this.#due.entries()) return until;
    return undefined;
  }

  /** The locks where that is so by now, so many of them at most. */
  dueBy(now: number, most: number): string[] {
    const names: string[] = [];
    for (const [[until, name]] of this.#due.entries()) {
      if (until > now || names.length === most) break;
      names.push(name);
    }
    return names;
  }

  /**
   * Whether the lock may have this request of the session. If not, nobody has to look through its line, which may be long:
   * clients number their requests upwards, so that a new one is known by its number.
   */
  mayHave(session: SessionId, name: string, xid: number): boolean {
    const part = this.#parts.get(session);
    return part !== undefined && xid <= part.newest && part.names.has(name);
  }

  /** Counts a request that came. */
  enter({ session, xid }: Named, name: string): void {
    let part = this.#parts.get(session);
    if (part === undefined) this.#parts.set(session, (part = { names: new Map(), requests: 0, newest: xid }));
    part.names.set(name, (part.names.get(name) ?? 0) + 1);
    part.requests++;
    part.newest = Math.max(part.newest, xid);
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

/** How many have a part in the lock. */
export function partsIn({ holders, queue, stolen, declined, barred }: Lock): number {
  return holders.length + queue.length + stolen.length + declined.length + (barred === undefined ? 0 : 1);
}

/** Whether two may not hold a lock at the same time. */
export function conflicts(one: { readonly mode: LockMode }, other: { readonly mode: LockMode }): boolean {
  return one.mode === "exclusive" || other.mode === "exclusive";
}

/** Whether a request may hold the lock beside its holders. */
export function isCompatible({ holders, barred }: Lock, { mode, permits }: Pick<Waiter, "mode" | "permits">): boolean {
  const [first] = holders;
  if (barred !== undefined) return false;
  if (permits > 0) return holders.length < permits;
  return first === undefined || (mode === "shared" && first.mode === "shared");
}

/** Whether the lock is used, or barred, in a way that excludes the request: not only kept by clients that may be asked. */
export function isUsedAgainst(lock: Lock, waiter: Pick<Waiter, "mode" | "permits">): boolean {
  if (isCompatible(lock, waiter)) return false;
  if (waiter.permits > 0 || lock.barred !== undefined) return true;
  return lock.holders.some((holder) => isUse(holder) && conflicts(holder, waiter));
}

/** Whether it may be that somebody has the lock without using it. */
export function isKept({ holders }: Lock): boolean {
  return holders.some((holder) => !isUse(holder));
}

/** Where in the line the first stands that steals; -1: nobody does. */
export function placeOfThief({ queue }: Lock): number {
  // Those that probe are before all others, and may be thousands.
  let [from, to] = [0, queue.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (queue.at(middle)?.probes === true) from = middle + 1;
    else to = middle;
  }
  const first = queue.at(from);
  return first !== undefined && isThief(first) ? from : -1;
}

export function isThief({ robsAt }: Waiter): boolean {
  return robsAt > 0;
}

/** Whether the holder is known to use the lock. */
export function isUse({ keep }: Tenure): boolean {
  return keep === 0;
}

/** How many permits the semaphore has; 0: it is a lock; `undefined`: nobody has a part in it yet. */
export function permitsOf({ holders, queue }: Lock): number | undefined {
  return (holders[0] ?? queue.first)?.permits;
}

/** When something happens to it by itself. While it is barred nobody waits to steal it. */
function dueOf(lock: Lock): number | undefined {
  return lock.barred?.until ?? lock.queue.at(placeOfThief(lock))?.robsAt;
}

type Due = readonly [until: number, name: string];

function byTime([a, one]: Due, [b, other]: Due): number {
  if (a !== b) return a - b;
  return one < other ? -1 : one > other ? 1 : 0;
}
