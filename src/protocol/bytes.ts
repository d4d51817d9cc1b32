/**
 * Binary reading and writing, shared by values, entries, wire and disk. Numbers are big-endian; a varuint has seven bits
 * per byte, the lowest first, up to 2^53 - 1.
 * @module
 */
import { assert, ViewstampError } from "./errors.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Below this the engines' text coders cost more than a loop. */
const SHORT_TEXT = 24;

/** A DataView for every frame would cost more than the bytes are worth: eight of them take all. */
const eight = new DataView(new ArrayBuffer(8));

const NOTHING = new Uint8Array(0);

/** Names that were read before, each where its bytes lead: making a string and its hash anew costs more than a look. */
const KNOWN_NAMES = 512;
const knownNames: string[] = new Array(KNOWN_NAMES).fill("");

export function badMessage(text: string): ViewstampError {
  return new ViewstampError("BadMessage", `bad bytes: ${text}`);
}

/** The UTF-8 length of a string, or -1 if it holds a lone surrogate and so has none. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) continue;
    if (unit < 0x800) bytes += 1;
    else if (unit < 0xd800 || unit > 0xdfff) bytes += 2;
    else {
      const low = unit < 0xdc00 ? text.charCodeAt(index + 1) : 0;
      if (!(low >= 0xdc00 && low <= 0xdfff)) return -1;
      bytes += 2;
      index++;
    }
  }
  return bytes;
}

/** A growing buffer. `finish` gives a copy of exactly what was written. */
export class Writer {
  length = 0;
  #buffer: Uint8Array<ArrayBuffer>;

  constructor(capacity = 256) {
    this.#buffer = new Uint8Array(capacity);
  }

  reset(): void {
    this.length = 0;
  }

  get capacity(): number {
    return this.#buffer.length;
  }

  /** A copy of what was written from `start` to `end`. */
  copy(start = 0, end: number = this.length): Uint8Array<ArrayBuffer> {
    return this.#buffer.slice(start, end);
  }

  /** What was written, not copied: valid until the next call of any method. */
  peek(start = 0, end: number = this.length): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(start, end);
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.copy();
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#buffer[this.length++] = value;
  }

  u32(value: number): void {
    this.#reserve(4);
    this.patchU32(this.length, value);
    this.length += 4;
  }

  /** Fills in a `u32` that was written before its value was known. */
  patchU32(at: number, value: number): void {
    const buffer = this.#buffer;
    buffer[at] = value >>> 24;
    buffer[at + 1] = value >>> 16;
    buffer[at + 2] = value >>> 8;
    buffer[at + 3] = value;
  }

  f64(value: number): void {
    this.#reserve(8);
    if (Number.isNaN(value)) {
      // Engines differ in the bits of NaN.
      eight.setUint32(0, 0x7ff80000);
      eight.setUint32(4, 0);
    } else {
      eight.setFloat64(0, value);
    }
    for (let index = 0; index < 8; index++) this.#buffer[this.length++] = eight.getUint8(index);
  }

  varuint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, `${value} is written as a count or a place`);
    this.#reserve(8);
    let rest = value;
    while (rest > 0x7fffffff) {
      this.#buffer[this.length++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest > 0x7f) {
      this.#buffer[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#buffer[this.length++] = rest;
  }

  bytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Bytes with their length before them. */
  block(bytes: Uint8Array): void {
    this.varuint(bytes.length);
    this.bytes(bytes);
  }

  /** Well-formed text as UTF-8; `byteLength` is its `utf8Length`. */
  utf8(text: string, byteLength: number): void {
    this.#reserve(byteLength);
    if (byteLength !== text.length || byteLength > SHORT_TEXT) {
      encoder.encodeInto(text, this.#buffer.subarray(this.length));
      this.length += byteLength;
      return;
    }
    for (let index = 0; index < byteLength; index++) this.#buffer[this.length++] = text.charCodeAt(index);
  }

  utf16(text: string): void {
    this.#reserve(text.length * 2);
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index);
      this.#buffer[this.length++] = unit >>> 8;
      this.#buffer[this.length++] = unit;
    }
  }

  /** Any JavaScript string, with its length: UTF-8 where that can carry it, else its UTF-16 code units. */
  text(text: string): void {
    const byteLength = utf8Length(text);
    if (byteLength >= 0) {
      this.varuint(byteLength * 2);
      this.utf8(text, byteLength);
    } else {
      this.varuint(text.length * 4 + 1);
      this.utf16(text);
    }
  }

  #reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
    grown.set(this.#buffer.subarray(0, this.length));
    this.#buffer = grown;
  }
}

/** Reads from `start` up to `end`; every method throws `BadMessage` instead of reading beyond it. */
export class Reader {
  offset: number;
  readonly end: number;
  readonly #source: Uint8Array;

  constructor(source: Uint8Array, start = 0, end: number = source.length) {
    this.#source = source;
    this.offset = start;
    this.end = end;
  }

  get left(): number {
    return this.end - this.offset;
  }

  u8(): number {
    return this.#source[this.#take(1)]!;
  }

  u32(): number {
    const at = this.#take(4);
    const source = this.#source;
    return ((source[at]! << 24) | (source[at + 1]! << 16) | (source[at + 2]! << 8) | source[at + 3]!) >>> 0;
  }

  f64(): number {
    const at = this.#take(8);
    for (let index = 0; index < 8; index++) eight.setUint8(index, this.#source[at + index]!);
    return eight.getFloat64(0);
  }

  varuint(): number {
    let value = 0;
    let factor = 1;
    for (let count = 0; count < 8; count++) {
      const byte = this.u8();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) throw badMessage("a number beyond 2^53 - 1");
        if (byte === 0 && count > 0) throw badMessage("a number in more bytes than it needs");
        return value;
      }
      factor *= 128;
    }
    throw badMessage("a number beyond 2^53 - 1");
  }

  /** A count of things that take at least `least` bytes each, checked against what is left. */
  count(least = 1): number {
    const count = this.varuint();
    if (count * least > this.left) throw badMessage(`${count} items announced, ${this.left} bytes left`);
    return count;
  }

  flag(): boolean {
    const byte = this.u8();
    if (byte > 1) throw badMessage(`${byte} is no flag`);
    return byte === 1;
  }

  /** Not copied: a view of the source. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return length === 0 ? NOTHING : this.#source.subarray(at, at + length);
  }

  block(): Uint8Array {
    return this.bytes(this.varuint());
  }

  /** A reader of just the next `length` bytes. */
  part(length: number): Reader {
    const at = this.#take(length);
    return new Reader(this.#source, at, at + length);
  }

  /** What was read from `start` up to here, not copied. */
  since(start: number): Uint8Array {
    return this.#source.subarray(start, this.offset);
  }

  utf8(byteLength: number): string {
    const at = this.#take(byteLength);
    if (byteLength <= SHORT_TEXT) {
      const ascii = this.#ascii(at, byteLength);
      if (ascii !== undefined) return ascii;
    }
    try {
      return decoder.decode(this.#source.subarray(at, at + byteLength));
    } catch {
      throw badMessage("text that is not UTF-8");
    }
  }

  /** Like `utf8`, for texts of which few are read again and again. */
  name(byteLength: number): string {
    if (byteLength > SHORT_TEXT || byteLength > this.left) return this.utf8(byteLength);
    const source = this.#source;
    const start = this.offset;
    let place = byteLength;
    for (let index = start; index < start + byteLength; index++) place = (Math.imul(place, 31) + source[index]!) | 0;
    place &= KNOWN_NAMES - 1;
    const known = knownNames[place]!;
    if (known.length === byteLength && this.#shows(known)) {
      this.offset = start + byteLength;
      return known;
    }
    const text = this.utf8(byteLength);
    if (text.length === byteLength) knownNames[place] = text;
    return text;
  }

  utf16(units: number): string {
    const at = this.#take(units * 2);
    let text = "";
    for (let index = at; index < this.offset; index += 2)
      text += String.fromCharCode((this.#source[index]! << 8) | this.#source[index + 1]!);
    return text;
  }

  text(): string {
    const header = this.varuint();
    if (header % 2 === 0) return this.utf8(header / 2);
    if (header % 4 !== 1) throw badMessage("half a UTF-16 code unit");
    return this.utf16((header - 1) / 4);
  }

  /** Throws unless everything has been read. */
  finish(): void {
    if (this.left !== 0) throw badMessage(`${this.left} bytes too many`);
  }

  #take(count: number): number {
    if (count > this.end - this.offset) throw badMessage(`cut short: ${count} bytes wanted, ${this.left} left`);
    const at = this.offset;
    this.offset = at + count;
    return at;
  }

  /** Whether the next bytes are this text, of one byte each. */
  #shows(text: string): boolean {
    for (let index = 0; index < text.length; index++)
      if (this.#source[this.offset + index] !== text.charCodeAt(index)) return false;
    return true;
  }

  #ascii(at: number, length: number): string | undefined {
    let text = "";
    for (let index = at; index < at + length; index++) {
      const byte = this.#source[index]!;
      if (byte >= 0x80) return undefined;
      text += String.fromCharCode(byte);
    }
    return text;
  }
}
