/**
 * Waiting for a while, on the client's own clock, and what ends it.
 * @module
 */
import { offAbort, onAbort } from "../client/aborts.ts";
import type { Environment } from "../protocol/environment.ts";

/** Resolves after `ms` milliseconds, or when the signal aborts; never rejects and leaves nothing behind. */
export function pause(environment: Environment, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = environment.setTimer(ms, end);
    signal.addEventListener("abort", end);
  });
}

/** Aborts when the first of these does; `release` lets go of them. */
export function firstOf(signals: readonly (AbortSignal | undefined)[]): {
  readonly signal: AbortSignal;
  readonly abort: () => void;
  readonly release: () => void;
} {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const given = signals.filter((one) => one !== undefined);
  for (const one of given) onAbort(one, abort);
  if (given.some(({ aborted }) => aborted)) abort();
  const release = (): void => {
    for (const one of given) offAbort(one, abort);
  };
  return { signal: controller.signal, abort, release };
}
