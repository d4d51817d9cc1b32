/** A second, plain reading of the storage contract, to hold the real ones against; and records to feed them. */
import type { Entry } from "../../src/protocol/entry.ts";
import { makeEntry } from "../../src/protocol/entry-codec.ts";
import type { DurableState, StorageRecord } from "../../src/protocol/storage.ts";
import { ORIGIN, type View, type Viewstamp } from "../../src/protocol/view.ts";
import { hexOf } from "../protocol/hex.ts";

/** What happens to a storage: a record, or a snapshot that is committed. */
export type Happening = StorageRecord | { readonly kind: "saved"; readonly at: Viewstamp; readonly chunks: number };

export const EMPTY: DurableState = {
  identity: undefined,
  machines: undefined,
  setAside: undefined,
  view: undefined,
  promised: undefined,
  accepted: undefined,
  level: undefined,
  snapshot: undefined,
  base: ORIGIN,
  entries: [],
};

/** Only the promises of the next instance matter, so the model forgets others at once. */
export function after(state: DurableState, what: Happening): DurableState {
  const { entries, base } = state;
  switch (what.kind) {
    case "identity":
      return { ...state, identity: { incarnation: what.incarnation, clusterId: what.clusterId } };
    case "machines":
      return { ...state, machines: { origin: what.origin, promised: what.promised } };
    case "view": {
      const { level } = state;
      const kept = level !== undefined && level.vid >= what.view.vid ? level : undefined;
      return { ...state, view: what.view, promised: undefined, accepted: undefined, level: kept };
    }
    case "promised":
      return { ...state, promised: what.ballot };
    case "accepted":
      return { ...state, promised: what.accepted.ballot, accepted: what.accepted };
    case "level":
      return { ...state, level: { vid: what.vid, through: what.through } };
    case "append":
      return { ...state, entries: [...entries, ...what.entries] };
    case "truncate":
      return { ...state, entries: entries.filter((entry) => entry.seqno <= what.seqno) };
    case "base": {
      const has = contains(state, what.at);
      return { ...state, base: what.at, entries: has ? entries.filter((entry) => entry.seqno > what.at.seqno) : [] };
    }
    case "saved": {
      const snapshot = { at: what.at, chunks: what.chunks };
      const saved = { ...state, snapshot };
      return contains(state, what.at) || what.at.seqno < base.seqno ? saved : { ...saved, base: what.at, entries: [] };
    }
  }
}

function contains({ base, entries }: DurableState, at: Viewstamp): boolean {
  const same = (one: Viewstamp): boolean => one.vid === at.vid && one.seqno === at.seqno;
  return same(base) || entries.some(same);
}

/** One append per entry: a crash may leave a part of a longer one. */
export function single(what: Happening): Happening[] {
  return what.kind === "append" ? what.entries.map((entry) => ({ kind: "append", entries: [entry] })) : [what];
}

/** A text that is the same for equal states; the bytes of entries are part of it. */
export function textOf(state: DurableState): string {
  const entries = state.entries.map((entry) => `${entry.vid}.${entry.seqno}:${hexOf(entry.bytes)}`);
  return JSON.stringify({ ...state, entries }, (_, value) => (value === undefined ? null : value));
}

export function viewNumbered(vid: number, incarnation = "a1"): View {
  const member = { id: "a", incarnation, url: "ws://a" };
  return { vid, members: [member], acceptors: [member], barred: [], invited: [], primary: "a" };
}

export function entryAt({ vid, seqno }: Viewstamp, size = 8): Entry {
  const body = new Uint8Array(size).fill(seqno % 251);
  return makeEntry({
    kind: "command",
    vid,
    seqno,
    time: seqno,
    session: { vid: 1, seqno: 1 },
    number: seqno,
    acknowledgedThrough: 0,
    body,
  });
}

/** The entries after `end`, stamped in view `vid`. */
export function entriesFrom(end: Viewstamp, vid: number, count: number, size?: number): Entry[] {
  return Array.from({ length: count }, (_, index) => entryAt({ vid, seqno: end.seqno + index + 1 }, size));
}

export function endOf({ base, entries }: DurableState): Viewstamp {
  const last = entries.at(-1);
  return last === undefined ? base : { vid: last.vid, seqno: last.seqno };
}

/** The chunk `index` of the snapshot at a place. */
export function chunkOf(at: Viewstamp, index: number): Uint8Array {
  return new Uint8Array(30 + index).fill((at.seqno + index) % 251);
}
