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

export class LiveSessions {
  /** By the place of the entry that opened the session: those that somebody has asked for since the activation. */
  readonly #bySeqno: Map<number, LiveSession> = new Map();
  readonly #byClient: Map<number, Set<LiveSession>> = new Map();
  /** All there are: the state's. */
  #sessions: SessionTable | undefined;
  #begunAt = 0;
  /** No session can be overdue before this moment. */
  #checkAt = Number.NEGATIVE_INFINITY;

  /** The view is active: every session has a full TTL. There may be very many, so nothing is made of them yet. */
  begin(sessions: SessionTable, now: number): void {
    this.#sessions = sessions;
    this.#begunAt = now;
    this.#checkAt = now;
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

  /** Sessions silent for longer than their TTL and not yet ending. */
  overdue(now: number): LiveSession[] {
    if (now < this.#checkAt) return [];
    const found: LiveSession[] = [];
    let earliest = Number.POSITIVE_INFINITY;
    for (const session of this.#sessions ?? []) {
      const live = this.#bySeqno.get(session.opened.seqno);
      if (live?.ending === true) continue;
      const due = (live?.heardAt ?? this.#begunAt) + session.ttlMs;
      if (due < now) found.push(live ?? this.add(session, this.#begunAt));
      else earliest = Math.min(earliest, due);
    }
    this.#checkAt = earliest;
    return found;
  }

  #detach(live: LiveSession): void {
    if (live.client === undefined) return;
    const sessions = this.#byClient.get(live.client);
    sessions?.delete(live);
    if (sessions?.size === 0) this.#byClient.delete(live.client);
    live.client = undefined;
  }
}
