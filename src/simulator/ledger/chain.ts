/**
 * A hash over a log from its first entry: two logs with the same chain at a place are equal up to it.
 * @module
 */
import type { Entry } from "../../protocol/entry.ts";

export const ORIGIN_CHAIN = 0x811c9dc5;

const known: WeakMap<Entry, number> = new WeakMap();

/** FNV-1a over the bytes. */
export function hashBytes(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  return hash >>> 0;
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
