/**
 * Order is part of the contract: the writes of a turn go to the storage as one, and what a message promises is durable
 * before the message leaves.
 * @module
 */
import type { Storage, StorageRecord } from "../protocol/storage.ts";
import type { Sink } from "./outbox.ts";

interface Held {
  readonly after: number;
  readonly sink: Sink<unknown>;
  readonly message: unknown;
}

export interface DurabilityOptions {
  readonly storage: Storage;
  /** All writes through this number are durable, and what waited for them is in its outbox. */
  readonly durable: (write: number) => void;
  readonly failed: (error: Error) => void;
}

export class Durability {
  readonly #options: DurabilityOptions;
  #records: StorageRecord[] = [];
  #written = 0;
  #durable = 0;
  /** In the order of their effects: one that may go waits behind one that may not, so each receiver's order holds. */
  #held: Held[] = [];

  constructor(options: DurabilityOptions) {
    this.#options = options;
  }

  write(number: number, records: readonly StorageRecord[]): void {
    for (const record of records) this.#records.push(record);
    this.#written = number;
  }

  /** Hands this turn's records over. */
  flush(): void {
    if (this.#records.length === 0) return;
    const records = this.#records;
    const through = this.#written;
    this.#records = [];
    this.#options.storage.write(records, (error) => {
      if (error === undefined) this.#completed(through);
      else this.#options.failed(error);
    });
  }

  /** Gives the message to the sink once all writes through `after` are durable; at once if they are. */
  send<M>(sink: Sink<M>, message: M, after: number): void {
    if (after <= this.#durable) sink.push(message);
    else this.#held.push({ after, sink, message });
  }

  #completed(through: number): void {
    this.#durable = through;
    const held = this.#held;
    let released = 0;
    for (let next = held[0]; next !== undefined && next.after <= through; next = held[released]) {
      next.sink.push(next.message);
      released++;
    }
    if (released > 0) this.#held = held.slice(released);
    this.#options.durable(through);
  }
}
