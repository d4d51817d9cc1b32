/**
 * One session: opening it, keeping it alive, and how long to believe in it (design.md 4.7).
 * @module
 */
import type { KeepAlive, Open } from "../protocol/client-messages.ts";
import type { Environment } from "../protocol/environment.ts";
import { sessionIdOf } from "../protocol/session.ts";
import type { Viewstamp } from "../protocol/view.ts";
import type { LiveSession } from "./contract.ts";
import { Requests } from "./requests.ts";
import { Trust, WakefulClock } from "./trust.ts";

/** Keep-alives leave at least so often in a TTL: two may be lost. */
const KEEP_ALIVES_PER_TTL = 3;

class Live implements LiveSession {
  readonly id: string;
  readonly ttlMs: number;
  readonly at: Viewstamp;
  readonly trust: Trust;
  readonly driftPercent: number;

  constructor(at: Viewstamp, ttlMs: number, trust: Trust, driftPercent: number) {
    this.id = sessionIdOf(at);
    this.at = at;
    this.ttlMs = ttlMs;
    this.trust = trust;
    this.driftPercent = driftPercent;
  }

  get trustedUntil(): number {
    return this.trust.until;
  }
}

export class Session {
  readonly requests: Requests = new Requests();
  readonly #environment: Environment;
  readonly #clock: WakefulClock;
  readonly #ttlMs: number;
  #live: Live | undefined;
  /** The open or keep-alive under way, and the moment before it left. */
  #asked: { readonly xid: number; readonly sent: number } | undefined;
  /** An open or keep-alive is to be sent as soon as possible. */
  #due = true;
  #nextKeepAliveAt = 0;

  constructor(environment: Environment, ttlMs: number) {
    this.#environment = environment;
    this.#clock = new WakefulClock(environment);
    this.#ttlMs = ttlMs;
  }

  get live(): LiveSession | undefined {
    return this.#live;
  }

  /** Its id on the wire, once it is open. */
  get at(): Viewstamp | undefined {
    return this.#live?.at;
  }

  /** How many of its messages are sent on this connection and unanswered. */
  get inFlight(): number {
    return this.requests.inFlight + (this.#asked === undefined ? 0 : 1);
  }

  /** Whether what it holds may be given to others by now. */
  get isOver(): boolean {
    return this.#live?.trust.isOver() ?? false;
  }

  /** When to look at it again: a keep-alive is due, or it is over. `undefined` before it is open. */
  get wakeAt(): number | undefined {
    if (this.#live === undefined) return undefined;
    const { until } = this.#live.trust;
    return this.#due ? until : Math.min(until, this.#nextKeepAliveAt);
  }

  wake(): void {
    if (this.#live !== undefined && this.#environment.now() >= this.#nextKeepAliveAt) this.#due = true;
  }

  /** The open or keep-alive to send now, if one is due and none is under way. */
  ask(nextXid: () => number): Open | KeepAlive | undefined {
    if (!this.#due || this.#asked !== undefined) return undefined;
    const xid = nextXid();
    this.#asked = { xid, sent: this.#clock.earliest() };
    this.#due = false;
    if (this.#live === undefined) return { type: "open", xid, ttlMs: this.#ttlMs };
    this.#nextKeepAliveAt = this.#environment.now() + this.#live.ttlMs / KEEP_ALIVES_PER_TTL;
    return { type: "keepAlive", xid, session: this.#live.at };
  }

  isAsking(xid: number): boolean {
    return this.#asked?.xid === xid;
  }

  /** It is open, unless that took so long that it may be over already: then another one is to be opened. */
  opened(at: Viewstamp, ttlMs: number, driftPercent: number): void {
    const { sent } = this.#asked as { sent: number };
    this.#asked = undefined;
    this.#due = true;
    const trust = new Trust(this.#clock, ttlMs, sent, driftPercent);
    if (!trust.isOver()) this.#live = new Live(at, ttlMs, trust, driftPercent);
  }

  keptAlive(driftPercent: number): void {
    const { sent } = this.#asked as { sent: number };
    this.#asked = undefined;
    this.#live?.trust.confirm(sent, driftPercent);
  }

  /** The primary may have forgotten this connection: it is attached anew for notices. */
  attachAgain(): void {
    this.#due = true;
  }

  /** The open or keep-alive was refused. */
  askAgain(): void {
    this.#asked = undefined;
    this.#due = true;
  }

  /** The connection is gone. */
  resendAll(): void {
    this.askAgain();
    this.requests.resendAll();
  }
}
