/**
 * Walks one file of a data directory, block by block, and goes on behind what is no block: for people who want to know
 * where the damage is. Whether the data as a whole counts, `examination.ts` decides.
 * @module
 */
import type { Done } from "../protocol/storage.ts";
import { type FileId, type FileKind, HEAD_BYTES } from "./blocks.ts";
import type { DiskReader } from "./disk.ts";
import { Damage, Unreadable } from "./faults.ts";
import { type Checkpoint, type LogRecord, readRecords } from "./records.ts";
import { type Block, findBlock, type Range, readFileId, scanBlocks } from "./scan.ts";
import { decodeCheckpoint } from "./segment.ts";
import { errorOf, then } from "./steps.ts";

/** A stretch of a file. */
export interface Piece {
  readonly offset: number;
  readonly bytes: number;
  readonly content: /** A whole block; its checksum, place and file are right. */
    | { readonly type: "block"; readonly mark: number; readonly records: readonly LogRecord[] }
    /** The first block of a segment. */
    | { readonly type: "checkpoint"; readonly checkpoint: Checkpoint }
    /** Bytes that are not what was written here, or were never written whole. */
    | { readonly type: "bad"; readonly why: string }
    /** The disk cannot give these bytes back, and what stands behind them is not looked at. */
    | { readonly type: "unreadable"; readonly why: string };
}

export interface Surveyed {
  readonly name: string;
  readonly kind: FileKind;
  readonly bytes: number;
}

/** Shows every piece in order. The error is the disk's; damage is a piece. */
export function survey(disk: DiskReader, file: Surveyed, visit: (piece: Piece) => void, done: Done): void {
  readFileId(disk, file.name, file.kind, (error, id) => {
    if (id !== undefined) return walk(disk, file, id, visit, done);
    if (!(error instanceof Damage)) return done(error);
    if (error instanceof Unreadable) {
      visit({ offset: 0, bytes: file.bytes, content: { type: "unreadable", why: error.message } });
      return done(undefined);
    }
    // Without the id no block can be told from bytes that look like one.
    visit({ offset: 0, bytes: file.bytes, content: { type: "bad", why: "the head of the file is damaged" } });
    done(undefined);
  });
}

function walk(
  disk: DiskReader,
  { name, kind, bytes: limit }: Surveyed,
  id: FileId,
  visit: (piece: Piece) => void,
  done: Done,
): void {
  const rangeFrom = (from: number): Range => ({ name, id, from, limit });
  let reached = HEAD_BYTES;
  const take = (block: Block): void => {
    reached = block.offset + block.bytes;
    visit(pieceOf(kind, block));
  };
  const failed: Done = (error) => {
    if (!(error instanceof Unreadable)) return done(error);
    visit({ offset: reached, bytes: limit - reached, content: { type: "unreadable", why: error.message } });
    done(undefined);
  };

  const goOn = (from: number): void => {
    scanBlocks(
      disk,
      rangeFrom(from),
      take,
      then(failed, (end) => {
        if (end < limit) skip(end);
        else done(undefined);
      }),
    );
  };

  const skip = (from: number): void => {
    findBlock(disk, rangeFrom(from), (error, block) => {
      if (error !== undefined) return failed(error);
      const end = block?.offset ?? limit;
      visit({ offset: from, bytes: end - from, content: { type: "bad", why: "no whole block" } });
      if (block === undefined) done(undefined);
      else goOn(end);
    });
  };

  goOn(HEAD_BYTES);
}

function pieceOf(kind: FileKind, { offset, bytes, mark, content }: Block): Piece {
  let read: Piece["content"] = { type: "block", mark, records: [] };
  const fault = errorOf(() => {
    if (kind !== "log") return;
    if (offset === HEAD_BYTES) read = { type: "checkpoint", checkpoint: decodeCheckpoint(content) };
    else read = { type: "block", mark, records: [...readRecords(content)] };
  });
  return { offset, bytes, content: fault === undefined ? read : { type: "bad", why: fault.message } };
}
