/**
 * Moves a state and the log after it to later places: a cluster made of old data must not use a place again that the
 * old one may have used, for fencing tokens and session ids come from places (design.md 4.8).
 * @module
 */
import type { Entry } from "../protocol/entry.ts";
import { makeEntry } from "../protocol/entry-codec.ts";
import type { Viewstamp } from "../protocol/view.ts";

/** A place moved on by `skip`, in a view that was. */
export function movedPlace({ vid, seqno }: Viewstamp, skip: number): Viewstamp {
  return { vid: Math.max(1, vid), seqno: seqno + skip };
}

/** The entries after `base`, moved on by `skip`. A session that was opened before `base` keeps its id, which the state has. */
export function movedEntries(entries: readonly Entry[], base: Viewstamp, skip: number): Entry[] {
  return entries.map(({ bytes: _, session, seqno, ...rest }) => {
    const isFromLog = session.seqno > base.seqno;
    const whose = isFromLog ? { vid: session.vid, seqno: session.seqno + skip } : session;
    return makeEntry({ ...rest, seqno: seqno + skip, session: whose });
  });
}
