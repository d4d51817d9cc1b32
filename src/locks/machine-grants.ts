/**
 * What the commands of the lock machine do to the state. Every grant is made here, first come first served: a request
 * is granted only when nobody stands before it. Nothing waits: who cannot have the lock now is told later, by a notice.
 * @module
 */
import { MachineError } from "../protocol/errors.ts";
import type { SessionId } from "../protocol/session.ts";
import {
  conflicts,
  isCompatible,
  type Lock,
  type LockTable,
  type Named,
  partsIn,
  type Tenure,
  type Waiter,
} from "./machine-state.ts";
import type {
  AcquireReply,
  Acquisition,
  CancelReply,
  LockNotice,
  Request,
  TenureName,
  TokenBlock,
} from "./machine-words.ts";

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
  const { name, how } = wanted;
  const waiter = waiterOf(session, wanted, at);
  if (how === "steal") return stealFor(table, name, waiter, at);
  if (lock.queue.length === 0 && isCompatible(lock, waiter.mode)) {
    const tenure = tenureOf(waiter, at, false);
    table.enter(session, name);
    table.put(name, { ...lock, holders: [...lock.holders, tenure] });
    return granted(tenure);
  }
  if (how === "ifAvailable" && !mayBeAvailable(lock, waiter)) return { status: "unavailable" };
  table.enter(session, name);
  const queue = [...lock.queue, waiter];
  // Those that come later find the holders told.
  if (lock.queue.length > 0) table.put(name, { ...lock, queue });
  else table.put(name, { ...lock, queue, holders: revoke(name, lock.holders, waiter.probes, at) });
  return { status: "queued" };
}

function waiterOf(session: SessionId, { xid, mode, owner, how, keep, ageMs }: Acquisition, at: At): Waiter {
  return { session, xid, mode, since: at.now - ageMs, owner, keeps: keep, probes: how === "ifAvailable" };
}

/** Whether all that is in the way may be tenures that nobody uses, or probes that end before. */
function mayBeAvailable({ holders, queue }: Lock, waiter: Waiter): boolean {
  return queue.every(({ probes }) => probes) && !holders.some((holder) => isUse(holder) && conflicts(holder, waiter));
}

/** Whether the holder is known to use the lock. */
function isUse({ keep }: Tenure): boolean {
  return keep === 0;
}

/** Takes the lock from whoever holds it; those in line stay in line. */
function stealFor(table: LockTable, name: string, waiter: Waiter, at: At): AcquireReply {
  const lock = table.get(name);
  const tenure = tenureOf({ ...waiter, keeps: waiter.keeps && lock.queue.length === 0 }, at, false);
  table.enter(waiter.session, name);
  const stolen = [...lock.stolen, ...lock.holders];
  table.put(name, grantNext(name, { ...lock, holders: [tenure], stolen }, at));
  for (const { session, xid, token } of lock.holders) at.notify(session, { type: "stolen", name, xid, token });
  return granted(tenure);
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
  const isIt = (one: Named): boolean => one.session === session && one.xid === request.xid;
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
  isOther: (one: Named) => boolean,
  at: At,
): boolean {
  const lock = table.get(name);
  const rest = without(lock, isTenure, isOther);
  if (rest === undefined) return false;
  table.leave(session, name);
  table.put(name, grantNext(name, rest, at));
  return true;
}

/** The session is over: what it holds is free, where it waits it waits no more. */
export function endSession(table: LockTable, session: SessionId, at: At): void {
  const isIts = (one: Named): boolean => one.session === session;
  for (const name of table.namesOf(session)) {
    const rest = without(table.get(name), isIts, isIts);
    if (rest !== undefined) table.put(name, grantNext(name, rest, at));
  }
  table.leaveAll(session);
}

/**
 * Lets in, from the head of the queue, whoever may have the lock now, and ends probes that have found a use. The tokens
 * of this entry are shared out when it is known among how many.
 */
export function grantNext(name: string, lock: Lock, at: At): Lock {
  const letIn: Waiter[] = [];
  let left = lock;
  for (;;) {
    const count = grantable(left);
    const declined = count > 0 ? 0 : declinable(left);
    if (count > 0) left = enter(left, count, letIn, at);
    else if (declined > 0) left = decline(name, left, declined, at);
    else return letIn.length === 0 ? left : withTokens(name, left, letIn, at);
  }
}

/** Makes holders of the first in line; their tokens are not shared out yet. */
function enter(lock: Lock, count: number, letIn: Waiter[], at: At): Lock {
  const queue = lock.queue.slice(count);
  // Whoever leaves others in line has nothing to keep.
  const entering = lock.queue
    .slice(0, count)
    .map((waiter) => ({ ...waiter, keeps: waiter.keeps && queue.length === 0 }));
  letIn.push(...entering);
  return { ...lock, holders: [...lock.holders, ...entering.map((waiter) => tenureOf(waiter, at, true))], queue };
}

/** The last of the holders are those who were let in. */
function withTokens(name: string, lock: Lock, letIn: readonly Waiter[], at: At): Lock {
  const tenures = letIn.map((waiter, index) => tenureOf(waiter, at, true, index, letIn.length));
  for (const { session, xid, token, keep } of tenures) {
    at.notify(session, { type: "granted", name, xid, token, keep });
  }
  return { ...lock, holders: [...lock.holders.slice(0, -letIn.length), ...tenures] };
}

function decline(name: string, lock: Lock, count: number, at: At): Lock {
  const declined = lock.queue.slice(0, count).map(({ session, xid }) => ({ session, xid }));
  for (const { session, xid } of declined) at.notify(session, { type: "declined", name, xid });
  return { ...lock, queue: lock.queue.slice(count), declined: [...lock.declined, ...declined] };
}

/** How many from the head of the queue may have the lock now. */
function grantable(lock: Lock): number {
  const { queue } = lock;
  const [head] = queue;
  if (head === undefined || !isCompatible(lock, head.mode)) return 0;
  if (head.mode === "exclusive") return 1;
  const end = queue.findIndex((waiter) => waiter.mode === "exclusive");
  return end === -1 ? queue.length : end;
}

/** How many from the head of the queue probe, and have found a use that is in their way. */
function declinable({ holders, queue }: Lock): number {
  const uses = holders.filter(isUse);
  const end = queue.findIndex((waiter) => !waiter.probes || !uses.some((use) => conflicts(use, waiter)));
  return end === -1 ? queue.length : end;
}

function tenureOf(waiter: Waiter, at: At, waited: boolean, index = 0, count = 1): Tenure {
  const { session, xid, mode, owner, keeps } = waiter;
  const part = Math.floor(TOKENS_PER_ENTRY / count);
  const token = firstToken(at) + BigInt(index * part);
  return { session, xid, mode, since: at.now, owner, token, waited, keep: keeps ? part : 0, asked: false };
}

/** The first of the tokens that this entry gives out. */
function firstToken(at: At): bigint {
  return BigInt(at.seqno) * BigInt(TOKENS_PER_ENTRY);
}

/** All tokens of this entry: for a tenure that it does not grant. */
export function wholeBlock(at: At): TokenBlock {
  return { token: firstToken(at), keep: TOKENS_PER_ENTRY };
}

function granted({ token, keep }: Tenure): AcquireReply {
  return { status: "granted", token, keep };
}

/** Has those who keep the lock give it back, and say at once what they use it for if that is asked; gives the holders. */
export function revoke(name: string, holders: readonly Tenure[], isAsked: boolean, at: At): readonly Tenure[] {
  return holders.map((holder) => {
    if (isUse(holder)) return holder;
    const { session, xid, token } = holder;
    const asked = holder.asked || isAsked;
    at.notify(session, { type: "revoke", name, xid, token, answer: asked });
    return { ...holder, asked };
  });
}

/** What a request that is asked again has come to: asking twice is asking once. */
export function standingOf(lock: Lock, session: SessionId, xid: number): AcquireReply | undefined {
  const isIt = (one: Named): boolean => one.session === session && one.xid === xid;
  const tenure = lock.holders.find(isIt) ?? lock.stolen.find(isIt);
  if (tenure !== undefined) return granted(tenure);
  if (lock.declined.some(isIt)) return { status: "unavailable" };
  return lock.queue.some(isIt) ? { status: "queued" } : undefined;
}

/** The lock without these requests, or `undefined` if there were none. */
function without(
  lock: Lock,
  isTenure: (tenure: Tenure) => boolean,
  isOther: (one: Named) => boolean,
): Lock | undefined {
  const rest: Lock = {
    holders: lock.holders.filter((one) => !isTenure(one)),
    queue: lock.queue.filter((one) => !isOther(one)),
    stolen: lock.stolen.filter((one) => !isTenure(one)),
    declined: lock.declined.filter((one) => !isOther(one)),
  };
  return partsIn(rest) === partsIn(lock) ? undefined : rest;
}
