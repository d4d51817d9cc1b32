/**
 * Messages on their way out: what is said to one receiver in a turn leaves together at its end.
 * @module
 */
import type { Connection } from "../protocol/transport.ts";

/** Takes messages of one kind. */
export interface Sink<M> {
  push(message: M): void;
}

/** The outboxes that have something to say at the end of this turn. */
export class Outgoing {
  readonly #maxQueuedBytes: number;
  readonly #planTurn: () => void;
  #waiting: { flush(maxQueuedBytes: number): void }[] = [];

  constructor(maxQueuedBytes: number, planTurn: () => void) {
    this.#maxQueuedBytes = maxQueuedBytes;
    this.#planTurn = planTurn;
  }

  add(outbox: { flush(maxQueuedBytes: number): void }): void {
    if (this.#waiting.push(outbox) === 1) this.#planTurn();
  }

  flush(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const outbox of waiting) outbox.flush(this.#maxQueuedBytes);
  }
}

export interface OutboxOptions<M> {
  readonly connection: Connection;
  readonly outgoing: Outgoing;
  /** As few frames as hold the messages, none too large. */
  readonly encode: (messages: readonly M[]) => readonly Uint8Array[];
  /** The receiver is too slow: end the connection. */
  readonly overflowed: (queuedBytes: number) => void;
}

/** One connection's outbox. Messages belong to a connection: closed, it drops whatever it is still given. */
export class Outbox<M> implements Sink<M> {
  readonly #options: OutboxOptions<M>;
  #messages: M[] = [];
  /** Of those that were pushed with their size. */
  #bytes = 0;
  #closed = false;

  constructor(options: OutboxOptions<M>) {
    this.#options = options;
  }

  /** What waits here and behind, in bytes, as far as it is known. */
  get queuedBytes(): number {
    return this.#bytes + this.#options.connection.queuedBytes;
  }

  push(message: M, bytes = 0): void {
    if (this.#closed) return;
    if (this.#messages.length === 0) this.#options.outgoing.add(this);
    this.#messages.push(message);
    this.#bytes += bytes;
  }

  flush(maxQueuedBytes: number): void {
    if (this.#closed) return;
    const { connection, encode, overflowed } = this.#options;
    const messages = this.#messages;
    this.#messages = [];
    this.#bytes = 0;
    for (const frame of encode(messages)) connection.send(frame);
    if (connection.queuedBytes > maxQueuedBytes) overflowed(connection.queuedBytes);
  }

  close(): void {
    this.#closed = true;
    this.#messages = [];
  }
}
