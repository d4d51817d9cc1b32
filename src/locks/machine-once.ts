/**
 * What was claimed to be done once: the first who claims a key does it, until its time is up. Kept in replicated time,
 * for no session: whoever claims and dies has claimed.
 * @module
 */
import * as v from "valibot";
import { VersionedMap } from "../machine/versioned-map.ts";
import { MachineError } from "../protocol/errors.ts";
import { MAX_NAME_LENGTH } from "./machine-words.ts";

/** What `once` takes. */
export interface OnceClaim {
  /** What is to be done once. */
  readonly key: string;
  /** Chosen by the claimant and unique: asking twice is asking once. */
  readonly id: string;
  /** For how long nobody else may do it, in milliseconds of replicated time. */
  readonly ttlMs: number;
  /** A claim of the same claimant, who heard of it too late to use it: it does not count any more. */
  readonly instead?: string | undefined;
}

interface Claimed {
  readonly id: string;
  readonly until: number;
}

/** The longest `ttlMs`: 366 days. */
export const MAX_ONCE_TTL_MS: number = 366 * 24 * 3600 * 1000;
/** Claims that may stand at a time. */
export const MAX_CLAIMS = 100_000;
const MAX_ID_LENGTH = 64;
/** More are forgotten by the next tick. */
const FORGOTTEN_AT_ONCE = 256;
const CLAIMS_PER_SLICE = 256;

const idSchema = v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_ID_LENGTH));

export const onceSchema: v.GenericSchema<OnceClaim> = v.strictObject({
  key: v.pipe(v.string(), v.maxLength(MAX_NAME_LENGTH)),
  id: idSchema,
  instead: v.optional(idSchema),
  ttlMs: v.pipe(v.number(), v.minValue(1), v.maxValue(MAX_ONCE_TTL_MS)),
});

/** A claim in a snapshot. */
export type OnceRow = [key: string, id: string, until: number];
export const onceSliceSchema: v.GenericSchema<{ readonly once: OnceRow[] }> = v.strictObject({
  once: v.array(v.strictTuple([v.string(), v.string(), v.number()])),
});

type Due = readonly [until: number, key: string];

/** The claims of `runOnce`: which stand, and until when. */
export class OnceTable {
  readonly #claims: VersionedMap<string, Claimed> = new VersionedMap();
  /** Derived: what ends when. */
  readonly #due: VersionedMap<Due, true> = new VersionedMap<Due, true>(byTime);

  /** Whether it is this claim that counts. @throws {MachineError} `TooManyClaims` */
  claim({ key, id, ttlMs, instead }: OnceClaim, now: number): boolean {
    const standing = this.#claims.get(key);
    if (standing !== undefined && standing.until > now && standing.id !== instead) return standing.id === id;
    if (standing === undefined && this.#claims.size >= MAX_CLAIMS) {
      throw new MachineError("TooManyClaims", { limit: MAX_CLAIMS });
    }
    this.put([key, id, now + ttlMs]);
    return true;
  }

  /** A claim that stands, as in a snapshot. */
  put([key, id, until]: OnceRow): void {
    this.#forget(key);
    this.#claims.set(key, { id, until });
    this.#due.set([until, key], true);
  }

  /** When the first claim ends. */
  get deadline(): number | undefined {
    for (const [[until]] of this.#due.entries()) return until;
    return undefined;
  }

  /** Forgets what has ended. */
  tick(now: number): void {
    const over: string[] = [];
    for (const [[until, key]] of this.#due.entries()) {
      if (until > now || over.length === FORGOTTEN_AT_ONCE) break;
      over.push(key);
    }
    for (const key of over) this.#forget(key);
  }

  /** All claims as they are now, while the table changes. */
  slices(): Generator<{ once: OnceRow[] }, void> {
    return slicesOf(this.#claims.snapshot());
  }

  #forget(key: string): void {
    const standing = this.#claims.get(key);
    if (standing === undefined) return;
    this.#claims.delete(key);
    this.#due.delete([standing.until, key]);
  }
}

function* slicesOf(claims: Iterable<readonly [string, Claimed]>): Generator<{ once: OnceRow[] }, void> {
  let once: OnceRow[] = [];
  for (const [key, { id, until }] of claims) {
    once.push([key, id, until]);
    if (once.length < CLAIMS_PER_SLICE) continue;
    yield { once };
    once = [];
  }
  if (once.length > 0) yield { once };
}

function byTime([a, one]: Due, [b, other]: Due): number {
  if (a !== b) return a - b;
  return one < other ? -1 : one > other ? 1 : 0;
}
