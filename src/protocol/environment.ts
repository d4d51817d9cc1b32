/**
 * The outside of a replica or client beside transport and storage: clocks, timers and randomness. The real one is in
 * `src/entry`; the simulator has its own.
 * @module
 */

export interface Timer {
  cancel(): void;
}

export interface Environment {
  /** Monotonic time in milliseconds (fractions allowed) since any point. */
  now(): number;
  /** Wall-clock time in milliseconds since 1970; only ever used to notice that the machine was suspended. */
  wallNow(): number;
  /** Calls back once after `ms` milliseconds. `background`: does not keep the process alive. */
  setTimer(ms: number, callback: () => void, background?: boolean): Timer;
  /** Calls back at the end of this turn, once everything that arrived in it has been handled. */
  endOfTurn(callback: () => void): void;
  /** A random number in [0, 1). */
  random(): number;
  /** A random id of 16 lower-case hex digits, unguessable in the real environment. */
  randomId(): string;
}
