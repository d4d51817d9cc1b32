/**
 * Requests that have no session to stand in: before the first, and between one that was lost and the next. They keep
 * the order in which they were made.
 * @module
 */
import { Backoff } from "../client/backoff.ts";
import type { ClientCore } from "../client/contract.ts";
import type { Timer } from "../protocol/environment.ts";
import { type Claims, closedError } from "./client-claims.ts";
import { isPassing } from "./client-outbox.ts";
import type { LockRequest } from "./client-request.ts";

export class Line {
  readonly #core: ClientCore;
  readonly #claims: Claims;
  readonly #backoff: Backoff;
  /** By place. */
  #waiting: LockRequest[] = [];
  #places = 0;
  #isOpening = false;
  #pause: Timer | undefined;
  #isClosed = false;
  #trouble: unknown;

  constructor(core: ClientCore, claims: Claims) {
    this.#core = core;
    this.#claims = claims;
    this.#backoff = new Backoff(core.environment);
  }

  /** Why no session could be opened lately. */
  get trouble(): unknown {
    return this.#trouble;
  }

  /** A new request: to the end. */
  join(request: LockRequest): void {
    request.place = this.#places++;
    this.rejoin(request);
  }

  /** One that has lost its claim: back to where it was among the others. */
  rejoin(request: LockRequest): void {
    if (this.#isClosed) {
      request.failed(closedError());
      return;
    }
    let index = this.#waiting.length;
    while (index > 0 && this.#waiting[index - 1]!.place > request.place) index--;
    this.#waiting.splice(index, 0, request);
    this.#advance();
  }

  leave(request: LockRequest): void {
    this.#waiting = this.#waiting.filter((other) => other !== request);
  }

  close(): void {
    this.#isClosed = true;
    this.#pause?.cancel();
    this.#failAll(closedError());
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
    for (const request of waiting) request.claim(session);
  }

  #openSession(): void {
    if (this.#isOpening) return;
    this.#isOpening = true;
    this.#core.openSession().then(
      () => {
        this.#isOpening = false;
        this.#trouble = undefined;
        this.#backoff.reset();
        this.#advance();
      },
      (error: unknown) => {
        this.#trouble = error;
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
