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
  /** What is to happen at the moment of the last thing taken out, in order: most of what is planned is for now. */
  #soon: Item[] = [];
  #soonFrom = 0;
  #now = 0;
  #order = 0;
  #live = 0;

  /** How many are planned and not cancelled. */
  get size(): number {
    return this.#live;
  }

  add(time: number, action: () => void): Planned {
    const item = new Item(this, time, this.#order++, action);
    this.#live++;
    if (time === this.#now) this.#soon.push(item);
    else this.#rise(item);
    return item;
  }

  /** One of its items was cancelled. */
  forgotten(): void {
    this.#live--;
  }

  /** When the next thing happens. */
  nextTime(): number | undefined {
    return this.#first()?.time;
  }

  /** Takes the next thing out. */
  next(): { readonly time: number; readonly action: () => void } | undefined {
    const first = this.#first();
    if (first === undefined) return undefined;
    const action = first.action as () => void;
    if (first === this.#soon[this.#soonFrom]) this.#soonFrom++;
    else this.#removeFirst();
    first.action = undefined;
    this.#live--;
    this.#now = first.time;
    return { time: first.time, action };
  }

  /** Everything earlier than what is due soon has been taken out before, so that is of one moment at any time. */
  #first(): Item | undefined {
    while (this.#heap.length > 0 && (this.#heap[0] as Item).action === undefined) this.#removeFirst();
    while (this.#soonFrom < this.#soon.length && (this.#soon[this.#soonFrom] as Item).action === undefined)
      this.#soonFrom++;
    const heaped = this.#heap[0];
    const soon = this.#soon[this.#soonFrom];
    if (soon === undefined) {
      if (this.#soon.length > 0) this.#soon = [];
      this.#soonFrom = 0;
      return heaped;
    }
    return heaped === undefined || before(soon, heaped) ? soon : heaped;
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
