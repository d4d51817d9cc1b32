/**
 * One request for a lock, from the call until it is granted or given up. It outlives sessions; its claims do not.
 * @module
 */
import type { Environment, Timer } from "../protocol/environment.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { SessionId } from "../protocol/session.ts";
import { type Claim, type Claims, type ClaimWaiter, quoted } from "./client-claims.ts";
import type { Line } from "./client-line.ts";
import type { Terms } from "./client-options.ts";

/** How a request ends: one of the two is called, once. */
export interface Outcome {
  /** At the moment of the grant, nothing comes in between. `undefined`: not available. */
  granted(claim: Claim | undefined): void;
  failed(error: unknown): void;
}

export class LockRequest implements ClaimWaiter {
  readonly terms: Terms;
  /** Among this client's requests, in the order they were made; given by the line. */
  place = 0;
  readonly #claims: Claims;
  readonly #line: Line;
  readonly #outcome: Outcome;
  readonly #timer: Timer | undefined;
  #claim: Claim | undefined;
  /** Granted or given up. While a loss is being told, a listener may end a request that is about to be moved. */
  #isOver = false;

  constructor(terms: Terms, claims: Claims, line: Line, environment: Environment, outcome: Outcome) {
    this.terms = terms;
    this.#claims = claims;
    this.#line = line;
    this.#outcome = outcome;
    const { signal, timeoutMs } = terms;
    signal?.addEventListener("abort", this.#aborted, { once: true });
    if (timeoutMs !== undefined) this.#timer = environment.setTimer(timeoutMs, () => this.#timedOut(timeoutMs));
  }

  /** Its turn has come: it stands in line at the cluster now. */
  claim(session: SessionId): void {
    if (this.#isOver) return;
    this.#claim = this.#claims.open(session, this.terms, this);
  }

  granted(claim: Claim): void {
    this.#settle();
    this.#outcome.granted(claim);
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
    this.#line.rejoin(this);
  }

  readonly #aborted = (): void => this.#giveUp(this.terms.signal?.reason);

  #timedOut(timeoutMs: number): void {
    const cause = this.#claim === undefined ? this.#line.trouble : undefined;
    const why = `the lock ${quoted(this.terms.name)} was not granted within ${timeoutMs} ms`;
    this.#giveUp(new ViewstampError("Timeout", why, cause === undefined ? {} : { cause }));
  }

  #giveUp(reason: unknown): void {
    // It may be in either: sending a claim can be what finds that the session is over.
    this.#line.leave(this);
    if (this.#claim !== undefined) void this.#claims.letGo(this.#claim);
    this.failed(reason);
  }

  #settle(): void {
    this.#isOver = true;
    this.#timer?.cancel();
    this.terms.signal?.removeEventListener("abort", this.#aborted);
  }
}
