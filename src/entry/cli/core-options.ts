/**
 * The replica's options on the command line: `--heartbeat-ms` for `heartbeatMs`, and so on for each of them.
 * @module
 */
import { CORE_DEFAULTS, type CoreOptions } from "../../protocol/options.ts";
import type { Arguments, OptionSpecs } from "./arguments.ts";

const meanings: Readonly<Record<keyof CoreOptions, string>> = {
  heartbeatMs: "the primary says that it lives this often",
  suspectMs: "silence for this long is a suspicion",
  minCopies: "no view has fewer members; the same on all nodes",
  forgetAfterMs: "a node that was silent for so long no longer counts for majorities",
  driftPercent: "how much clocks may run apart; the same on all nodes",
  maxBodyBytes: "the largest command, query or reply; the same on all nodes",
  maxInvokeBytes: "entries sent in one piece",
  maxInFlightBytes: "sent to one backup and not yet acknowledged",
  maxPendingEntries: "requests stamped and not yet applied",
  maxPendingBytes: "the same in bytes",
  maxSessionReplies: "replies kept for one session",
  maxSessions: "sessions at once",
  minSessionTtlMs: "the shortest session a client may ask for",
  maxSessionTtlMs: "the longest session a client may ask for",
  snapshotEveryBytes: "a snapshot is taken when the log has grown by this",
};

const names = Object.keys(meanings) as (keyof CoreOptions)[];

export const coreOptionSpecs: OptionSpecs = Object.fromEntries(
  names.map((name) => [
    kebab(name),
    { type: "string", value: "N", help: `${meanings[name]} (default ${CORE_DEFAULTS[name] ?? "never"})` },
  ]),
);

/** Those that were given; the replica knows the defaults and the bounds. */
export function coreOptionsOf(args: Arguments): Partial<CoreOptions> {
  const given = names.filter((name) => args.has(kebab(name))).map((name) => [name, args.number(kebab(name))]);
  return Object.fromEntries(given) as Partial<CoreOptions>;
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
