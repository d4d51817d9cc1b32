// What a connection does, written down, so that a test can wait for it.
import * as assert from "uvu/assert";
import type { Closed, Connection, ConnectionHandler, Listener, Transport } from "../../src/protocol/transport.ts";

const patienceMs = 20_000;

const leftovers: (() => unknown)[] = [];

/** Done by the next `cleanUp`, however the test ends: what stays open would keep the process alive. */
export function afterwards(cleanup: () => unknown): void {
  leftovers.push(cleanup);
}

/** The hook after each test. */
export async function cleanUp(): Promise<void> {
  for (const cleanup of leftovers.splice(0)) await cleanup();
}

/** A handler that keeps everything, and the connection it belongs to. */
export class Recorder implements ConnectionHandler {
  readonly frames: Uint8Array[] = [];
  readonly events: string[] = [];
  connection!: Connection;
  end: Closed | undefined;
  onOpened: (() => void) | undefined;
  onReceived: ((frame: Uint8Array) => void) | undefined;
  #waiters: (() => void)[] = [];

  opened(): void {
    this.#note("opened");
    this.onOpened?.();
  }

  received(frame: Uint8Array): void {
    this.frames.push(frame);
    this.#note("received");
    this.onReceived?.(frame);
  }

  closed(closed: Closed): void {
    this.end = closed;
    this.#note("closed");
  }

  isOpen(): Promise<void> {
    return this.until("opened", () => this.events.includes("opened"));
  }

  has(frames: number): Promise<void> {
    return this.until(`${frames} frames`, () => this.frames.length >= frames);
  }

  async isClosed(): Promise<Closed> {
    await this.until("closed", () => this.end !== undefined);
    return this.end!;
  }

  /** Waits until it holds; it is looked at after each thing that happens. */
  until(what: string, holds: () => boolean): Promise<void> {
    return within(what, (done) => {
      const look = (): void => (holds() ? done() : void this.#waiters.push(look));
      look();
    });
  }

  /** Opened at most once and first, closed once and last. */
  assertOrder(): void {
    assert.match(this.events.join(" "), /^(opened( received)* )?closed$/);
  }

  #note(event: string): void {
    this.events.push(event);
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const look of waiters) look();
  }
}

/** Waits for `start` to call back, but not for ever. */
export function within(what: string, start: (done: () => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error(`not within ${patienceMs} ms: ${what}`)), patienceMs);
    start(() => {
      clearTimeout(limit);
      resolve();
    });
  });
}

/** For what no event tells. */
export function eventually(what: string, holds: () => boolean): Promise<void> {
  return within(what, (done) => {
    const look = (): void => (holds() ? done() : void setTimeout(look, 1));
    look();
  });
}

export function dial(transport: Transport, url: string, recorder: Recorder = new Recorder()): Recorder {
  recorder.connection = transport.dial(url, recorder);
  return recorder;
}

/** A listener and the recorders of what it took. */
export interface Place {
  readonly listener: Listener;
  readonly taken: Recorder[];
}

export async function listen(
  transport: Transport,
  url: string,
  prepare: (recorder: Recorder) => void = () => {},
): Promise<Place> {
  const taken: Recorder[] = [];
  const listener = await transport.listen(url, (connection) => {
    const recorder = new Recorder();
    recorder.connection = connection;
    taken.push(recorder);
    prepare(recorder);
    return recorder;
  });
  afterwards(() => listener.close());
  return { listener, taken };
}

/** A handler that sends every frame back and keeps none. */
export function bareEcho(connection: Connection): ConnectionHandler {
  return { opened: () => {}, received: (frame) => connection.send(frame), closed: () => {} };
}

/** Sends every frame back. */
export function echo(recorder: Recorder): void {
  recorder.onReceived = (frame) => recorder.connection.send(frame);
}

/** Both ends of one open connection. */
export async function pair(transport: Transport, place: Place): Promise<readonly [dialer: Recorder, taker: Recorder]> {
  const before = place.taken.length;
  const dialer = dial(transport, place.listener.url);
  await dialer.isOpen();
  await eventually("accepted", () => place.taken.length > before);
  const taker = place.taken[before]!;
  await taker.isOpen();
  return [dialer, taker];
}

/** Bytes that differ by place and by `seed`. */
export function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0, word = seed + 1; at < length; at++) {
    word = (Math.imul(word, 1_103_515_245) + 12_345) >>> 0;
    bytes[at] = word >>> 16;
  }
  return bytes;
}

/** uvu's own comparison of large arrays does not end. */
export function assertSameBytes(actual: Uint8Array | undefined, expected: Uint8Array, what: string): void {
  assert.is(actual?.byteLength, expected.byteLength, `${what}: length`);
  const at = expected.findIndex((byte, index) => actual![index] !== byte);
  assert.is(at, -1, `${what}: differs at byte ${at}`);
}
