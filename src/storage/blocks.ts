/**
 * The bytes of every file: a head, then blocks.
 *
 * Head, 20 bytes: `"VSTAMP"`, kind u8, format version u8, file id (8 random bytes), CRC-32 of these u32.
 *
 * Block, 32 bytes and content: CRC-32 of the rest u32, length of the content u32, file id, its own offset f64, the mark
 * f64. The mark says that the file was durable up to there when the block was written. The id, which nobody can guess,
 * and the offset tell a block from bytes of a user that look like one, of another file, or of another place.
 * @module
 */
import { crc32 } from "../protocol/crc32.ts";
import { Newer } from "./faults.ts";

const MAGIC = [0x56, 0x53, 0x54, 0x41, 0x4d, 0x50];
/** Since 2 a segment says which one it is. */
const FORMAT = 2;
export const HEAD_BYTES = 20;
export const BLOCK_HEAD_BYTES = 32;
/** The offset of the file id within a block. */
export const ID_OFFSET = 8;
const ID_BYTES = 8;

/** A block that would be longer is not believed: memory is never taken by an unchecked length. */
export const MAX_CONTENT_BYTES: number = 64 << 20;

export type FileKind = "log" | "snapshot" | "note" | "backup";
const KINDS: Readonly<Record<FileKind, number>> = { log: 1, snapshot: 2, note: 3, backup: 4 };

/** Eight bytes, written as 16 hex digits. */
export type FileId = Uint8Array;

export function fileIdOf(hex: string): FileId {
  const id = new Uint8Array(ID_BYTES);
  for (let at = 0; at < ID_BYTES; at++) id[at] = Number.parseInt(hex.slice(at * 2, at * 2 + 2), 16);
  return id;
}

export function hexOfId(id: FileId): string {
  return Array.from(id, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function headOf(kind: FileKind, id: FileId): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES);
  head.set(MAGIC);
  head[6] = KINDS[kind];
  head[7] = FORMAT;
  head.set(id, 8);
  viewOf(head).setUint32(16, crc32(head, 0, 16));
  return head;
}

/** The file's id, or `undefined` if this is no head of that kind. @throws {Newer} for a later format */
export function readHead(bytes: Uint8Array, kind: FileKind): FileId | undefined {
  if (!isHead(bytes)) return undefined;
  if (bytes[7]! > FORMAT) throw new Newer(`format ${bytes[7]}; this version reads ${FORMAT}`);
  return bytes[6] === KINDS[kind] ? bytes.slice(8, 16) : undefined;
}

/** Of what kind a file with this head is; `undefined` if it is no head. */
export function kindIn(bytes: Uint8Array): FileKind | undefined {
  if (!isHead(bytes)) return undefined;
  return (Object.keys(KINDS) as FileKind[]).find((kind) => KINDS[kind] === bytes[6]);
}

function isHead(bytes: Uint8Array): boolean {
  if (bytes.length < HEAD_BYTES || MAGIC.some((byte, at) => bytes[at] !== byte)) return false;
  return viewOf(bytes).getUint32(16) === crc32(bytes, 0, 16);
}

/** Fills in the head of a block whose content stands in `target` from `start + BLOCK_HEAD_BYTES` to `end`. */
export function sealBlock(
  target: Uint8Array,
  start: number,
  end: number,
  id: FileId,
  offset: number,
  mark: number,
): void {
  const view = viewOf(target);
  view.setUint32(start + 4, end - start - BLOCK_HEAD_BYTES);
  target.set(id, start + ID_OFFSET);
  view.setFloat64(start + 16, offset);
  view.setFloat64(start + 24, mark);
  view.setUint32(start, crc32(target, start + 4, end));
}

/** A single block around `content`. */
export function blockOf(content: Uint8Array, id: FileId, offset: number, mark: number): Uint8Array {
  const block = new Uint8Array(BLOCK_HEAD_BYTES + content.length);
  block.set(content, BLOCK_HEAD_BYTES);
  sealBlock(block, 0, block.length, id, offset, mark);
  return block;
}

/** A block found whole, one of which more bytes are needed to tell, or none. */
export type Parsed =
  | { readonly type: "block"; readonly content: Uint8Array; readonly mark: number; readonly bytes: number }
  | { readonly type: "more"; readonly bytes: number }
  | { readonly type: "bad" };

const BAD: Parsed = { type: "bad" };

/** Looks at `bytes[at…]`, which stands at `offset` in a file of this id whose blocks end at `limit`. */
export function parseBlock(bytes: Uint8Array, at: number, id: FileId, offset: number, limit: number): Parsed {
  if (offset + BLOCK_HEAD_BYTES > limit) return BAD;
  if (at + BLOCK_HEAD_BYTES > bytes.length) return { type: "more", bytes: BLOCK_HEAD_BYTES };
  const view = viewOf(bytes);
  const length = view.getUint32(at + 4);
  const size = BLOCK_HEAD_BYTES + length;
  const mark = view.getFloat64(at + 24);
  if (length > MAX_CONTENT_BYTES || offset + size > limit || view.getFloat64(at + 16) !== offset) return BAD;
  for (let index = 0; index < ID_BYTES; index++) if (bytes[at + ID_OFFSET + index] !== id[index]) return BAD;
  if (at + size > bytes.length) return { type: "more", bytes: size };
  if (view.getUint32(at) !== crc32(bytes, at + 4, at + size)) return BAD;
  return { type: "block", content: bytes.subarray(at + BLOCK_HEAD_BYTES, at + size), mark, bytes: size };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
