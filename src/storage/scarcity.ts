/**
 * A process, or a system, that has as many files open as it may says nothing about the data by that: whoever wants to open one
 * more waits a while.
 * @module
 */
import type { Got } from "./disk.ts";

/** Between two attempts. */
export const AGAIN_MS = 100;
/** After so many more the error counts. */
export const PATIENCE = 100;

export function isScarce(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "EMFILE" || error.code === "ENFILE");
}

/** Attempts it, and again while files are scarce, for ten seconds at most. */
export function patiently<T>(attempt: (done: Got<T>) => void, done: Got<T>, left: number = PATIENCE): void {
  attempt((error, value) => {
    if (left === 0 || !isScarce(error)) done(error, value);
    else setTimeout(() => patiently(attempt, done, left - 1), AGAIN_MS);
  });
}
