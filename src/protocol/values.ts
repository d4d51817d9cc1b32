/**
 * The value codec: commands, replies, snapshots and cold messages as compact, self-describing bytes. The same value
 * gives the same bytes on every engine, so replicas may compare them.
 *
 * It carries null, undefined, booleans, numbers, bigints, any JavaScript string, Uint8Array, Date, arrays, plain
 * objects, Map and Set; keys and members keep their order.
 * @module
 */
import { badMessage, Reader, utf8Length, Writer } from "./bytes.ts";
import { ViewstampError } from "./errors.ts";

/** Containers within containers; also what stops a value that contains itself. */
const MAX_DEPTH = 64;

/** JavaScriptCore ends at a million bits; a bound that every engine keeps makes replicas agree. */
const MAX_BIGINT_BYTES = 8192;

/** The largest time of a Date. */
const MAX_TIME = 8.64e15;

/** Scratch memory beyond this is given back after use. */
const KEPT_BYTES = 1 << 20;

// The first byte of a value. 0x00-0x7f and 0xe0-0xff are the integers 0 to 127 and -32 to -1.
const SHORT_STRING = 0x80;
const SHORT_OBJECT = 0xa0;
const SHORT_ARRAY = 0xb0;
const NULL = 0xc0;
const UNDEFINED = 0xc1;
const FALSE = 0xc2;
const TRUE = 0xc3;
const POSITIVE = 0xc4;
const NEGATIVE = 0xc5;
const DOUBLE = 0xc6;
const POSITIVE_BIGINT = 0xc7;
const NEGATIVE_BIGINT = 0xc8;
const STRING = 0xc9;
const BYTES = 0xca;
const ARRAY = 0xcb;
const OBJECT = 0xcc;
const MAP = 0xcd;
const SET = 0xce;
const DATE = 0xcf;
const SMALLEST_SHORT_INTEGER = -32;

let idleWriter: Writer | undefined = new Writer(4096);

/**
 * Encodes a value.
 * @throws {ViewstampError} `InvalidInput` naming the place, for functions, symbols, class instances, values that
 * contain themselves
 */
export function encodeValue(value: unknown): Uint8Array<ArrayBuffer> {
  // A getter may encode in turn, so the scratch writer is taken away while it is used.
  const writer = idleWriter ?? new Writer();
  idleWriter = undefined;
  try {
    writer.reset();
    writeValue(writer, value);
    return writer.finish();
  } finally {
    if (writer.capacity <= KEPT_BYTES) idleWriter = writer;
  }
}

/**
 * Decodes what `encodeValue` gave. Byte arrays in it are copies.
 * @throws {ViewstampError} `BadMessage` for anything else
 */
export function decodeValue(bytes: Uint8Array): unknown {
  const reader = new Reader(bytes);
  const value = readValue(reader);
  reader.finish();
  return value;
}

/** Appends a value to a larger message. */
export function writeValue(writer: Writer, value: unknown): void {
  new Encoder(writer).any(value);
}

/** Reads one value out of a larger message. */
export function readValue(reader: Reader): unknown {
  return readAny(reader, MAX_DEPTH);
}

class Encoder {
  readonly #writer: Writer;
  /** Where the value being written stands, outermost first. */
  readonly #path: unknown[] = [];

  constructor(writer: Writer) {
    this.#writer = writer;
  }

  any(value: unknown): void {
    switch (typeof value) {
      case "string":
        this.#string(value);
        break;
      case "number":
        this.#number(value);
        break;
      case "boolean":
        this.#writer.u8(value ? TRUE : FALSE);
        break;
      case "undefined":
        this.#writer.u8(UNDEFINED);
        break;
      case "bigint":
        this.#bigint(value);
        break;
      case "object":
        if (value === null) this.#writer.u8(NULL);
        else this.#object(value);
        break;
      default:
        throw this.#refusal(`a ${typeof value}`);
    }
  }

  #string(text: string): void {
    const byteLength = text.length < 32 ? utf8Length(text) : -1;
    if (byteLength >= 0 && byteLength < 32) {
      this.#writer.u8(SHORT_STRING | byteLength);
      this.#writer.utf8(text, byteLength);
    } else {
      this.#writer.u8(STRING);
      this.#writer.text(text);
    }
  }

  #number(value: number): void {
    const writer = this.#writer;
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      writer.u8(DOUBLE);
      writer.f64(value);
    } else if (value >= 0) {
      if (value > 0x7f) writer.u8(POSITIVE);
      writer.varuint(value);
    } else if (value >= SMALLEST_SHORT_INTEGER) {
      writer.u8(0x100 + value);
    } else {
      writer.u8(NEGATIVE);
      writer.varuint(-1 - value);
    }
  }

  #bigint(value: bigint): void {
    const digits = (value < 0n ? -value : value).toString(16);
    const count = Math.ceil(digits.length / 2);
    if (count > MAX_BIGINT_BYTES) throw this.#refusal(`a bigint of more than ${MAX_BIGINT_BYTES * 8} bits`);
    const padded = digits.padStart(count * 2, "0");
    this.#writer.u8(value < 0n ? NEGATIVE_BIGINT : POSITIVE_BIGINT);
    this.#writer.varuint(count);
    for (let at = 0; at < padded.length; at += 2) this.#writer.u8(Number.parseInt(padded.slice(at, at + 2), 16));
  }

  #object(value: object): void {
    if (this.#path.length >= MAX_DEPTH) {
      throw this.#refusal(`more than ${MAX_DEPTH} levels, or a value that contains itself`);
    }
    const prototype: unknown = Object.getPrototypeOf(value);
    if (Array.isArray(value)) this.#array(value);
    else if (prototype === Object.prototype || prototype === null) this.#plain(value as Record<string, unknown>);
    else if (value instanceof Uint8Array) this.#bytes(value);
    else if (prototype === Map.prototype) this.#map(value as Map<unknown, unknown>);
    else if (prototype === Set.prototype) this.#set(value as Set<unknown>);
    else if (value instanceof Date && prototype === Date.prototype) this.#date(value);
    else throw this.#refusal("an instance of a class");
  }

  #bytes(bytes: Uint8Array): void {
    this.#writer.u8(BYTES);
    this.#writer.block(bytes);
  }

  #date(date: Date): void {
    this.#writer.u8(DATE);
    this.#writer.f64(date.getTime());
  }

  #array(items: readonly unknown[]): void {
    this.#head(SHORT_ARRAY, ARRAY, items.length);
    const depth = this.#path.push(0) - 1;
    for (let index = 0; index < items.length; index++) {
      this.#path[depth] = index;
      this.any(items[index]);
    }
    this.#path.pop();
  }

  #plain(object: Readonly<Record<string, unknown>>): void {
    const keys = Object.keys(object);
    this.#head(SHORT_OBJECT, OBJECT, keys.length);
    const depth = this.#path.push("") - 1;
    for (const key of keys) {
      this.#path[depth] = key;
      this.#string(key);
      this.any(object[key]);
    }
    this.#path.pop();
  }

  #map(map: ReadonlyMap<unknown, unknown>): void {
    this.#writer.u8(MAP);
    this.#writer.varuint(map.size);
    const depth = this.#path.push("") - 1;
    for (const [key, value] of map) {
      this.#path[depth] = key;
      this.any(key);
      this.any(value);
    }
    this.#path.pop();
  }

  #set(set: ReadonlySet<unknown>): void {
    this.#writer.u8(SET);
    this.#writer.varuint(set.size);
    const depth = this.#path.push(0) - 1;
    for (const member of set) {
      this.any(member);
      this.#path[depth] = (this.#path[depth] as number) + 1;
    }
    this.#path.pop();
  }

  #head(short: number, long: number, count: number): void {
    if (count < 16) {
      this.#writer.u8(short | count);
    } else {
      this.#writer.u8(long);
      this.#writer.varuint(count);
    }
  }

  #refusal(what: string): ViewstampError {
    const steps = this.#path.slice(0, 8).map(stepName).join("");
    const place = `value${steps}${this.#path.length > 8 ? "…" : ""}`;
    return new ViewstampError("InvalidInput", `${place} cannot be encoded: ${what}`, { data: { path: place } });
  }
}

function stepName(step: unknown): string {
  if (typeof step === "number") return `[${step}]`;
  if (typeof step !== "string") return `[${typeof step}]`;
  return /^[A-Za-z_$][\w$]*$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
}

function readAny(reader: Reader, depth: number): unknown {
  const tag = reader.u8();
  if (tag < SHORT_STRING) return tag;
  if (tag < SHORT_OBJECT) return reader.utf8(tag & 0x1f);
  if (tag < SHORT_ARRAY) return readObject(reader, tag & 0x0f, depth);
  if (tag < NULL) return readArray(reader, tag & 0x0f, depth);
  if (tag >= 0xe0) return tag - 0x100;
  switch (tag) {
    case NULL:
      return null;
    case UNDEFINED:
      return undefined;
    case FALSE:
      return false;
    case TRUE:
      return true;
    case POSITIVE:
      return reader.varuint();
    case NEGATIVE:
      return readNegative(reader);
    case DOUBLE:
      return reader.f64();
    case POSITIVE_BIGINT:
      return readMagnitude(reader);
    case NEGATIVE_BIGINT:
      return -readMagnitude(reader);
    case STRING:
      return reader.text();
    case BYTES:
      return new Uint8Array(reader.block());
    case ARRAY:
      return readArray(reader, reader.count(), depth);
    case OBJECT:
      return readObject(reader, reader.count(2), depth);
    case MAP:
      return readMap(reader, reader.count(2), depth);
    case SET:
      return readSet(reader, reader.count(), depth);
    case DATE:
      return readDate(reader);
    default:
      throw badMessage(`0x${tag.toString(16)} begins no value`);
  }
}

function readNegative(reader: Reader): number {
  const value = -1 - reader.varuint();
  if (!Number.isSafeInteger(value)) throw badMessage("a number below -(2^53 - 1)");
  return value;
}

function readMagnitude(reader: Reader): bigint {
  const bytes = reader.block();
  if (bytes.length > MAX_BIGINT_BYTES) throw badMessage(`a bigint of ${bytes.length} bytes`);
  let digits = "0x0";
  for (const byte of bytes) digits += byte.toString(16).padStart(2, "0");
  return BigInt(digits);
}

function readDate(reader: Reader): Date {
  const time = reader.f64();
  if (!Number.isNaN(time) && !(Number.isInteger(time) && Math.abs(time) <= MAX_TIME))
    throw badMessage("no time of a Date");
  return new Date(time);
}

function deeper(depth: number): number {
  if (depth === 0) throw badMessage(`more than ${MAX_DEPTH} levels`);
  return depth - 1;
}

function readArray(reader: Reader, count: number, depth: number): unknown[] {
  const inner = deeper(depth);
  const items: unknown[] = [];
  for (let index = 0; index < count; index++) items.push(readAny(reader, inner));
  return items;
}

function readObject(reader: Reader, count: number, depth: number): Record<string, unknown> {
  const inner = deeper(depth);
  const object: Record<string, unknown> = {};
  for (let index = 0; index < count; index++) {
    const key = readKey(reader);
    const value = readAny(reader, inner);
    if (key === "__proto__") defineOwn(object, key, value);
    else object[key] = value;
  }
  return object;
}

function readKey(reader: Reader): string {
  const tag = reader.u8();
  if (tag >= SHORT_STRING && tag < SHORT_OBJECT) return reader.name(tag & 0x1f);
  if (tag !== STRING) throw badMessage("a key that is no string");
  return reader.text();
}

/** Assigning to `__proto__` would change the prototype instead. */
function defineOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

function readMap(reader: Reader, count: number, depth: number): Map<unknown, unknown> {
  const inner = deeper(depth);
  const map = new Map<unknown, unknown>();
  for (let index = 0; index < count; index++) map.set(readAny(reader, inner), readAny(reader, inner));
  if (map.size !== count) throw badMessage("a key twice in a map");
  return map;
}

function readSet(reader: Reader, count: number, depth: number): Set<unknown> {
  const inner = deeper(depth);
  const set = new Set<unknown>();
  for (let index = 0; index < count; index++) set.add(readAny(reader, inner));
  if (set.size !== count) throw badMessage("a member twice in a set");
  return set;
}
