/**
 * How long to wait before trying again: the first retry is immediate, then longer each time, with seeded jitter.
 * @module
 */
import type { Environment, Timer } from "../protocol/environment.ts";

const LEAST_MS = 5;
const MOST_MS = 200;

export class Backoff {
  readonly #environment: Environment;
  #tries = 0;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** Something went well, or there is news: the next try need not wait. */
  reset(): void {
    this.#tries = 0;
  }

  tried(): void {
    this.#tries++;
  }

  /** How many milliseconds the next try waits, 0 for the first. Each call rolls the dice again. */
  delay(): number {
    if (this.#tries === 0) return 0;
    const full = Math.min(MOST_MS, LEAST_MS * 2 ** Math.min(this.#tries - 1, 10));
    return full * (0.5 + 0.5 * this.#environment.random());
  }
}

/** Holds everything back after a refusal, for as long as the back-off says. */
export class Hold {
  readonly #environment: Environment;
  readonly #over: () => void;
  readonly #backoff: Backoff;
  #held = false;
  #timer: Timer | undefined;

  constructor(environment: Environment, over: () => void) {
    this.#environment = environment;
    this.#over = over;
    this.#backoff = new Backoff(environment);
  }

  get isHeld(): boolean {
    return this.#held;
  }

  /** There was a refusal. Several in one turn count as one. */
  start(): void {
    if (this.#held) return;
    this.#held = true;
    const wait = this.#backoff.delay();
    this.#backoff.tried();
    if (wait === 0) this.#environment.endOfTurn(() => this.#end());
    else this.#timer = this.#environment.setTimer(wait, () => this.#end());
  }

  /** Ends it without a word. */
  lift(): void {
    this.#held = false;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** The last try went well. */
  progress(): void {
    this.#backoff.reset();
  }

  #end(): void {
    if (!this.#held) return;
    this.lift();
    this.#over();
  }
}
