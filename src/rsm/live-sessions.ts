/**
 * What the primary of an active view knows of sessions beyond the replicated state: their connection, their silence, and
 * which number was stamped last. Begun anew at every activation: every session then has a full TTL (design.md 4.7).
 * @module
 */
import type { Session, SessionTable } from "./sessions.ts";

export class LiveSession {
  readonly session: Session;
  /** The client connection it spoke on last. */
  client: number | undefined;
  /** The connection that was sent the outstanding notices. */
  attachedTo: number | undefined;
  heardAt: number;
  /** The last number stamped, applied or not. */
  stamped: number;
  /** The last number that earlier views have executed. */
  readonly inherited: number;
  /** Its end has been stamped: nothing more is confirmed for it. */
  ending = false;

  constructor(session: Session, now: number) {
    this.session = session;
    this.heardAt = now;
    this.stamped = session.lastNumber;
    this.inherited = session.lastNumber;
  }
}

/** So many sessions are looked at in one go. */
const LOOKS = 256;
const NO_SESSIONS: Iterator<Session, undefined> = { next: () => ({ done: true, value: undefined }) };

export class LiveSessions {
  /** By the place of the entry that opened the session: those that somebody has asked for since the activation. */
  readonly #bySeqno: Map<number, LiveSession> = new Map();
  readonly #byClient: Map<number, Set<LiveSession>> = new Map();
  /** All there are: the state's. */
  #sessions: SessionTable | undefined;
  #begunAt = 0;
  /** No session can be overdue before this moment. */
  #checkAt = Number.NEGATIVE_INFINITY;
  /** Where a look at all sessions has come to; it meets those that are opened meanwhile, too. */
  #look: Iterator<Session, undefined> | undefined;
  /** Of those looked at, when the first can be overdue. */
  #earliest = Number.POSITIVE_INFINITY;

  /** The view is active: every session has a full TTL. There may be very many, so nothing is made of them yet. */
  begin(sessions: SessionTable, now: number): void {
    this.#sessions = sessions;
    this.#begunAt = now;
    this.#checkAt = now;
    this.#look = undefined;
  }

  get(seqno: number): LiveSession | undefined {
    const known = this.#bySeqno.get(seqno);
    if (known !== undefined) return known;
    const session = this.#sessions?.at(seqno);
    return session && this.add(session, this.#begunAt);
  }

  add(session: Session, now: number): LiveSession {
    const live = new LiveSession(session, now);
    this.#bySeqno.set(session.opened.seqno, live);
    this.#checkAt = Math.min(this.#checkAt, now + session.ttlMs);
    return live;
  }

  remove(seqno: number): void {
    const live = this.#bySeqno.get(seqno);
    if (live === undefined) return;
    this.#bySeqno.delete(seqno);
    this.#detach(live);
  }

  heard(live: LiveSession, client: number, now: number): void {
    live.heardAt = now;
    if (live.client === client) return;
    this.#detach(live);
    live.client = client;
    const sessions = this.#byClient.get(client);
    if (sessions === undefined) this.#byClient.set(client, new Set([live]));
    else sessions.add(live);
  }

  clientGone(client: number): void {
    for (const live of this.#byClient.get(client) ?? []) {
      live.client = undefined;
      // What is notified from now on does not reach it.
      live.attachedTo = undefined;
    }
    this.#byClient.delete(client);
  }

  /** Whether some session may be silent for longer than its TTL: then all are to be looked at. */
  mayBeOverdue(now: number): boolean {
    return this.isLooking || now >= this.#checkAt;
  }

  /** Not all have been looked at. */
  get isLooking(): boolean {
    return this.#look !== undefined;
  }

  /**
   * Looks at the next few sessions; gives the first that is silent for longer than its TTL and not ending yet. There may be
   * very many: whoever looks goes on while `isLooking`, a few at a time.
   */
  nextOverdue(now: number): LiveSession | undefined {
    if (this.#look === undefined) {
      this.#look = this.#sessions?.[Symbol.iterator]() ?? NO_SESSIONS;
      this.#earliest = Number.POSITIVE_INFINITY;
    }
    for (let looks = 0; looks < LOOKS; looks++) {
      const next = this.#look.next();
      if (next.done === true) {
        this.#look = undefined;
        this.#checkAt = this.#earliest;
        return undefined;
      }
      const session = next.value;
      const live = this.#bySeqno.get(session.opened.seqno);
      if (live?.ending === true) continue;
      const due = (live?.heardAt ?? this.#begunAt) + session.ttlMs;
      if (due < now) return live ?? this.add(session, this.#begunAt);
      this.#earliest = Math.min(this.#earliest, due);
    }
    return undefined;
  }

  #detach(live: LiveSession): void {
    if (live.client === undefined) return;
    const sessions = this.#byClient.get(live.client);
    sessions?.delete(live);
    if (sessions?.size === 0) this.#byClient.delete(live.client);
    live.client = undefined;
  }
}
