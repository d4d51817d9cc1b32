/**
 * How far one member or learner is, as its primary knows.
 * @module
 */
import type { MachineAbility } from "../protocol/machine.ts";
import type { Identity, Viewstamp } from "../protocol/view.ts";

/** The wait between two questions doubles this often at most. */
const MAX_DOUBLINGS = 6;

interface Sent {
  readonly seqno: number;
  readonly bytes: number;
}

/** A snapshot on its way to a learner. */
export interface Transfer {
  readonly at: Viewstamp;
  /** Chunks before this one have been asked for from storage. */
  requested: number;
  /** The learner has the chunks before this one. */
  wanted: number;
  progressAt: number;
  /** The connection over which it was asked for is gone. */
  broken: boolean;
  /** The learner had the chunks before this one, now or before its connection broke; since when. */
  furthest: number;
  furthestAt: number;
}

export class Progress {
  readonly who: Identity;
  readonly isLearner: boolean;
  /** The address a learner advertises. */
  url = "";
  /** What its program can run, said on this connection. */
  able: readonly MachineAbility[] | undefined;
  /** The end of the common part of both logs is known: entries flow. */
  located = false;
  /** How often it has been asked where it is since it last said so. */
  #asked = 0;
  /** Answers to earlier questions that may still come: they are older than what was sent since. */
  #stale = 0;
  /** Not to be asked again before this moment. */
  askAgainAt: number = Number.NEGATIVE_INFINITY;
  /** The next place to send. */
  next = 0;
  /** It has said where it is, and has not been sent anything since: one invoke is due, even an empty one. */
  owed = false;
  /** It holds the log through this place durably, compared equal with this primary's; -1 until it has said so. */
  acked = -1;
  commitSent = 0;
  heartbeatAt: number = Number.NEGATIVE_INFINITY;
  /** Since when it owes an answer without making progress, over this connection. */
  waitingSince: number | undefined;
  /** The same over connections that are gone: it may be what they carry that they die of. */
  owesSince: number | undefined;
  relocatedAt: number = Number.NEGATIVE_INFINITY;
  /** Since when there is no connection to it. */
  unlinkedSince: number | undefined;
  transfer: Transfer | undefined;
  failedAdmissions = 0;
  /** Not to be admitted before this moment. */
  notBefore = 0;
  #sent: Sent[] = [];
  #inFlightBytes = 0;

  constructor(who: Identity, isLearner: boolean) {
    this.who = who;
    this.isLearner = isLearner;
  }

  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /** Whether it makes what it is sent durable: nothing is due, or it made progress within `ms`. */
  isMoving(now: number, ms: number): boolean {
    return this.acked >= 0 && (this.waitingSince === undefined || now - this.waitingSince < ms);
  }

  /** It is asked where it is. Over a slow connection the answer takes long: then to ask often would be to send much twice. */
  asked(now: number, heartbeatMs: number): void {
    this.askAgainAt = now + heartbeatMs * 2 ** Math.min(this.#asked, MAX_DOUBLINGS);
    this.#asked++;
  }

  /** It says where it is; `false` if that is known better by now. */
  answered(): boolean {
    if (this.located && this.#stale > 0) {
      this.#stale--;
      return false;
    }
    this.#stale = Math.max(0, this.#asked - 1);
    this.#asked = 0;
    this.askAgainAt = Number.NEGATIVE_INFINITY;
    return true;
  }

  /** The connection is gone, or it said that it lacks `previous`: ask again where it is. */
  lose(): void {
    this.located = false;
    this.able = undefined;
    this.owesSince ??= this.waitingSince;
    this.waitingSince = undefined;
    if (this.transfer !== undefined) this.transfer.broken = true;
    this.#asked = 0;
    this.#stale = 0;
    this.askAgainAt = Number.NEGATIVE_INFINITY;
    this.#forgetSent();
  }

  /** Nothing moves though the connection stands: ask again where it is, still counting how long it has owed an answer. */
  relocate(now: number): void {
    this.located = false;
    this.relocatedAt = now;
    this.#forgetSent();
  }

  locate(next: number): void {
    this.located = true;
    this.next = next;
    this.owed = true;
    this.transfer = undefined;
    this.#forgetSent();
  }

  sent(seqno: number, bytes: number, now: number): void {
    this.next = seqno + 1;
    this.owed = false;
    this.#sent.push({ seqno, bytes });
    this.#inFlightBytes += bytes;
    this.waitingSince ??= now;
  }

  /** Whether it moved forward. */
  acknowledge(seqno: number, now: number): boolean {
    const moved = seqno > this.acked;
    if (moved) this.acked = seqno;
    let done = 0;
    for (const batch of this.#sent) {
      if (batch.seqno > seqno) break;
      this.#inFlightBytes -= batch.bytes;
      done++;
    }
    this.#sent.splice(0, done);
    const isDone = this.located && this.#sent.length === 0;
    if (isDone) this.waitingSince = undefined;
    else if (moved) this.waitingSince = now;
    if (isDone || moved) this.owesSince = undefined;
    return moved;
  }

  #forgetSent(): void {
    this.#sent = [];
    this.#inFlightBytes = 0;
  }
}
