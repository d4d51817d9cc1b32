/**
 * One call under way: how it ends, and that it ends once: by its answer, its time limit, its signal or an error.
 * @module
 */
import { offAbort, onAbort } from "./aborts.ts";
import type { Limited } from "./deadlines.ts";

/** Whoever will bring the call's answer. */
export interface Holder {
  /** Nobody waits for the answer any more. Says whether what was asked for may still have been or be done. */
  abandon(call: Call): boolean;
}

/** What a call needs from its client. */
export interface CallDesk {
  /** Takes the call out of the time limits. */
  ended(call: Call): void;
  /** The error for a call whose time is up. */
  timeout(call: Call, outcomeUnknown: boolean): Error;
}

/** A reply's or answer's body, the view a change of membership led to, or nothing but that it is done. */
export type CallAnswer = Uint8Array | number | undefined;

export class Call implements Limited {
  dueAt: number;
  place = -1;
  /** `stock.add`, for messages. */
  readonly what: string;
  readonly timeoutMs: number;
  holder: Holder | undefined;
  readonly #desk: CallDesk;
  readonly #signal: AbortSignal | undefined;
  readonly #resolve: (answer: CallAnswer) => void;
  readonly #reject: (reason: unknown) => void;
  readonly #aborted: (() => void) | undefined;
  #over = false;

  /** The signal must not be aborted yet. `resolve` may throw: the call then rejects with what it threw. */
  constructor(
    what: string,
    now: number,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    desk: CallDesk,
    resolve: (answer: CallAnswer) => void,
    reject: (reason: unknown) => void,
  ) {
    this.what = what;
    this.timeoutMs = timeoutMs;
    this.dueAt = now + timeoutMs;
    this.#desk = desk;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#signal = signal;
    if (signal === undefined) return;
    this.#aborted = () => {
      this.#abandon();
      this.failed(signal.reason);
    };
    onAbort(signal, this.#aborted);
  }

  answered(answer: CallAnswer): void {
    if (!this.#finish()) return;
    try {
      this.#resolve(answer);
    } catch (error) {
      this.#reject(error);
    }
  }

  failed(reason: unknown): void {
    if (this.#finish()) this.#reject(reason);
  }

  expired(): void {
    this.failed(this.#desk.timeout(this, this.#abandon()));
  }

  #abandon(): boolean {
    return this.holder?.abandon(this) ?? false;
  }

  #finish(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.holder = undefined;
    if (this.#signal !== undefined && this.#aborted !== undefined) offAbort(this.#signal, this.#aborted);
    this.#desk.ended(this);
    return true;
  }
}

/** Calls that wait for one event, in the order they came. */
export class WaitingCalls implements Holder {
  readonly #calls = new Set<Call>();

  get size(): number {
    return this.#calls.size;
  }

  add(call: Call): void {
    call.holder = this;
    this.#calls.add(call);
  }

  abandon(call: Call): boolean {
    this.#calls.delete(call);
    return false;
  }

  /** Empties the list first: who is called back may wait anew. */
  takeAll(): Call[] {
    const calls = [...this.#calls];
    this.#calls.clear();
    return calls;
  }

  failAll(reason: (outcomeUnknown: boolean) => Error): void {
    for (const call of this.takeAll()) call.failed(reason(false));
  }
}
