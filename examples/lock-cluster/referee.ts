/**
 * Watches the holders of locks from outside: who is in, with which token, and how long a lock stood idle while somebody
 * wanted it.
 * @module
 */
import type { Lock } from "../../src/entry/locks.ts";
import type { TesterProgress, TesterReport, TesterTime } from "./lock-tester.ts";

/** What the referee knows of one lock. */
interface Watched {
  readonly holders: Set<string>;
  lastToken: bigint;
  waiters: number;
  /** Since when somebody wants it and nobody has it. */
  idleSince: number;
}

export class Referee {
  readonly failures: string[] = [];
  readonly #time: TesterTime;
  readonly #progress: (progress: TesterProgress) => void;
  readonly #locks: Map<string, Watched> = new Map();
  #grants = 0;
  #longestGapMs = 0;
  #longestWaitMs = 0;

  constructor(time: TesterTime, progress: (progress: TesterProgress) => void) {
    this.#time = time;
    this.#progress = progress;
  }

  begin(part: number, title: string): void {
    this.#progress({ event: "part", part, title });
  }

  fail(text: string): void {
    this.failures.push(text);
    this.#progress({ event: "failure", text });
  }

  /** Somebody begins to wait; call the result, once or more, when the wait is over. */
  wait(name: string): () => void {
    const lock = this.#watched(name);
    const since = this.#time.now();
    if (lock.waiters++ === 0 && lock.holders.size === 0) lock.idleSince = since;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      lock.waiters--;
      this.#longestWaitMs = Math.max(this.#longestWaitMs, this.#time.now() - since);
      if (lock.holders.size === 0) this.#longestGapMs = Math.max(this.#longestGapMs, this.#time.now() - lock.idleSince);
    };
  }

  /** Somebody has the lock; call the result when it is about to give it back. */
  enter({ name, token, signal }: Lock, holder: string): () => void {
    const lock = this.#watched(name);
    for (const other of lock.holders) this.fail(`${holder} and ${other} held ${name} at the same time`);
    if (token === lock.lastToken) this.fail(`${holder} got ${name} with token ${token}, which was given out before`);
    if (token < lock.lastToken) this.fail(`${holder} got ${name} with token ${token} after ${lock.lastToken}`);
    lock.lastToken = token > lock.lastToken ? token : lock.lastToken;
    lock.holders.add(holder);
    this.#grants++;
    this.#progress({ event: "held", name, holder, token });
    const leave = (): void => {
      if (!lock.holders.delete(holder)) return;
      signal.removeEventListener("abort", lost);
      lock.idleSince = this.#time.now();
      this.#progress({ event: "released", name, holder, token });
    };
    const lost = (): void => {
      this.fail(`${holder} lost ${name}: ${String(signal.reason)}`);
      leave();
    };
    signal.addEventListener("abort", lost);
    return leave;
  }

  report(): TesterReport {
    return {
      ok: this.failures.length === 0,
      failures: this.failures,
      grants: this.#grants,
      longestGapMs: this.#longestGapMs,
      longestWaitMs: this.#longestWaitMs,
    };
  }

  #watched(name: string): Watched {
    let lock = this.#locks.get(name);
    if (lock === undefined) {
      lock = { holders: new Set(), lastToken: -1n, waiters: 0, idleSince: this.#time.now() };
      this.#locks.set(name, lock);
    }
    return lock;
  }
}
