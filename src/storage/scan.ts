/**
 * Reads the blocks of a file in bounded pieces, and tells a torn end from damage (design.md 4.5): a bad block beyond
 * the highest mark of the file was being written when the crash came; one at or below it had been durable.
 * @module
 */
import type { Done } from "../protocol/storage.ts";
import {
  BLOCK_HEAD_BYTES,
  type FileId,
  type FileKind,
  HEAD_BYTES,
  ID_OFFSET,
  kindIn,
  parseBlock,
  readHead,
} from "./blocks.ts";
import type { DiskReader, Got } from "./disk.ts";
import { Damage, OtherKind, Unreadable } from "./faults.ts";
import { errorOf } from "./steps.ts";

/**
 * What is read and looked at in one go: a log full of short entries must not take long. A full block of such entries is a
 * little more than 64 KiB; one that is longer than a piece is read again by itself.
 */
const PIECE_BYTES = 80 << 10;

/** A file whose blocks are read from `from` to `limit`. */
export interface Range {
  readonly name: string;
  readonly id: FileId;
  readonly from: number;
  readonly limit: number;
}

export interface FoundBlock {
  readonly content: Uint8Array;
  readonly mark: number;
  /** Its head included. */
  readonly bytes: number;
}

export interface Block extends FoundBlock {
  readonly offset: number;
}

/** An error is `Damage` if the file has no head of its kind, `Newer` if it is of a later format. */
export function readFileId(disk: DiskReader, name: string, kind: FileKind, done: Got<FileId>): void {
  disk.read(name, 0, HEAD_BYTES, (error, bytes) => {
    if (error !== undefined) return done(error, undefined);
    let id: FileId | undefined;
    const fault = errorOf(() => {
      id = readHead(bytes!, kind);
    });
    done(fault ?? (id === undefined ? headFault(name, bytes!) : undefined), id);
  });
}

function headFault(name: string, head: Uint8Array): Damage {
  const kind = kindIn(head);
  return kind === undefined ? new Damage(`the head of ${name} is damaged`) : new OtherKind(name, kind);
}

/** Every block in order; one that is bad, or does not end at the limit, is `Damage`. */
export function scanWhole(disk: DiskReader, range: Range, take: (block: Block) => void, done: Done): void {
  scanBlocks(disk, range, take, (error, end) => {
    if (error !== undefined || end === range.limit) done(error);
    else done(new Damage(`${range.name} is damaged at byte ${end}`));
  });
}

/** Every block in order up to a torn end: gives the offset at which to cut. */
export function scanTorn(disk: DiskReader, range: Range, take: (block: Block) => void, done: Got<number>): void {
  scanBlocks(disk, range, take, (error, end) => {
    if (error !== undefined || end === undefined || end === range.limit) return done(error, end);
    highestMark(disk, { ...range, from: end }, (failure, mark) => {
      const rotten = failure === undefined && mark! > end;
      if (rotten) done(new Damage(`${range.name} is damaged at byte ${end}, durable through ${mark}`), undefined);
      else done(failure, end);
    });
  });
}

/** Every block in order up to the first bad one: gives the offset of that, or the limit. */
export function scanBlocks(
  disk: DiskReader,
  { name, id, from, limit }: Range,
  take: (block: Block) => void,
  done: Got<number>,
): void {
  let offset = from;
  let atOnce = PIECE_BYTES;

  const read = (needed: number, had: number): void => {
    disk.read(name, offset, Math.max(needed, Math.min(atOnce, limit - offset)), (error, piece) => {
      if (error instanceof Unreadable && atOnce > BLOCK_HEAD_BYTES) {
        // The blocks before the place that cannot be read can.
        atOnce = BLOCK_HEAD_BYTES;
        read(needed, had);
      } else if (error !== undefined) done(error, undefined);
      // A file that ends before the limit gives no more than it gave before.
      else if (piece!.length <= had || piece!.length < needed) done(undefined, offset);
      else parse(piece!);
    });
  };

  const parse = (piece: Uint8Array): void => {
    let at = 0;
    while (offset < limit) {
      const parsed = parseBlock(piece, at, id, offset, limit);
      if (parsed.type === "more") return read(parsed.bytes, piece.length - at);
      if (parsed.type === "bad") break;
      const fault = errorOf(() => take({ ...parsed, offset }));
      if (fault !== undefined) return done(fault, undefined);
      at += parsed.bytes;
      offset += parsed.bytes;
    }
    done(undefined, offset);
  };

  read(0, -1);
}

/** The highest mark of any whole block from `from` on: one beyond `from` is enough to know that it is rotten. */
function highestMark(disk: DiskReader, range: Range, done: Got<number>): void {
  let highest = 0;

  const next = (from: number): void => {
    if (highest > range.from) return done(undefined, highest);
    findBlock(disk, { ...range, from }, (error, found) => {
      if (error !== undefined || found === undefined) return done(error, highest);
      highest = Math.max(highest, found.mark);
      next(found.offset + 1);
    });
  };

  next(range.from);
}

/** The first whole block from `from` on, wherever it stands: lengths before it may be damaged. */
export function findBlock(disk: DiskReader, range: Range, done: Got<Block | undefined>): void {
  let offset = range.from;

  const next = (): void => {
    if (offset + BLOCK_HEAD_BYTES > range.limit) return done(undefined, undefined);
    disk.read(range.name, offset, Math.min(PIECE_BYTES, range.limit - offset), (error, piece) => {
      if (error === undefined) search(piece!);
      else done(error, undefined);
    });
  };

  const search = (piece: Uint8Array): void => {
    const found = indexOfId(piece, range.id);
    if (found >= 0) return look(offset + found);
    // The head of the next block may straddle the end of the piece.
    offset = piece.length < BLOCK_HEAD_BYTES ? range.limit : offset + piece.length - BLOCK_HEAD_BYTES + 1;
    next();
  };

  const look = (start: number): void => {
    readBlock(disk, { ...range, from: start }, (error, found) => {
      if (error !== undefined || found !== undefined) {
        return done(error, found === undefined ? undefined : { ...found, offset: start });
      }
      offset = start + 1;
      next();
    });
  };

  next();
}

/** The start of the first block head in the piece whose id is this one, or -1. */
function indexOfId(piece: Uint8Array, id: FileId): number {
  for (let at = piece.indexOf(id[0]!, ID_OFFSET); at >= 0; at = piece.indexOf(id[0]!, at + 1)) {
    if (id.every((byte, index) => piece[at + index] === byte)) return at - ID_OFFSET;
  }
  return -1;
}

/** The block that begins at `from`, or `undefined` if none does. */
export function readBlock(disk: DiskReader, { name, id, from, limit }: Range, done: Got<FoundBlock | undefined>): void {
  let atOnce = PIECE_BYTES;
  const read = (bytes: number): void => {
    disk.read(name, from, bytes, (error, piece) => {
      if (error instanceof Unreadable && atOnce > BLOCK_HEAD_BYTES) {
        // What cannot be read may stand behind the block.
        atOnce = BLOCK_HEAD_BYTES;
        return read(Math.min(bytes, atOnce));
      }
      if (error !== undefined) return done(error, undefined);
      const parsed = parseBlock(piece!, 0, id, from, limit);
      if (parsed.type === "more" && piece!.length === bytes) read(parsed.bytes);
      else done(undefined, parsed.type === "block" ? parsed : undefined);
    });
  };
  read(Math.min(atOnce, Math.max(0, limit - from)));
}
