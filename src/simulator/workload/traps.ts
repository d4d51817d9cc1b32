/**
 * What must not happen in a machine, caught in the act: reading clocks, chance, the place where it runs, and reaching out.
 * While a seed runs, the globals for it are replaced by ones that look whether a machine's code is running. To the code
 * around the machines, clocks and chance are the simulation's, so that a workload that reads them can be replayed.
 * @module
 */
import type { Random } from "../random.ts";

/** What a run shows instead of the real clock and the real chance. */
export interface Shown {
  /** Milliseconds since the run began. */
  readonly nowMs: () => number;
  readonly random: Random;
}

/** Called with what a machine's code did, such as `Date.now()`, and why it must not. */
export type Caught = (what: string, why: string) => void;

/** Stands in for the real function. */
type Instead = (shown: Shown, real: () => unknown, given: readonly unknown[]) => unknown;

interface Trap {
  readonly on: object;
  readonly key: string;
  /** As it is written in code. */
  readonly name: string;
  readonly why: string;
  readonly instead: Instead | undefined;
}

/** The wall clock of every run begins in June 2025. */
const BEGAN_MS = 1_750_000_000_000;

function wallMs({ nowMs }: Shown): number {
  return Math.floor(BEGAN_MS + nowMs());
}

const CLOCK = "it is another moment on every replica: use ctx.now, or let the client send the time";
const CHANCE = "it is another number on every replica: use ctx.random()";
const OUTSIDE = "a machine waits for nothing and calls nobody: let the client do it, and send what came of it";
const PLACE = "it depends on the locale or time zone of the replica";
const DIGITS = "its last digits differ from engine to engine";

const localText = ["localeCompare", "toLocaleLowerCase", "toLocaleUpperCase"];
const localDate = [
  ...["getTimezoneOffset", "getFullYear", "getMonth", "getDate", "getDay", "getHours", "getMinutes", "toString"],
  ...["toDateString", "toTimeString", "toLocaleString", "toLocaleDateString", "toLocaleTimeString"],
];
const inexact = [
  ...["sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"],
  ...["exp", "expm1", "log", "log2", "log10", "log1p", "cbrt", "hypot"],
];

function trapsOn(on: object, of: string, keys: readonly string[], why: string, instead?: Instead): Trap[] {
  return keys.map((key) => ({ on, key, name: of === "" ? `${key}()` : `${of}.${key}()`, why, instead }));
}

function allTraps(): Trap[] {
  const reaching = ["setTimeout", "setInterval", "setImmediate", "queueMicrotask", "fetch"];
  return [
    ...trapsOn(Date, "Date", ["now"], CLOCK, wallMs),
    ...trapsOn(performance, "performance", ["now"], CLOCK, ({ nowMs }) => nowMs()),
    ...trapsOn(Math, "Math", ["random"], CHANCE, ({ random }) => random.fraction()),
    ...trapsOn(crypto, "crypto", ["randomUUID"], CHANCE, ({ random }) => uuidOf(random)),
    ...trapsOn(crypto, "crypto", ["getRandomValues"], CHANCE, fill),
    ...trapsOn(globalThis, "", reaching, OUTSIDE),
    ...trapsOn(String.prototype, "String.prototype", localText, PLACE),
    ...trapsOn(Number.prototype, "Number.prototype", ["toLocaleString"], PLACE),
    ...trapsOn(Date.prototype, "Date.prototype", localDate, PLACE),
    ...trapsOn(Math, "Math", inexact, DIGITS),
  ];
}

function uuidOf(random: Random): string {
  const digits = random.hexId() + random.hexId();
  const variant = "89ab"[random.integer(0, 3)];
  return digits.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, `$1-$2-4$3-${variant}$4-$5`);
}

function fill({ random }: Shown, real: () => unknown, [view]: readonly unknown[]): unknown {
  const filled = real();
  if (!ArrayBuffer.isView(view)) return filled;
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  for (let i = 0; i < bytes.length; i++) bytes[i] = random.bits();
  return filled;
}

/** The machine's code that runs now; machines are synchronous, so there is at most one. */
let running: Caught | undefined;

/** Runs a machine's code; what it must not do is caught, and done all the same. */
export function watched<Result>(caught: Caught, code: () => Result): Result {
  const before = running;
  running = caught;
  try {
    return code();
  } finally {
    running = before;
  }
}

/** Sets all traps; the function it gives takes them away. One run at a time may have them. */
export function setTraps(shown: Shown): () => void {
  const undo = allTraps().map((trap) => setTrap(trap, shown));
  undo.push(setDate(shown));
  return () => {
    for (const one of undo.reverse()) one();
  };
}

function setTrap({ on, key, name, why, instead }: Trap, shown: Shown): () => void {
  const real: unknown = Reflect.get(on, key);
  if (typeof real !== "function") return () => {};
  // A proxy keeps what hangs on the function, such as `util.promisify.custom`.
  const trapped = new Proxy(real, {
    apply: (_, self, given: unknown[]) => {
      running?.(name, why);
      const call = (): unknown => Reflect.apply(real, self, given);
      return instead === undefined ? call() : instead(shown, call, given);
    },
  });
  return replace(on, key, trapped);
}

/** `new Date()` and `Date()` read the clock; a date made of a moment does not. */
function setDate(shown: Shown): () => void {
  const real = Date;
  const trapped: DateConstructor = new Proxy(real, {
    apply: () => {
      running?.("Date()", CLOCK);
      return new real(wallMs(shown)).toString();
    },
    construct: (_, given: unknown[], target) => {
      if (given.length === 0) running?.("new Date()", CLOCK);
      return Reflect.construct(real, given.length === 0 ? [wallMs(shown)] : given, target === trapped ? real : target);
    },
  });
  const undo = [replace(globalThis, "Date", trapped), replace(real.prototype, "constructor", trapped)];
  return () => {
    for (const one of undo) one();
  };
}

function replace(on: object, key: string, value: unknown): () => void {
  const own = Object.getOwnPropertyDescriptor(on, key);
  const enumerable = own?.enumerable ?? false;
  // Where the runtime does not let it be replaced, it stays as it is.
  if (!Reflect.defineProperty(on, key, { value, enumerable, writable: true, configurable: true })) return () => {};
  return () => {
    if (own === undefined) Reflect.deleteProperty(on, key);
    else Reflect.defineProperty(on, key, own);
  };
}
