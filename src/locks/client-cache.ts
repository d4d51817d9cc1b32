/**
 * The locks that a client keeps after use (design.md 4.8): hands them out without a message, and gives them back when
 * others want them, when they are idle for too long, or when there are too many.
 * @module
 */
import type { Environment, Timer } from "../protocol/environment.ts";
import type { Claim, ClaimWaiter, Use } from "./client-claim.ts";
import type { Claims } from "./client-claims.ts";
import { crowdedError } from "./client-errors.ts";
import type { GroupTerms, Terms } from "./client-options.ts";
import { MAX_REQUESTS_PER_SESSION } from "./machine-grants.ts";
import type { LockMode } from "./machine-state.ts";

/** A kept lock in service, and those of this client that wait for it: they need no server for that. */
export interface Keeping {
  readonly claim: Claim;
  waiting: LocalWaiter[];
  /** In which round of the idle clock it was used last. */
  usedIn: number;
  /** More tokens are on their way. */
  isRefilling: boolean;
}

/** A request that can wait for a kept lock. */
export interface LocalWaiter extends ClaimWaiter {
  readonly terms: Terms;
  /** Where it waits. */
  keeping: Keeping | undefined;
}

export interface CacheLimits {
  readonly size: number;
  readonly idleMs: number;
}

/** The idle clock goes round so often in `idleMs`. */
const ROUNDS = 4;
/**
 * Both clocks of a session are looked at so often within a turn, and in each turn; in between only the monotonic one.
 * Whoever holds a lock and asks has both looked at.
 */
const CHECK_EVERY_MS = 1;

export class Cache {
  readonly #environment: Environment;
  readonly #claims: Claims;
  readonly #limits: CacheLimits;
  readonly #keepings: Map<string, Keeping> = new Map();
  /** The one that was taken last, if it is still there: who takes a lock often takes the same one again. */
  #recent: Keeping | undefined;
  /** Until then the session of all that is kept can be relied on without a closer look. */
  #trustedUntil = Number.NEGATIVE_INFINITY;
  /** The turn in which a closer look was taken has not ended. */
  #isInTurn = false;
  /** It has gone on until the next one was due. */
  #isLongTurn = false;
  #round = 0;
  #timer: Timer | undefined;

  constructor(environment: Environment, claims: Claims, limits: CacheLimits) {
    this.#environment = environment;
    this.#claims = claims;
    this.#limits = limits;
  }

  /** Whether the lock is in service here. */
  has(name: string): boolean {
    return this.#keepings.has(name);
  }

  /**
   * This turn has lasted for a while. A task that does nothing but take locks and give them back, or try to, would not let
   * it end: no revoke would be heard, no keep-alive sent. The next request waits for its end. Looks at the clock.
   */
  get isLongTurn(): boolean {
    if (this.#environment.now() >= this.#trustedUntil) this.#isNewTurn();
    return this.#isLongTurn;
  }

  /** A use of a lock that is kept and free; most locks are taken here. */
  take(name: string, mode: LockMode): Use | undefined {
    const keeping = this.#recent?.claim.name === name ? this.#recent : this.#keepings.get(name);
    if (keeping === undefined || !isFree(keeping.claim, mode)) return undefined;
    this.#recent = keeping;
    const now = this.#environment.now();
    const isSure = now < this.#trustedUntil || (this.#isNewTurn() && this.#isTrusted(keeping));
    return isSure ? this.#use(keeping, mode, now) : undefined;
  }

  /** Whether a use of the lock here, or somebody who waits for its end, excludes another one. */
  isInUse(name: string, mode: LockMode): boolean {
    const keeping = this.#keepings.get(name);
    if (keeping === undefined) return false;
    const isExcluded = keeping.waiting.length > 0 || !isCompatible(keeping.claim.uses, mode);
    return isExcluded && this.#isTrusted(keeping);
  }

  /**
   * Whether the request is to be decided here, by `join`. If not, the lock is not in service afterwards, so that what
   * the request is told and what is handed out here cannot contradict each other.
   */
  decides({ name, mode, how, lockDelayMs }: Terms): boolean {
    const keeping = this.#keepings.get(name);
    if (keeping === undefined) return false;
    const { claim } = keeping;
    const isEnough = how !== "steal" && lockDelayMs === 0 && (claim.mode === "exclusive" || mode === "shared");
    if (isEnough && hasTokens(claim) && this.#isTrusted(keeping)) return true;
    this.withdraw(keeping);
    return false;
  }

  /** Whether all of these locks are kept, and free. */
  areFree({ names, mode, lockDelayMs }: GroupTerms): boolean {
    if (lockDelayMs > 0) return false;
    return names.every((name) => {
      const keeping = this.#keepings.get(name);
      if (keeping === undefined || keeping.waiting.length > 0) return false;
      return isFree(keeping.claim, mode) && this.#isTrusted(keeping);
    });
  }

  /** A use of each, or of none if they are not all there any more. */
  takeAll(terms: GroupTerms): Use[] | undefined {
    if (!this.areFree(terms)) return undefined;
    const now = this.#environment.now();
    return terms.names.map((name) => this.#use(this.#keepings.get(name) as Keeping, terms.mode, now));
  }

  /** Hands none of these out any more. */
  withdrawAll(names: readonly string[]): void {
    for (const name of names) {
      const keeping = this.#keepings.get(name);
      if (keeping !== undefined) this.withdraw(keeping);
    }
  }

  /** Decides a request: it has the lock now, or when those before it are done, or not at all. */
  join(request: LocalWaiter): void {
    const { name, mode, how } = request.terms;
    const keeping = this.#keepings.get(name);
    if (keeping === undefined) {
      request.again();
      return;
    }
    const { claim, waiting } = keeping;
    const fits = waiting.length === 0 && isCompatible(claim.uses, mode);
    if (fits) request.granted(this.#use(keeping, mode, this.#environment.now()));
    else if (how === "ifAvailable") request.unavailable();
    else if (waiting.length + claim.uses.length >= MAX_REQUESTS_PER_SESSION) request.failed(crowdedError());
    else {
      request.keeping = keeping;
      waiting.push(request);
      this.#standInLine(keeping);
    }
  }

  /** It waits no more, and lets in who stood behind it. */
  leave(request: LocalWaiter): void {
    const { keeping } = request;
    if (keeping === undefined) return;
    request.keeping = undefined;
    keeping.waiting = keeping.waiting.filter((other) => other !== request);
    this.#letIn(keeping);
  }

  /** The cluster leaves this lock to us. */
  keep(claim: Claim): void {
    if (this.#keepings.has(claim.name)) return;
    if (this.#keepings.size >= this.#limits.size && !this.evict()) return;
    const keeping: Keeping = { claim, waiting: [], usedIn: this.#round, isRefilling: false };
    claim.keeping = keeping;
    this.#keepings.set(claim.name, keeping);
    this.#timer ??= this.#nextRound();
  }

  /** One use has ended: the next one's turn, or it is free. */
  freed(keeping: Keeping): void {
    if (keeping.waiting.length > 0) this.#letIn(keeping);
    const { claim } = keeping;
    if (claim.uses.length > 0 || claim.keeping !== keeping) return;
    claim.state = "free";
    keeping.usedIn = this.#round;
  }

  /** Hands it out no more: it goes back after the uses it has, and those that wait for it go to the cluster. */
  withdraw(keeping: Keeping): void {
    const { claim, waiting } = keeping;
    if (claim.keeping !== keeping) return;
    this.#remove(keeping);
    this.#claims.giveUp(claim);
    for (const request of waiting) {
      request.keeping = undefined;
      request.again();
    }
  }

  /** The session is over; gives who waited. */
  clear(): LocalWaiter[] {
    const keepings = [...this.#keepings.values()];
    this.#trustedUntil = Number.NEGATIVE_INFINITY;
    for (const keeping of keepings) this.#remove(keeping);
    const waiting = keepings.flatMap((keeping) => keeping.waiting);
    for (const request of waiting) request.keeping = undefined;
    return waiting;
  }

  /**
   * Beside shared uses the cluster lets in those of other clients; they must not overtake a request that waits for the end
   * of these uses. So it does not wait here.
   */
  #standInLine(keeping: Keeping): void {
    if (keeping.claim.uses[0]?.mode === "shared") this.withdraw(keeping);
  }

  #use(keeping: Keeping, mode: LockMode, now: number): Use {
    const { claim } = keeping;
    if (claim.taken > claim.keep / 2 && !keeping.isRefilling) this.#refill(keeping);
    return this.#claims.use(claim, mode, now);
  }

  #refill(keeping: Keeping): void {
    keeping.isRefilling = true;
    this.#claims.refill(keeping.claim, () => {
      keeping.isRefilling = false;
    });
  }

  #letIn(keeping: Keeping): void {
    const { claim } = keeping;
    for (let [next] = keeping.waiting; next !== undefined; [next] = keeping.waiting) {
      if (!isCompatible(claim.uses, next.terms.mode)) {
        this.#standInLine(keeping);
        return;
      }
      if (!hasTokens(claim) || !this.#isTrusted(keeping)) {
        this.withdraw(keeping);
        return;
      }
      keeping.waiting.shift();
      next.keeping = undefined;
      next.granted(this.#use(keeping, next.terms.mode, this.#environment.now()));
    }
  }

  /** Whether the turn of the last closer look is over. */
  #isNewTurn(): boolean {
    this.#isLongTurn = this.#isInTurn;
    if (this.#isInTurn) return false;
    this.#isInTurn = true;
    this.#environment.endOfTurn(() => {
      this.#isInTurn = false;
      this.#isLongTurn = false;
      // Whatever comes next may come after a sleep of the whole machine.
      this.#trustedUntil = Number.NEGATIVE_INFINITY;
    });
    return true;
  }

  /** Looks at the clocks, which may end the session and clear everything here. */
  #isTrusted({ claim }: Keeping): boolean {
    const until = this.#claims.trustedUntil(claim);
    const now = this.#environment.now();
    // Whoever looks again before that does not put off the moment at which the turn is a long one.
    const isDue = now >= this.#trustedUntil;
    if (this.#isInTurn && isDue) this.#trustedUntil = Math.min(until, now + CHECK_EVERY_MS);
    return now < until && claim.keeping !== undefined;
  }

  /** Makes room, at the cost of who was idle longest; `false`: all that is kept is in use. */
  evict(): boolean {
    let oldest: Keeping | undefined;
    for (const keeping of this.#keepings.values()) {
      const isIdle = keeping.claim.uses.length === 0;
      if (isIdle && (oldest === undefined || keeping.usedIn < oldest.usedIn)) oldest = keeping;
    }
    if (oldest !== undefined) this.withdraw(oldest);
    return oldest !== undefined;
  }

  #nextRound(): Timer {
    return this.#environment.setTimer(this.#limits.idleMs / ROUNDS, () => this.#roundIsOver(), true);
  }

  /** A lock that was in use in none of the last rounds goes back. */
  #roundIsOver(): void {
    this.#timer = undefined;
    this.#round++;
    for (const keeping of [...this.#keepings.values()]) {
      const isIdle = keeping.claim.uses.length === 0 && this.#round - keeping.usedIn > ROUNDS;
      if (isIdle) this.withdraw(keeping);
    }
    if (this.#keepings.size > 0) this.#timer ??= this.#nextRound();
  }

  #remove(keeping: Keeping): void {
    keeping.claim.keeping = undefined;
    this.#keepings.delete(keeping.claim.name);
    if (this.#recent === keeping) this.#recent = undefined;
    if (this.#keepings.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}

function isFree(claim: Claim, mode: LockMode): boolean {
  const isEnough = claim.mode === "exclusive" || mode === "shared";
  return claim.uses.length === 0 && hasTokens(claim) && isEnough;
}

function hasTokens({ taken, keep }: Claim): boolean {
  return taken < keep;
}

function isCompatible(uses: readonly Use[], mode: LockMode): boolean {
  return uses.length === 0 || (mode === "shared" && uses[0]?.mode === "shared");
}
