/**
 * Hashes: over a log from its first entry (two logs with the same chain at a place are equal up to it), and over the chunks
 * of a snapshot.
 * @module
 */
import type { Entry } from "../../protocol/entry.ts";

export const ORIGIN_CHAIN = 0x811c9dc5;

const known: WeakMap<Entry, number> = new WeakMap();

/** FNV-1a over the bytes; goes on from `hash`. */
export function hashBytes(bytes: Uint8Array, hash: number = ORIGIN_CHAIN): number {
  let mixed = hash;
  for (let i = 0; i < bytes.length; i++) mixed = Math.imul(mixed ^ (bytes[i] as number), 0x01000193);
  return mixed >>> 0;
}

export function hashEntry(entry: Entry): number {
  let hash = known.get(entry);
  if (hash === undefined) {
    hash = hashBytes(entry.bytes);
    known.set(entry, hash);
  }
  return hash;
}

export function chained(before: number, entry: Entry): number {
  const mixed = Math.imul(before ^ hashEntry(entry), 0x85ebca6b);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}

/** One number for all chunks of a snapshot, cuts included. */
export class Digest {
  #hash: number = ORIGIN_CHAIN;

  get value(): number {
    return this.#hash;
  }

  add(chunk: Uint8Array): void {
    this.#hash = hashBytes(chunk, Math.imul(this.#hash ^ chunk.length, 0x85ebca6b));
  }
}

export function digestOf(chunks: Iterator<Uint8Array>): number {
  const digest = new Digest();
  for (let next = chunks.next(); next.done !== true; next = chunks.next()) digest.add(next.value);
  return digest.value;
}
