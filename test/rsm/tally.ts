/**
 * A machine whose state is the list of commands it was given.
 * @module
 */
import type { Applied, ReplicatedMachine } from "../../src/protocol/machine.ts";

export interface Tally extends ReplicatedMachine {
  readonly commands: readonly string[];
}

/** Small, so that a snapshot of a few hundred commands has chunks enough to be lost, resumed and asked for twice. */
const CHUNK_CHARACTERS = 64;

/** The reply is how many commands there are; a query gives all of them. */
export function tally(): Tally {
  let commands: string[] = [];
  const text = new TextDecoder();
  const encode = (value: string): Uint8Array => new TextEncoder().encode(value);
  return {
    get commands() {
      return commands;
    },
    versions: [{ name: "tally", version: 1 }],
    apply: (command): Applied => {
      commands.push(text.decode(command));
      return { reply: encode(String(commands.length)), notices: [] };
    },
    query: () => encode(commands.join(",")),
    endSession: () => [],
    tick: () => [],
    nextDeadline: () => undefined,
    outstanding: () => [],
    snapshot: () => {
      const whole = JSON.stringify(commands);
      const chunks: Uint8Array[] = [];
      for (let at = 0; at < whole.length; at += CHUNK_CHARACTERS) {
        chunks.push(encode(whole.slice(at, at + CHUNK_CHARACTERS)));
      }
      return chunks.values();
    },
    restore: () => {
      let whole = "";
      return {
        chunk: (bytes) => {
          whole += text.decode(bytes);
        },
        finish: () => {
          commands = JSON.parse(whole) as string[];
        },
      };
    },
  };
}
