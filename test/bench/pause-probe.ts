// How long this process's event loop stands still: a timer that should fire each millisecond says when it could not.

export interface Pause {
  readonly ms: number;
  /** CPU time of the process in it: far less than `ms` if the machine was busy with something else. */
  readonly cpuMs: number;
}

export class PauseProbe {
  #longest: Pause = { ms: 0, cpuMs: 0 };
  #count = 0;
  #last = performance.now();
  #cpu = process.cpuUsage();
  readonly #timer: NodeJS.Timeout;

  constructor(thresholdMs = 20) {
    this.#timer = setInterval(() => this.#look(thresholdMs), 1);
  }

  #look(thresholdMs: number): void {
    const now = performance.now();
    const cpu = process.cpuUsage();
    const ms = now - this.#last;
    const cpuMs = (cpu.user + cpu.system - this.#cpu.user - this.#cpu.system) / 1000;
    if (ms > this.#longest.ms) this.#longest = { ms, cpuMs };
    if (ms > thresholdMs) this.#count++;
    this.#last = now;
    this.#cpu = cpu;
  }

  /** The longest pause since the last call, and how many were longer than the threshold. */
  take(): { readonly longest: Pause; readonly count: number } {
    this.#look(Number.POSITIVE_INFINITY);
    const taken = { longest: this.#longest, count: this.#count };
    this.#longest = { ms: 0, cpuMs: 0 };
    this.#count = 0;
    return taken;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
