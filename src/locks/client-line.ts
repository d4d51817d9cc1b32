/**
 * The order of a client's requests, across names: each is decided or sent after all that were made before it. Here
 * stand those that have no session to claim in (before the first, and between one that was lost and the next), and
 * those that a kept lock is there for while earlier requests are still to be answered by the cluster.
 * @module
 */
import { Backoff } from "../client/backoff.ts";
import type { ClientCore } from "../client/contract.ts";
import type { Timer } from "../protocol/environment.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { SessionId } from "../protocol/session.ts";
import type { Cache } from "./client-cache.ts";
import type { Use } from "./client-claim.ts";
import type { Claims } from "./client-claims.ts";
import { closedError } from "./client-errors.ts";
import { isPassing } from "./client-outbox.ts";
import type { LineRequest } from "./client-request.ts";
import type { LockMode } from "./machine-state.ts";

export class Line {
  readonly #core: ClientCore;
  readonly #claims: Claims;
  readonly #cache: Cache;
  readonly #backoff: Backoff;
  /** By place. */
  #waiting: LineRequest[] = [];
  /** By name, those that wait here, for a kept lock, or at the cluster, and will not be told that it is not available. */
  readonly #lasting: Map<string, Set<LineRequest>> = new Map();
  #places = 0;
  /** Granted, and handed over in a turn to come. */
  #late = 0;
  #isOpening = false;
  #pause: Timer | undefined;
  #isClosed = false;
  #trouble: ViewstampError | undefined;

  constructor(core: ClientCore, claims: Claims, cache: Cache) {
    this.#core = core;
    this.#claims = claims;
    this.#cache = cache;
    this.#backoff = new Backoff(core.environment);
  }

  /** Why the cluster grants nothing now, if it is not because others hold. */
  get trouble(): ViewstampError | undefined {
    return this.#core.trouble ?? this.#trouble;
  }

  /** A use of a lock that is kept and free, if nobody stands before whoever asks. */
  take(name: string, mode: LockMode): Use | undefined {
    if (this.#waiting.length > 0 || this.#late > 0 || this.#claims.hasUnanswered) return undefined;
    return this.#cache.take(name, mode);
  }

  /** A new request: to the end. */
  join(request: LineRequest): void {
    request.place = this.#places++;
    request.after = this.#claims.newest;
    // Whoever has a signal may use it in the turn of the request, and no kept lock is faster than that.
    const isHeldBack = request.isRevocable || this.#cache.isLongTurn;
    // By its turn the use may be over: it would have what it could not have when it was made. To look is to look at the clock
    // anew: whether the turn is a long one has to be known before.
    request.isDeclined = request.isExcluded;
    if (request.isLasting) this.#begun(request);
    const isLocal = request.isDeclined || request.names.some((name) => this.#cache.has(name));
    if (isHeldBack && isLocal) this.#holdForTurn(request);
    this.rejoin(request);
  }

  /** Whether an earlier request that will have its lock, and has not yet, excludes this one. */
  isBarred(request: LineRequest): boolean {
    for (const name of request.names)
      for (const earlier of this.#lasting.get(name) ?? []) if (earlier.excludes(request)) return true;
    return false;
  }

  /** It has what it asked for, or will not get it. */
  ended(request: LineRequest): void {
    for (const name of request.names) {
      const lasting = this.#lasting.get(name);
      lasting?.delete(request);
      if (lasting?.size === 0) this.#lasting.delete(name);
    }
  }

  /** One that has lost its claim, or what it waited for: back to where it was among the others. */
  rejoin(request: LineRequest): void {
    if (request.isOver) return;
    if (this.#isClosed) {
      request.failed(closedError());
      return;
    }
    let index = this.#waiting.length;
    while (index > 0 && this.#waiting[index - 1]!.place > request.place) index--;
    this.#waiting.splice(index, 0, request);
    this.#advance();
  }

  leave(request: LineRequest): void {
    this.#waiting = this.#waiting.filter((other) => other !== request);
  }

  /** The cluster has answered a request: whoever stood behind it may go on. */
  answered(): void {
    const [first] = this.#waiting;
    if (first !== undefined && this.#isDue(first)) this.#advance();
  }

  /** What is handed over late has those that are granted after it wait, so that callbacks keep the order of grants. */
  handOver(isLate: boolean, give: () => void): void {
    if (!isLate && this.#late === 0) {
      give();
      return;
    }
    this.#late++;
    this.#core.environment.endOfTurn(() => {
      this.#late--;
      give();
    });
  }

  /** Tells whether anything that was asked for before this moment has not come before the cluster yet. */
  backlog(): () => boolean {
    const end = this.#places;
    const isUnanswered = this.#claims.backlog();
    return () => this.#waiting.some(({ place }) => place < end) || isUnanswered();
  }

  close(): void {
    this.#isClosed = true;
    this.#pause?.cancel();
    this.#failAll(closedError());
  }

  #begun(request: LineRequest): void {
    for (const name of request.names) {
      const lasting = this.#lasting.get(name) ?? new Set();
      this.#lasting.set(name, lasting.add(request));
    }
  }

  #holdForTurn(request: LineRequest): void {
    request.isFresh = true;
    this.#core.environment.endOfTurn(() => {
      request.isFresh = false;
      this.answered();
    });
  }

  #advance(): void {
    if (this.#waiting.length === 0) return;
    const { session } = this.#claims;
    if (session === undefined) {
      this.#openSession();
      return;
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#stay(this.#decide(waiting, session));
  }

  /** Sends what the cluster has to decide, decides what can be decided here; gives those whose turn has not come. */
  #decide(requests: readonly LineRequest[], session: SessionId): LineRequest[] {
    let staying: LineRequest[] = [];
    for (const request of requests) {
      if (request.isOver) continue;
      if (request.isDeclined || request.isDecidedHere()) {
        if (staying.length > 0 || !this.#isDue(request)) staying.push(request);
        else if (request.isDeclined) request.unavailable();
        else request.decideHere();
        continue;
      }
      // The lock is not kept any more: those of the same name that came before go before.
      const isBefore = (earlier: LineRequest): boolean =>
        !earlier.isDeclined && earlier.names.some((name) => request.names.includes(name));
      for (const earlier of staying) if (isBefore(earlier)) earlier.claim(session);
      staying = staying.filter((earlier) => !isBefore(earlier));
      request.claim(session);
    }
    return staying;
  }

  /** Whether all that were made before it are answered, and nobody can take it back in the same turn. */
  #isDue({ after, isFresh }: LineRequest): boolean {
    return !isFresh && !this.#claims.hasUnansweredUpTo(after);
  }

  #stay(requests: readonly LineRequest[]): void {
    if (requests.length === 0) return;
    // Meanwhile others may have come back, because the session was found to be over.
    this.#waiting = [...requests, ...this.#waiting].filter(({ isOver }) => !isOver).sort((a, b) => a.place - b.place);
    if (this.#waiting.length > 0 && this.#claims.session === undefined) this.#openSession();
  }

  #openSession(): void {
    if (this.#isOpening || this.#isClosed) return;
    this.#isOpening = true;
    this.#core.openSession().then(
      () => {
        this.#isOpening = false;
        this.#trouble = undefined;
        this.#backoff.reset();
        this.#advance();
      },
      (error: unknown) => {
        this.#trouble = error instanceof ViewstampError ? error : undefined;
        if (isPassing(error) && !this.#isClosed) {
          this.#openLater();
        } else {
          this.#isOpening = false;
          this.#failAll(error);
        }
      },
    );
  }

  /** A wait for a lock has no other limit than its own, so an attempt that ends without a session is repeated. */
  #openLater(): void {
    this.#backoff.tried();
    this.#pause = this.#core.environment.setTimer(this.#backoff.delay(), () => {
      this.#isOpening = false;
      this.#advance();
    });
  }

  #failAll(error: unknown): void {
    const failed = this.#waiting;
    this.#waiting = [];
    for (const request of failed) request.failed(error);
  }
}
