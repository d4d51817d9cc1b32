/**
 * The ledger's own replica: it executes every entry once, when it is committed, and never stops, restarts or restores.
 * @module
 */
import { decodeReply, encodeCall } from "../../protocol/calls.ts";
import type { Entry } from "../../protocol/entry.ts";
import type { MachineVersion, ReplicatedMachine } from "../../protocol/machine.ts";
import { type AppliedEntry, ReplicatedState } from "../../rsm/state.ts";
import type { StateEye } from "./observer.ts";

export class Replay {
  readonly #state: ReplicatedState;
  /** By place; that of the empty state first. */
  readonly #hashes: number[] = [];

  constructor(machine: ReplicatedMachine, origin: readonly MachineVersion[] = []) {
    this.#state = new ReplicatedState(machine);
    if (origin.length > 0) this.#state.begin(origin);
    this.#hashes.push(this.#state.hash);
  }

  get applied(): number {
    return this.#state.applied.seqno;
  }

  apply(entry: Entry): AppliedEntry {
    const result = this.#state.apply(entry);
    this.#hashes.push(this.#state.hash);
    return result;
  }

  /** The running hash at a place that it has executed. */
  hashAt(seqno: number): number | undefined {
    return this.#hashes[seqno];
  }

  get state(): StateEye {
    return this.#state;
  }

  /** @throws {Error} if the query gives no value */
  ask(machine: string, query: string, input: unknown): unknown {
    return askState(this.#state, machine, query, input);
  }
}

/** @throws {Error} if the query gives no value */
export function askState(state: StateEye, machine: string, query: string, input: unknown): unknown {
  const reply = decodeReply(state.query(encodeCall(machine, query, input)));
  if (reply.type !== "ok") throw new Error(`${machine}.${query} gives ${JSON.stringify(reply)}`);
  return reply.value;
}
