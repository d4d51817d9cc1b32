/**
 * Is the history of one register linearizable? The search of Wing and Gong with the memory of Lowe ("Testing for
 * linearizability", 2017): operations are taken one after another in an order that real time allows, and a set of taken
 * operations with the value they leave is never tried twice.
 * @module
 */
import type { HistoryEntry, RegisterOp } from "./history.ts";

export type Verdict = "linearizable" | "violated" | "unknown";

export interface CheckLimits {
  /** So many tries, then the verdict is `unknown`: a run fails by it, for nothing was proved. */
  readonly steps?: number;
  /** What an `append` to an absent register gives, and whether absent and empty are the same. */
  readonly absentIsEmpty?: boolean;
}

const DEFAULT_STEPS = 5_000_000;

type Value = string | null;

interface Node {
  readonly entry: number;
  readonly isCall: boolean;
  /** The end that belongs to a call. */
  match: Node | undefined;
  previous: Node | undefined;
  next: Node | undefined;
}

/** Checks the history of one register, which is absent at first. */
export function checkRegister(history: readonly HistoryEntry<RegisterOp>[], limits: CheckLimits = {}): Verdict {
  const ops = history.filter(matters);
  const apply = limits.absentIsEmpty ? applyWithEmpty : applyOp;
  const head = linkedEvents(ops);
  const taken = new Taken(ops.length);
  const seen = new Map<string, Set<Value>>();
  const stack: { readonly node: Node; readonly value: Value }[] = [];
  let steps = limits.steps ?? DEFAULT_STEPS;
  let left = ops.reduce((count, op) => count + (op.end === undefined ? 0 : 1), 0);
  let value: Value = null;
  let node = head.next;
  while (left > 0) {
    if (steps-- <= 0) return "unknown";
    if (node?.isCall) {
      const entry = ops[node.entry] as HistoryEntry<RegisterOp>;
      const after = apply(value, entry.op);
      if (after !== undefined && firstTime(seen, taken, node.entry, after)) {
        stack.push({ node, value });
        value = after;
        lift(node);
        if (entry.end !== undefined) left--;
        node = head.next;
      } else {
        node = node.next;
      }
      continue;
    }
    // An end whose call has not been taken (or nothing more to take): the last choice was wrong.
    const last = stack.pop();
    if (last === undefined) return "violated";
    taken.remove(last.node.entry);
    if ((ops[last.node.entry] as HistoryEntry<RegisterOp>).end !== undefined) left++;
    value = last.value;
    lower(last.node);
    node = last.node.next;
  }
  return "linearizable";
}

/** Checks each key on its own: a history is linearizable if and only if those of its keys are. */
export function checkRegisters(
  histories: ReadonlyMap<string, readonly HistoryEntry<RegisterOp>[]>,
  limits: CheckLimits = {},
): { readonly verdict: Verdict; readonly key: string | undefined } {
  let unknown: string | undefined;
  for (const [key, history] of histories) {
    const verdict = checkRegister(history, limits);
    if (verdict === "violated") return { verdict, key };
    if (verdict === "unknown") unknown ??= key;
  }
  return { verdict: unknown === undefined ? "linearizable" : "unknown", key: unknown };
}

/** What has no end and observes nothing that others could see says nothing. */
function matters(entry: HistoryEntry<RegisterOp>): boolean {
  return entry.end !== undefined || entry.op.type !== "get";
}

/** The value after it, or `undefined` if it cannot have happened on this value. */
function applyOp(value: Value, op: RegisterOp): Value | undefined {
  switch (op.type) {
    case "get":
      return value === op.value ? value : undefined;
    case "put":
      return op.value;
    case "append":
      return (value ?? "") + op.value;
    case "cas":
      if ((value === op.from) !== op.done) return undefined;
      return op.done ? op.to : value;
  }
}

function applyWithEmpty(value: Value, op: RegisterOp): Value | undefined {
  const filled = op.type === "get" && op.value === "" ? { ...op, value: null } : op;
  const after = applyOp(value, filled);
  return after === "" ? null : after;
}

/** Remembers a set of taken operations with the value they leave; false if it was there. Takes `entry` if it is new. */
function firstTime(seen: Map<string, Set<Value>>, taken: Taken, entry: number, value: Value): boolean {
  taken.add(entry);
  const key = taken.key();
  const values = seen.get(key);
  if (values === undefined) {
    seen.set(key, new Set([value]));
    return true;
  }
  if (values.has(value)) {
    taken.remove(entry);
    return false;
  }
  values.add(value);
  return true;
}

/** A set of small numbers with a cheap key: everything below a mark is in it, and the few beyond are listed. */
class Taken {
  readonly #in: Uint8Array;
  #mark = 0;
  readonly #beyond: Set<number> = new Set();

  constructor(size: number) {
    this.#in = new Uint8Array(size);
  }

  add(entry: number): void {
    this.#in[entry] = 1;
    this.#beyond.add(entry);
    while (this.#in[this.#mark] === 1) this.#beyond.delete(this.#mark++);
  }

  remove(entry: number): void {
    this.#in[entry] = 0;
    this.#beyond.delete(entry);
    while (this.#mark > entry) {
      this.#mark--;
      if (this.#in[this.#mark] === 1) this.#beyond.add(this.#mark);
    }
  }

  key(): string {
    if (this.#beyond.size === 0) return String(this.#mark);
    return `${this.#mark}:${[...this.#beyond].sort((a, b) => a - b).join(",")}`;
  }
}

/** Calls and ends in the order of time; at one moment calls come first, so that they overlap. */
function linkedEvents(ops: readonly HistoryEntry<RegisterOp>[]): Node {
  const events: { readonly time: number; readonly node: Node }[] = [];
  ops.forEach((op, entry) => {
    const end: Node = { entry, isCall: false, match: undefined, previous: undefined, next: undefined };
    const call: Node = {
      entry,
      isCall: true,
      match: op.end === undefined ? undefined : end,
      previous: undefined,
      next: undefined,
    };
    events.push({ time: op.call, node: call });
    if (op.end !== undefined) events.push({ time: op.end, node: end });
  });
  events.sort(
    (a, b) => a.time - b.time || Number(b.node.isCall) - Number(a.node.isCall) || a.node.entry - b.node.entry,
  );
  const head: Node = { entry: -1, isCall: false, match: undefined, previous: undefined, next: undefined };
  let last = head;
  for (const { node } of events) {
    last.next = node;
    node.previous = last;
    last = node;
  }
  return head;
}

function lift(call: Node): void {
  unlink(call);
  if (call.match !== undefined) unlink(call.match);
}

function lower(call: Node): void {
  if (call.match !== undefined) relink(call.match);
  relink(call);
}

function unlink(node: Node): void {
  (node.previous as Node).next = node.next;
  if (node.next !== undefined) node.next.previous = node.previous;
}

function relink(node: Node): void {
  (node.previous as Node).next = node;
  if (node.next !== undefined) node.next.previous = node;
}
