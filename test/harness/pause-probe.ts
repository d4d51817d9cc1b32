// How long this process's event loop stands still: a timer that should fire each millisecond says when it could not.
import { readFileSync } from "node:fs";

export interface Pause {
  /** By the clock. */
  readonly ms: number;
  /** What the thread of the event loop worked in it, as Linux counts it. */
  readonly threadMs: number;
  /** What all threads of the process worked in it, those of the garbage collector included. */
  readonly processMs: number;
  /** What the thread waited for a processor: other processes' doing. */
  readonly waitedMs: number;
}

interface Reading {
  readonly at: number;
  readonly processMs: number;
  readonly threadMs: number;
  readonly waitedMs: number;
}

const NONE: Pause = { ms: 0, threadMs: 0, processMs: 0, waitedMs: 0 };

/** Linux tells of a thread how long it ran, and how long it could have but for others, in nanoseconds. */
function read(): Reading {
  const at = performance.now();
  const { user, system } = process.cpuUsage();
  const processMs = (user + system) / 1000;
  try {
    const text = readFileSync(`/proc/${process.pid}/task/${process.pid}/schedstat`, "utf8");
    const [threadMs = 0, waitedMs = 0] = text.split(" ").map((nanoseconds) => Number(nanoseconds) / 1e6);
    return { at, processMs, threadMs, waitedMs };
  } catch {
    return { at, processMs, threadMs: processMs, waitedMs: 0 };
  }
}

export class PauseProbe {
  #longest: Pause = NONE;
  #count = 0;
  #last: Reading = read();
  readonly #seen: ((pause: Pause) => void) | undefined;
  readonly #timer: NodeJS.Timeout;

  /** `seen` is told of each pause above the threshold. */
  constructor(thresholdMs = 20, seen?: (pause: Pause) => void) {
    this.#seen = seen;
    this.#timer = setInterval(() => this.#look(thresholdMs), 1);
  }

  #look(thresholdMs: number): void {
    const now = read();
    const last = this.#last;
    this.#last = now;
    const pause = {
      ms: now.at - last.at,
      threadMs: now.threadMs - last.threadMs,
      processMs: now.processMs - last.processMs,
      waitedMs: now.waitedMs - last.waitedMs,
    };
    if (pause.ms > this.#longest.ms) this.#longest = pause;
    if (pause.ms <= thresholdMs) return;
    this.#count++;
    this.#seen?.(pause);
  }

  /** The longest pause since the last call, and how many were longer than the threshold. */
  take(): { readonly longest: Pause; readonly count: number } {
    this.#look(Number.POSITIVE_INFINITY);
    const taken = { longest: this.#longest, count: this.#count };
    this.#longest = NONE;
    this.#count = 0;
    return taken;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

export function textOf({ ms, threadMs, processMs, waitedMs }: Pause): string {
  const [worked, all, waited] = [threadMs, processMs, waitedMs].map((one) => one.toFixed(0));
  return `${ms.toFixed(0)} ms (worked ${worked} ms, the whole process ${all} ms; waited for a processor ${waited} ms)`;
}
