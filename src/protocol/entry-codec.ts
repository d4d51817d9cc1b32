/**
 * The one encoding of a log entry, made by the primary that stamps it and shared by wire and disk:
 *
 * `kind u8, vid, seqno, time f64, session vid, session seqno, number, acknowledgedThrough, body length, body` with
 * varuints where no width is named.
 * @module
 */
import { badMessage, Reader, Writer } from "./bytes.ts";
import type { Entry, EntryKind } from "./entry.ts";
import { assert } from "./errors.ts";
import { decodeUpgrade } from "./upgrade-body.ts";

const KINDS: readonly EntryKind[] = ["open", "command", "skip", "end", "tick", "upgrade"];
const CODES = new Map(KINDS.map((kind, index) => [kind, index + 1]));

/** The least that an entry takes: every varuint one byte, no body. */
export const MIN_ENTRY_BYTES = 16;

/** An entry before it is encoded. */
export type EntryFields = Omit<Entry, "bytes">;

const scratch = new Writer(4096);

/** Encodes an entry. Its body becomes part of `bytes`: the client's frame is not held any longer. */
export function makeEntry(fields: EntryFields): Entry {
  const { kind, vid, seqno, time, session, number, acknowledgedThrough } = fields;
  const fault = faultOf(fields);
  assert(fault === undefined, `an entry ${vid}.${seqno} is made with ${fault}`);
  scratch.reset();
  scratch.u8(CODES.get(kind)!);
  scratch.varuint(vid);
  scratch.varuint(seqno);
  scratch.f64(time);
  scratch.varuint(session.vid);
  scratch.varuint(session.seqno);
  scratch.varuint(number);
  scratch.varuint(acknowledgedThrough);
  scratch.varuint(fields.body.length);
  const header = scratch.peek();
  const bytes = new Uint8Array(header.length + fields.body.length);
  bytes.set(header);
  bytes.set(fields.body, header.length);
  const body = bytes.subarray(header.length);
  return { kind, vid, seqno, time, session, number, acknowledgedThrough, body, bytes };
}

/**
 * Reads the entry at `offset`; `end` is the offset after it. `body` and `bytes` are views of the source, not copies.
 * @throws {ViewstampError} `BadMessage`
 */
export function readEntry(source: Uint8Array, offset = 0): { readonly entry: Entry; readonly end: number } {
  const reader = new Reader(source, offset);
  const entry = takeEntry(reader);
  return { entry, end: reader.offset };
}

/**
 * Reads the next entry of a larger message.
 * @throws {ViewstampError} `BadMessage`
 */
export function takeEntry(reader: Reader): Entry {
  const start = reader.offset;
  const code = reader.u8();
  const kind = KINDS[code - 1];
  if (kind === undefined) throw badMessage(`${code} is no kind of entry`);
  const vid = reader.varuint();
  const seqno = reader.varuint();
  const time = reader.f64();
  const session = { vid: reader.varuint(), seqno: reader.varuint() };
  const number = reader.varuint();
  const acknowledgedThrough = reader.varuint();
  const body = reader.block();
  const bytes = reader.since(start);
  const entry: Entry = { kind, vid, seqno, time, session, number, acknowledgedThrough, body, bytes };
  const fault = faultOf(entry);
  if (fault !== undefined) throw badMessage(`an entry with ${fault}`);
  if (kind === "upgrade") decodeUpgrade(body);
  return entry;
}

function faultOf({ kind, vid, seqno, time, session, number }: EntryFields): string | undefined {
  if (vid < 1 || seqno < 1) return "no viewstamp";
  if (!Number.isFinite(time) || time < 0) return "no time";
  const ofSession = kind === "command" || kind === "skip" || kind === "end";
  if (ofSession ? session.vid < 1 || session.seqno < 1 : session.vid > 0 || session.seqno > 0)
    return `${kind} in session ${session.vid}.${session.seqno}`;
  const numbered = kind === "command" || kind === "skip";
  return numbered === number > 0 ? undefined : `${kind} numbered ${number}`;
}
