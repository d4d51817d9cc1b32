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

/** Sessions are encoded at once, the machine's chunks as they are asked for: its iterator keeps its own moment. */
export function chunksOfState(
  header: StateHeader,
  sessions: SessionTable,
  machine: Iterator<Uint8Array>,
): Iterator<Uint8Array> {
  const own = [tagged(HEADER, encodeValue({ ...header, sessions: sessions.size })), ...sessionChunks(sessions)];
  let index = 0;
  return {
    next: () => {
      const chunk = own[index++];
      if (chunk !== undefined) return { done: false, value: chunk };
      const next = machine.next();
      return next.done === true ? next : { done: false, value: tagged(MACHINE, next.value) };
    },
    return: (value) => {
      machine.return?.();
      return { done: true, value };
    },
  };
}

function* sessionChunks(sessions: SessionTable): Generator<Uint8Array> {
  let batch: unknown[] = [];
  let bytes = 0;
  for (const session of sessions) {
    const { opened, ttlMs, lastNumber, acknowledgedThrough } = session;
    const record: SessionRecord = [opened.vid, opened.seqno, ttlMs, lastNumber, acknowledgedThrough];
    batch.push([record, [...session.replies]]);
    bytes += 64;
    for (const reply of session.replies.values()) bytes += reply.length + 16;
    if (bytes < CHUNK_BYTES) continue;
    yield tagged(SESSIONS, encodeValue(batch));
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield tagged(SESSIONS, encodeValue(batch));
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
        for (const session of sessionsOf(decodeValue(body))) this.#sessions.restore(session);
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

function sessionsOf(value: unknown): Session[] {
  if (!Array.isArray(value)) throw badSnapshot("sessions are no list");
  return value.map((item: unknown) => {
    if (!Array.isArray(item) || !Array.isArray(item[0]) || !Array.isArray(item[1])) throw badSnapshot("no session");
    const [vid, seqno, ttlMs, lastNumber, acknowledgedThrough] = item[0].map(numberOf) as SessionRecord;
    const session = new Session({ vid, seqno }, ttlMs);
    session.lastNumber = lastNumber;
    session.acknowledge(acknowledgedThrough);
    for (const reply of item[1] as unknown[]) {
      if (!Array.isArray(reply) || !(reply[1] instanceof Uint8Array)) throw badSnapshot("no reply");
      session.replies.set(numberOf(reply[0]), reply[1].slice());
    }
    return session;
  });
}

function numberOf(value: unknown): number {
  if (typeof value !== "number" || !Number.isFinite(value) || value < 0) throw badSnapshot("a number is missing");
  return value;
}

function badSnapshot(what: string): ViewstampError {
  return new ViewstampError("BadMessage", `bytes that are no snapshot of the state: ${what}`);
}
