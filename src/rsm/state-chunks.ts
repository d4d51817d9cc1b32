/**
 * A snapshot of the replicated state as bytes: a header chunk, session chunks, then the machine's own. The first byte of
 * each chunk says which.
 * @module
 */
import { ViewstampError } from "../protocol/errors.ts";
import type { Restoration } from "../protocol/machine.ts";
import { decodeValue, encodeValue } from "../protocol/values.ts";
import type { Viewstamp } from "../protocol/view.ts";
import { Session, SessionTable } from "./sessions.ts";

export interface StateHeader {
  readonly at: Viewstamp;
  readonly time: number;
  readonly hash: number;
}

const HEADER = 0;
const SESSIONS = 1;
const MACHINE = 2;

/** Session chunks end at about this size. */
const CHUNK_BYTES = 48 * 1024;

type SessionRecord = [vid: number, seqno: number, ttlMs: number, lastNumber: number, acknowledgedThrough: number];

/** What a session was at the moment of the snapshot; replies are never changed once made. */
interface Held {
  readonly record: SessionRecord;
  readonly replies: readonly (readonly [number, Uint8Array])[];
}

/** Sessions are noted at once and encoded as their chunks are asked for; the machine's iterator keeps its own moment. */
export function chunksOfState(
  header: StateHeader,
  sessions: SessionTable,
  machine: Iterator<Uint8Array>,
): Iterator<Uint8Array> {
  const held = Array.from(sessions, ({ opened, ttlMs, lastNumber, acknowledgedThrough, replies }): Held => {
    return { record: [opened.vid, opened.seqno, ttlMs, lastNumber, acknowledgedThrough], replies: [...replies] };
  });
  const own = ownChunks(header, held);
  return {
    next: () => {
      const chunk = own.next();
      if (chunk.done !== true) return chunk;
      const next = machine.next();
      return next.done === true ? next : { done: false, value: tagged(MACHINE, next.value) };
    },
    return: (value) => {
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
  if (chunk[0] !== HEADER) throw badSnapshot("no header");
  return tagged(HEADER, encodeValue({ ...headerOf(decodeValue(chunk.subarray(1))), at }));
}

function* ownChunks(header: StateHeader, held: readonly Held[]): Generator<Uint8Array, undefined> {
  yield tagged(HEADER, encodeValue({ ...header, sessions: held.length }));
  let batch: [SessionRecord, (readonly [number, Uint8Array])[]][] = [];
  let bytes = 0;
  for (const { record, replies } of held) {
    batch.push([record, []]);
    bytes += 64;
    for (const reply of replies) {
      if (bytes > 0 && bytes + reply[1].length > CHUNK_BYTES) {
        yield tagged(SESSIONS, encodeValue(batch));
        // The rest of a session's replies goes on in the next chunk.
        batch = [[record, []]];
        bytes = 64;
      }
      batch.at(-1)?.[1].push(reply);
      bytes += reply[1].length + 16;
    }
    if (bytes < CHUNK_BYTES) continue;
    yield tagged(SESSIONS, encodeValue(batch));
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield tagged(SESSIONS, encodeValue(batch));
  return undefined;
}

function tagged(tag: number, bytes: Uint8Array): Uint8Array {
  const chunk = new Uint8Array(bytes.length + 1);
  chunk[0] = tag;
  chunk.set(bytes, 1);
  return chunk;
}

/** Collects the chunks of one snapshot. */
export class StateRestoration {
  readonly #machine: Restoration;
  readonly #sessions: SessionTable = new SessionTable();
  #header: (StateHeader & { readonly sessions: number }) | undefined;

  constructor(machine: Restoration) {
    this.#machine = machine;
  }

  chunk(bytes: Uint8Array): void {
    const body = bytes.subarray(1);
    switch (bytes[0]) {
      case HEADER:
        this.#header = headerOf(decodeValue(body));
        return;
      case SESSIONS:
        restoreSessions(this.#sessions, decodeValue(body));
        return;
      case MACHINE:
        this.#machine.chunk(body);
        return;
      default:
        throw badSnapshot("a chunk of no known kind");
    }
  }

  /** The parts other than the machine's. @throws if chunks are missing */
  finish(): { header: StateHeader; sessions: SessionTable } {
    if (this.#header === undefined) throw badSnapshot("no header");
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
