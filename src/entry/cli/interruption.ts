/**
 * Work that leaves things half made is not just broken off by Ctrl-C: it is asked to end, and cleans up.
 * @module
 */
import { signalCode } from "./child.ts";
import { onEndSignal } from "./lock-options.ts";

/** A signal has asked the program to end. */
export class Interrupted extends Error {
  override readonly name: string = "Interrupted";
  /** As a shell gives it. */
  readonly code: number;

  constructor(signal: NodeJS.Signals) {
    super(`ended by ${signal}; nothing is left half made`);
    this.code = signalCode(signal);
  }
}

/** Calls back for the first signal; the second ends the process at once. Gives what undoes that. */
export function onInterruption(callback: (signal: NodeJS.Signals) => void): () => void {
  let isAsked = false;
  return onEndSignal((signal) => {
    if (isAsked) process.exit(signalCode(signal));
    isAsked = true;
    callback(signal);
  });
}

/**
 * The first signal aborts the work, with an `Interrupted`, and is all the same ignored if the work is complete by then; the
 * second ends the process at once.
 */
export async function interruptible<T>(work: (interrupted: AbortSignal) => Promise<T>): Promise<T> {
  const interruption = new AbortController();
  const stopWatching = onInterruption((signal) => interruption.abort(new Interrupted(signal)));
  try {
    return await work(interruption.signal);
  } finally {
    stopWatching();
  }
}
