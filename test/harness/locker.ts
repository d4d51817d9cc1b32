// A lock client as a process of its own, for tests: it is told what to do on stdin, and can be killed or stood still. It
// ends when its stdin does: it must not outlive the test.
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { type AcquiredLock, type ClusterLocks, connectLocks } from "../../src/entry/locks.ts";
import type { Transport } from "../../src/protocol/transport.ts";
import { webSocket } from "../../transports/websocket.ts";
import type { Fact } from "./control.ts";
import type { LockerOrder, NumberedLockerOrder } from "./locker-process.ts";

/** This often it works under its lock. */
const WORK_MS = 20;
/** Whoever has not been here for so long has stood still. */
const STOOD_STILL_MS = 1_000;

class Locker {
  #locks: ClusterLocks | undefined;
  #lock: AcquiredLock | undefined;
  #signal: AbortSignal | undefined;
  #wasHereAt = 0;

  async obey(order: LockerOrder): Promise<Partial<Fact>> {
    if (order.do === "connect") {
      const { cluster, cache, sessionTtlMs } = order;
      this.#locks = await connectLocks({ cluster, cache, sessionTtlMs, transport: this.#watched(webSocket()) });
      return {};
    }
    if (order.do === "release") {
      await this.#lock?.release();
      return {};
    }
    this.#lock = await this.#locks!.acquire(order.name);
    this.#signal = this.#lock.signal;
    this.#wasHereAt = performance.now();
    setInterval(() => this.#work(this.#lock as AcquiredLock), WORK_MS);
    return { token: String(this.#lock.token) };
  }

  /** Looks whether it still has the lock before it does anything under it. */
  #work(lock: AcquiredLock): void {
    const stoodStill = this.#comes();
    let isHeld = true;
    try {
      lock.assertHeld();
    } catch {
      isHeld = false;
    }
    if (stoodStill) tell({ event: "woke", first: "its own work", isHeld, isAborted: lock.signal.aborted });
    else if (isHeld) tell({ event: "works", token: String(lock.token) });
  }

  /** What the library says first after a pause, and whether the holder was told by then. */
  #watched(inner: Transport): Transport {
    return {
      dial: (url, handler) => {
        const connection = inner.dial(url, handler);
        const send = connection.send.bind(connection);
        connection.send = (frame) => {
          if (this.#signal !== undefined && this.#comes())
            tell({ event: "woke", first: "the library", isHeld: false, isAborted: this.#signal.aborted });
          send(frame);
        };
        return connection;
      },
      listen: (url, accept) => inner.listen(url, accept),
    };
  }

  #comes(): boolean {
    const now = performance.now();
    const stoodStill = now - this.#wasHereAt > STOOD_STILL_MS;
    this.#wasHereAt = now;
    return stoodStill;
  }
}

function tell(fact: Fact): void {
  writeSync(1, `${JSON.stringify(fact)}\n`);
}

const locker = new Locker();
const lines = createInterface({ input: process.stdin });

lines.on("line", (line) => {
  const { order, ...what } = JSON.parse(line) as NumberedLockerOrder;
  locker.obey(what as LockerOrder).then(
    (answer) => tell({ event: "obeyed", order, ...answer }),
    (error: Error) => tell({ event: "disobeyed", order, text: String(error) }),
  );
});
lines.on("close", () => process.exit());
tell({ event: "ready" });
