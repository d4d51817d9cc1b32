/**
 * Who waits for a lock, in order. A queue is never changed: each step gives another one. Yet the two that happen all the
 * time, one more at the end and the first ones gone, copy nothing, for tens of thousands may wait for one lock.
 * @module
 */
import type { Waiter } from "./machine-state.ts";

/** Shorter lists are copied: that is as fast, and they take no more room than they need. */
const SHORT = 32;

/** Invariant: what lies in `#items` from `#from` to `#to` never changes; beyond the end of the longest queue it grows. */
export class Queue implements Iterable<Waiter> {
  /** Nobody waits. */
  static readonly EMPTY: Queue = new Queue([], 0, 0);

  /** Shared with the queues that this one came from, and those that come from it. */
  readonly #items: Waiter[];
  readonly #from: number;
  readonly #to: number;

  private constructor(items: Waiter[], from: number, to: number) {
    this.#items = items;
    this.#from = from;
    this.#to = to;
  }

  /** Of these, which become its own. */
  static of(waiters: Waiter[]): Queue {
    return waiters.length === 0 ? Queue.EMPTY : new Queue(waiters, 0, waiters.length);
  }

  /** How many wait. */
  get length(): number {
    return this.#to - this.#from;
  }

  /** The next one. */
  get first(): Waiter | undefined {
    return this.at(0);
  }

  /** The one in this place, from 0; nobody in any other. */
  at(index: number): Waiter | undefined {
    return index >= 0 && index < this.length ? this.#items[this.#from + index] : undefined;
  }

  /** From the first to the last. */
  *[Symbol.iterator](): Generator<Waiter, void, undefined> {
    for (let index = this.#from; index < this.#to; index++) yield this.#items[index]!;
  }

  /** A list of those from one place to before another. */
  slice(from = 0, to: number = this.length): Waiter[] {
    return this.#items.slice(this.#from + from, this.#from + Math.min(to, this.length));
  }

  /** The place of the first that is so; -1: none is. */
  findIndex(isIt: (waiter: Waiter) => boolean): number {
    for (let index = this.#from; index < this.#to; index++) if (isIt(this.#items[index]!)) return index - this.#from;
    return -1;
  }

  /** The first that is so. */
  find(isIt: (waiter: Waiter) => boolean): Waiter | undefined {
    return this.at(this.findIndex(isIt));
  }

  /** Whether one is so. */
  some(isIt: (waiter: Waiter) => boolean): boolean {
    return this.findIndex(isIt) !== -1;
  }

  /** Whether all are. */
  every(isIt: (waiter: Waiter) => boolean): boolean {
    return !this.some((waiter) => !isIt(waiter));
  }

  /** With one more at the end. */
  plus(waiter: Waiter): Queue {
    const isLast = this.#items.length === this.#to;
    if (!isLast || this.length < SHORT) return Queue.of([...this.slice(), waiter]);
    this.#items.push(waiter);
    return new Queue(this.#items, this.#from, this.#to + 1);
  }

  /** With one more in this place, before whoever has it now. */
  plusAt(place: number, waiter: Waiter): Queue {
    return place === this.length
      ? this.plus(waiter)
      : Queue.of([...this.slice(0, place), waiter, ...this.slice(place)]);
  }

  /** Without the first so many. */
  after(count: number): Queue {
    const from = this.#from + count;
    // Those that are gone are let go when they are as many as those that are left.
    return from < this.#to - from ? new Queue(this.#items, from, this.#to) : Queue.of(this.slice(count));
  }

  /** Without the one in this place. */
  withoutAt(place: number): Queue {
    return place === 0 ? this.after(1) : Queue.of([...this.slice(0, place), ...this.slice(place + 1)]);
  }

  /** Without those that are so; itself if none is. */
  without(isOut: (waiter: Waiter) => boolean): Queue {
    const first = this.findIndex(isOut);
    if (first === -1) return this;
    if (first > 0) return Queue.of([...this.slice(0, first), ...this.after(first).without(isOut).slice()]);
    let count = 1;
    while (count < this.length && isOut(this.at(count)!)) count++;
    const rest = this.after(count);
    return rest.some(isOut) ? Queue.of(rest.slice().filter((waiter) => !isOut(waiter))) : rest;
  }
}
