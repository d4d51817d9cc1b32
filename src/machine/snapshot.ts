/**
 * A snapshot of all machines of a cluster as chunks. First comes the head, then for each machine the stream of its
 * values, cut without regard to where one begins, then the end:
 *
 * - head: `0`, then the encoded value `[format, [[name, version], …]]`
 * - part: `1`, the machine's index in the head (varuint), then bytes of its stream
 * - end: `2`, then the encoded value `[values of the first machine, …]`
 *
 * In a stream each value is its length (u32, never cut) and its encoding.
 * @module
 */
import { badMessage, Reader, Writer } from "../protocol/bytes.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { MachineVersion, Restoration } from "../protocol/machine.ts";
import { abilitiesText, canRun, versionsText } from "../protocol/machine-versions.ts";
import { decodeValue, encodeValue } from "../protocol/values.ts";
import type { StateRestoration } from "./definition.ts";

const FORMAT = 1;
const HEAD = 0;
const PART = 1;
const END = 2;

/** No chunk is larger than this, in bytes. */
export const MAX_CHUNK_BYTES: number = 64 * 1024;

/** A chunk that has this much is given, rather than waiting for another value. */
const ENOUGH_BYTES = 32 * 1024;

/** What is cut into chunks: one machine's values, encoded. */
export interface StateStream extends MachineVersion {
  readonly values: Iterator<Uint8Array>;
}

/** Gives the chunks; `return` closes every stream. */
export function chunksOf(streams: readonly StateStream[]): Iterator<Uint8Array> {
  const chunks = cut(streams);
  return {
    next: () => chunks.next(),
    return: () => {
      // A generator that has not begun runs no `finally`, so the streams are not its to close.
      chunks.return(undefined);
      for (const { values } of streams) abandon(values);
      return { done: true, value: undefined };
    },
  };
}

function abandon(values: Iterator<Uint8Array>): void {
  try {
    values.return?.();
  } catch {
    // Nobody wants its values any more; the machine's runner has reported the fault.
  }
}

function* cut(streams: readonly StateStream[]): Generator<Uint8Array, undefined, undefined> {
  const head = streams.map(({ name, version }) => [name, version]);
  yield tagged(HEAD, [FORMAT, head]);
  const counts: number[] = [];
  for (const [index, { values }] of streams.entries()) counts.push(yield* parts(index, values));
  yield tagged(END, counts);
  return undefined;
}

/** Returns how many values there were. */
function* parts(index: number, values: Iterator<Uint8Array>): Generator<Uint8Array, number, undefined> {
  const writer = new Writer();
  const begin = (): void => {
    writer.reset();
    writer.u8(PART);
    writer.varuint(index);
  };
  let count = 0;
  begin();
  for (let next = values.next(); next.done !== true; next = values.next()) {
    const value = next.value;
    count++;
    writer.u32(value.length);
    for (let at = 0; at < value.length; ) {
      const some = value.subarray(at, at + MAX_CHUNK_BYTES - writer.length);
      writer.bytes(some);
      at += some.length;
      if (writer.length < MAX_CHUNK_BYTES) continue;
      yield writer.finish();
      begin();
    }
    if (writer.length < ENOUGH_BYTES) continue;
    yield writer.finish();
    begin();
  }
  yield writer.finish();
  return count;
}

function tagged(tag: number, value: unknown): Uint8Array {
  const writer = new Writer();
  writer.u8(tag);
  writer.bytes(encodeValue(value));
  return writer.finish();
}

/** A machine whose state is to be restored. */
export interface Restorable {
  readonly name: string;
  /** Those it can run, oldest first. */
  readonly versions: readonly number[];
  restoration(version: number): StateRestoration<object>;
  replaceState(version: number, state: object): void;
}

/** Takes the chunks of `chunksOf`; the machines keep their states until `finish`. */
export class SnapshotRestoration implements Restoration {
  readonly #machines: readonly Restorable[];
  readonly #incoming: Incoming[] = [];
  #counts: readonly number[] | undefined;

  constructor(machines: readonly Restorable[]) {
    this.#machines = machines;
  }

  chunk(bytes: Uint8Array): void {
    const reader = new Reader(bytes);
    const tag = reader.u8();
    const begun = this.#incoming.length > 0;
    if (this.#counts !== undefined || begun === (tag === HEAD)) throw badMessage("a snapshot's chunks out of order");
    if (tag === HEAD) this.#head(decodeValue(reader.bytes(reader.left)));
    else if (tag === PART) this.#part(reader);
    else if (tag === END) this.#end(decodeValue(reader.bytes(reader.left)));
    else throw badMessage(`${tag} begins no chunk of a snapshot`);
  }

  finish(): void {
    const counts = this.#counts;
    if (counts === undefined) throw badMessage("a snapshot without its end");
    const states = this.#incoming.map((incoming, index) => incoming.finish(counts[index]));
    for (const [index, { machine, version }] of this.#incoming.entries()) machine.replaceState(version, states[index]!);
  }

  #head(head: unknown): void {
    if (!Array.isArray(head) || head[0] !== FORMAT || !Array.isArray(head[1]) || !head[1].every(isVersion)) {
      throw badMessage("a snapshot of an unknown format");
    }
    const versions = (head[1] as [string, number][]).map(([name, version]) => ({ name, version }));
    if (!canRun(this.#machines, versions)) {
      const text = `the snapshot is of ${versionsText(versions)}, this program can run ${abilitiesText(this.#machines)}`;
      throw new ViewstampError("WrongMachine", text);
    }
    // A part of the snapshot is of the machine at its index in the head.
    for (const { name, version } of versions) {
      const machine = this.#machines.find((one) => one.name === name)!;
      this.#incoming.push(new Incoming(machine, version));
    }
  }

  #part(reader: Reader): void {
    const incoming = this.#incoming[reader.varuint()];
    if (incoming === undefined) throw badMessage("a snapshot's chunk of no machine");
    incoming.take(reader);
  }

  #end(counts: unknown): void {
    if (!Array.isArray(counts) || counts.length !== this.#incoming.length) throw badMessage("no end of a snapshot");
    this.#counts = counts;
  }
}

function isVersion(item: unknown): boolean {
  return Array.isArray(item) && item.length === 2 && typeof item[0] === "string" && typeof item[1] === "number";
}

/** One machine's stream as it comes in. */
class Incoming {
  readonly machine: Restorable;
  readonly version: number;
  readonly #restoration: StateRestoration<object>;
  #count = 0;
  /** The value that the last chunk was cut in, and how much of it is to come. */
  #pieces: Uint8Array[] = [];
  #missing = 0;

  constructor(machine: Restorable, version: number) {
    this.machine = machine;
    this.version = version;
    this.#restoration = machine.restoration(version);
  }

  take(reader: Reader): void {
    while (reader.left > 0) {
      if (this.#pieces.length === 0) this.#missing = reader.u32();
      const piece = reader.bytes(Math.min(this.#missing, reader.left));
      this.#missing -= piece.length;
      if (this.#missing > 0) this.#pieces.push(piece.slice());
      else this.#value(this.#pieces.length === 0 ? piece : joined([...this.#pieces, piece]));
    }
  }

  finish(count: number | undefined): object {
    if (this.#pieces.length > 0 || this.#count !== count) throw badMessage("a snapshot with a gap");
    const state = this.#restoration.finish();
    if (typeof state !== "object" || state === null) throw badMessage("a snapshot without a state");
    return state;
  }

  #value(bytes: Uint8Array): void {
    this.#pieces = [];
    this.#count++;
    this.#restoration.chunk(decodeValue(bytes));
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const writer = new Writer(pieces.reduce((sum, piece) => sum + piece.length, 0));
  for (const piece of pieces) writer.bytes(piece);
  return writer.peek();
}
