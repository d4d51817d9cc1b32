/**
 * What is to happen when: a binary heap ordered by time, and among equal times by the order in which it was planned, so
 * that a run never depends on the heap's shape.
 * @module
 */

/** Something planned; `cancel` makes it nothing. */
export interface Planned {
  readonly time: number;
  cancel(): void;
}

class Item implements Planned {
  readonly time: number;
  readonly order: number;
  action: (() => void) | undefined;
  readonly #agenda: Agenda;

  constructor(agenda: Agenda, time: number, order: number, action: () => void) {
    this.#agenda = agenda;
    this.time = time;
    this.order = order;
    this.action = action;
  }

  cancel(): void {
    if (this.action === undefined) return;
    this.action = undefined;
    this.#agenda.forgotten();
  }
}

export class Agenda {
  readonly #heap: Item[] = [];
  #order = 0;
  #live = 0;

  /** How many are planned and not cancelled. */
  get size(): number {
    return this.#live;
  }

  add(time: number, action: () => void): Planned {
    const item = new Item(this, time, this.#order++, action);
    this.#live++;
    this.#rise(item);
    return item;
  }

  /** One of its items was cancelled. */
  forgotten(): void {
    this.#live--;
  }

  /** When the next thing happens. */
  nextTime(): number | undefined {
    this.#dropCancelled();
    return this.#heap[0]?.time;
  }

  /** Takes the next thing out. */
  next(): { readonly time: number; readonly action: () => void } | undefined {
    this.#dropCancelled();
    const first = this.#heap[0];
    if (first === undefined) return undefined;
    const action = first.action as () => void;
    this.#removeFirst();
    first.action = undefined;
    this.#live--;
    return { time: first.time, action };
  }

  #dropCancelled(): void {
    while (this.#heap.length > 0 && (this.#heap[0] as Item).action === undefined) this.#removeFirst();
  }

  #removeFirst(): void {
    const last = this.#heap.pop() as Item;
    if (this.#heap.length > 0) this.#sink(last);
  }

  #rise(item: Item): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Item;
      if (!before(item, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = item;
  }

  #sink(item: Item): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Item, heap[child] as Item)) child++;
      const below = heap[child] as Item;
      if (!before(below, item)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = item;
  }
}

function before(a: Item, b: Item): boolean {
  return a.time < b.time || (a.time === b.time && a.order < b.order);
}
