/**
 * What one append writes: records packed into blocks of a bounded size.
 * @module
 */
import { Writer } from "../protocol/bytes.ts";
import type { Entry } from "../protocol/entry.ts";
import { BLOCK_HEAD_BYTES, type FileId, sealBlock } from "./blocks.ts";
import { type LogRecord, writeRecord } from "./records.ts";

/** A block takes no further record beyond this: whoever reads it reads so many short entries in one go. */
const FULL_BYTES = 64 << 10;
/** Memory beyond this is given back after a batch. */
const KEPT_BYTES = 4 << 20;
const EMPTY_HEAD = new Uint8Array(BLOCK_HEAD_BYTES);

export class Batch {
  #writer: Writer = new Writer();
  /** Where its blocks begin. */
  #starts: number[] = [];

  clear(): void {
    if (this.#writer.capacity > KEPT_BYTES) this.#writer = new Writer();
    this.#writer.reset();
    this.#starts = [];
  }

  add(record: LogRecord): void {
    for (const part of partsOf(record)) {
      this.#makeRoom();
      writeRecord(this.#writer, part);
    }
  }

  /** The bytes to append at `offset`; valid until the next call. Without records it is a block with just the mark. */
  finish(id: FileId, offset: number, mark: number): Uint8Array {
    if (this.#starts.length === 0) this.#beginBlock();
    const bytes = this.#writer.peek();
    this.#starts.forEach((start, index) => {
      sealBlock(bytes, start, this.#starts[index + 1] ?? bytes.length, id, offset + start, mark);
    });
    return bytes;
  }

  #makeRoom(): void {
    const start = this.#starts.at(-1);
    if (start === undefined || this.#writer.length - start >= FULL_BYTES) this.#beginBlock();
  }

  #beginBlock(): void {
    this.#starts.push(this.#writer.length);
    this.#writer.bytes(EMPTY_HEAD);
  }
}

/** A long append as several: a prefix of them is a prefix of the stream. */
function partsOf(record: LogRecord): readonly LogRecord[] {
  if (record.kind !== "append") return [record];
  const parts: LogRecord[] = [];
  let entries: Entry[] = [];
  let bytes = 0;
  for (const entry of record.entries) {
    if (bytes >= FULL_BYTES) {
      parts.push({ kind: "append", entries });
      entries = [];
      bytes = 0;
    }
    entries.push(entry);
    bytes += entry.bytes.length;
  }
  if (entries.length > 0) parts.push({ kind: "append", entries });
  return parts;
}
