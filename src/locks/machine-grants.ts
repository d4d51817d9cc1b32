/**
 * What the commands of the lock machine do to the state. Every grant is made here, first come first served: a request
 * is granted only when nobody stands before it. Nothing waits: who cannot have the lock now is told later, by a notice.
 * @module
 */
import { MachineError } from "../protocol/errors.ts";
import type { SessionId } from "../protocol/session.ts";
import { isCompatible, type Lock, type LockTable, type Tenure, type Waiter } from "./machine-state.ts";
import type { AcquireReply, Acquisition, CancelReply, LockNotice, Request, TenureName } from "./machine-words.ts";

/** The entry that is executed. */
export interface At {
  readonly now: number;
  readonly seqno: number;
  readonly notify: (session: SessionId, notice: LockNotice) => void;
}

/** Requests of one session that may wait or hold at a time. */
export const MAX_REQUESTS_PER_SESSION = 16_384;

/**
 * Tokens from one entry to the next. The tenures that one entry grants on a lock share its block in equal parts, so
 * that no token repeats; what a part has beyond its first token is room for taking the lock again without a message.
 */
const TOKENS_PER_ENTRY = 1 << 24;

export function acquire(table: LockTable, session: SessionId, wanted: Acquisition, at: At): AcquireReply {
  const lock = table.get(wanted.name);
  const standing = standingOf(lock, session, wanted.xid);
  if (standing !== undefined) return standing;
  if (table.requestsOf(session) >= MAX_REQUESTS_PER_SESSION) {
    throw new MachineError("TooManyRequests", { limit: MAX_REQUESTS_PER_SESSION });
  }
  const { name, xid, mode, owner } = wanted;
  const waiter: Waiter = { session, xid, mode, since: at.now, owner };
  if (wanted.how === "steal") return stealFor(table, name, waiter, at);
  if (lock.queue.length === 0 && isCompatible(lock, mode)) {
    const tenure = tenureOf(waiter, at, false);
    table.enter(session, name);
    table.put(name, { ...lock, holders: [...lock.holders, tenure] });
    return { status: "granted", token: tenure.token };
  }
  if (wanted.how === "ifAvailable") return { status: "unavailable" };
  table.enter(session, name);
  table.put(name, { ...lock, queue: [...lock.queue, waiter] });
  return { status: "queued" };
}

/** Takes the lock from whoever holds it; those in line stay in line. */
function stealFor(table: LockTable, name: string, waiter: Waiter, at: At): AcquireReply {
  const lock = table.get(name);
  const tenure = tenureOf(waiter, at, false);
  table.enter(waiter.session, name);
  table.put(name, { holders: [tenure], queue: lock.queue, stolen: [...lock.stolen, ...lock.holders] });
  for (const { session, xid, token } of lock.holders) at.notify(session, { type: "stolen", name, xid, token });
  return { status: "granted", token: tenure.token };
}

/** Gives a tenure back; says whether it lasted until now. A release of any other tenure changes nothing. */
export function release(table: LockTable, session: SessionId, tenure: TenureName, at: At): boolean {
  const lock = table.get(tenure.name);
  const isIt = (one: Tenure): boolean =>
    one.session === session && one.xid === tenure.xid && one.token === tenure.token;
  return letGo(table, tenure.name, session, isIt, () => false, at) && lock.holders.some(isIt);
}

/** Gives a request up, whatever has become of it: a grant that crossed the cancellation is given back. */
export function cancel(table: LockTable, session: SessionId, request: Request, at: At): CancelReply {
  const lock = table.get(request.name);
  const isIt = (one: Waiter): boolean => one.session === session && one.xid === request.xid;
  if (!letGo(table, request.name, session, isIt, isIt, at)) return "none";
  if (lock.queue.some(isIt)) return "waiting";
  return lock.holders.some(isIt) ? "held" : "none";
}

/** Removes one request from a lock and lets in whoever is next; says whether there was one. */
function letGo(
  table: LockTable,
  name: string,
  session: SessionId,
  isTenure: (tenure: Tenure) => boolean,
  isWaiter: (waiter: Waiter) => boolean,
  at: At,
): boolean {
  const lock = table.get(name);
  const rest = without(lock, isTenure, isWaiter);
  if (rest === undefined) return false;
  table.leave(session, name);
  table.put(name, grantNext(name, rest, at));
  return true;
}

/** The session is over: what it holds is free, where it waits it waits no more. */
export function endSession(table: LockTable, session: SessionId, at: At): void {
  const isIts = (one: Waiter): boolean => one.session === session;
  for (const name of table.namesOf(session)) {
    const rest = without(table.get(name), isIts, isIts);
    if (rest !== undefined) table.put(name, grantNext(name, rest, at));
  }
  table.leaveAll(session);
}

/** What is outstanding for a session: read from the state, so that any primary can say it again. */
export function outstandingNotices(table: LockTable, session: SessionId): LockNotice[] {
  const notices: LockNotice[] = [];
  for (const name of table.namesOf(session)) {
    const lock = table.get(name);
    for (const { session: holder, xid, token, waited } of lock.holders) {
      if (holder === session && waited) notices.push({ type: "granted", name, xid, token });
    }
    for (const { session: robbed, xid, token } of lock.stolen) {
      if (robbed === session) notices.push({ type: "stolen", name, xid, token });
    }
  }
  return notices;
}

/** Grants the lock to as many as may have it together, from the head of the queue. */
function grantNext(name: string, lock: Lock, at: At): Lock {
  const count = grantable(lock);
  if (count === 0) return lock;
  const granted = lock.queue.slice(0, count).map((waiter, index) => tenureOf(waiter, at, true, index, count));
  for (const { session, xid, token } of granted) at.notify(session, { type: "granted", name, xid, token });
  return { ...lock, holders: [...lock.holders, ...granted], queue: lock.queue.slice(count) };
}

/** How many from the head of the queue may have the lock now. */
function grantable({ holders, queue, stolen }: Lock): number {
  const [head] = queue;
  if (head === undefined || !isCompatible({ holders, queue, stolen }, head.mode)) return 0;
  if (head.mode === "exclusive") return 1;
  const end = queue.findIndex((waiter) => waiter.mode === "exclusive");
  return end === -1 ? queue.length : end;
}

function tenureOf(waiter: Waiter, at: At, waited: boolean, index = 0, count = 1): Tenure {
  const part = Math.floor(TOKENS_PER_ENTRY / count);
  const token = BigInt(at.seqno) * BigInt(TOKENS_PER_ENTRY) + BigInt(index * part);
  return { ...waiter, since: at.now, token, waited };
}

/** What a request that is asked again has come to: asking twice is asking once. */
function standingOf(lock: Lock, session: SessionId, xid: number): AcquireReply | undefined {
  const isIt = (one: Waiter): boolean => one.session === session && one.xid === xid;
  const tenure = lock.holders.find(isIt) ?? lock.stolen.find(isIt);
  if (tenure !== undefined) return { status: "granted", token: tenure.token };
  return lock.queue.some(isIt) ? { status: "queued" } : undefined;
}

/** The lock without these requests, or `undefined` if there were none. */
function without(
  lock: Lock,
  isTenure: (tenure: Tenure) => boolean,
  isWaiter: (waiter: Waiter) => boolean,
): Lock | undefined {
  const holders = lock.holders.filter((one) => !isTenure(one));
  const queue = lock.queue.filter((one) => !isWaiter(one));
  const stolen = lock.stolen.filter((one) => !isTenure(one));
  const left = holders.length + queue.length + stolen.length;
  return left === lock.holders.length + lock.queue.length + lock.stolen.length ? undefined : { holders, queue, stolen };
}
