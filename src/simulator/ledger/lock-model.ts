/**
 * What the history of committed entries says about locks, read from requests, replies and notices alone: a second opinion
 * that shares no code with the lock machine.
 * @module
 */
import { decodeCall, decodeNotice, decodeReply } from "../../protocol/calls.ts";
import type { Entry } from "../../protocol/entry.ts";
import { sessionIdOf } from "../../protocol/session.ts";
import type { AppliedEntry } from "../../rsm/state.ts";
import type {
  Answer,
  Asked,
  Block,
  Grant,
  Group,
  GroupAnswer,
  GroupWords,
  LockStep,
  ModelLock,
  Outstanding,
  Said,
  Tenure,
  Words,
} from "./lock-words.ts";

export type { Asked, Block, Grant, Group, LockStep, Mode, ModelLock, Outstanding, Tenure } from "./lock-words.ts";

/** A steal has its answer, or does without one, after so many milliseconds. */
const STEAL_WAITS_MS = 1000;

export class LockModel {
  readonly sessions: Set<string> = new Set();
  readonly ended: Set<string> = new Set();
  /** How often kept locks came to be, were revoked, and so on. */
  readonly counts: Map<string, number> = new Map();
  readonly #locks: Map<string, ModelLock> = new Map();
  #time = 0;
  #grants: Grant[] = [];
  #refills: (Block & { name: string; before: bigint | undefined })[] = [];
  #falsehood: string | undefined;
  #touched: Set<ModelLock> = new Set();

  get locks(): IterableIterator<ModelLock> {
    return this.#locks.values();
  }

  /** `undefined` if nobody has ever asked for it. */
  named(name: string): ModelLock | undefined {
    return this.#locks.get(name);
  }

  count(kind: string): void {
    this.counts.set(`lock ${kind}`, (this.counts.get(`lock ${kind}`) ?? 0) + 1);
  }

  /** What the session has to be told about kept and stolen locks, again and again until it has acted on it. */
  *outstanding(session: string): Generator<Outstanding> {
    for (const { name, holders, queue, declined, robbed } of this.#locks.values()) {
      const answer = queue.some((one) => one.probes || one.stealsSince !== undefined);
      for (const { xid, isKept, ...holder } of holders)
        if (holder.session === session && isKept && queue.length > 0) yield { type: "revoke", name, xid, answer };
      for (const { xid, ...one } of robbed)
        if (one.session === session) yield { type: "stolen", name, xid, answer: false };
      for (const { xid, ...one } of declined)
        if (one.session === session) yield { type: "declined", name, xid, answer: false };
    }
  }

  /** `undefined` if the entry has nothing to do with locks. */
  take(entry: Entry, result: AppliedEntry): LockStep | undefined {
    this.#grants = [];
    this.#refills = [];
    this.#falsehood = undefined;
    this.#touched = new Set();
    this.#time = Math.max(this.#time, entry.time);
    switch (entry.kind) {
      case "open":
        this.sessions.add(sessionIdOf(entry));
        return undefined;
      case "end":
        return this.#end(sessionIdOf(entry.session), entry.body.length > 0, result);
      case "command":
        return result.duplicate || result.reply === undefined ? undefined : this.#command(entry, result.reply, result);
      case "tick":
        return this.#tick(result);
      case "skip":
      case "upgrade":
        return undefined;
    }
  }

  #tick(result: AppliedEntry): LockStep {
    for (const lock of this.#locks.values()) {
      if (lock.barredUntil === undefined || lock.barredUntil > this.#time) continue;
      lock.barredUntil = undefined;
      this.count("delay over");
      this.#touched.add(lock);
    }
    return { ...this.#finish(result, undefined), stuck: this.#stuckThief() };
  }

  #stuckThief(): string | undefined {
    for (const { name, queue } of this.#locks.values()) {
      const late = queue.find(({ stealsSince = this.#time }) => this.#time - stealsSince >= STEAL_WAITS_MS);
      if (late !== undefined) return `${late.session}/${late.xid} waits for ever to steal ${name}`;
    }
    return undefined;
  }

  #end(session: string, isLost: boolean, result: AppliedEntry): LockStep {
    this.sessions.delete(session);
    this.ended.add(session);
    for (const lock of this.#locks.values()) {
      const held = lock.holders.find((one) => one.session === session && one.mode === "exclusive");
      if (isLost && held !== undefined && held.delayMs > 0) lock.barredUntil = this.#time + held.delayMs;
    }
    for (const lock of this.#locks.values()) this.#drop(lock, (one) => one.session === session);
    return this.#finish(result, session);
  }

  #command(entry: Entry, bytes: Uint8Array, result: AppliedEntry): LockStep | undefined {
    const call = callOf(entry.body);
    const reply = decodeReply(bytes);
    if (call?.machine !== "locks" || reply.type !== "ok") return undefined;
    if (call.name === "survey" || call.name === "once") return this.#finish(result, undefined);
    const session = sessionIdOf(entry.session);
    if (call.name === "acquireAll") {
      this.#acquireAll(session, call.input as GroupWords, reply.value as GroupAnswer);
      return this.#finish(result, undefined);
    }
    const words = call.input as Words;
    const lock = this.#lock(words.name);
    const isIt = (one: Asked): boolean => one.session === session && one.xid === words.xid;
    const isTenure = (one: Asked): boolean => isIt(one) && "token" in one && one.token === words.token;
    if (call.name === "acquire") this.#acquire(lock, session, words, reply.value as Answer);
    else if (call.name === "release") this.#drop(lock, isTenure);
    else if (call.name === "settle") this.#settle(lock, session, words, reply.value === true);
    else if (call.name === "refill") this.#refill(lock, isTenure, reply.value as Required<Answer> | null);
    else this.#cancel(lock, isIt);
    return this.#finish(result, undefined);
  }

  #acquireAll(session: string, { names, xid, ...words }: GroupWords, { status, blocks = [] }: GroupAnswer): void {
    const group = names.length > 1 ? { session, xid, names } : undefined;
    for (const [index, name] of names.entries()) {
      const block = blocks[index] ?? {};
      this.#acquire(this.#lock(name), session, { ...words, name, xid: xid + index }, { status, ...block }, group);
    }
  }

  /** One of a group that waits takes the others along. */
  #cancel(lock: ModelLock, isIt: (one: Asked) => boolean): void {
    const group = lock.queue.find(isIt)?.group;
    if (group === undefined) this.#drop(lock, isIt);
    else
      for (const name of group.names) this.#drop(this.#lock(name), (one) => !("token" in one) && one.group === group);
  }

  #acquire(lock: ModelLock, session: string, words: Words, reply: Answer, group?: Group): void {
    const { xid, mode = "exclusive", how, permits = 0, delayMs = 0 } = words;
    const stealsSince = how === "steal" ? this.#time : undefined;
    const asked: Asked = { session, xid, mode, probes: how === "ifAvailable", stealsSince, permits, delayMs, group };
    const isIt = (one: Asked): boolean => one.session === session && one.xid === xid;
    const standing = lock.tenures.findLast(isIt);
    if (standing !== undefined && standing.state !== "over" && standing.token === reply.token) return;
    if (reply.status === "queued" && !lock.queue.some(isIt)) {
      const isBehind = (one: Asked): boolean => !one.probes && one.stealsSince === undefined;
      const place = stealsSince === undefined ? -1 : lock.queue.findIndex(isBehind);
      lock.queue.splice(place === -1 ? lock.queue.length : place, 0, asked);
      this.#touched.add(lock);
    }
    if (reply.status !== "granted" || reply.token === undefined) return;
    const overtaken = how === "steal" ? undefined : lock.queue.find((one) => !isIt(one));
    lock.queue = lock.queue.filter((one) => !isIt(one));
    this.#grant(lock, asked, reply.token, reply.keep ?? 0, overtaken, false);
  }

  /** Whoever may have it unused is asked first, and has time to answer. */
  #steal(lock: ModelLock, since: number): void {
    const unasked = lock.holders.find(({ isKept }) => isKept);
    if (unasked !== undefined && this.#time - since < STEAL_WAITS_MS)
      this.#falsehood = `${lock.name} is stolen from ${unasked.session}/${unasked.xid}, which may not use it`;
    if (lock.holders.length > 0) this.count(unasked === undefined ? "stolen in use" : "stolen without an answer");
    for (const tenure of lock.holders) tenure.state = "stolen";
    lock.robbed.push(...lock.holders);
    lock.holders = [];
    lock.barredUntil = undefined;
  }

  /** A kept tenure becomes its uses, which are no grants: its client had all that. */
  #settle(lock: ModelLock, session: string, { xid, token, uses = [] }: Words, isDone: boolean): void {
    const kept = lock.holders.find((one) => one.session === session && one.xid === xid && one.token === token);
    const isAgain = uses.some(({ xid }) => lock.tenures.some((one) => one.session === session && one.xid === xid));
    if (isDone !== (kept?.isKept === true || isAgain))
      this.#falsehood = `a settlement of ${lock.name} is answered ${isDone}`;
    if (!isDone || kept === undefined) return;
    this.count("settled");
    const tenures = uses.map(({ xid, token, mode }): Tenure => {
      const blocks = [{ first: token, last: token }];
      return { ...kept, xid, mode, token, blocks, isKept: false, state: "held", told: "nothing" };
    });
    const isHis = ({ token }: Tenure): boolean => kept.blocks.some((block) => isIn(block, token));
    if (!tenures.every(isHis)) this.#falsehood = `a use of ${lock.name} has a token that its client never had`;
    kept.state = "over";
    lock.holders = lock.holders.flatMap((one) => (one === kept ? tenures : [one]));
    lock.tenures.push(...tenures);
    this.#touched.add(lock);
  }

  #refill(lock: ModelLock, isTenure: (one: Tenure) => boolean, reply: Required<Answer> | null): void {
    const kept = lock.holders.find(isTenure);
    if ((reply !== null) !== (kept?.isKept === true)) this.#falsehood = `a refill of ${lock.name} is answered ${reply}`;
    if (reply === null || kept === undefined) return;
    this.count("refilled");
    const block = blockOf(reply.token, reply.keep);
    this.#refills.push({ ...block, name: lock.name, before: lock.issuedThrough });
    kept.blocks.push(block);
    lock.issuedThrough = block.last;
  }

  #drop(lock: ModelLock, isGone: (one: Asked | Tenure) => boolean): void {
    let count = 0;
    for (const tenure of lock.tenures) {
      if (tenure.state === "over" || !isGone(tenure)) continue;
      tenure.state = "over";
      count++;
    }
    lock.holders = lock.holders.filter(({ state }) => state === "held");
    const queue = lock.queue.filter((one) => !isGone(one));
    if (count + lock.queue.length - queue.length > 0) this.#touched.add(lock);
    lock.queue = queue;
    lock.declined = lock.declined.filter((one) => !isGone(one));
    lock.robbed = lock.robbed.filter((one) => !isGone(one));
  }

  /** Those in line are told by notices. */
  #finish(result: AppliedEntry, ended: string | undefined): LockStep {
    for (const { session, body } of result.notices) {
      const notice = decodeNotice(body);
      const said = notice.value as Said;
      if (notice.machine !== "locks") continue;
      const lock = this.#lock(said.name);
      if (said.type === "revoke") this.#revoke(lock, session, said);
      if (said.type === "declined") this.#decline(lock, session, said);
      if (said.type !== "granted") continue;
      const asked = lock.queue.find((one) => one.session === session && one.xid === said.xid);
      const first = lock.queue[0];
      lock.queue = lock.queue.filter((one) => one !== asked);
      const mode = asked?.mode ?? "exclusive";
      const { permits = 0, delayMs = 0, group, probes = false, stealsSince } = asked ?? {};
      // Whoever has no answer for so long overtakes those who would wait for it.
      const overtaken = first === asked || stealsSince !== undefined ? undefined : first;
      const one: Asked = { session, xid: said.xid, mode, probes, stealsSince, permits, delayMs, group };
      this.#grant(lock, one, said.token, said.keep ?? 0, overtaken, asked === undefined);
    }
    this.#falsehood ??= this.#faultOfGroups();
    const [refills, falsehood] = [this.#refills, this.#falsehood];
    return { grants: this.#grants, refills, falsehood, stuck: undefined, touched: this.#touched, ended };
  }

  /** A group is granted in one step, all of it. */
  #faultOfGroups(): string | undefined {
    for (const { tenure } of this.#grants) {
      const { group } = tenure;
      if (group === undefined) continue;
      const count = this.#grants.filter((other) => other.tenure.group === group).length;
      if (count < group.names.length) return `a group of ${group.names.length} locks is granted ${count} of them`;
      this.count("granted in a group");
    }
    return undefined;
  }

  #revoke(lock: ModelLock, session: string, { xid, token, answer }: Said): void {
    const tenure = lock.holders.find((one) => one.session === session && one.xid === xid && one.token === token);
    this.count(answer === true ? "asked for its use" : "revoked");
    if (tenure !== undefined && tenure.told !== "answer") tenure.told = answer === true ? "answer" : "revoke";
  }

  #decline(lock: ModelLock, session: string, { xid }: Said): void {
    const isIt = (one: Asked): boolean => one.session === session && one.xid === xid;
    if (!lock.queue.some((one) => isIt(one) && one.probes))
      this.#falsehood = `${session}/${xid} is told that ${lock.name} is not available, and did not ask that`;
    this.count("declined after an answer");
    lock.declined.push(...lock.queue.filter(isIt));
    lock.queue = lock.queue.filter((one) => !isIt(one));
    this.#touched.add(lock);
  }

  #grant(
    lock: ModelLock,
    asked: Asked,
    token: bigint,
    keep: number,
    overtaken: Asked | undefined,
    isUnasked: boolean,
  ): void {
    if (keep > 0) this.count("kept");
    if (asked.stealsSince !== undefined) this.#steal(lock, asked.stealsSince);
    const block = blockOf(token, keep);
    const tenure: Tenure = { ...asked, token, blocks: [block], isKept: keep > 0, state: "held", told: "nothing" };
    const before = lock.issuedThrough;
    const tooEarlyMs = Math.max(0, (lock.barredUntil ?? 0) - this.#time);
    if (asked.permits > 0) this.count("permit");
    this.#grants.push({ lock, tenure, beside: lock.holders, overtaken, before, isUnasked, tooEarlyMs });
    if (before === undefined || block.last > before) lock.issuedThrough = block.last;
    lock.holders = [...lock.holders, tenure];
    lock.tenures.push(tenure);
    this.#touched.add(lock);
  }

  #lock(name: string): ModelLock {
    let lock = this.#locks.get(name);
    if (lock === undefined)
      this.#locks.set(
        name,
        (lock = {
          ...{ name, holders: [], queue: [], declined: [], robbed: [], tenures: [] },
          ...{ issuedThrough: undefined, barredUntil: undefined },
        }),
      );
    return lock;
  }
}

/** Whether the token is that of a tenure that lasts, or one that its client may use. */
export function isHeldUnder(lock: ModelLock, token: bigint): boolean {
  return lock.tenures.some(({ state, blocks }) => state !== "over" && blocks.some((block) => isIn(block, token)));
}

function blockOf(token: bigint, keep: number): Block {
  return { first: token, last: token + BigInt(Math.max(1, keep)) - 1n };
}

function isIn({ first, last }: Block, token: bigint): boolean {
  return first <= token && token <= last;
}

function callOf(body: Uint8Array): { machine: string; name: string; input: unknown } | undefined {
  try {
    return decodeCall(body);
  } catch {
    return undefined;
  }
}
