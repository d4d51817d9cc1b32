/**
 * The door of the lock client, of `request` and of `acquire`: arguments are converted and refused as the Web Locks API says (W3C Web Locks,
 * "request()", and Web IDL), in its order and with its error types.
 * @module
 */
import { isSignal, MAX_TIMEOUT_MS, refuseUnknown } from "../client/options.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { CacheLimits } from "./client-cache.ts";
import { semaphoreName } from "./client-names.ts";
import type { LockMode } from "./machine-state.ts";
import {
  type Acquisition,
  type GroupAcquisition,
  MAX_GROUP,
  MAX_LOCK_DELAY_MS,
  MAX_NAME_LENGTH,
  MAX_OWNER_LENGTH,
  MAX_PERMITS,
} from "./machine-words.ts";

/** What a lock client can be told. */
export interface LockClientOptions {
  /** Who this client is, shown to people by `query`; at most 256 characters. Default `""`. */
  readonly owner?: string;
  /** Whether and how the client keeps locks after use. `false`: it gives every lock back at once. */
  readonly cache?: CacheOptions | false;
}

/** How a lock client keeps locks after use, until others want them. */
export interface CacheOptions {
  /** How many locks are kept at most; beyond that the one that was idle longest goes back. Default 1024. */
  readonly size?: number;
  /**
   * A lock that was not used for this many milliseconds goes back, at the latest a quarter of that later. If the client
   * dies, others wait for its session's end where it kept a lock. Default 10 000.
   */
  readonly idleMs?: number;
}

const MAX_CACHE_SIZE = 1_000_000;

/** The same, checked and with its defaults. */
export interface LockClientTerms {
  readonly owner: string;
  /** `undefined`: nothing is kept. */
  readonly cache: CacheLimits | undefined;
}

/** @throws {ViewstampError} `InvalidOptions` */
export function readClientOptions({ owner = "", cache = {} }: LockClientOptions): LockClientTerms {
  demand(
    typeof owner === "string" && owner.length <= MAX_OWNER_LENGTH,
    `owner must be a string of at most ${MAX_OWNER_LENGTH} characters`,
  );
  if (cache === false) return { owner, cache: undefined };
  demand(typeof cache === "object" && cache !== null, "cache must be false or an object with size and idleMs");
  refuseUnknown(cache, ["size", "idleMs"], "the cache of a lock client");
  const { size = 1024, idleMs = 10_000 } = cache;
  demand(
    Number.isInteger(size) && size >= 1 && size <= MAX_CACHE_SIZE,
    `cache.size must be a whole number from 1 to ${MAX_CACHE_SIZE}; for none at all say cache: false`,
  );
  demand(
    typeof idleMs === "number" && idleMs >= 1 && idleMs <= MAX_TIMEOUT_MS,
    `cache.idleMs must be a number from 1 to ${MAX_TIMEOUT_MS}`,
  );
  return { owner, cache: { size, idleMs } };
}

function demand(condition: boolean, message: string): asserts condition {
  if (!condition) throw new ViewstampError("InvalidOptions", message);
}

/** What is the same for requests of every kind. */
export interface Wish {
  readonly mode: LockMode;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
  readonly maxHoldMs: number | undefined;
  readonly lockDelayMs: number;
}

/** A request's arguments, checked. */
export interface Terms extends Wish {
  /** As the cluster knows it. */
  readonly name: string;
  readonly how: Acquisition["how"];
  /** Of a semaphore; 0 for a lock. */
  readonly permits: number;
}

/** Those of a request for several locks. */
export interface GroupTerms extends Wish {
  /** Each once. */
  readonly names: readonly string[];
  readonly how: GroupAcquisition["how"];
}

/**
 * Arguments are converted from the left, all of them before any of them is judged; `convertLast` converts what follows
 * the options.
 *
 * @throws {TypeError} for what cannot be converted
 * @throws {DOMException} `NotSupportedError` for what does not go together
 * @throws {ViewstampError} `InvalidInput` for a name that is too long, which the standard does not know
 * @throws the reason of a signal that is aborted already
 */
export function readTerms(name: unknown, options: unknown, convertLast: () => void = () => {}): Terms {
  const text = textOf(name);
  const given = readOptions(options);
  convertLast();
  checkName(text);
  checkTogether(given);
  // Each by its name: to copy an object of any shape would cost more than all else that a kept lock does.
  const { ifAvailable, steal, mode, signal, timeoutMs, maxHoldMs, lockDelayMs } = given;
  const how = steal ? "steal" : ifAvailable ? "ifAvailable" : "wait";
  return { name: text, how, permits: 0, mode, signal, timeoutMs, maxHoldMs, lockDelayMs };
}

/** The same of a request for several locks, each of which is asked for once. */
export function readGroupTerms(names: unknown, options: unknown): GroupTerms {
  if (!Array.isArray(names) || names.length === 0)
    throw new TypeError("names must be an array of lock names, not empty");
  const texts = [...new Set(names.map(textOf))];
  const given = readOptions(options);
  const { ifAvailable, steal, ...wish } = given;
  for (const text of texts) checkName(text);
  if (texts.length > MAX_GROUP) {
    throw new ViewstampError("InvalidInput", `at most ${MAX_GROUP} locks can be asked for together`);
  }
  if (steal) throw unsupported("several locks cannot be stolen together");
  checkTogether(given);
  return { names: texts, how: ifAvailable ? "ifAvailable" : "wait", ...wish };
}

/** A semaphore's name, as the cluster knows it. */
export function readSemaphore(name: unknown, permits: unknown): { readonly name: string; readonly permits: number } {
  const text = textOf(name);
  checkName(text);
  if (typeof permits !== "number" || !Number.isInteger(permits) || permits < 1 || permits > MAX_PERMITS) {
    throw new TypeError(`permits must be a whole number from 1 to ${MAX_PERMITS}, not ${String(permits)}`);
  }
  const full = semaphoreName(text);
  if (full.length > MAX_NAME_LENGTH) throw new ViewstampError("InvalidInput", "the name of the semaphore is too long");
  return { name: full, permits };
}

/** @throws {ViewstampError} `InvalidOptions` for an option that permits have not; and as `readTerms` */
export function readPermitTerms(
  semaphore: { readonly name: string; readonly permits: number },
  options: unknown,
): Terms {
  if (options !== undefined && options !== null) {
    refuseUnknown(options as object, ["ifAvailable", "signal", "timeoutMs", "maxHoldMs"], "a permit");
  }
  const given = { ...readOptions(options), steal: false };
  const { ifAvailable, steal: _, ...wish } = given;
  checkTogether(given);
  return { ...wish, ...semaphore, mode: "shared", how: ifAvailable ? "ifAvailable" : "wait" };
}

/** A template, not String(): a symbol is no string. */
function textOf(name: unknown): string {
  return `${name as string}`;
}

function checkName(text: string): void {
  if (text.length > MAX_NAME_LENGTH) {
    throw new ViewstampError("InvalidInput", `a lock name has at most ${MAX_NAME_LENGTH} characters`);
  }
  if (text.startsWith("-")) throw unsupported('a lock name that begins with "-" is reserved');
}

function checkTogether({ mode, signal, lockDelayMs, ifAvailable, steal }: Options): void {
  if (steal && ifAvailable) throw unsupported("steal and ifAvailable exclude each other");
  if (steal && mode !== "exclusive") throw unsupported("only an exclusive request can steal");
  if (signal !== undefined && (steal || ifAvailable)) {
    throw unsupported("a request that does not wait (steal, ifAvailable) takes no signal");
  }
  if (lockDelayMs > 0 && mode !== "exclusive") throw unsupported("lockDelayMs is for exclusive requests");
  if (signal?.aborted) throw signal.reason;
}

/** @throws {TypeError} */
export function readCallback<Callback>(callback: Callback): Callback {
  if (typeof callback !== "function") throw new TypeError("the callback of a lock request must be a function");
  return callback;
}

interface Options extends Wish {
  readonly ifAvailable: boolean;
  readonly steal: boolean;
}

/** Members are read in the order of the alphabet, unknown ones are left alone: so Web IDL reads a dictionary. */
function readOptions(options: unknown): Options {
  const given = readDictionary(options);
  return {
    ifAvailable: Boolean(given["ifAvailable"]),
    lockDelayMs: readDelay(given["lockDelayMs"]),
    maxHoldMs: readTime("maxHoldMs", given["maxHoldMs"]),
    mode: readMode(given["mode"]),
    signal: readSignal(given["signal"]),
    steal: Boolean(given["steal"]),
    timeoutMs: readTime("timeoutMs", given["timeoutMs"]),
  };
}

/** Where nothing is given nothing is read, whatever somebody has made of the prototype of all objects. */
const NO_OPTIONS: Readonly<Record<string, unknown>> = Object.freeze(Object.create(null));

function readDictionary(options: unknown): Readonly<Record<string, unknown>> {
  if (options === undefined || options === null) return NO_OPTIONS;
  if (typeof options !== "object" && typeof options !== "function") {
    throw new TypeError("the options of a lock request must be an object");
  }
  return options as Readonly<Record<string, unknown>>;
}

function readMode(mode: unknown): LockMode {
  if (mode === undefined) return "exclusive";
  const text = `${mode as string}`;
  if (text !== "exclusive" && text !== "shared") {
    throw new TypeError(`mode must be "exclusive" or "shared", not ${JSON.stringify(text)}`);
  }
  return text;
}

function readSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined) return undefined;
  if (!isSignal(signal)) throw new TypeError("signal must be an AbortSignal");
  return signal;
}

function readTime(option: string, ms: unknown): number | undefined {
  if (ms === undefined) return undefined;
  if (typeof ms !== "number" || !(ms > 0 && ms <= MAX_TIMEOUT_MS)) {
    throw new TypeError(`${option} must be a number above 0 and at most ${MAX_TIMEOUT_MS}, not ${String(ms)}`);
  }
  return ms;
}

function readDelay(ms: unknown): number {
  if (ms === undefined) return 0;
  if (typeof ms !== "number" || !(ms >= 0 && ms <= MAX_LOCK_DELAY_MS)) {
    throw new TypeError(`lockDelayMs must be a number from 0 to ${MAX_LOCK_DELAY_MS}, not ${String(ms)}`);
  }
  return ms;
}

function unsupported(message: string): DOMException {
  return new DOMException(message, "NotSupportedError");
}
