/**
 * The end of a life: connections, then the address, and the storage beside them. Nothing of it may hang.
 * @module
 */
import type { Environment } from "../protocol/environment.ts";
import type { Done } from "../protocol/storage.ts";
import type { Listener } from "../protocol/transport.ts";

export interface Closing {
  readonly environment: Environment;
  /** Ends the connections; calls back when all have ended. */
  readonly leave: (left: () => void) => void;
  readonly listener: Listener | undefined;
  /** Closes the storage, or sets it aside. */
  readonly store: (done: Done) => void;
  /** Whoever comes next goes on with the same storage: that is not over before the storage is. */
  readonly waitsForStore: boolean;
}

/** Last words that are not taken by then are lost. */
const LEAVE_MS = 1_000;
/** The disk or the network may hang; nobody waits for them any longer. */
const CLOSE_MS = 3_000;

/** Gives what is to be called if there is no time any more to wait for the storage. */
export function closeDown({ environment, leave, listener, store, waitsForStore }: Closing, done: Done): () => void {
  let failure: Error | undefined;
  let mustWait = waitsForStore;
  let isStored = false;
  let isGone = false;
  let isLate = false;
  let isOver = false;
  const look = (): void => {
    if (isOver || !(isStored ? isGone || isLate : isLate && !mustWait)) return;
    isOver = true;
    deadline.cancel();
    done(failure);
  };
  const deadline = environment.setTimer(CLOSE_MS, () => {
    isLate = true;
    look();
  });
  store((error) => {
    failure = error;
    isStored = true;
    look();
  });
  const closed = (): void => {
    isGone = true;
    look();
  };
  let left = false;
  const goneFrom = (): void => {
    if (left) return;
    left = true;
    patience.cancel();
    // An address that cannot be given up is no reason to go on.
    if (listener === undefined) closed();
    else listener.close().then(closed, closed);
  };
  const patience = environment.setTimer(LEAVE_MS, goneFrom);
  leave(goneFrom);
  return () => {
    mustWait = false;
    look();
  };
}
