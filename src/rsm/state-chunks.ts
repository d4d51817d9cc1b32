/**
 * A snapshot of the replicated state as bytes: a header chunk, session chunks, the machine's own, then the end. Each chunk
 * begins with what it is (u8) and its number (u32), so that none can be missing unnoticed. The end has the CRC-32 (u32) of all
 * that stands between: two replicas may cut one state in different ways, and a learner may have had parts of both.
 * @module
 */
import { crc32 } from "../protocol/crc32.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { Restoration } from "../protocol/machine.ts";
import { decodeValue, encodeValue } from "../protocol/values.ts";
import type { Viewstamp } from "../protocol/view.ts";
import { Session, type SessionMoment, SessionTable } from "./sessions.ts";

export interface StateHeader {
  readonly at: Viewstamp;
  readonly time: number;
  readonly hash: number;
}

const HEADER = 0;
const SESSIONS = 1;
const MACHINE = 2;
const END = 3;
const TAG_BYTES = 5;

/** Session chunks end at about this size. */
const CHUNK_BYTES = 24 * 1024;

type SessionRecord = [vid: number, seqno: number, ttlMs: number, lastNumber: number, acknowledgedThrough: number];

/** The state as it is now, each chunk made when it is asked for. */
export function chunksOfState(
  header: StateHeader,
  sessions: SessionTable,
  machine: Iterator<Uint8Array>,
): Iterator<Uint8Array> {
  const held = sessions.moment();
  const chunks = allChunks(header, held, machine);
  let count = 0;
  let digest = 0;
  return {
    next: () => {
      const chunk = chunks.next();
      if (chunk.done === true) return chunk;
      const [tag, body] = chunk.value;
      digest = extend(digest, tag, body);
      return { done: false, value: tagged(tag, count++, tag === END ? fourBytes(digest) : body) };
    },
    return: (value) => {
      chunks.return(undefined);
      // A generator that has not begun closes nothing.
      held.return();
      machine.return?.();
      return { done: true, value };
    },
  };
}

/**
 * The first chunk of a snapshot, as that of the same state at another place.
 * @throws {ViewstampError} `BadMessage` if it is no first chunk
 */
export function movedHeader(chunk: Uint8Array, at: Viewstamp): Uint8Array {
  if (chunk.length < TAG_BYTES || chunk[0] !== HEADER) throw badSnapshot("no header");
  return tagged(HEADER, 0, encodeValue({ ...headerOf(decodeValue(chunk.subarray(TAG_BYTES))), at }));
}

type Chunk = readonly [tag: number, body: Uint8Array];

function* allChunks(
  header: StateHeader,
  held: SessionMoment,
  machine: Iterator<Uint8Array>,
): Generator<Chunk, undefined> {
  yield [HEADER, encodeValue({ ...header, sessions: held.size })];
  let batch: [SessionRecord, (readonly [number, Uint8Array])[]][] = [];
  let bytes = 0;
  for (let next = held.next(); next.done !== true; next = held.next()) {
    const { opened, ttlMs, lastNumber, acknowledgedThrough, replies } = next.value;
    const record: SessionRecord = [opened.vid, opened.seqno, ttlMs, lastNumber, acknowledgedThrough];
    batch.push([record, []]);
    bytes += 64;
    for (const reply of replies) {
      if (bytes + reply[1].length > CHUNK_BYTES) {
        yield [SESSIONS, encodeValue(batch)];
        // The rest of a session's replies goes on in the next chunk.
        batch = [[record, []]];
        bytes = 64;
      }
      batch.at(-1)?.[1].push(reply);
      bytes += reply[1].length + 16;
    }
    if (bytes < CHUNK_BYTES) continue;
    yield [SESSIONS, encodeValue(batch)];
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield [SESSIONS, encodeValue(batch)];
  for (let next = machine.next(); next.done !== true; next = machine.next()) yield [MACHINE, next.value];
  yield [END, new Uint8Array(0)];
  return undefined;
}

/** Of the header nothing counts: a state may move to another place. */
function extend(digest: number, tag: number, body: Uint8Array): number {
  return tag === HEADER ? digest : crc32(body, 0, body.length, digest);
}

function fourBytes(digest: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, digest);
  return bytes;
}

function tagged(tag: number, number: number, body: Uint8Array): Uint8Array {
  const chunk = new Uint8Array(TAG_BYTES + body.length);
  chunk[0] = tag;
  new DataView(chunk.buffer).setUint32(1, number);
  chunk.set(body, TAG_BYTES);
  return chunk;
}

/** Collects the chunks of one snapshot. */
export class StateRestoration {
  readonly #machine: Restoration;
  readonly #sessions: SessionTable = new SessionTable();
  #chunks = 0;
  #digest = 0;
  #ended = false;
  #header: (StateHeader & { readonly sessions: number }) | undefined;

  constructor(machine: Restoration) {
    this.#machine = machine;
  }

  chunk(bytes: Uint8Array): void {
    if (bytes.length < TAG_BYTES || this.#ended) throw badSnapshot("bytes after its end, or no chunk");
    const number = new DataView(bytes.buffer, bytes.byteOffset, TAG_BYTES).getUint32(1);
    if (number !== this.#chunks) throw badSnapshot(`chunk ${number} comes where ${this.#chunks} should`);
    this.#chunks++;
    const tag = bytes[0] as number;
    const body = bytes.subarray(TAG_BYTES);
    if (tag !== END) this.#digest = extend(this.#digest, tag, body);
    switch (tag) {
      case HEADER:
        this.#header = headerOf(decodeValue(body));
        return;
      case SESSIONS:
        restoreSessions(this.#sessions, decodeValue(body));
        return;
      case MACHINE:
        this.#machine.chunk(body);
        return;
      case END:
        this.#end(body);
        return;
      default:
        throw badSnapshot("a chunk of no known kind");
    }
  }

  /** The end of a snapshot of the first days has nothing in it. */
  #end(body: Uint8Array): void {
    const expected = fourBytes(this.#digest);
    if (body.length > 0 && !expected.every((byte, at) => body[at] === byte)) throw badSnapshot("parts of two");
    this.#ended = true;
  }

  /** The parts other than the machine's. @throws if chunks are missing */
  finish(): { header: StateHeader; sessions: SessionTable } {
    if (this.#header === undefined || !this.#ended) throw badSnapshot("its header or its end is missing");
    if (this.#sessions.size !== this.#header.sessions) throw badSnapshot("sessions are missing");
    return { header: this.#header, sessions: this.#sessions };
  }

  finishMachine(): void {
    this.#machine.finish();
  }
}

function headerOf(value: unknown): StateHeader & { readonly sessions: number } {
  const header = value as {
    at?: { vid?: unknown; seqno?: unknown };
    time?: unknown;
    hash?: unknown;
    sessions?: unknown;
  };
  return {
    at: { vid: numberOf(header?.at?.vid), seqno: numberOf(header?.at?.seqno) },
    time: numberOf(header?.time),
    hash: numberOf(header?.hash),
    sessions: numberOf(header?.sessions),
  };
}

function restoreSessions(table: SessionTable, value: unknown): void {
  if (!Array.isArray(value)) throw badSnapshot("sessions are no list");
  for (const item of value as unknown[]) {
    if (!Array.isArray(item) || !Array.isArray(item[0]) || !Array.isArray(item[1])) throw badSnapshot("no session");
    const [vid, seqno, ttlMs, lastNumber, acknowledgedThrough] = item[0].map(numberOf) as SessionRecord;
    const session = table.get({ vid, seqno }) ?? new Session({ vid, seqno }, ttlMs);
    session.lastNumber = lastNumber;
    session.acknowledge(acknowledgedThrough);
    for (const reply of item[1] as unknown[]) {
      if (!Array.isArray(reply) || !(reply[1] instanceof Uint8Array)) throw badSnapshot("no reply");
      session.replies.set(numberOf(reply[0]), reply[1].slice());
    }
    table.restore(session);
  }
}

function numberOf(value: unknown): number {
  if (typeof value !== "number" || !Number.isFinite(value) || value < 0) throw badSnapshot("a number is missing");
  return value;
}

function badSnapshot(what: string): ViewstampError {
  return new ViewstampError("BadMessage", `bytes that are no snapshot of the state: ${what}`);
}
