/**
 * One request for a lock, from the call until it is granted or given up. It outlives sessions; its claims do not.
 * @module
 */
import type { Environment, Timer } from "../protocol/environment.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { SessionId } from "../protocol/session.ts";
import type { Cache, Keeping, LocalWaiter } from "./client-cache.ts";
import type { Claim, Use } from "./client-claim.ts";
import type { Claims } from "./client-claims.ts";
import { quoted } from "./client-errors.ts";
import type { Line } from "./client-line.ts";
import type { Terms } from "./client-options.ts";

/** How a request ends: one of the two is called, once. */
export interface Outcome {
  /** At the moment of the grant, nothing comes in between. `undefined`: not available. */
  granted(use: Use | undefined): void;
  failed(error: unknown): void;
}

/** Where requests stand. */
export interface Desk {
  readonly environment: Environment;
  readonly line: Line;
  readonly cache: Cache;
  readonly claims: Claims;
}

export class LockRequest implements LocalWaiter {
  readonly terms: Terms;
  /** Among this client's requests, in the order they were made; given by the line. */
  place = 0;
  /** The newest claim that was made before it. */
  after = 0;
  /** It was made in this turn, and gets no kept lock before its end. */
  isFresh = false;
  keeping: Keeping | undefined;
  readonly #desk: Desk;
  readonly #outcome: Outcome;
  readonly #since: number;
  readonly #timer: Timer | undefined;
  #claim: Claim | undefined;
  /** Granted or given up. While a loss is being told, a listener may end a request that is about to be moved. */
  #isOver = false;

  constructor(terms: Terms, desk: Desk, outcome: Outcome) {
    this.terms = terms;
    this.#desk = desk;
    this.#outcome = outcome;
    this.#since = desk.environment.now();
    const { signal, timeoutMs } = terms;
    signal?.addEventListener("abort", this.#aborted, { once: true });
    if (timeoutMs !== undefined) this.#timer = desk.environment.setTimer(timeoutMs, () => this.#timedOut(timeoutMs));
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Its turn has come: it stands in line at the cluster now. */
  claim(session: SessionId): void {
    if (this.#isOver) return;
    const { environment, claims } = this.#desk;
    const ageMs = Math.max(0, environment.now() - this.#since);
    this.#claim = claims.open(session, this.terms, ageMs, this);
  }

  granted(use: Use): void {
    this.#settle();
    this.#outcome.granted(use);
  }

  unavailable(): void {
    this.#settle();
    this.#outcome.granted(undefined);
  }

  failed(error: unknown): void {
    this.#settle();
    this.#outcome.failed(error);
  }

  again(): void {
    this.#claim = undefined;
    this.#desk.line.rejoin(this);
  }

  readonly #aborted = (): void => this.#giveUp(this.terms.signal?.reason);

  #timedOut(timeoutMs: number): void {
    const cause = this.#desk.line.trouble;
    const because = cause === undefined ? "" : `: ${cause.message}`;
    const why = `the lock ${quoted(this.terms.name)} was not granted within ${Math.round(timeoutMs)} ms${because}`;
    this.#giveUp(new ViewstampError("Timeout", why, cause === undefined ? {} : { cause }));
  }

  #giveUp(reason: unknown): void {
    this.#settle();
    // It may be in more than one: sending a claim can be what finds that the session is over.
    const { line, cache, claims } = this.#desk;
    line.leave(this);
    cache.leave(this);
    if (this.#claim !== undefined) claims.letGo(this.#claim);
    this.#outcome.failed(reason);
  }

  #settle(): void {
    this.#isOver = true;
    this.#timer?.cancel();
    this.terms.signal?.removeEventListener("abort", this.#aborted);
  }
}
