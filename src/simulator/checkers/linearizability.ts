/**
 * Is the history of one register linearizable? The search of Wing and Gong with the memory of Lowe ("Testing for
 * linearizability", 2017): operations are taken one after another in an order that real time allows, and a set of taken
 * operations with the value they leave is never tried twice.
 * @module
 */
import { Random } from "../random.ts";
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

/** A choice that was made. `forced`: no other would have been better, so going back goes on behind it. */
interface Choice {
  readonly node: Node;
  readonly value: Value;
  readonly forced: boolean;
}

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
  const ops = relevant(history);
  const apply = limits.absentIsEmpty ? applyWithEmpty : applyOp;
  const head = linkedEvents(ops);
  const taken = new Taken(ops.length);
  const seen = new Map<number, Set<Value>>();
  const stack: Choice[] = [];
  let steps = limits.steps ?? DEFAULT_STEPS;
  let left = ops.reduce((count, op) => count + (op.end === undefined ? 0 : 1), 0);
  let value: Value = null;
  let node = head.next;
  const take = (chosen: Node, after: Value, forced: boolean): void => {
    stack.push({ node: chosen, value, forced });
    value = after;
    lift(chosen);
    if ((ops[chosen.entry] as Entry).end !== undefined) left--;
    node = head.next;
  };
  while (left > 0) {
    if (steps-- <= 0) return "unknown";
    if (node?.isCall) {
      const { entry } = node;
      const { op } = ops[entry] as Entry;
      const after = apply(value, op);
      if (after === undefined) node = node.next;
      else if (observes(op)) {
        // What changes nothing is best taken as soon as it fits.
        taken.flip(entry);
        take(node, after, true);
      } else if (firstTime(seen, taken, entry, after)) take(node, after, false);
      else node = node.next;
      continue;
    }
    // An end whose call has not been taken (or nothing more to take): the last choice was wrong.
    let last: Choice | undefined;
    do {
      last = stack.pop();
      if (last === undefined) return "violated";
      taken.flip(last.node.entry);
      if ((ops[last.node.entry] as Entry).end !== undefined) left++;
      lower(last.node);
    } while (last.forced);
    value = last.value;
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

type Entry = HistoryEntry<RegisterOp>;

/** Whether it leaves the register as it is. */
function observes(op: RegisterOp): boolean {
  return op.type === "get" || (op.type === "cas" && !op.done);
}

/**
 * What has no end matters only if somebody saw what it wrote. (Nothing is left out where it could be seen indirectly: by
 * an `append`, or by a failed compare-and-set that does not say what it found.)
 */
function relevant(history: readonly Entry[]): Entry[] {
  const seen = new Set<Value>();
  let indirect = false;
  for (const { op, end } of history) {
    if (op.type === "append") indirect = true;
    if (op.type === "get" && end !== undefined) seen.add(op.value);
    if (op.type === "put" && op.found !== undefined) seen.add(op.found);
    if (op.type === "cas") {
      seen.add(op.from);
      if (op.found !== undefined) seen.add(op.found);
      else if (!op.done) indirect = true;
    }
  }
  return history.filter(({ op, end }) => {
    if (end !== undefined) return true;
    if (observes(op)) return false;
    return indirect || seen.has(op.type === "cas" ? op.to : op.value);
  });
}

/** The value after it, or `undefined` if it cannot have happened on this value. */
function applyOp(value: Value, op: RegisterOp): Value | undefined {
  switch (op.type) {
    case "get":
      return value === op.value ? value : undefined;
    case "put":
      return op.found === undefined || op.found === value ? op.value : undefined;
    case "append":
      return (value ?? "") + op.value;
    case "cas":
      if ((value === op.from) !== op.done || (op.found !== undefined && op.found !== value)) return undefined;
      return op.done ? op.to : value;
  }
}

function applyWithEmpty(value: Value, op: RegisterOp): Value | undefined {
  const filled = op.type === "get" && op.value === "" ? { ...op, value: null } : op;
  const after = applyOp(value, filled);
  return after === "" ? null : after;
}

/** Takes `entry`; false, with nothing taken, if that set of operations was tried before with this value. */
function firstTime(seen: Map<number, Set<Value>>, taken: Taken, entry: number, value: Value): boolean {
  taken.flip(entry);
  const values = seen.get(taken.key);
  if (values === undefined) seen.set(taken.key, new Set([value]));
  else if (values.has(value)) taken.flip(entry);
  else values.add(value);
  return values === undefined || taken.has(entry);
}

/** A set of operations, known by a hash of 53 bits (Zobrist's: each operation has a number, the set their sum modulo 2). */
class Taken {
  readonly #in: Uint8Array;
  readonly #high: Uint32Array;
  readonly #low: Uint32Array;
  #keyHigh = 0;
  #keyLow = 0;

  constructor(size: number) {
    this.#in = new Uint8Array(size);
    this.#high = new Uint32Array(size);
    this.#low = new Uint32Array(size);
    const random = new Random(size);
    for (let i = 0; i < size; i++) {
      this.#high[i] = random.bits() >>> 11;
      this.#low[i] = random.bits();
    }
  }

  get key(): number {
    return this.#keyHigh * 0x1_0000_0000 + this.#keyLow;
  }

  has(entry: number): boolean {
    return this.#in[entry] === 1;
  }

  /** Takes it, or takes it back. */
  flip(entry: number): void {
    this.#in[entry] = 1 - (this.#in[entry] as number);
    this.#keyHigh = (this.#keyHigh ^ (this.#high[entry] as number)) >>> 0;
    this.#keyLow = (this.#keyLow ^ (this.#low[entry] as number)) >>> 0;
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
