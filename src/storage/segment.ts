/**
 * Segments of the log: how one begins, and how a new one follows it.
 * @module
 */
import { Reader, Writer } from "../protocol/bytes.ts";
import type { Done } from "../protocol/storage.ts";
import { Batch } from "./batch.ts";
import { blockOf, type FileId, fileIdOf, HEAD_BYTES, headOf } from "./blocks.ts";
import type { Disk, DiskFile, DiskReader, Got } from "./disk.ts";
import { Damage, Unreadable } from "./faults.ts";
import { segmentName } from "./names.ts";
import { makeFile } from "./new-file.ts";
import { type Checkpoint, readCheckpoint, readRecords, writeCheckpoint } from "./records.ts";
import { type Block, readBlock, readFileId, scanBlocks } from "./scan.ts";
import { errorOf, inTurn, then } from "./steps.ts";

/** The segment that is written. */
export interface OpenSegment {
  readonly number: number;
  readonly id: FileId;
  readonly file: DiskFile;
  /** How long its head and checkpoint are. */
  readonly from: number;
  /** How long it is, and durable. */
  readonly bytes: number;
}

export interface SegmentHead {
  readonly number: number;
  readonly name: string;
  readonly id: FileId;
  readonly checkpoint: Checkpoint;
  /** Where the blocks after the checkpoint begin. */
  readonly from: number;
}

export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  const writer = new Writer();
  writeCheckpoint(writer, checkpoint);
  return writer.finish();
}

/** Makes a segment that begins with the checkpoint, durable with its name. */
export function makeSegment(
  disk: Disk,
  number: number,
  checkpoint: Checkpoint,
  randomId: string,
  done: Got<OpenSegment>,
): void {
  const id = fileIdOf(randomId);
  const content = encodeCheckpoint(checkpoint);
  const bytes = new Uint8Array([...headOf("log", id), ...blockOf(content, id, HEAD_BYTES, HEAD_BYTES)]);
  const failed: Done = (error) => done(error, undefined);
  makeFile(
    disk,
    segmentName(number),
    bytes,
    then(failed, (file) => done(undefined, { number, id, file, from: bytes.length, bytes: bytes.length })),
  );
}

/**
 * Ends a segment, of so many bytes, that a crash kept from it: one without an end would seem to be the last, if the next one
 * were lost. What stands behind the place where the next one goes on counts for nothing, so this may be done again.
 */
export function sealSegment(disk: Disk, { name, id }: SegmentHead, limit: number, next: SegmentHead, done: Done): void {
  const from = next.checkpoint.previousBytes;
  const seal = new Batch();
  seal.add({ kind: "seal", next: next.number });
  const bytes = seal.finish(id, from, from);
  const sealNow = (file: DiskFile): void =>
    inTurn(
      [(then) => file.truncate(from, then), (then) => file.append(bytes, then), (then) => file.sync(then)],
      (error) => file.close((failure) => done(error ?? failure)),
    );
  let isSealed = false;
  const look = ({ content }: Block): void => {
    for (const { kind } of readRecords(content)) isSealed ||= kind === "seal";
  };
  scanBlocks(disk, { name, id, from, limit }, look, (error) => {
    // What cannot be read there is replaced, as what is not whole.
    if (error !== undefined && !(error instanceof Unreadable)) done(error);
    else if (isSealed) done(undefined);
    else disk.open(name, then(done, sealNow));
  });
}

/** As segments appear whole or not at all, one whose head cannot be read is damaged. */
export function readSegmentHead(disk: DiskReader, number: number, limit: number, done: Got<SegmentHead>): void {
  const name = segmentName(number);
  const failed: Done = (error) => done(error, undefined);
  readFileId(
    disk,
    name,
    "log",
    then(failed, (id) =>
      readBlock(
        disk,
        { name, id, from: HEAD_BYTES, limit },
        then(failed, (block) => {
          let checkpoint: Checkpoint | undefined;
          const fault = errorOf(() => {
            if (block !== undefined) checkpoint = decodeCheckpoint(block.content);
          });
          const wasWritten = checkpoint?.number;
          if (fault !== undefined || checkpoint === undefined)
            done(new Damage(`the head of ${name} is damaged`), undefined);
          else if (wasWritten !== undefined && wasWritten !== number)
            done(new Damage(`${name} was written as ${segmentName(wasWritten)}`), undefined);
          else done(undefined, { number, name, id, checkpoint, from: HEAD_BYTES + block!.bytes });
        }),
      ),
    ),
  );
}

export function decodeCheckpoint(content: Uint8Array): Checkpoint {
  const reader = new Reader(content);
  const checkpoint = readCheckpoint(reader);
  reader.finish();
  return checkpoint;
}
