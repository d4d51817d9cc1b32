/**
 * Entries for tests of the log: the place and view matter, what they do does not.
 * @module
 */
import type { Entry } from "../../src/protocol/entry.ts";
import { makeEntry } from "../../src/protocol/entry-codec.ts";

export function entryAt(seqno: number, vid: number, size = 3): Entry {
  const session = { vid: 1, seqno: 1 };
  const body = new Uint8Array(size).fill(seqno);
  return makeEntry({ kind: "command", vid, seqno, time: 0, session, number: seqno, acknowledgedThrough: 0, body });
}

/** `"1 1 2"`: after place `base` an entry stamped in view 1, one more, and one stamped in view 2. */
export function entriesOf(vids: string, base = 0): Entry[] {
  return vids
    .split(" ")
    .filter((word) => word !== "")
    .map((vid, index) => entryAt(base + index + 1, Number(vid)));
}
