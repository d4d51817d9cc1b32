/**
 * Collects the effects of one step.
 * @module
 */
import type { ConfigOutput } from "../config/output.ts";
import type { ServerMessage } from "../protocol/client-messages.ts";
import type { PeerMessage } from "../protocol/messages.ts";
import type { StorageRecord } from "../protocol/storage.ts";
import type { NodeId } from "../protocol/view.ts";
import type { Effect, Happening } from "./events.ts";

export class Output implements ConfigOutput {
  #effects: Effect[] = [];
  #records: StorageRecord[] = [];
  #write = 0;
  #besides = 0;

  /** The number of the write that the next record belongs to: all records of a step share one. */
  get nextWrite(): number {
    return this.#write + 1;
  }

  /** How many records that are no entries have been written: views, and the votes for them. */
  get besides(): number {
    return this.#besides;
  }

  persist(record: StorageRecord): number {
    if (record.kind !== "append") this.#besides++;
    this.#records.push(record);
    return this.nextWrite;
  }

  send(to: NodeId, message: PeerMessage, after: number): void {
    this.#effects.push({ type: "send", to, message, after });
  }

  answer(client: number, message: ServerMessage, after = 0): void {
    this.#effects.push({ type: "answer", client, message, after });
  }

  push(effect: Effect): void {
    this.#effects.push(effect);
  }

  happened(what: Happening): void {
    this.#effects.push({ type: "happened", what });
  }

  suspected(id: NodeId, reason: string): void {
    this.happened({ event: "suspected", id, reason });
  }

  path(name: string): void {
    this.happened({ event: "path", name });
  }

  /** The effects since the last call, the write first. */
  drain(): Effect[] {
    const effects = this.#effects;
    this.#effects = [];
    if (this.#records.length === 0) return effects;
    this.#write++;
    const write: Effect = { type: "write", write: this.#write, records: this.#records };
    this.#records = [];
    return [write, ...effects];
  }
}
