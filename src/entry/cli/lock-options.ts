/**
 * What the commands about locks have in common.
 * @module
 */
import { hostname } from "node:os";
import { MAX_TIMEOUT_MS } from "../../client/options.ts";
import { whyLost } from "../../locks/client-errors.ts";
import { MAX_LOCK_DELAY_MS, MAX_OWNER_LENGTH } from "../../locks/machine-words.ts";
import { CORE_DEFAULTS } from "../../protocol/options.ts";
import { type ClusterLocks, connectLocks, ViewstampError } from "../locks.ts";
import type { Arguments, OptionSpec } from "./arguments.ts";
import { parseClusterList } from "./cluster-list.ts";

export const ttlOption: OptionSpec = {
  type: "string",
  value: "MS",
  help: "the lock is lost this long after contact is lost (default 10000)",
};

export const graceOption: OptionSpec = {
  type: "string",
  value: "MS",
  help: "from SIGTERM to SIGKILL when the lock is lost (default 5000)",
};

export const ownerOption: OptionSpec = {
  type: "string",
  value: "TEXT",
  help: "who this is, for those who look (default: host and process)",
};

export const maxHoldOption: OptionSpec = {
  type: "string",
  value: "MS",
  help: "it is lost after it was held for so long, and the command stopped (default: never)",
};

export const lockDelayOption: OptionSpec = {
  type: "string",
  value: "MS",
  help: "if contact is lost, nobody gets it for so long after that (default 0)",
};

export function graceOf(args: Arguments): number {
  return args.number("grace-ms", 5000, 0, MAX_TIMEOUT_MS);
}

/** Of `--max-hold-ms` and `--lock-delay-ms`. */
export function limitsOf(args: Arguments): { readonly maxHoldMs?: number; readonly lockDelayMs: number } {
  const lockDelayMs = args.number("lock-delay-ms", 0, 0, MAX_LOCK_DELAY_MS);
  return args.has("max-hold-ms") ? { lockDelayMs, maxHoldMs: waitOf(args, "max-hold-ms") } : { lockDelayMs };
}

/** A time that is not nothing. */
export function waitOf(args: Arguments, option: string): number {
  return args.number(option, undefined, 1, MAX_TIMEOUT_MS);
}

/** What became of a lock or a leadership while its command ran. */
export function lossText(what: string, signal: AbortSignal): string {
  const loss: unknown = signal.reason;
  const isOverdue = loss instanceof ViewstampError && loss.data["reason"] === "maxHoldMs";
  const why = whyLost(loss);
  const told = isOverdue ? " after --max-hold-ms" : why === undefined ? "" : `: ${why}`;
  return `viewstamp: ${what} was lost${told}; the command was stopped`;
}

/** Whoever waits for a lock for less than this still has so long to reach the cluster. */
const LEAST_CONNECT_MS = 2000;

/** Holds and waits under a name that people recognise. */
export function connectAsHolder(args: Arguments, waitMs?: number): Promise<ClusterLocks> {
  const owner = args.text("owner", `${hostname()} ${process.pid}`).slice(0, MAX_OWNER_LENGTH);
  const limit = waitMs === undefined ? {} : { timeoutMs: Math.max(waitMs, LEAST_CONNECT_MS) };
  return connectLocks({ cluster: clusterOf(args), owner, sessionTtlMs: ttlOf(args), ...limit });
}

/** The client's own bounds, under the option's own name. */
function ttlOf(args: Arguments): number {
  return args.number("ttl-ms", 10_000, CORE_DEFAULTS.minSessionTtlMs, CORE_DEFAULTS.maxSessionTtlMs);
}

export function clusterOf(args: Arguments): string[] {
  return parseClusterList(args.text("cluster")).map(({ url }) => url);
}

/** Calls back for each of the signals that ask a program to end, or that its terminal is gone; gives what undoes that. */
export function onEndSignal(callback: (signal: NodeJS.Signals) => void): () => void {
  const watched = (["SIGTERM", "SIGINT", "SIGHUP"] as const).map((signal) => {
    const end = (): void => callback(signal);
    process.on(signal, end);
    return () => process.off(signal, end);
  });
  return () => {
    for (const stopWatching of watched) stopWatching();
  };
}
