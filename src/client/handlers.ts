/**
 * Handlers that a user adds and removes at any time.
 * @module
 */
import type { Environment } from "../protocol/environment.ts";

export class Handlers<Arguments extends unknown[]> {
  readonly #environment: Environment;
  /** By a number of their own: the same function may be added twice. */
  readonly #all = new Map<number, (...values: Arguments) => void>();
  #next = 0;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** Returns the undo. */
  add(handler: (...values: Arguments) => void): () => void {
    const key = this.#next++;
    this.#all.set(key, handler);
    return () => {
      this.#all.delete(key);
    };
  }

  /**
   * Calls them in the order they were added. One that throws harms neither the client nor the others: its error surfaces
   * as an uncaught one after this turn, as with event listeners.
   */
  call(...values: Arguments): void {
    for (const handler of [...this.#all.values()]) {
      try {
        handler(...values);
      } catch (error) {
        this.#environment.endOfTurn(() => {
          throw error;
        });
      }
    }
  }
}
