/**
 * The table of sessions in the replicated state: what makes a retried request run once.
 * @module
 */
import { type SessionId, sessionIdOf } from "../protocol/session.ts";
import type { Viewstamp } from "../protocol/view.ts";

export class Session {
  readonly opened: Viewstamp;
  readonly id: SessionId;
  readonly ttlMs: number;
  /** The last number executed; all before it were too. */
  lastNumber = 0;
  /** The client has the replies through this number. */
  #acknowledgedThrough = 0;
  /** Replies of executed numbers that are not acknowledged. */
  readonly replies: Map<number, Uint8Array> = new Map();

  constructor(opened: Viewstamp, ttlMs: number) {
    this.opened = opened;
    this.id = sessionIdOf(opened);
    this.ttlMs = ttlMs;
  }

  get acknowledgedThrough(): number {
    return this.#acknowledgedThrough;
  }

  /** Forgets replies the client has. A client can't have a reply of a number not executed. */
  acknowledge(through: number): void {
    const bound = Math.min(through, this.lastNumber);
    if (bound <= this.#acknowledgedThrough) return;
    // Replies are held in ascending order of their numbers.
    for (const number of this.replies.keys()) {
      if (number > bound) break;
      this.replies.delete(number);
    }
    this.#acknowledgedThrough = bound;
  }
}

/** What a session was at a moment; replies are never changed once made. */
export interface NotedSession {
  readonly opened: Viewstamp;
  readonly ttlMs: number;
  readonly lastNumber: number;
  readonly acknowledgedThrough: number;
  readonly replies: readonly (readonly [number: number, reply: Uint8Array])[];
}

function noteOf({ opened, ttlMs, lastNumber, acknowledgedThrough, replies }: Session): NotedSession {
  return { opened, ttlMs, lastNumber, acknowledgedThrough, replies: [...replies] };
}

/**
 * All sessions as they were when it was made, given one by one. To note them all at once would take long, so only one that
 * is about to change before its turn is noted at once.
 */
export class SessionMoment implements Iterator<NotedSession, undefined> {
  /** In the order of the places that opened them. */
  readonly #sessions: readonly Session[];
  readonly #noted: Map<Session, NotedSession> = new Map();
  readonly #over: () => void;
  #next = 0;

  constructor(sessions: readonly Session[], over: () => void) {
    this.#sessions = sessions;
    this.#over = over;
  }

  get size(): number {
    return this.#sessions.length;
  }

  next(): IteratorResult<NotedSession, undefined> {
    const session = this.#sessions[this.#next];
    if (session === undefined) return this.return();
    this.#next++;
    const value = this.#noted.get(session) ?? noteOf(session);
    this.#noted.delete(session);
    return { done: false, value };
  }

  return(): IteratorResult<NotedSession, undefined> {
    this.#next = this.#sessions.length;
    this.#noted.clear();
    this.#over();
    return { done: true, value: undefined };
  }

  /** The session will not be what it is any longer. */
  before(session: Session): void {
    const next = this.#sessions[this.#next];
    const last = this.#sessions.at(-1);
    if (next === undefined || last === undefined) return;
    const { seqno } = session.opened;
    if (seqno < next.opened.seqno || seqno > last.opened.seqno || this.#noted.has(session)) return;
    this.#noted.set(session, noteOf(session));
  }
}

export class SessionTable {
  /** By the place of the entry that opened it, in that order. */
  readonly #bySeqno: Map<number, Session> = new Map();
  /** Looked at now. */
  readonly #moments: Set<SessionMoment> = new Set();

  get size(): number {
    return this.#bySeqno.size;
  }

  open(at: Viewstamp, ttlMs: number): Session {
    const session = new Session({ vid: at.vid, seqno: at.seqno }, ttlMs);
    this.#bySeqno.set(at.seqno, session);
    return session;
  }

  get(opened: Viewstamp): Session | undefined {
    const session = this.#bySeqno.get(opened.seqno);
    return session?.opened.vid === opened.vid ? session : undefined;
  }

  /** The session that was opened at this place, in whatever view. */
  at(seqno: number): Session | undefined {
    return this.#bySeqno.get(seqno);
  }

  end(opened: Viewstamp): Session | undefined {
    const session = this.get(opened);
    if (session === undefined) return undefined;
    this.changes(session);
    this.#bySeqno.delete(opened.seqno);
    return session;
  }

  /** To be called before a session is changed. */
  changes(session: Session): void {
    for (const moment of this.#moments) moment.before(session);
  }

  /** The sessions as they are now, whatever happens to them; drained or returned, it costs nothing more. */
  moment(): SessionMoment {
    const moment: SessionMoment = new SessionMoment([...this.#bySeqno.values()], () => this.#moments.delete(moment));
    this.#moments.add(moment);
    return moment;
  }

  restore(session: Session): void {
    this.#bySeqno.set(session.opened.seqno, session);
  }

  [Symbol.iterator](): IterableIterator<Session> {
    return this.#bySeqno.values();
  }
}
