/**
 * Callbacks in order, without promises: a seeded simulator decides when each completes.
 * @module
 */
import type { Done } from "../protocol/storage.ts";
import type { Got } from "./disk.ts";

export type Step = (next: Done) => void;

/** One step after the other; the first error ends it. */
export function inTurn(steps: readonly Step[], done: Done): void {
  const run = (index: number): void => {
    const step = steps[index];
    if (step === undefined) done(undefined);
    else step((error) => (error === undefined ? run(index + 1) : done(error)));
  };
  run(0);
}

/** Hands the value to `use`, or the error to `done`. */
export function then<T>(done: Done, use: (value: T) => void): Got<T> {
  return (error, value) => {
    if (error === undefined) use(value as T);
    else done(error);
  };
}

/** What `run` throws, as an error. Only for code that calls nothing back. */
export function errorOf(run: () => void): Error | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
