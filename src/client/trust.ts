/**
 * How long a client may believe in its session: always less long than the cluster keeps it (design.md 4.7).
 * @module
 */
import type { Environment } from "../protocol/environment.ts";

/** A moment on both clocks. */
export interface Moment {
  readonly now: number;
  readonly wallNow: number;
}

export function momentOf(environment: Environment): Moment {
  return { now: environment.now(), wallNow: environment.wallNow() };
}

export class Trust {
  readonly #environment: Environment;
  readonly #ttlMs: number;
  /** Before what the cluster confirmed last was sent. */
  #since: Moment;
  #until: number;

  constructor(environment: Environment, ttlMs: number, opening: Moment, driftPercent: number) {
    this.#environment = environment;
    this.#ttlMs = ttlMs;
    this.#since = opening;
    this.#until = opening.now + this.#shortened(driftPercent);
  }

  /** Until this moment (`environment.now()`) the cluster cannot have ended the session. */
  get until(): number {
    return this.#until;
  }

  /** The cluster has confirmed the session after `sent`: the moment *before* the question left, not the answer's. */
  confirm(sent: Moment, driftPercent: number): void {
    const until = sent.now + this.#shortened(driftPercent);
    if (until <= this.#until) return;
    this.#since = sent;
    this.#until = until;
  }

  /** A machine that was suspended may have a monotonic clock that stood still: the wall clock tells. */
  isOver(): boolean {
    const { now, wallNow } = momentOf(this.#environment);
    const asleep = wallNow - this.#since.wallNow - (now - this.#since.now);
    return now + Math.max(0, asleep) >= this.#until;
  }

  #shortened(driftPercent: number): number {
    return this.#ttlMs * (1 - driftPercent / 100);
  }
}
