/**
 * The time limits of all calls under way: one heap, one timer.
 * @module
 */
import type { Environment, Timer } from "../protocol/environment.ts";
import { MAX_TIMEOUT_MS } from "./options.ts";

/** Something with a time limit. `place` is its index in the heap, -1 while it is not there. */
export interface Limited {
  dueAt: number;
  place: number;
  /** The limit has passed; it is no longer in the heap. */
  expired(): void;
}

/** A binary heap by `dueAt`; most calls are made in the order of their limits, so adding is cheap. */
export class Deadlines {
  readonly #environment: Environment;
  readonly #wake: () => void;
  readonly #heap: Limited[] = [];
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  /** `wake` is called by the timer: it checks what must come first, then calls `expire`. */
  constructor(environment: Environment, wake: () => void) {
    this.#environment = environment;
    this.#wake = wake;
  }

  get size(): number {
    return this.#heap.length;
  }

  add(item: Limited): void {
    item.place = this.#heap.length;
    this.#heap.push(item);
    this.#rise(item);
    if (item.dueAt < this.#timerAt) this.#arm();
  }

  /** Does nothing for an item that is not there. The timer stays: one that comes too early costs little. */
  remove(item: Limited): void {
    const { place } = item;
    if (place < 0) return;
    item.place = -1;
    const last = this.#heap.pop() as Limited;
    if (last === item) return;
    this.#heap[place] = last;
    last.place = place;
    this.#rise(last);
    this.#sink(last);
  }

  /** Expires everything that is due, in the order of the limits. */
  expire(): void {
    const now = this.#environment.now();
    for (let first = this.#heap[0]; first !== undefined && first.dueAt <= now; first = this.#heap[0]) {
      this.remove(first);
      first.expired();
    }
    this.#arm();
  }

  /** Drops the timer for good; nothing is left to expire. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAt = Number.POSITIVE_INFINITY;
  }

  #arm(): void {
    const first = this.#heap[0];
    if (first === undefined) return;
    if (this.#timer !== undefined && this.#timerAt <= first.dueAt) return;
    this.#timer?.cancel();
    this.#timerAt = first.dueAt;
    const wait = Math.min(Math.max(0, first.dueAt - this.#environment.now()), MAX_TIMEOUT_MS);
    this.#timer = this.#environment.setTimer(wait, () => {
      this.#timer = undefined;
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.#wake();
    });
  }

  #rise(item: Limited): void {
    while (item.place > 0) {
      const parent = this.#heap[(item.place - 1) >> 1] as Limited;
      if (parent.dueAt <= item.dueAt) return;
      this.#swap(item, parent);
    }
  }

  #sink(item: Limited): void {
    for (;;) {
      const left = this.#heap[2 * item.place + 1];
      const right = this.#heap[2 * item.place + 2];
      const child = right !== undefined && left !== undefined && right.dueAt < left.dueAt ? right : left;
      if (child === undefined || child.dueAt >= item.dueAt) return;
      this.#swap(item, child);
    }
  }

  #swap(a: Limited, b: Limited): void {
    const place = a.place;
    a.place = b.place;
    b.place = place;
    this.#heap[a.place] = a;
    this.#heap[b.place] = b;
  }
}
