/**
 * Monotonic time less this process's own pauses: a gap without any event means that this process was paused, not that
 * everybody else was silent.
 * @module
 */

export class AwakeClock {
  readonly #tickMs: number;
  readonly #longestGapMs: number;
  #steppedAt: number;
  #pausedMs = 0;

  constructor(now: number, tickMs: number, longestGapMs: number) {
    this.#steppedAt = now;
    this.#tickMs = tickMs;
    this.#longestGapMs = longestGapMs;
  }

  /** An event happens at `now`: gives its awake time. */
  at(now: number): number {
    const gap = now - this.#steppedAt;
    this.#steppedAt = now;
    if (gap > this.#longestGapMs) this.#pausedMs += gap - this.#tickMs;
    return now - this.#pausedMs;
  }
}
