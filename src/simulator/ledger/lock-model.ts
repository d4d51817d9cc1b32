/**
 * What the history of committed entries says about locks, read from requests, replies and notices alone: a second opinion
 * that shares no code with the lock machine.
 * @module
 */
import { decodeCall, decodeNotice, decodeReply } from "../../protocol/calls.ts";
import type { Entry } from "../../protocol/entry.ts";
import { sessionIdOf } from "../../protocol/session.ts";
import type { AppliedEntry } from "../../rsm/state.ts";

export type Mode = "exclusive" | "shared";

export interface Asked {
  readonly session: string;
  readonly xid: number;
  readonly mode: Mode;
}

export interface Tenure extends Asked {
  readonly token: bigint;
  state: "held" | "stolen" | "over";
}

/** One lock as clients were told. */
export interface ModelLock {
  readonly name: string;
  holders: Tenure[];
  queue: Asked[];
  /** All there ever were, in the order of their grants. */
  readonly tenures: Tenure[];
}

export interface Grant {
  readonly lock: ModelLock;
  readonly tenure: Tenure;
  /** Who else held the lock at that moment. */
  readonly beside: readonly Tenure[];
  /** Who stood in line before it. */
  readonly overtaken: Asked | undefined;
  /** The greatest token that was granted for this lock before. */
  readonly before: bigint | undefined;
  /** It was told to have the lock and had not asked, or not any more. */
  readonly isUnasked: boolean;
}

/** What one entry did. */
export interface LockStep {
  readonly grants: readonly Grant[];
  /** The locks in which anything changed. */
  readonly touched: ReadonlySet<ModelLock>;
  /** The session that this entry ended. */
  readonly ended: string | undefined;
}

interface Words {
  readonly name: string;
  readonly xid: number;
  readonly mode?: Mode;
  readonly how?: "wait" | "ifAvailable" | "steal";
  readonly token?: bigint;
}

export class LockModel {
  readonly sessions: Set<string> = new Set();
  readonly #locks: Map<string, ModelLock> = new Map();
  #grants: Grant[] = [];
  #touched: Set<ModelLock> = new Set();

  get locks(): IterableIterator<ModelLock> {
    return this.#locks.values();
  }

  /** `undefined` if nobody has ever asked for it. */
  named(name: string): ModelLock | undefined {
    return this.#locks.get(name);
  }

  /** `undefined` if the entry has nothing to do with locks. */
  take(entry: Entry, result: AppliedEntry): LockStep | undefined {
    this.#grants = [];
    this.#touched = new Set();
    switch (entry.kind) {
      case "open":
        this.sessions.add(sessionIdOf(entry));
        return undefined;
      case "end":
        return this.#end(sessionIdOf(entry.session), result);
      case "command":
        return result.duplicate || result.reply === undefined ? undefined : this.#command(entry, result.reply, result);
      case "skip":
      case "tick":
        return undefined;
    }
  }

  #end(session: string, result: AppliedEntry): LockStep {
    this.sessions.delete(session);
    for (const lock of this.#locks.values()) this.#drop(lock, (one) => one.session === session);
    return this.#finish(result, session);
  }

  #command(entry: Entry, bytes: Uint8Array, result: AppliedEntry): LockStep | undefined {
    const call = callOf(entry.body);
    const reply = decodeReply(bytes);
    if (call?.machine !== "locks" || reply.type !== "ok") return undefined;
    const words = call.input as Words;
    const lock = this.#lock(words.name);
    const session = sessionIdOf(entry.session);
    const isIt = (one: Asked): boolean => one.session === session && one.xid === words.xid;
    if (call.name === "acquire") this.#acquire(lock, session, words, reply.value as { status: string; token?: bigint });
    else if (call.name === "release")
      this.#drop(lock, (one) => isIt(one) && "token" in one && one.token === words.token);
    else this.#drop(lock, isIt);
    return this.#finish(result, undefined);
  }

  #acquire(lock: ModelLock, session: string, words: Words, reply: { status: string; token?: bigint }): void {
    const { xid, mode = "exclusive", how } = words;
    const asked = { session, xid, mode };
    const isIt = (one: Asked): boolean => one.session === session && one.xid === xid;
    const standing = lock.tenures.findLast(isIt);
    if (standing !== undefined && standing.state !== "over" && standing.token === reply.token) return;
    if (reply.status === "queued" && !lock.queue.some(isIt)) lock.queue.push(asked);
    if (reply.status !== "granted" || reply.token === undefined) return;
    if (how === "steal") this.#steal(lock);
    const overtaken = how === "steal" ? undefined : lock.queue.find((one) => !isIt(one));
    lock.queue = lock.queue.filter((one) => !isIt(one));
    this.#grant(lock, asked, reply.token, overtaken, false);
  }

  #steal(lock: ModelLock): void {
    for (const tenure of lock.holders) tenure.state = "stolen";
    lock.holders = [];
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
  }

  /** Those in line are told by notices. */
  #finish(result: AppliedEntry, ended: string | undefined): LockStep {
    for (const { session, body } of result.notices) {
      const notice = decodeNotice(body);
      const said = notice.value as { type: string; name: string; xid: number; token: bigint };
      if (notice.machine !== "locks" || said.type !== "granted") continue;
      const lock = this.#lock(said.name);
      const asked = lock.queue.find((one) => one.session === session && one.xid === said.xid);
      const first = lock.queue[0];
      lock.queue = lock.queue.filter((one) => one !== asked);
      const mode = asked?.mode ?? "exclusive";
      const overtaken = first === asked ? undefined : first;
      this.#grant(lock, { session, xid: said.xid, mode }, said.token, overtaken, asked === undefined);
    }
    return { grants: this.#grants, touched: this.#touched, ended };
  }

  #grant(lock: ModelLock, asked: Asked, token: bigint, overtaken: Asked | undefined, isUnasked: boolean): void {
    const tenure: Tenure = { ...asked, token, state: "held" };
    const before = lock.tenures.at(-1)?.token;
    this.#grants.push({ lock, tenure, beside: lock.holders, overtaken, before, isUnasked });
    lock.holders = [...lock.holders, tenure];
    lock.tenures.push(tenure);
    this.#touched.add(lock);
  }

  #lock(name: string): ModelLock {
    let lock = this.#locks.get(name);
    if (lock === undefined) this.#locks.set(name, (lock = { name, holders: [], queue: [], tenures: [] }));
    return lock;
  }
}

/** The tenure that a token belongs to: taken again without a message, a lock has tokens between its own and the next. */
export function tenureOf(lock: ModelLock, token: bigint): Tenure | undefined {
  return lock.tenures.findLast((tenure) => tenure.token <= token);
}

function callOf(body: Uint8Array): { machine: string; name: string; input: unknown } | undefined {
  try {
    return decodeCall(body);
  } catch {
    return undefined;
  }
}
