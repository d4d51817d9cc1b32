/**
 * A machine whose state is the list of commands it was given.
 * @module
 */
import { ViewstampError } from "../../src/protocol/errors.ts";
import type { Applied, ReplicatedMachine } from "../../src/protocol/machine.ts";

export interface Tally extends ReplicatedMachine {
  readonly commands: readonly string[];
}

/** Small, so that a snapshot of a few hundred commands has chunks enough to be lost, resumed and asked for twice. */
const CHUNK_CHARACTERS = 64;

/**
 * The reply is how many commands there are, from version 2 on with the version before it; a query gives all of them. To
 * migrate is to say so at the end of the list; to a version above `broken` it fails.
 */
export function tally(able: readonly number[] = [1], broken: number = Number.POSITIVE_INFINITY): Tally {
  let commands: string[] = [];
  let version = able.at(-1) as number;
  const text = new TextDecoder();
  const encode = (value: string): Uint8Array => new TextEncoder().encode(value);
  return {
    get commands() {
      return commands;
    },
    get versions() {
      return [{ name: "tally", version }];
    },
    able: [{ name: "tally", versions: able }],
    begin: ([origin]) => {
      version = origin?.version ?? version;
    },
    upgrade: ([to]) => {
      if (to === undefined || to.version > broken) return false;
      version = to.version;
      commands = [...commands, `v${version}`];
      return true;
    },
    apply: (command): Applied => {
      commands.push(text.decode(command));
      const reply = version === 1 ? String(commands.length) : `${version}:${commands.length}`;
      return { reply: encode(reply), notices: [] };
    },
    query: () => encode(commands.join(",")),
    endSession: () => [],
    tick: () => [],
    nextDeadline: () => undefined,
    outstanding: () => [],
    snapshot: () => {
      const whole = JSON.stringify(version === 1 ? commands : { version, commands });
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
          const found = JSON.parse(whole) as string[] | { version: number; commands: string[] };
          const isFirst = Array.isArray(found);
          version = isFirst ? 1 : found.version;
          if (!able.includes(version)) throw new ViewstampError("WrongMachine", `a snapshot of version ${version}`);
          commands = isFirst ? found : found.commands;
        },
      };
    },
  };
}
