/**
 * Requests for several locks that are granted together, in one step: each stands in line at every lock of its group, from
 * the same entry on, and nobody who waits so holds anything. Therefore the lines agree on who came first, and whoever
 * came first of all waits for holders only: there is no circle of those who wait for each other.
 * @module
 */
import * as v from "valibot";
import { VersionedMap } from "../machine/versioned-map.ts";
import type { SessionId } from "../protocol/session.ts";

type Key = readonly [session: SessionId, first: number];

/** A group in a snapshot: its request for `names[i]` has the number `first + i`. */
export type GroupRow = [session: string, first: number, names: string[]];
export const groupSliceSchema: v.GenericSchema<{ readonly groups: GroupRow[] }> = v.strictObject({
  groups: v.array(v.strictTuple([v.string(), v.number(), v.array(v.string())])),
});

/** A slice ends at about this many bytes. */
const SLICE_BYTES = 32 * 1024;

/** The locks that each group of waiting requests is for. */
export class GroupTable {
  readonly #names: VersionedMap<Key, readonly string[]> = new VersionedMap<Key, readonly string[]>(bySession);

  /** The locks of a group, as its requests are numbered. */
  names(session: SessionId, first: number): readonly string[] {
    return this.#names.get([session, first]) ?? [];
  }

  /** A new group of waiting requests. */
  put(session: SessionId, first: number, names: readonly string[]): void {
    this.#names.set([session, first], names);
  }

  /** It waits no more. */
  delete(session: SessionId, first: number): void {
    this.#names.delete([session, first]);
  }

  /** All groups of a session, first to last. */
  of(session: SessionId): number[] {
    const all: number[] = [];
    for (const [[whose, first]] of this.#names.entries([session, 0])) {
      if (whose !== session) break;
      all.push(first);
    }
    return all;
  }

  /** All groups as they are now, while the table changes. */
  slices(): Generator<{ groups: GroupRow[] }, void> {
    return slicesOf(this.#names.snapshot());
  }
}

function* slicesOf(all: Iterable<readonly [Key, readonly string[]]>): Generator<{ groups: GroupRow[] }, void> {
  let groups: GroupRow[] = [];
  let room = SLICE_BYTES;
  for (const [[session, first], names] of all) {
    groups.push([session, first, [...names]]);
    for (const name of names) room -= 3 * name.length + 8;
    if (room > 0) continue;
    yield { groups };
    groups = [];
    room = SLICE_BYTES;
  }
  if (groups.length > 0) yield { groups };
}

function bySession([one, a]: Key, [other, b]: Key): number {
  if (one !== other) return one < other ? -1 : 1;
  return a - b;
}
