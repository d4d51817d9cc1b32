/**
 * The records of the log: those of the storage contract, and the storage's own. Each is a code and its fields; a block
 * holds as many as it has bytes for.
 * @module
 */
import * as v from "valibot";
import type { AcceptedValue, Ballot } from "../protocol/ballot.ts";
import { badMessage, Reader, type Writer } from "../protocol/bytes.ts";
import {
  readEntries,
  readRuns,
  readViewstamp,
  writeEntries,
  writeRuns,
  writeViewstamp,
} from "../protocol/log-codec.ts";
import type { Run } from "../protocol/messages.ts";
import type { DurableMachines, StorageRecord } from "../protocol/storage.ts";
import { readValue, writeValue } from "../protocol/values.ts";
import type { ClusterId, Incarnation, View, Viewstamp } from "../protocol/view.ts";
import {
  accepted,
  ballot,
  clusterId,
  count,
  id,
  incarnation,
  parse,
  positive,
  type Schema,
  versions,
  view,
  viewstamp,
} from "../protocol/wire-schemas.ts";

/** The newest snapshot: the file of this number and id, whole, is the state at `at`. */
export interface SnapshotNote {
  readonly number: number;
  readonly id: string;
  readonly at: Viewstamp;
  readonly chunks: number;
  readonly bytes: number;
}

export type LogRecord =
  | StorageRecord
  | { readonly kind: "snapshot"; readonly note: SnapshotNote }
  /** The last record of a segment: `next` is durable. */
  | { readonly kind: "seal"; readonly next: number };

/** What is remembered beside the log. */
export interface Facts {
  readonly identity: { readonly incarnation: Incarnation; readonly clusterId: ClusterId | undefined } | undefined;
  readonly machines: DurableMachines | undefined;
  readonly view: View | undefined;
  readonly promised: { readonly instance: number; readonly ballot: Ballot } | undefined;
  readonly accepted: { readonly instance: number; readonly accepted: AcceptedValue } | undefined;
  readonly level: { readonly vid: number; readonly through: Viewstamp } | undefined;
  readonly snapshot: SnapshotNote | undefined;
}

/** The first block of a segment: all that the segments before it say, and how long the last of them is. */
export interface Checkpoint {
  readonly previousBytes: number;
  readonly facts: Facts;
  readonly base: Viewstamp;
  readonly runs: readonly Run[];
  /** Which segment it begins, so that a copy of it is known under any other name; format 1 does not say. */
  readonly number: number | undefined;
}

const identity = v.strictObject({ incarnation, clusterId: v.undefinedable(clusterId) });
const machines = v.strictObject({ origin: versions, promised: versions });
const promised = v.strictObject({ instance: positive, ballot });
const acceptedIn = v.strictObject({ instance: positive, accepted });
const level = v.strictObject({ vid: count, through: viewstamp });
const snapshotNote: Schema<SnapshotNote> = v.strictObject({
  number: positive,
  id,
  at: viewstamp,
  chunks: count,
  bytes: positive,
});
const facts: Schema<Facts> = v.strictObject({
  identity: v.undefinedable(identity),
  machines: v.undefinedable(machines),
  view: v.undefinedable(view),
  promised: v.undefinedable(promised),
  accepted: v.undefinedable(acceptedIn),
  level: v.undefinedable(level),
  snapshot: v.undefinedable(snapshotNote),
});

const CODES: Readonly<Record<LogRecord["kind"], number>> = {
  identity: 1,
  view: 2,
  promised: 3,
  accepted: 4,
  level: 5,
  append: 6,
  truncate: 7,
  base: 8,
  snapshot: 9,
  seal: 10,
  machines: 11,
};

export function writeRecord(writer: Writer, record: LogRecord): void {
  writer.u8(CODES[record.kind]);
  if (record.kind === "append") writeEntries(writer, record.entries);
  else if (record.kind === "truncate") writer.varuint(record.seqno);
  else if (record.kind === "base") writeViewstamp(writer, record.at);
  else if (record.kind === "seal") writer.varuint(record.next);
  else {
    const { kind: _, ...fields } = record;
    writeValue(writer, fields);
  }
}

/** The records of a block, one by one. @throws {ViewstampError} `BadMessage` */
export function* readRecords(content: Uint8Array): Generator<LogRecord> {
  const reader = new Reader(content);
  while (reader.left > 0) yield readRecord(reader);
}

function readRecord(reader: Reader): LogRecord {
  const code = reader.u8();
  switch (code) {
    case CODES.append:
      return { kind: "append", entries: readEntries(reader) };
    case CODES.truncate:
      return { kind: "truncate", seqno: reader.varuint() };
    case CODES.base:
      return { kind: "base", at: readViewstamp(reader) };
    case CODES.seal:
      return { kind: "seal", next: reader.varuint() };
    case CODES.identity:
      return { kind: "identity", ...parse(identity, readValue(reader), "identity") };
    case CODES.machines:
      return { kind: "machines", ...parse(machines, readValue(reader), "machines") };
    case CODES.view:
      return { kind: "view", ...parse(v.strictObject({ view }), readValue(reader), "view") };
    case CODES.promised:
      return { kind: "promised", ...parse(promised, readValue(reader), "promised") };
    case CODES.accepted:
      return { kind: "accepted", ...parse(acceptedIn, readValue(reader), "accepted") };
    case CODES.level:
      return { kind: "level", ...parse(level, readValue(reader), "level") };
    case CODES.snapshot:
      return { kind: "snapshot", ...parse(v.strictObject({ note: snapshotNote }), readValue(reader), "snapshot") };
    default:
      throw badMessage(`${code} is no record`);
  }
}

export function writeCheckpoint(writer: Writer, checkpoint: Checkpoint): void {
  writer.varuint(checkpoint.previousBytes);
  writeValue(writer, checkpoint.facts);
  writeViewstamp(writer, checkpoint.base);
  writeRuns(writer, checkpoint.base, checkpoint.runs);
  if (checkpoint.number !== undefined) writer.varuint(checkpoint.number);
}

/** @throws {ViewstampError} `BadMessage` */
export function readCheckpoint(reader: Reader): Checkpoint {
  const previousBytes = reader.varuint();
  const read = parse(facts, readValue(reader), "checkpoint");
  const base = readViewstamp(reader);
  const runs = readRuns(reader, base);
  return { previousBytes, facts: read, base, runs, number: reader.left > 0 ? reader.varuint() : undefined };
}
