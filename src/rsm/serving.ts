/**
 * What the primary of a view does for clients: it stamps their requests in order of arrival, answers once they are
 * committed and executed, confirms queries and keep-alives, and ends silent sessions (design.md 4.3, 4.6, 4.7).
 * @module
 */
import type { ClientMessage, RefusalCode, Request } from "../protocol/client-messages.ts";
import type { Entry, EntryKind } from "../protocol/entry.ts";
import { makeEntry } from "../protocol/entry-codec.ts";
import { assert } from "../protocol/errors.ts";
import type { Notice } from "../protocol/machine.ts";
import type { Confirmed } from "../protocol/messages.ts";
import { parseSessionId } from "../protocol/session.ts";
import { encodeUpgrade } from "../protocol/upgrade-body.ts";
import { encodeValue } from "../protocol/values.ts";
import { type Identity, ORIGIN, type Viewstamp } from "../protocol/view.ts";
import { Confirmation, type KeptAlive, type Read, type Waiting } from "./confirmation.ts";
import type { Copies } from "./copies.ts";
import type { Leadership } from "./leadership.ts";
import { type LiveSession, LiveSessions } from "./live-sessions.ts";
import type { ReplicatedLog } from "./replicated-log.ts";
import type { Session } from "./sessions.ts";
import type { AppliedEntry } from "./state.ts";

const EMPTY = new Uint8Array(0);

/** The body of the end of a session that fell silent; that of one that its client has ended is empty. */
const FELL_SILENT = new Uint8Array([1]);

/** Whoever asked for an entry that has no session to answer through. */
interface Asker {
  readonly client: number;
  readonly xid: number;
}

type Open = Extract<ClientMessage, { type: "open" }>;
type End = Extract<ClientMessage, { type: "end" }>;
type KeepAlive = Extract<ClientMessage, { type: "keepAlive" }>;
type Query = Extract<ClientMessage, { type: "query" }>;
type Copy = Extract<ClientMessage, { type: "copy" }>;

export class Serving {
  readonly #replica: ReplicatedLog;
  readonly #leadership: Leadership;
  readonly #confirmation: Confirmation;
  readonly #copies: Copies;
  readonly #live: LiveSessions = new LiveSessions();
  readonly #askers: Map<number, Asker> = new Map();
  #activatedAt = 0;
  #timeAtActivation = 0;
  #lastTime = 0;
  #pendingBytes = 0;
  #pendingOpens = 0;
  #tickStamped = 0;
  #taking = false;
  /** What is stamped cannot be committed for now; it has been answered so. */
  #blocked = false;

  constructor(replica: ReplicatedLog, leadership: Leadership, copies: Copies) {
    this.#replica = replica;
    this.#leadership = leadership;
    this.#copies = copies;
    this.#confirmation = new Confirmation(replica, leadership.view);
  }

  /** Whether requests are stamped now. */
  get isTaking(): boolean {
    // An admission may have begun in this very step.
    return this.#taking && !this.#leadership.admission.stopsStamping;
  }

  /** The view has just become active: every session gets a full TTL, and replicated time goes on from here. */
  activate(now: number): void {
    this.#activatedAt = now;
    this.#timeAtActivation = this.#replica.state.time;
    this.#lastTime = this.#timeAtActivation;
    this.#live.begin(this.#replica.state.sessions, now);
  }

  /** Looks again whether requests can be taken; what waits is told if not. */
  refresh(now: number, impaired: boolean): void {
    this.#answerReads(now);
    const stalled = this.#leadership.isStalled(now);
    const taking = this.#leadership.isActive && !stalled && !impaired && !this.#leadership.admission.stopsStamping;
    if (this.#taking && !taking) this.#refuseAll(this.#confirmation.cancel());
    const blocked = stalled || impaired;
    if (blocked && !this.#blocked) this.#refuseStamped();
    this.#blocked = blocked;
    this.#taking = taking;
  }

  /** This primary's view is over. */
  end(): void {
    this.#taking = false;
    this.#refuseAll(this.#confirmation.cancel());
    this.#refuseStamped();
  }

  clientGone(client: number): void {
    this.#live.clientGone(client);
  }

  onRequest(client: number, message: Request, now: number): void {
    if (!this.#leadership.isActive) return this.#refuse(client, message, "BUSY", "a view change");
    const session = this.#replica.state.sessions.get(message.session);
    const live = this.#live.get(message.session.seqno);
    if (session === undefined || live === undefined) {
      return this.#isFromLater(message.session)
        ? this.#refuse(client, message, "BUSY", "a later view is not known here yet")
        : this.#refuse(client, message, "SESSION_EXPIRED", "the session is unknown or over");
    }
    if (live.ending) return this.#refuse(client, message, "BUSY", "the session is ending");
    this.#live.heard(live, client, now);
    if (message.number <= live.inherited) this.#replica.output.path("executedInEarlierView");
    if (message.number <= session.lastNumber) return this.#replyAgain(client, message, session);
    if (message.number <= live.stamped) {
      // Stamped and not yet executed: it is answered then, on this connection.
      if (!this.isTaking) this.#refuse(client, message, "BUSY", "not committed yet", true);
      return undefined;
    }
    if (!this.isTaking) return this.#refuse(client, message, "BUSY", "requests are not taken now");
    if (message.number !== live.stamped + 1) {
      return this.#refuse(client, message, "BUSY", `number ${live.stamped + 1} comes first`);
    }
    const { options } = this.#replica;
    // The acknowledgement that makes room may come with this very request.
    const acknowledged = Math.min(message.acknowledgedThrough, session.lastNumber);
    const kept = live.stamped - Math.max(session.acknowledgedThrough, acknowledged);
    if (this.#isFull(message.body.length) || kept >= options.maxSessionReplies) {
      return this.#refuse(client, message, "OVERLOADED", "too much is outstanding");
    }
    live.stamped = message.number;
    const kind = message.skip ? "skip" : "command";
    this.#stamp(kind, message.session, message, message.skip ? EMPTY : message.body, now);
    return undefined;
  }

  onOpen(client: number, message: Open, now: number): void {
    const { options, state } = this.#replica;
    if (!this.isTaking) return this.#decline(client, message.xid, "BUSY", "requests are not taken now");
    if (!(message.ttlMs >= options.minSessionTtlMs && message.ttlMs <= options.maxSessionTtlMs)) {
      const text = `a session's TTL is ${options.minSessionTtlMs} to ${options.maxSessionTtlMs} ms`;
      return this.#decline(client, message.xid, "INVALID", text);
    }
    if (this.#isFull(0) || state.sessions.size + this.#pendingOpens >= options.maxSessions) {
      return this.#decline(client, message.xid, "OVERLOADED", "too many sessions or requests");
    }
    const entry = this.#stamp("open", ORIGIN, undefined, encodeValue(message.ttlMs), now);
    this.#pendingOpens++;
    this.#askers.set(entry.seqno, { client, xid: message.xid });
    return undefined;
  }

  onEnd(client: number, message: End, now: number): void {
    const live = this.#live.get(message.session.seqno);
    const isUnknown = this.#replica.state.sessions.get(message.session) === undefined;
    if (this.#leadership.isActive && isUnknown && !this.#isFromLater(message.session)) {
      this.#replica.output.answer(client, { type: "ended", xid: message.xid });
      return undefined;
    }
    if (!this.isTaking || isUnknown || live === undefined || live.ending) {
      return this.#decline(client, message.xid, "BUSY", "requests are not taken now");
    }
    const entry = this.#stampEnd(live, EMPTY, now);
    this.#askers.set(entry.seqno, { client, xid: message.xid });
    return undefined;
  }

  onKeepAlive(client: number, message: KeepAlive, now: number): void {
    if (!this.isTaking) return this.#decline(client, message.xid, "BUSY", "requests are not taken now");
    const live = this.#live.get(message.session.seqno);
    if (live === undefined || this.#replica.state.sessions.get(message.session) === undefined) {
      return this.#isFromLater(message.session)
        ? this.#decline(client, message.xid, "BUSY", "a later view is not known here yet")
        : this.#decline(client, message.xid, "SESSION_EXPIRED", "the session is unknown or over");
    }
    if (live.ending) return this.#decline(client, message.xid, "BUSY", "the session is ending");
    if (this.#isRoundFull(0))
      return this.#decline(client, message.xid, "OVERLOADED", "too much waits for confirmation");
    this.#live.heard(live, client, now);
    this.#confirmation.add({ kind: "keepAlive", client, xid: message.xid, seqno: message.session.seqno });
    return undefined;
  }

  onQuery(client: number, message: Query): void {
    if (!this.isTaking) return this.#decline(client, message.xid, "BUSY", "requests are not taken now");
    if (this.#isRoundFull(message.body.length))
      return this.#decline(client, message.xid, "OVERLOADED", "too much waits for confirmation");
    this.#confirmation.add({ kind: "query", client, xid: message.xid, body: message.body });
    return undefined;
  }

  /** A copy of the state begins where a query would be answered. */
  onCopy(client: number, { xid }: Copy): void {
    if (!this.isTaking) return this.#decline(client, xid, "BUSY", "requests are not taken now");
    if (this.#isRoundFull(0)) return this.#decline(client, xid, "OVERLOADED", "too much waits for confirmation");
    this.#confirmation.add({ kind: "copy", client, xid });
    return undefined;
  }

  onConfirmed(from: Identity, message: Confirmed): void {
    this.#keepAlive(this.#confirmation.onConfirmed(from, message));
  }

  /** Whether `flush` would do something. */
  get awaitsTurn(): boolean {
    return this.#confirmation.awaitsRound || this.#confirmation.readable !== undefined;
  }

  flush(now: number): void {
    if (!this.isTaking) return;
    this.#keepAlive(this.#confirmation.startRound(now));
    if (this.#confirmation.readable !== undefined) this.#replica.goOn();
  }

  tick(now: number): void {
    this.#refuseAll(this.#confirmation.tick(now));
    if (!this.isTaking) return;
    if (this.#live.mayBeOverdue(now)) this.#endSilent(now);
    this.#stampTick(now);
    this.#stampUpgrade(now);
  }

  /** The hands have time for the next slice. */
  continued(now: number): void {
    if (this.isTaking && this.#live.isLooking) this.#endSilent(now);
  }

  /** After an outage very many may be silent at once: a step looks at few, and ends fewer. */
  #endSilent(now: number): void {
    const slice = this.#replica.newSlice();
    do {
      const live = this.#live.nextOverdue(now);
      slice.add(0);
      if (live === undefined) continue;
      this.#replica.output.path("sessionExpired");
      this.#stampEnd(live, FELL_SILENT, now);
    } while (this.#live.isLooking && !slice.isFull);
    if (this.#live.isLooking) this.#replica.goOn();
  }

  /** An entry was committed and executed: its session or asker is told, and its notices go out. */
  onApplied(entry: Entry, applied: AppliedEntry, now: number): void {
    if (applied.duplicate) this.#replica.output.path("duplicateRecognised");
    if (entry.seqno > this.#leadership.start) this.#pendingBytes -= entry.bytes.length;
    switch (entry.kind) {
      case "command":
      case "skip":
        this.#reply(entry, applied);
        break;
      case "open":
        this.#opened(entry, now);
        break;
      case "end":
        this.#ended(entry);
        break;
      case "tick":
        break;
      case "upgrade":
        this.#leadership.upgrade.executed();
        break;
    }
    for (const notice of applied.notices) this.#notify(notice);
  }

  #reply(entry: Entry, { reply }: AppliedEntry): void {
    const client = this.#live.get(entry.session.seqno)?.client;
    if (client === undefined) return;
    const { session, number } = entry;
    if (reply !== undefined) this.#replica.output.answer(client, { type: "reply", session, number, body: reply });
    else if (this.#replica.state.sessions.get(session) === undefined) {
      this.#refuse(client, { session, number }, "SESSION_EXPIRED", "the session is over");
    }
  }

  #opened(entry: Entry, now: number): void {
    const session = this.#replica.state.sessions.get(entry);
    const asker = this.#takeAsker(entry);
    if (session === undefined || entry.seqno <= this.#leadership.start) return;
    this.#pendingOpens--;
    const live = this.#live.add(session, now);
    if (asker === undefined) return;
    this.#live.heard(live, asker.client, now);
    live.attachedTo = asker.client;
    const { opened, ttlMs } = session;
    this.#replica.output.answer(asker.client, { type: "opened", xid: asker.xid, session: opened, ttlMs });
  }

  #ended(entry: Entry): void {
    const asker = this.#takeAsker(entry);
    if (asker !== undefined) this.#replica.output.answer(asker.client, { type: "ended", xid: asker.xid });
    this.#live.remove(entry.session.seqno);
  }

  #takeAsker(entry: Viewstamp): Asker | undefined {
    const asker = this.#askers.get(entry.seqno);
    this.#askers.delete(entry.seqno);
    return asker;
  }

  #notify({ session, body }: Notice): void {
    const opened = parseSessionId(session);
    const client = opened === undefined ? undefined : this.#live.get(opened.seqno)?.client;
    if (opened === undefined || client === undefined) return;
    this.#replica.output.answer(client, { type: "notice", session: opened, body });
  }

  /** A step answers no more than it executes: many long answers are no long pause. */
  #answerReads(now: number): void {
    const slice = this.#replica.newSlice();
    for (let read = this.#confirmation.readable; read !== undefined; read = this.#confirmation.readable) {
      if (slice.isFull) return this.#replica.goOn();
      this.#confirmation.answered();
      slice.add(this.#answer(read, now));
    }
    return undefined;
  }

  /** At the present time, and not at that of the last entry, which may be long ago. Gives how many bytes the answer has. */
  #answer(read: Read, now: number): number {
    const { client, xid } = read;
    if (read.kind === "copy") {
      this.#copies.begin(client, xid);
      return 0;
    }
    const body = this.#replica.state.query(read.body, this.#replicatedTime(now));
    this.#replica.output.answer(client, { type: "answer", xid, body });
    return body.length;
  }

  #keepAlive(confirmed: readonly KeptAlive[]): void {
    for (const { client, xid, seqno } of confirmed) this.#keptAlive(client, xid, seqno);
  }

  #keptAlive(client: number, xid: number, seqno: number): undefined {
    const live = this.#live.get(seqno);
    if (live === undefined) return this.#decline(client, xid, "SESSION_EXPIRED", "the session is over");
    // Once the end is stamped, nothing more is confirmed for the session.
    if (live.ending) return this.#decline(client, xid, "BUSY", "the session is ending");
    const { output, state } = this.#replica;
    output.answer(client, { type: "keptAlive", xid });
    if (live.attachedTo === client) return undefined;
    live.attachedTo = client;
    const outstanding = state.machine.outstanding(live.session.id);
    if (outstanding.length > 0) output.path("noticesSentAgain");
    for (const body of outstanding) output.answer(client, { type: "notice", session: live.session.opened, body });
    return undefined;
  }

  #replyAgain(client: number, message: Request, session: Session): void {
    const body = session.replies.get(message.number);
    if (body === undefined) return this.#refuse(client, message, "INVALID", "its reply was acknowledged before");
    this.#replica.output.path("repliedAgain");
    const { number } = message;
    this.#replica.output.answer(client, { type: "reply", session: message.session, number, body });
    return undefined;
  }

  /** Opened in a view that this primary, deposed without knowing it, cannot know of. */
  #isFromLater(session: Viewstamp): boolean {
    return session.vid > this.#leadership.view.vid || session.seqno > this.#replica.applied;
  }

  #isRoundFull(bytes: number): boolean {
    const { maxPendingEntries, maxPendingBytes } = this.#replica.options;
    return this.#confirmation.size >= maxPendingEntries || this.#confirmation.bytes + bytes > maxPendingBytes;
  }

  #isFull(bytes: number): boolean {
    const { log, applied, options } = this.#replica;
    return log.end - applied >= options.maxPendingEntries || this.#pendingBytes + bytes > options.maxPendingBytes;
  }

  #stamp(
    kind: EntryKind,
    session: Viewstamp,
    request: Pick<Request, "number" | "acknowledgedThrough"> | undefined,
    body: Uint8Array,
    now: number,
  ): Entry {
    assert(!this.#leadership.admission.stopsStamping, "nothing is stamped during an admission");
    const entry = makeEntry({
      kind,
      vid: this.#leadership.view.vid,
      seqno: this.#replica.log.end + 1,
      time: this.#replicatedTime(now),
      session,
      number: request?.number ?? 0,
      acknowledgedThrough: request?.acknowledgedThrough ?? 0,
      body,
    });
    this.#pendingBytes += entry.bytes.length;
    this.#leadership.stamped(entry, now);
    return entry;
  }

  #stampEnd(live: LiveSession, how: Uint8Array, now: number): Entry {
    live.ending = true;
    return this.#stamp("end", live.session.opened, undefined, how, now);
  }

  #stampTick(now: number): void {
    const { state, applied } = this.#replica;
    const deadline = state.machine.nextDeadline();
    if (deadline === undefined || deadline > this.#replicatedTime(now) || this.#tickStamped > applied) return;
    this.#tickStamped = this.#stamp("tick", ORIGIN, undefined, EMPTY, now).seqno;
  }

  #stampUpgrade(now: number): void {
    const to = this.#leadership.upgrade.due;
    if (to === undefined) return;
    const { log } = this.#replica;
    this.#stamp("upgrade", ORIGIN, undefined, encodeUpgrade({ from: this.#replica.versionsAfter(log.end), to }), now);
  }

  /** The last applied time at activation plus monotonic time since: never a wall clock. */
  #replicatedTime(now: number): number {
    const time = Math.floor(this.#timeAtActivation + (now - this.#activatedAt));
    this.#lastTime = Math.max(this.#lastTime, time);
    return this.#lastTime;
  }

  #refuseAll(waiting: readonly Waiting[]): void {
    for (const { client, xid } of waiting) this.#decline(client, xid, "BUSY", "requests are not taken now");
  }

  /** Requests stamped and not committed are answered too: their outcome is not known yet. */
  #refuseStamped(): void {
    const { log, applied } = this.#replica;
    const first = Math.max(applied, this.#leadership.start);
    for (let seqno = first + 1; seqno <= log.end; seqno++) {
      const entry = log.entry(seqno);
      const client = this.#live.get(entry.session.seqno)?.client;
      if (client !== undefined && entry.number > 0) this.#refuse(client, entry, "BUSY", "not committed yet", true);
    }
    for (const { client, xid } of this.#askers.values()) this.#decline(client, xid, "BUSY", "not committed yet", true);
    this.#askers.clear();
  }

  #refuse(
    client: number,
    { session, number }: Pick<Request, "session" | "number">,
    code: RefusalCode,
    text: string,
    outcomeUnknown = false,
  ): undefined {
    this.#replica.output.answer(client, { type: "requestRefused", session, number, code, outcomeUnknown, text });
  }

  #decline(client: number, xid: number, code: RefusalCode, text: string, outcomeUnknown = false): undefined {
    this.#replica.output.answer(client, { type: "declined", xid, code, outcomeUnknown, text });
  }
}
