/**
 * Pieces of a log in bytes, the same on wire and disk: viewstamps, entries that follow each other, and the shape of a
 * log as runs.
 * @module
 */
import { badMessage, type Reader, type Writer } from "./bytes.ts";
import type { Entry } from "./entry.ts";
import { MIN_ENTRY_BYTES, takeEntry } from "./entry-codec.ts";
import type { Run } from "./messages.ts";
import type { Viewstamp } from "./view.ts";

export function writeViewstamp(writer: Writer, { vid, seqno }: Viewstamp): void {
  writer.varuint(vid);
  writer.varuint(seqno);
}

export function readViewstamp(reader: Reader): Viewstamp {
  return { vid: reader.varuint(), seqno: reader.varuint() };
}

/** Entries as they are on wire and disk: a count and their own bytes, untouched. */
export function writeEntries(writer: Writer, entries: readonly Entry[]): void {
  writer.varuint(entries.length);
  for (const entry of entries) writer.bytes(entry.bytes);
}

/** Entries that follow each other: consecutive places, views and times that never fall. */
export function readEntries(reader: Reader): Entry[] {
  const entries: Entry[] = [];
  for (let left = reader.count(MIN_ENTRY_BYTES); left > 0; left--) {
    const entry = takeEntry(reader);
    const before = entries.at(-1);
    if (before !== undefined) mustFollow(before, entry);
    entries.push(entry);
  }
  return entries;
}

/** @throws {ViewstampError} `BadMessage` unless the entry can stand right after `before` */
export function mustFollow(before: Viewstamp & { readonly time?: number }, entry: Entry): void {
  const { vid, seqno, time } = entry;
  if (seqno !== before.seqno + 1) throw badMessage(`entry ${seqno} after ${before.seqno}`);
  if (vid < before.vid) throw badMessage(`entry ${seqno} of view ${vid} after one of view ${before.vid}`);
  if (time < (before.time ?? 0)) throw badMessage(`entry ${seqno} is earlier than the one before it`);
}

/** As differences: a log of many short views stays far below the size of a frame. */
export function writeRuns(writer: Writer, base: Viewstamp, runs: readonly Run[]): void {
  writer.varuint(runs.length);
  let before: Run = { vid: base.vid, lastSeqno: base.seqno };
  for (const run of runs) {
    writer.varuint(run.vid - before.vid);
    writer.varuint(run.lastSeqno - before.lastSeqno);
    before = run;
  }
}

/** Runs ascend: each of a newer view than the one before it, and none empty. */
export function readRuns(reader: Reader, base: Viewstamp): Run[] {
  const runs: Run[] = [];
  let before: Run = { vid: base.vid, lastSeqno: base.seqno };
  for (let left = reader.count(2); left > 0; left--) {
    const vid = before.vid + reader.varuint();
    const lastSeqno = before.lastSeqno + reader.varuint();
    if (!Number.isSafeInteger(vid) || !Number.isSafeInteger(lastSeqno)) throw badMessage("a run beyond 2^53 - 1");
    if (lastSeqno === before.lastSeqno) throw badMessage(`an empty run of view ${vid}`);
    if (vid === before.vid && runs.length > 0) throw badMessage(`two runs of view ${vid}`);
    before = { vid, lastSeqno };
    runs.push(before);
  }
  return runs;
}
