/**
 * Leadership as a long-held exclusive lock: a candidate stands in line, leads while it holds the lock, and stands in line
 * again when it has lost it. The term is the fencing token.
 * @module
 */
import type { Environment } from "../protocol/environment.ts";
import { releasedError } from "./client-errors.ts";
import type { AcquiredLock } from "./client-types.ts";
import { firstOf, pause } from "./pause.ts";

/** Options of `elect`. */
export interface ElectOptions {
  /** Ends the candidacy, as `close` does. */
  readonly signal?: AbortSignal;
  /**
   * A term lasts for this many milliseconds at most: then it is lost, `data.reason` is `maxHoldMs`, and the candidate stands
   * in line again, behind all others. Default: no limit.
   */
  readonly maxHoldMs?: number;
  /**
   * If the leader's session is lost (it is dead or cut off, and has not resigned), nobody is elected for so many
   * milliseconds after that, at most 60 000: time for what it has sent to arrive or fail. Default 0.
   */
  readonly lockDelayMs?: number;
}

/** One term of office. */
export interface Leadership {
  /** Of the election. */
  readonly name: string;
  /** The fencing token of this term: greater than that of every earlier leader. Send it along with each write. */
  readonly term: bigint;
  /** Aborted when the term is over: lost (before another can be elected, a steal apart), resigned or closed. */
  readonly signal: AbortSignal;
  /**
   * Looks at the clock itself, so it is right even in a process that has just woken up.
   * @throws {ViewstampError} `LockLost` unless this process surely leads at this moment
   */
  assertLeading(): void;
  /** Ends the term; resolves once another can be elected. The candidate stands in line again, behind all others. */
  resign(): Promise<void>;
}

/** What an election is held with. */
export interface ElectionHost {
  readonly environment: Environment;
  /** Aborted when the client is closed. */
  readonly ended: AbortSignal;
  acquire(name: string, options: { readonly signal: AbortSignal }): Promise<AcquiredLock>;
  /** Why the cluster takes no calls now, as far as is known. */
  trouble(): unknown;
}

const LEAST_PAUSE_MS = 50;
const MOST_PAUSE_MS = 5000;

/**
 * A candidacy: it stands for election from the moment it is made until it is closed, and again after each loss. Iterate
 * over it to be told of each term. Nothing in it rejects or throws because leadership was lost.
 *
 * @example
 * ```ts
 * await using election = locks.elect("scheduler");
 * for await (const { term, signal } of election) {
 *   await schedule({ fence: term, signal }); // ends when the signal aborts
 * }
 * ```
 */
export class Election implements AsyncIterable<Leadership> {
  /** As it was asked for. */
  readonly name: string;
  readonly #host: ElectionHost;
  readonly #stop: ReturnType<typeof firstOf>;
  readonly #done: Promise<void>;
  #term: Term | undefined;
  #trouble: unknown;
  #isOver = false;
  #changed: () => void = () => {};
  #change: Promise<void> = Promise.resolve();

  /** Begins to campaign; `elect` checks the name before. */
  constructor(host: ElectionHost, name: string, { signal }: ElectOptions = {}) {
    this.name = name;
    this.#host = host;
    this.#nextChange();
    this.#stop = firstOf([host.ended, signal]);
    this.#done = this.#campaign().finally(() => {
      this.#stop.release();
      this.#isOver = true;
      this.#tell();
    });
  }

  /** The term that this process has now, if it leads. */
  get leadership(): Leadership | undefined {
    return this.#term?.signal.aborted === false ? this.#term : undefined;
  }

  /**
   * Why the last attempt to stand for election failed, or why the cluster cannot be reached now; `undefined` when all is well.
   * It is tried again.
   */
  get trouble(): unknown {
    // In line one waits for as long as it takes, also for a cluster that is not there: no attempt fails by that.
    return this.#trouble ?? (this.#isOver ? undefined : this.#host.trouble());
  }

  /** Resigns and stands no more; iterations end. Resolves once another can be elected. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  /** Closes: for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Each term of this process, from its beginning; a term that is over before it was asked for is left out. Ends when the
   * candidacy is closed. Leaving the loop closes nothing.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Leadership, void, undefined> {
    let last: Leadership | undefined;
    for (;;) {
      const change = this.#change;
      const now = this.leadership;
      if (now !== undefined && now !== last) {
        last = now;
        yield now;
      } else if (this.#isOver) return;
      else await change;
    }
  }

  async #campaign(): Promise<void> {
    const { signal } = this.#stop;
    for (let failures = 0; !signal.aborted; ) {
      try {
        const lock = await this.#host.acquire(this.name, { signal });
        failures = 0;
        this.#trouble = undefined;
        await this.#lead(lock);
      } catch (error) {
        if (signal.aborted) return;
        this.#trouble = error;
        await pause(this.#host.environment, Math.min(MOST_PAUSE_MS, LEAST_PAUSE_MS * 2 ** failures++), signal);
      }
    }
  }

  async #lead(lock: AcquiredLock): Promise<void> {
    const { signal } = this.#stop;
    const term = new Term(lock);
    const resign = (): void => void term.resign();
    signal.addEventListener("abort", resign);
    if (signal.aborted) resign();
    this.#term = term;
    this.#tell();
    await term.over;
    signal.removeEventListener("abort", resign);
  }

  #tell(): void {
    this.#changed();
    this.#nextChange();
  }

  #nextChange(): void {
    this.#change = new Promise((resolve) => {
      this.#changed = resolve;
    });
  }
}

class Term implements Leadership {
  /** Settles when another can be elected, as far as this term was in the way; never rejects. */
  readonly over: Promise<void>;
  readonly #lock: AcquiredLock;
  readonly #controller: AbortController = new AbortController();
  #settle: (end: Promise<void> | undefined) => void = () => {};
  #returned: Promise<void> | undefined;

  constructor(lock: AcquiredLock) {
    this.#lock = lock;
    this.over = new Promise((resolve) => {
      this.#settle = resolve;
    });
    lock.signal.addEventListener("abort", () => this.#lost(), { once: true });
    if (lock.signal.aborted) this.#lost();
  }

  get name(): string {
    return this.#lock.name;
  }

  get term(): bigint {
    return this.#lock.token;
  }

  /** Whoever asks for it in a process that has just woken up is not told of yesterday: the lock's looks at the clock. */
  get signal(): AbortSignal {
    if (this.#lock.signal.aborted) this.#lost();
    return this.#controller.signal;
  }

  assertLeading(): void {
    this.#lock.assertHeld();
  }

  resign(): Promise<void> {
    // Whoever works under this term hears of its end before the next one's begins.
    this.#controller.abort(releasedError(this.name, this.term));
    this.#returned ??= this.#lock.release();
    this.#settle(this.#returned.catch(() => {}));
    return this.#returned;
  }

  #lost(): void {
    this.#controller.abort(this.#lock.signal.reason);
    this.#settle(undefined);
  }
}
