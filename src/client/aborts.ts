/**
 * Who is to be told when a signal aborts: many wait with one signal, which has one listener for all of them. Node takes more
 * than ten on one signal for a leak, and says so to whoever reads the log.
 * @module
 */

interface Waiting {
  /** In the order they came. */
  readonly told: Set<() => void>;
  readonly listener: () => void;
}

const waiting: WeakMap<AbortSignal, Waiting> = new WeakMap();

/** Has `tell` called once when the signal aborts; not if it is aborted already. */
export function onAbort(signal: AbortSignal, tell: () => void): void {
  let entry = waiting.get(signal);
  if (entry === undefined) {
    entry = newEntry(signal);
    waiting.set(signal, entry);
    signal.addEventListener("abort", entry.listener, { once: true });
  }
  entry.told.add(tell);
}

/** Takes that back; with the last one the signal is let go. */
export function offAbort(signal: AbortSignal, tell: () => void): void {
  const entry = waiting.get(signal);
  if (entry === undefined || !entry.told.delete(tell) || entry.told.size > 0) return;
  waiting.delete(signal);
  signal.removeEventListener("abort", entry.listener);
}

function newEntry(signal: AbortSignal): Waiting {
  const told = new Set<() => void>();
  const listener = (): void => {
    waiting.delete(signal);
    // As of event listeners: who was taken back by one that was told before is not told, and nobody who came since.
    for (const tell of [...told]) if (told.delete(tell)) tell();
  };
  return { told, listener };
}
