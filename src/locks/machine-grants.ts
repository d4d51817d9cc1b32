/**
 * What the commands of the lock machine do to the state, first come first served: a request is granted only when nobody
 * stands before it. Nothing waits: who cannot have the lock now is told later, by a notice (`machine-line.ts`).
 * @module
 */
import { MachineError } from "../protocol/errors.ts";
import type { SessionId } from "../protocol/session.ts";
import { type At, ask, letIn, revoke, tellRobbed, tenureOf } from "./machine-line.ts";
import {
  type Bar,
  isCompatible,
  isKept,
  isThief,
  isUsedAgainst,
  type Lock,
  type LockTable,
  type Named,
  partsIn,
  permitsOf,
  type Tenure,
  type Waiter,
} from "./machine-state.ts";
import type {
  AcquireAllReply,
  AcquireReply,
  Acquisition,
  CancelReply,
  GroupAcquisition,
  Request,
  TenureName,
} from "./machine-words.ts";

/** Requests of one session that may wait or hold at a time. */
export const MAX_REQUESTS_PER_SESSION = 16_384;

/**
 * For so long, in milliseconds of replicated time, a steal waits for the answer of those who may have the lock unused: many
 * round trips, and little for somebody who would free a lock whose holder hangs.
 */
const ANSWER_MS = 1000;

/** Locks at which one tick does something; the others are the next one's. */
const DUE_AT_ONCE = 256;

export function acquire(table: LockTable, session: SessionId, wanted: Acquisition, at: At): AcquireReply {
  const { name, how } = wanted;
  const lock = table.get(name);
  const standing = table.mayHave(session, name, wanted.xid) ? standingOf(lock, session, wanted.xid) : undefined;
  if (standing !== undefined) return standing;
  const waiter = waiterOf(session, wanted, at);
  checkRoom(table, session, 1);
  checkPermits(name, lock, waiter);
  if (how === "steal") return stealFor(table, name, waiter, at);
  if (lock.queue.length === 0 && isCompatible(lock, waiter)) return grantNow(table, name, waiter, at);
  if (how === "ifAvailable" && !mayBeAvailable(lock, waiter)) return { status: "unavailable" };
  standInLine(table, name, waiter, at);
  return { status: "queued" };
}

/** The same for several locks in one step: all of them, or none yet. */
export function acquireAll(table: LockTable, session: SessionId, wanted: GroupAcquisition, at: At): AcquireAllReply {
  const { names, xid, how } = wanted;
  const standing = names.map((name, index) =>
    table.mayHave(session, name, xid + index) ? standingOf(table.get(name), session, xid + index) : undefined,
  );
  if (standing.some((one) => one !== undefined)) return standingOfGroup(standing);
  checkRoom(table, session, names.length);
  const waiters = names.map((_, index) => {
    return { ...waiterOf(session, wanted, at), xid: xid + index, group: names.length > 1 ? xid : 0 };
  });
  const asked = names.map((name, index) => ({ name, lock: table.get(name), waiter: waiters[index] as Waiter }));
  for (const { name, lock, waiter } of asked) checkPermits(name, lock, waiter);
  if (asked.every(({ lock, waiter }) => lock.queue.length === 0 && isCompatible(lock, waiter))) {
    return { status: "granted", blocks: asked.map(({ name, waiter }) => blockOf(grantNow(table, name, waiter, at))) };
  }
  if (how === "ifAvailable" && !asked.every(({ lock, waiter }) => mayBeAvailable(lock, waiter))) {
    return { status: "unavailable" };
  }
  if (names.length > 1) table.groups.put(session, xid, names);
  for (const { name, waiter } of asked) standInLine(table, name, waiter, at);
  return { status: "queued" };
}

/** @throws {MachineError} `TooManyRequests` */
function checkRoom(table: LockTable, session: SessionId, count: number): void {
  if (table.requestsOf(session) + count <= MAX_REQUESTS_PER_SESSION) return;
  throw new MachineError("TooManyRequests", { limit: MAX_REQUESTS_PER_SESSION });
}

/** Those who use a semaphore at the same time must agree on what it is. @throws {MachineError} `OtherPermits` */
function checkPermits(name: string, lock: Lock, { permits }: Waiter): void {
  const actual = permitsOf(lock);
  if (actual !== undefined && actual !== permits) throw new MachineError("OtherPermits", { name, permits: actual });
}

function waiterOf(session: SessionId, wanted: Acquisition | GroupAcquisition, at: At): Waiter {
  const { xid, mode, owner, how, keep, ageMs, delayMs = 0 } = wanted;
  const permits = "permits" in wanted ? (wanted.permits ?? 0) : 0;
  const since = at.now - ageMs;
  const probes = how === "ifAvailable";
  const robsAt = how === "steal" ? at.now + ANSWER_MS : 0;
  return { session, xid, mode, since, owner, permits, delayMs, group: 0, keeps: keep, probes, robsAt };
}

function grantNow(table: LockTable, name: string, waiter: Waiter, at: At): AcquireReply {
  const lock = table.get(name);
  const tenure = tenureOf(waiter, at, false);
  table.enter(waiter, name);
  table.put(name, { ...lock, holders: [...lock.holders, tenure] });
  return granted(tenure);
}

function standInLine(table: LockTable, name: string, waiter: Waiter, at: At): void {
  const lock = table.get(name);
  table.enter(waiter, name);
  const queue = lock.queue.plus(waiter);
  // Those that come later find the holders told.
  if (lock.queue.length > 0) table.put(name, { ...lock, queue });
  else table.put(name, { ...lock, queue, holders: revoke(name, lock.holders, waiter.probes, at) });
}

/** Whether all that is in the way may be tenures that nobody uses, or probes that end before. */
function mayBeAvailable(lock: Lock, waiter: Waiter): boolean {
  return lock.queue.every(({ probes }) => probes) && !isUsedAgainst(lock, waiter);
}

/**
 * Takes the lock from whoever uses it, and from nobody if it is barred; those in line stay in line. Those who may have it
 * unused are asked first: one that has gives it back, and is not robbed of what it does not use.
 */
function stealFor(table: LockTable, name: string, waiter: Waiter, at: At): AcquireReply {
  const lock = table.get(name);
  if (isKept(lock)) {
    standBeforeWaiters(table, name, waiter, at);
    return { status: "queued" };
  }
  const tenure = tenureOf({ ...waiter, keeps: waiter.keeps && lock.queue.length === 0 }, at, false);
  table.enter(waiter, name);
  const stolen = [...lock.stolen, ...lock.holders];
  table.put(name, { ...lock, holders: [tenure], stolen, barred: undefined });
  letIn(table, [name], at);
  tellRobbed(name, lock.holders, at);
  return granted(tenure);
}

function standBeforeWaiters(table: LockTable, name: string, waiter: Waiter, at: At): void {
  const lock = table.get(name);
  table.enter(waiter, name);
  const first = lock.queue.findIndex((one) => !one.probes && !isThief(one));
  const place = first === -1 ? lock.queue.length : first;
  const queue = lock.queue.plusAt(place, waiter);
  table.put(name, { ...lock, queue, holders: ask(name, lock.holders, at) });
}

/** Gives a tenure back; says whether it lasted until now. A release of any other tenure changes nothing. */
export function release(table: LockTable, session: SessionId, tenure: TenureName, at: At): boolean {
  if (!table.mayHave(session, tenure.name, tenure.xid)) return false;
  const lock = table.get(tenure.name);
  const isIt = (one: Tenure): boolean =>
    one.session === session && one.xid === tenure.xid && one.token === tenure.token;
  const holders = but(lock.holders, isIt);
  const stolen = but(lock.stolen, isIt);
  if (holders === lock.holders && stolen === lock.stolen) return false;
  letGo(table, tenure.name, session, { ...lock, holders, stolen }, at);
  return holders !== lock.holders;
}

/**
 * Gives a request up, whatever has become of it: a grant that crossed the cancellation is given back. One of a group that
 * waits takes all of them along.
 */
export function cancel(table: LockTable, session: SessionId, { name, xid }: Request, at: At): CancelReply {
  if (!table.mayHave(session, name, xid)) return "none";
  const lock = table.get(name);
  const isIt = (one: Named): boolean => one.session === session && one.xid === xid;
  const place = lock.queue.findIndex(isIt);
  const waiter = lock.queue.at(place);
  if (waiter !== undefined && waiter.group > 0) {
    letIn(table, leaveGroup(table, session, waiter.group), at);
    return "waiting";
  }
  const rest = waiter === undefined ? without(lock, isIt) : { ...lock, queue: lock.queue.withoutAt(place) };
  if (rest === undefined) return "none";
  letGo(table, name, session, rest, at);
  if (waiter !== undefined) return "waiting";
  return lock.holders.some(isIt) ? "held" : "none";
}

/** Takes a group out of every line in which it stands; gives the locks. */
function leaveGroup(table: LockTable, session: SessionId, group: number): readonly string[] {
  const names = table.groups.names(session, group);
  table.groups.delete(session, group);
  for (const name of names) {
    const lock = table.get(name);
    const queue = lock.queue.without((one) => one.session === session && one.group === group);
    if (queue.length < lock.queue.length) table.leave(session, name);
    table.put(name, { ...lock, queue });
  }
  return names;
}

/** Leaves the rest of a lock that one request is gone from, and lets in whoever is next. */
function letGo(table: LockTable, name: string, session: SessionId, rest: Lock, at: At): void {
  table.leave(session, name);
  table.put(name, rest);
  letIn(table, [name], at);
}

/** The session is over: what it holds is free (after a while, if it was lost and asked for that); it waits no more. */
export function endSession(table: LockTable, session: SessionId, isLost: boolean, at: At): void {
  const isIts = (one: Named): boolean => one.session === session;
  const names = table.namesOf(session);
  for (const name of names) {
    const lock = table.get(name);
    const rest = without(lock, isIts);
    const barred = isLost ? barAfter(lock.holders.find(isIts), at) : undefined;
    if (rest !== undefined) table.put(name, { ...rest, barred: barred ?? rest.barred });
  }
  for (const group of table.groups.of(session)) table.groups.delete(session, group);
  table.leaveAll(session);
  // Only now: nobody is let in who is on the way out at another lock.
  letIn(table, names, at);
}

function barAfter(lost: Tenure | undefined, at: At): Bar | undefined {
  if (lost === undefined || lost.mode !== "exclusive" || lost.delayMs === 0) return undefined;
  const { session, owner, since, token, delayMs } = lost;
  return { session, owner, since, token, until: at.now + delayMs };
}

/** Time has come for locks that were barred, and for steals that got no answer. */
export function timeIsUp(table: LockTable, at: At): void {
  const due = table.dueBy(at.now, DUE_AT_ONCE);
  for (const name of due) table.put(name, { ...table.get(name), barred: undefined });
  letIn(table, due, at);
}

function granted({ token, keep }: Tenure): AcquireReply {
  return { status: "granted", token, keep };
}

/** What a request that is asked again has come to: asking twice is asking once. */
export function standingOf(lock: Lock, session: SessionId, xid: number): AcquireReply | undefined {
  const isIt = (one: Named): boolean => one.session === session && one.xid === xid;
  const tenure = lock.holders.find(isIt) ?? lock.stolen.find(isIt);
  if (tenure !== undefined) return granted(tenure);
  if (lock.declined.some(isIt)) return { status: "unavailable" };
  return lock.queue.some(isIt) ? { status: "queued" } : undefined;
}

/** They were granted or declined together; what was given back since then is of no interest to whoever did that. */
function standingOfGroup(standing: readonly (AcquireReply | undefined)[]): AcquireAllReply {
  for (const one of standing) if (one !== undefined && one.status !== "granted") return one;
  return { status: "granted", blocks: standing.map(blockOf) };
}

function blockOf(reply: AcquireReply | undefined): { readonly token: bigint; readonly keep: number } | null {
  return reply?.status === "granted" ? { token: reply.token, keep: reply.keep } : null;
}

/** The lock without these requests, or `undefined` if there were none. */
function without(lock: Lock, isIt: (one: Named) => boolean): Lock | undefined {
  const rest: Lock = {
    holders: but(lock.holders, isIt),
    queue: lock.queue.without(isIt),
    stolen: but(lock.stolen, isIt),
    declined: but(lock.declined, isIt),
    barred: lock.barred,
  };
  return partsIn(rest) === partsIn(lock) ? undefined : rest;
}

/** All others; the same list if there is none to leave out, as in most of a lock's lists. */
function but<One>(all: readonly One[], isOut: (one: One) => boolean): readonly One[] {
  const first = all.findIndex(isOut);
  if (first === -1) return all;
  const rest = all.slice(first + 1);
  return [...all.slice(0, first), ...(rest.some(isOut) ? rest.filter((one) => !isOut(one)) : rest)];
}
