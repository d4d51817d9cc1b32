/**
 * How long a client may believe in what the cluster keeps for it for a time, its session above all: always less long than the
 * cluster keeps it (design.md 4.7).
 * @module
 */
import type { Environment } from "../protocol/environment.ts";

/** Clocks are read one after the other and to the millisecond: no more than that is sleep, or a clock that was set. */
const LEAST_MS = 2;

/**
 * The monotonic clock made whole: on a machine that is suspended it may stand still, and then the wall clock has run ahead of
 * it. A wall clock that is set back hides no sleep of before or after, as long as the clock is looked at in between.
 */
export class WakefulClock {
  readonly #environment: Environment;
  /** By so much the wall clock was ahead when it was last found to have moved by itself. */
  #ahead: number;
  #asleep = 0;

  constructor(environment: Environment) {
    this.#environment = environment;
    this.#ahead = environment.wallNow() - environment.now();
  }

  /** Now, or a little earlier: what is not surely sleep does not count. */
  earliest(): number {
    const now = this.#environment.now();
    this.#look(now);
    return now + this.#asleep;
  }

  /** Now, or a little later: what may be sleep counts. */
  latest(): number {
    const now = this.#environment.now();
    return now + Math.max(0, this.#look(now)) + this.#asleep;
  }

  /** A moment of this clock as `environment.now()` will show it, if the machine does not sleep before. */
  shown(moment: number): number {
    return moment - this.#asleep;
  }

  /** How far the wall clock has moved by itself, less than counts. */
  #look(now: number): number {
    const ahead = this.#environment.wallNow() - now;
    const moved = ahead - this.#ahead;
    if (Math.abs(moved) < LEAST_MS) return moved;
    this.#ahead = ahead;
    this.#asleep += Math.max(0, moved);
    return 0;
  }
}

export class Trust {
  readonly #clock: WakefulClock;
  readonly #ttlMs: number;
  #until: number;

  constructor(clock: WakefulClock, ttlMs: number, opening: number, driftPercent: number) {
    this.#clock = clock;
    this.#ttlMs = ttlMs;
    this.#until = opening + this.#shortened(driftPercent);
  }

  /** Until this moment (`environment.now()`) the cluster cannot have ended it. */
  get until(): number {
    return this.#clock.shown(this.#until);
  }

  /** The cluster has confirmed it after `sent`: the moment *before* the question left, not the answer's. */
  confirm(sent: number, driftPercent: number): void {
    this.#until = Math.max(this.#until, sent + this.#shortened(driftPercent));
  }

  isOver(): boolean {
    return this.#clock.latest() >= this.#until;
  }

  #shortened(driftPercent: number): number {
    return this.#ttlMs * (1 - driftPercent / 100);
  }
}
