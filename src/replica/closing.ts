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
}

/** Last words that are not taken by then are lost. */
const LEAVE_MS = 1_000;
/** The disk or the network may hang; nobody waits for them any longer. */
const CLOSE_MS = 3_000;

export function closeDown({ environment, leave, listener, store }: Closing, done: Done): void {
  let waiting = 2;
  let failure: Error | undefined;
  const finish = (): void => {
    waiting = 0;
    deadline.cancel();
    done(failure);
  };
  const deadline = environment.setTimer(CLOSE_MS, finish);
  const closed = (error?: Error): void => {
    failure ??= error;
    if (--waiting === 0) finish();
  };
  store(closed);
  let gone = false;
  const goneFrom = (): void => {
    if (gone) return;
    gone = true;
    patience.cancel();
    if (listener === undefined) closed();
    // An address that cannot be given up is no reason to go on.
    else
      listener.close().then(
        () => closed(),
        () => closed(),
      );
  };
  const patience = environment.setTimer(LEAVE_MS, goneFrom);
  leave(goneFrom);
}
