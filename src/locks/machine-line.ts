/**
 * Whose turn it is: lets in those at the head of each line that may have the lock, first come first served. Every grant of
 * a request that has waited is made here.
 * @module
 */
import type { SessionId } from "../protocol/session.ts";
import {
  isCompatible,
  isKept,
  isThief,
  isUse,
  isUsedAgainst,
  type Lock,
  type LockTable,
  type Named,
  placeOfThief,
  type Tenure,
  type Waiter,
} from "./machine-state.ts";
import type { LockNotice, TokenBlock } from "./machine-words.ts";

/** The entry that is executed. */
export interface At {
  readonly now: number;
  readonly seqno: number;
  readonly notify: (session: SessionId, notice: LockNotice) => void;
}

/**
 * Tokens from one entry to the next. The tenures that one entry grants on a lock share its block in equal parts, so
 * that no token repeats; what a part has beyond its first token is room for taking the lock again without a message.
 */
const TOKENS_PER_ENTRY = 1 << 24;

/** Of each lock, who was let in by this entry. */
type Entered = Map<string, Waiter[]>;

/**
 * Lets in, from the heads of the lines of these locks, whoever may have them now, and ends probes that have found a use. A
 * group that enters or ends at one lock makes room at its others. When nobody moves any more those that steal do, and so on.
 * The tokens of this entry are shared out when it is known among how many.
 */
export function letIn(table: LockTable, changed: Iterable<string>, at: At): void {
  const names = [...changed];
  const entered: Entered = new Map();
  for (let next = 0; next < names.length; next++) {
    // One by one: the arguments of a call are too many for an engine long before the members of a line are.
    for (const other of advance(table, names[next]!, entered, at)) names.push(other);
    if (next === names.length - 1) for (const other of robbedOf(table, names, entered, at)) names.push(other);
  }
  for (const [name, waiters] of entered) shareTokens(table, name, waiters, at);
}

/** Moves one line on as far as it goes; gives the locks where that makes room. */
function advance(table: LockTable, name: string, entered: Entered, at: At): readonly string[] {
  const others: string[] = [];
  for (;;) {
    const lock = table.get(name);
    const head = lock.queue.first;
    if (head === undefined) return others;
    const isMoved =
      head.group > 0 ? advanceGroup(table, head, entered, at) : advanceOne(table, name, lock, entered, at);
    if (!isMoved) return others;
    if (head.group === 0) continue;
    for (const other of table.groups.names(head.session, head.group)) others.push(other);
    table.groups.delete(head.session, head.group);
  }
}

/** Of these locks, those that are stolen now. */
function robbedOf(table: LockTable, names: readonly string[], entered: Entered, at: At): string[] {
  return [...new Set(names)].filter((name) => rob(table, name, entered, at));
}

/** The first that steals robs whoever holds the lock, unless one of them may not use it and can still say so. */
function rob(table: LockTable, name: string, entered: Entered, at: At): boolean {
  const lock = table.get(name);
  const place = placeOfThief(lock);
  const thief = lock.queue.at(place);
  if (thief === undefined || (isKept(lock) && thief.robsAt > at.now)) return false;
  const known = lock.holders.slice(0, lock.holders.length - stillIn(entered.get(name) ?? []));
  tellRobbed(name, known, at);
  const queue = lock.queue.without((one) => one === thief).plusAt(0, thief);
  const stolen = [...lock.stolen, ...lock.holders];
  table.put(name, { ...lock, holders: [], queue, stolen, barred: undefined });
  enter(table, name, 1, entered, at);
  return true;
}

/** Of those that this entry lets in, how many are not robbed by it. */
function stillIn(entered: readonly Waiter[]): number {
  return entered.length - Math.max(0, entered.findLastIndex(isThief));
}

function advanceOne(table: LockTable, name: string, lock: Lock, entered: Entered, at: At): boolean {
  const count = grantable(lock);
  const declined = count > 0 ? 0 : declinable(lock);
  if (count > 0) enter(table, name, count, entered, at);
  else if (declined > 0) decline(table, name, declined, at);
  return count + declined > 0;
}

/** All of the group have their locks now, or none has. */
function advanceGroup(table: LockTable, head: Waiter, entered: Entered, at: At): boolean {
  const names = table.groups.names(head.session, head.group);
  const isFirst = ({ queue }: Lock): boolean => isSameGroup(queue.first, head);
  if (head.probes && names.map((name) => table.get(name)).some((lock) => isFirst(lock) && isUsedAgainst(lock, head))) {
    for (const name of names) declineMember(table, name, head, at);
    return true;
  }
  // Looked up one by one: most groups that cannot enter have a lock among their first that is in the way.
  const canEnter = names.every((name) => {
    const lock = table.get(name);
    return isFirst(lock) && isCompatible(lock, head);
  });
  if (canEnter) for (const name of names) enter(table, name, 1, entered, at);
  return canEnter;
}

function isSameGroup(one: Waiter | undefined, { session, group }: Waiter): boolean {
  return one?.session === session && one.group === group;
}

/** Makes holders of the first in line; their tokens are not shared out yet. */
function enter(table: LockTable, name: string, count: number, entered: Entered, at: At): void {
  const lock = table.get(name);
  const queue = lock.queue.after(count);
  // Whoever leaves others in line has nothing to keep.
  const entering = lock.queue
    .slice(0, count)
    .map((waiter) => ({ ...waiter, keeps: waiter.keeps && queue.length === 0 }));
  const before = entered.get(name);
  if (before === undefined) entered.set(name, entering);
  else for (const waiter of entering) before.push(waiter);
  const tenures = entering.map((waiter) => tenureOf(waiter, at, true));
  table.put(name, { ...lock, holders: [...lock.holders, ...tenures], queue });
}

/** The last of the holders are those who were let in, the last of the robbed those who were let in and robbed at once. */
function shareTokens(table: LockTable, name: string, entered: readonly Waiter[], at: At): void {
  const lock = table.get(name);
  const isAlone = entered.length === 1;
  const robbed = entered.length - stillIn(entered);
  const tenures = isAlone
    ? lock.holders.slice(-1)
    : entered.map((waiter, index) => tenureOf(waiter, at, true, index, entered.length));
  for (const { session, xid, token, keep } of tenures) {
    at.notify(session, { type: "granted", name, xid, token, keep });
  }
  // It has the whole block already, as it came in.
  if (isAlone) return;
  tellRobbed(name, tenures.slice(0, robbed), at);
  const holders = [...lock.holders.slice(0, robbed - entered.length), ...tenures.slice(robbed)];
  const stolen = [...lock.stolen.slice(0, lock.stolen.length - robbed), ...tenures.slice(0, robbed)];
  table.put(name, { ...lock, holders, stolen });
}

export function tellRobbed(name: string, robbed: readonly Tenure[], at: At): void {
  for (const { session, xid, token } of robbed) at.notify(session, { type: "stolen", name, xid, token });
}

function decline(table: LockTable, name: string, count: number, at: At): void {
  const lock = table.get(name);
  const declined = lock.queue.slice(0, count).map(namedOf);
  for (const { session, xid } of declined) at.notify(session, { type: "declined", name, xid });
  table.put(name, { ...lock, queue: lock.queue.after(count), declined: [...lock.declined, ...declined] });
}

/** It may stand behind others that probe. */
function declineMember(table: LockTable, name: string, head: Waiter, at: At): void {
  const lock = table.get(name);
  const declined = lock.queue
    .slice()
    .filter((one) => isSameGroup(one, head))
    .map(namedOf);
  for (const { session, xid } of declined) at.notify(session, { type: "declined", name, xid });
  const queue = lock.queue.without((one) => isSameGroup(one, head));
  table.put(name, { ...lock, queue, declined: [...lock.declined, ...declined] });
}

function namedOf({ session, xid }: Named): Named {
  return { session, xid };
}

/** How many from the head of the queue may have the lock now, each by itself. */
function grantable(lock: Lock): number {
  const { holders, queue } = lock;
  const head = queue.first;
  if (head === undefined || !isCompatible(lock, head)) return 0;
  if (head.mode === "exclusive") return 1;
  const end = queue.findIndex((waiter) => waiter.mode === "exclusive" || waiter.group > 0);
  const most = head.permits > 0 ? head.permits - holders.length : queue.length;
  return Math.min(most, end === -1 ? queue.length : end);
}

/** How many from the head of the queue probe, and have found a use that is in their way. */
function declinable(lock: Lock): number {
  const { queue } = lock;
  const end = queue.findIndex((waiter) => !waiter.probes || waiter.group > 0 || !isUsedAgainst(lock, waiter));
  return end === -1 ? queue.length : end;
}

export function tenureOf(waiter: Waiter, at: At, waited: boolean, index = 0, count = 1): Tenure {
  const { session, xid, mode, owner, permits, delayMs, keeps } = waiter;
  const part = Math.floor(TOKENS_PER_ENTRY / count);
  const token = firstToken(at) + BigInt(index * part);
  const keep = keeps ? part : 0;
  return { session, xid, mode, since: at.now, owner, permits, delayMs, token, waited, keep, asked: false };
}

/** The first of the tokens that this entry gives out. */
function firstToken(at: At): bigint {
  return BigInt(at.seqno) * BigInt(TOKENS_PER_ENTRY);
}

/** All tokens of this entry: for a tenure that it does not grant. */
export function wholeBlock(at: At): TokenBlock {
  return { token: firstToken(at), keep: TOKENS_PER_ENTRY };
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

/** Has those of them say what they use it for that have not been asked yet; gives the holders. */
export function ask(name: string, holders: readonly Tenure[], at: At): readonly Tenure[] {
  return holders.flatMap((holder) => (holder.asked ? [holder] : revoke(name, [holder], true, at)));
}
