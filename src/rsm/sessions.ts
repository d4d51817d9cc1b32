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

export class SessionTable {
  /** By the place of the entry that opened it, in that order. */
  readonly #bySeqno: Map<number, Session> = new Map();

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

  end(opened: Viewstamp): Session | undefined {
    const session = this.get(opened);
    if (session !== undefined) this.#bySeqno.delete(opened.seqno);
    return session;
  }

  restore(session: Session): void {
    this.#bySeqno.set(session.opened.seqno, session);
  }

  [Symbol.iterator](): IterableIterator<Session> {
    return this.#bySeqno.values();
  }
}
