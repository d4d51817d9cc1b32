/**
 * A replicated key-value map: `get`, `put`, `delete`, `compareAndSet` by version, `list` by prefix.
 * @module
 */
import * as v from "valibot";
import { badMessage } from "../protocol/bytes.ts";
import { command, defineMachine, query } from "./define.ts";
import type { Command, Machine, Query, StateRestoration } from "./definition.ts";
import { VersionedMap } from "./versioned-map.ts";

/**
 * What a key stands for: text or bytes. For anything with a shape, encode it, or define a machine of your own, whose
 * commands can then work on it.
 */
export type KvValue = string | Uint8Array;

/** A value and its version: the place in the log of the write that made it, so no version ever comes again. */
export interface KvVersioned {
  /** Text or bytes, as they were put. */
  readonly value: KvValue;
  /** Larger than any version that the key has had before. */
  readonly version: number;
}

/** A key with its value. */
export interface KvEntry extends KvVersioned {
  /** Any string. */
  readonly key: string;
}

/** Input of `put`. */
export interface KvPut {
  /** Any string, up to `MAX_KEY_LENGTH`. */
  readonly key: string;
  /** Up to `MAX_VALUE_BYTES`. */
  readonly value: KvValue;
}

/** Input of `compareAndSet`. */
export interface KvCompareAndSet {
  /** Any string, up to `MAX_KEY_LENGTH`. */
  readonly key: string;
  /** The version that the key must have; 0: it must not be there. */
  readonly version: number;
  /** The new value; without one the key is deleted. */
  readonly value?: KvValue | undefined;
}

/** What `compareAndSet` did. */
export interface KvCompared {
  /** Whether the key had the version. */
  readonly done: boolean;
  /** The version that the key has now, 0 if it is not there. */
  readonly version: number;
}

/** Input of `list`. */
export interface KvList {
  /**
   * What the keys begin with.
   * @default "", every key
   */
  readonly prefix?: string | undefined;
  /** Only keys behind this one: the `next` of the page before. */
  readonly after?: string | undefined;
  /**
   * The most entries of the page, 1 to 1000; a page also ends at about 64 KiB.
   * @default 100
   */
  readonly limit?: number | undefined;
}

/** A page of `list`, in the order of the keys by UTF-16 code units. */
export interface KvPage {
  /** At most `limit` of them. */
  readonly entries: readonly KvEntry[];
  /** There may be more: ask again with `after: next`. */
  readonly next?: string;
}

/** The state of `kv`. */
export type KvState = VersionedMap<string, KvVersioned>;

/** The commands of `kv`. */
export type KvCommands = {
  /** Sets a key. Gives its new version. */
  readonly put: Command<KvState, KvPut, { readonly version: number }>;
  /** Deletes a key. Gives whether it was there. */
  readonly delete: Command<KvState, string, boolean>;
  /** Sets or deletes a key if it has the version that the caller has seen. */
  readonly compareAndSet: Command<KvState, KvCompareAndSet, KvCompared>;
};

/** The queries of `kv`. */
export type KvQueries = {
  /** The value of a key and its version. */
  readonly get: Query<KvState, string, KvVersioned | undefined>;
  /** The keys that begin with a prefix, page by page. */
  readonly list: Query<KvState, KvList, KvPage, KvWanted>;
};

/** The input of `list` with its defaults. */
export interface KvWanted {
  /** See `KvList`. */
  readonly prefix: string;
  /** See `KvList`. */
  readonly after?: string | undefined;
  /** See `KvList`. */
  readonly limit: number;
}

/** The most UTF-16 code units of a key. */
export const MAX_KEY_LENGTH: number = 4096;

/** The most bytes of a value; a string counts two for each UTF-16 code unit. */
export const MAX_VALUE_BYTES: number = 128 * 1024;

const TOO_LARGE = `a value has at most ${MAX_VALUE_BYTES} bytes, a text ${MAX_VALUE_BYTES / 2} characters`;
const MAX_PAGE = 1000;
const PAGE_BYTES = 64 * 1024;
const SLICE_BYTES = 32 * 1024;

/** What an entry weighs beside its key and value. */
const ENTRY_BYTES = 16;

const key = v.pipe(v.string(), v.maxLength(MAX_KEY_LENGTH));
const value = v.pipe(
  v.custom<KvValue>(isValue, "a value is a string or a Uint8Array"),
  v.check((given) => weightOf(given) <= MAX_VALUE_BYTES, TOO_LARGE),
);
const version = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const limit = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_PAGE));

/**
 * A key-value map as a machine. Keys are any JavaScript strings up to 4096 UTF-16 code units, lone surrogates included;
 * values are bytes up to 128 KiB or strings up to half as many UTF-16 code units. Large states are no trouble: snapshots are taken in slices.
 *
 * @example
 * ```ts
 * const client = await connect({ cluster, machine: kv, transport });
 * const { version } = await client.put({ key: "config/color", value: "green" });
 * await client.compareAndSet({ key: "config/color", version, value: "blue" });
 * const { entries, next } = await client.list({ prefix: "config/", limit: 50 });
 * ```
 */
export const kv: Machine<"kv", KvState, KvCommands, KvQueries> = defineMachine({
  name: "kv",
  version: 1,
  init: (): KvState => new VersionedMap(),
  commands: {
    put: command(v.strictObject({ key, value }), (state, put, { viewstamp }) => {
      state.set(put.key, { value: put.value, version: viewstamp.seqno });
      return { version: viewstamp.seqno };
    }),
    delete: command(key, (state, name) => state.delete(name)),
    compareAndSet: command(v.strictObject({ key, version, value: v.optional(value) }), (state, wanted, { viewstamp }) =>
      compareAndSet(state, wanted, viewstamp.seqno),
    ),
  },
  queries: {
    get: query(key, (state, name) => state.get(name)),
    list: query(
      v.strictObject({
        prefix: v.optional(v.string(), ""),
        after: v.optional(v.string()),
        limit: v.optional(limit, 100),
      }),
      (state, wanted: KvWanted) => listPage(state, wanted),
    ),
  },
  snapshot: (state) => slices(state.snapshot()),
  restore: () => new KvRestoration(),
});

function compareAndSet(state: KvState, wanted: KvCompareAndSet, seqno: number): KvCompared {
  const current = state.get(wanted.key)?.version ?? 0;
  if (current !== wanted.version) return { done: false, version: current };
  if (wanted.value === undefined) {
    state.delete(wanted.key);
    return { done: true, version: 0 };
  }
  state.set(wanted.key, { value: wanted.value, version: seqno });
  return { done: true, version: seqno };
}

/** A page has one entry at least, so that a walk over large values comes to its end. */
function listPage(state: KvState, { prefix, after, limit }: KvWanted): KvPage {
  const entries: KvEntry[] = [];
  let bytes = 0;
  let last = prefix;
  for (const [key, { value, version }] of state.entries(firstKey(prefix, after))) {
    if (!key.startsWith(prefix)) break;
    bytes += key.length * 2 + weightOf(value) + ENTRY_BYTES;
    if (entries.length > 0 && (entries.length >= limit || bytes > PAGE_BYTES)) return { entries, next: last };
    entries.push({ key, value, version });
    last = key;
  }
  return { entries };
}

/** `after` and a zero unit: in the order of code units no string is between the two. */
function firstKey(prefix: string, after: string | undefined): string {
  return after === undefined || after < prefix ? prefix : `${after}\0`;
}

function isValue(given: unknown): given is KvValue {
  return typeof given === "string" || given instanceof Uint8Array;
}

function weightOf(value: KvValue): number {
  return typeof value === "string" ? value.length * 2 : value.length;
}

/** Flat lists: key, value, version, key … */
function* slices(entries: Iterable<[string, KvVersioned]>): Generator<unknown, undefined, undefined> {
  let slice: unknown[] = [];
  let bytes = 0;
  for (const [key, { value, version }] of entries) {
    slice.push(key, value, version);
    bytes += key.length * 2 + weightOf(value) + ENTRY_BYTES;
    if (bytes < SLICE_BYTES) continue;
    yield slice;
    slice = [];
    bytes = 0;
  }
  yield slice;
  return undefined;
}

class KvRestoration implements StateRestoration<KvState> {
  readonly #state: KvState = new VersionedMap();

  chunk(slice: unknown): void {
    if (!Array.isArray(slice)) throw badMessage("no slice of a kv snapshot");
    for (let index = 0; index < slice.length; index += 3) {
      const [key, value, version]: unknown[] = slice.slice(index, index + 3);
      if (typeof key !== "string" || !isValue(value) || typeof version !== "number") {
        throw badMessage("no entry of a kv snapshot");
      }
      this.#state.set(key, { value, version });
    }
  }

  finish(): KvState {
    return this.#state;
  }
}
