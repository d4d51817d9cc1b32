/**
 * One request for a lock, from the call until it is granted or given up. It outlives sessions; its claims do not.
 * @module
 */
import { offAbort, onAbort } from "../client/aborts.ts";
import type { Environment, Timer } from "../protocol/environment.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { SessionId } from "../protocol/session.ts";
import type { Cache, Keeping, LocalWaiter } from "./client-cache.ts";
import type { Claim, Use } from "./client-claim.ts";
import type { Claims } from "./client-claims.ts";
import { titled } from "./client-errors.ts";
import type { Line } from "./client-line.ts";
import type { Terms, Wish } from "./client-options.ts";

/** How a request ends: one of the two is called, once. */
export interface Outcome<Given = Use> {
  /** At the moment of the grant, nothing comes in between. `undefined`: not available. */
  granted(given: Given | undefined): void;
  failed(error: unknown): void;
}

/** Where requests stand. */
export interface Desk {
  readonly environment: Environment;
  readonly line: Line;
  readonly cache: Cache;
  readonly claims: Claims;
}

/** What stands in a client's line: a request for one lock, or for several at once. */
export abstract class LineRequest {
  /** Among this client's requests, in the order they were made; given by the line. */
  place = 0;
  /** The newest claim that was made before it. */
  after = 0;
  /** It was made in this turn, and gets no kept lock before its end. */
  isFresh = false;
  /** It does not wait, and found what it asks for in use here when it was made: it is told so in its turn. */
  isDeclined = false;
  protected readonly desk: Desk;
  readonly #wish: Wish;
  readonly #since: number;
  readonly #timer: Timer | undefined;
  /** Granted, and not handed over yet. */
  #takeBack: (() => void) | undefined;
  /** Granted or given up. While a loss is being told, a listener may end a request that is about to be moved. */
  #isOver = false;

  constructor(wish: Wish, desk: Desk) {
    this.desk = desk;
    this.#wish = wish;
    this.#since = desk.environment.now();
    const { signal, timeoutMs } = wish;
    if (signal !== undefined) onAbort(signal, this.#aborted);
    if (timeoutMs !== undefined) this.#timer = desk.environment.setTimer(timeoutMs, () => this.#timedOut(timeoutMs));
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** It waits for as long as it takes, or robs: whoever comes after it finds the lock in use, or somebody in line. */
  get isLasting(): boolean {
    return this.how !== "ifAvailable";
  }

  /** Whether it does not wait, and what it asks for is in use here, or waited for. */
  get isExcluded(): boolean {
    if (this.isLasting) return false;
    const { cache, line } = this.desk;
    return this.names.some((name) => cache.isInUse(name, this.#wish.mode)) || line.isBarred(this);
  }

  /** Whether another that asks for the same cannot have it at the same time. */
  excludes(other: LineRequest): boolean {
    return this.#wish.mode === "exclusive" || other.#wish.mode === "exclusive";
  }

  /** Whoever made it may take it back. */
  get isRevocable(): boolean {
    return this.#wish.signal !== undefined;
  }

  /** What it asks for. */
  abstract get names(): readonly string[];
  /** What it does when it cannot have that at once. */
  protected abstract get how(): Terms["how"];
  /** Whether kept locks are there for it. If not, none of what it asks for is in service here afterwards. */
  abstract isDecidedHere(): boolean;
  /** Its turn has come, and kept locks are there for it. */
  abstract decideHere(): void;
  /** Its turn has come: it stands in line at the cluster now. */
  abstract claim(session: SessionId): void;
  abstract unavailable(): void;
  abstract failed(error: unknown): void;
  /** It waits nowhere any more. */
  protected abstract letGo(): void;

  /** For how long it has waited. */
  protected get ageMs(): number {
    return Math.max(0, this.desk.environment.now() - this.#since);
  }

  protected settle(): void {
    this.#isOver = true;
    this.desk.line.ended(this);
    this.#timer?.cancel();
    const { signal } = this.#wish;
    if (signal !== undefined) offAbort(signal, this.#aborted);
  }

  /**
   * It is granted: `give` hands over. A signal counts until then, which in the standard is never in the turn of the grant:
   * whoever gives a lock back, or has it together with this request, may abort it in that turn; then `takeBack` is called.
   */
  protected handOver(give: () => void, takeBack: () => void): void {
    const { signal } = this.#wish;
    this.settle();
    this.#takeBack = takeBack;
    if (signal?.aborted === true) {
      // The abort is being told, and whoever was told before this request has given the lock back.
      this.#aborted();
      return;
    }
    if (signal !== undefined) onAbort(signal, this.#aborted);
    this.desk.line.handOver(signal !== undefined, () => {
      if (this.#takeBack === undefined) return;
      this.#takeBack = undefined;
      this.settle();
      give();
    });
  }

  readonly #aborted = (): void => this.#giveUp(this.#wish.signal?.reason);

  #timedOut(timeoutMs: number): void {
    const cause = this.desk.line.trouble;
    const because = cause === undefined ? "" : `: ${cause.message}`;
    const why = `${titled(this.names)} was not granted within ${Math.round(timeoutMs)} ms${because}`;
    this.#giveUp(new ViewstampError("Timeout", why, cause === undefined ? {} : { cause }));
  }

  #giveUp(reason: unknown): void {
    this.settle();
    // It may be in more than one: sending a claim can be what finds that the session is over.
    this.desk.line.leave(this);
    this.letGo();
    this.#takeBack?.();
    this.#takeBack = undefined;
    this.failed(reason);
  }
}

/** A request for one lock. */
export class LockRequest extends LineRequest implements LocalWaiter {
  readonly terms: Terms;
  keeping: Keeping | undefined;
  readonly #outcome: Outcome;
  #claim: Claim | undefined;

  constructor(terms: Terms, desk: Desk, outcome: Outcome) {
    super(terms, desk);
    this.terms = terms;
    this.#outcome = outcome;
  }

  get names(): readonly string[] {
    return [this.terms.name];
  }

  protected get how(): Terms["how"] {
    return this.terms.how;
  }

  isDecidedHere(): boolean {
    return this.desk.cache.decides(this.terms);
  }

  decideHere(): void {
    this.desk.cache.join(this);
  }

  claim(session: SessionId): void {
    if (this.isOver) return;
    this.#claim = this.desk.claims.open(session, this.terms, this.ageMs, this);
  }

  /**
   * A signal counts until the lock is handed over, which in the standard is never in the turn of the grant: whoever gives
   * the lock back, or has it together with this request, may abort it in that turn.
   */
  granted(use: Use): void {
    const { maxHoldMs } = this.terms;
    if (maxHoldMs !== undefined) use.limit(maxHoldMs);
    this.handOver(
      () => this.#outcome.granted(use),
      () => void use.release(),
    );
  }

  unavailable(): void {
    this.settle();
    this.desk.line.handOver(false, () => this.#outcome.granted(undefined));
  }

  failed(error: unknown): void {
    this.settle();
    this.#outcome.failed(error);
  }

  again(): void {
    this.#claim = undefined;
    this.desk.line.rejoin(this);
  }

  protected letGo(): void {
    const { cache, claims } = this.desk;
    cache.leave(this);
    if (this.#claim !== undefined) claims.letGo(this.#claim);
  }
}
