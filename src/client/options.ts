/**
 * What a client can be told, its defaults, and the checks at the door. Times are milliseconds.
 * @module
 */
import type { Environment } from "../protocol/environment.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { MachineVersion } from "../protocol/machine.ts";
import { CORE_DEFAULTS } from "../protocol/options.ts";
import type { Transport } from "../protocol/transport.ts";
import type { CallOptions, QueryOptions } from "./contract.ts";

/** Addresses of nodes, `ws://host:port` or so: a list, or a record of node id to address. Some of them are enough. */
export type ClusterAddresses = readonly string[] | Readonly<Record<string, string>>;

/** What can be tuned about a client; every field has a default. */
export interface ClientTuning {
  /** A silent client's session ends after this long, and what it holds is let go. Default 10 000, from 500 to 600 000. */
  readonly sessionTtlMs?: number;
  /** A call without a `timeoutMs` of its own rejects with `Timeout` after this long. Default 30 000. */
  readonly timeoutMs?: number;
  /** Commands and queries under way at once; one more rejects with `Overloaded`. Default 1024, at most 2047. */
  readonly maxOutstanding?: number;
  /** A node that leaves questions unanswered and says nothing for this long is given up. Default 1000. */
  readonly silenceMs?: number;
  /** How long `close` waits for the session to end in good order. Default 1000. */
  readonly closeMs?: number;
}

/** What a client's core is made from. */
export interface ClientOptions extends ClientTuning {
  readonly cluster: ClusterAddresses;
  readonly transport: Transport;
  readonly environment: Environment;
  /** The machines it will call; a node without one of them refuses the client. */
  readonly machines: readonly MachineVersion[];
}

/** The same with every default filled in. */
export interface ClientSettings extends Required<ClientTuning> {
  readonly addresses: readonly GivenAddress[];
}

/** An address as its user gave it. */
export interface GivenAddress {
  readonly url: string;
  /** The node's id, where a record named it. */
  readonly id: string | undefined;
}

/** Timers of all runtimes fire at once beyond this. */
export const MAX_TIMEOUT_MS: number = 2 ** 31 - 1;

const limits: Readonly<Record<keyof ClientTuning, { least: number; most: number; usual: number }>> = {
  sessionTtlMs: { least: CORE_DEFAULTS.minSessionTtlMs, most: CORE_DEFAULTS.maxSessionTtlMs, usual: 10_000 },
  timeoutMs: { least: 1, most: MAX_TIMEOUT_MS, usual: 30_000 },
  // The cluster counts numbers from the last acknowledgement it has executed, which is up to one window behind ours.
  maxOutstanding: { least: 1, most: CORE_DEFAULTS.maxSessionReplies / 2 - 1, usual: 1024 },
  silenceMs: { least: 1, most: MAX_TIMEOUT_MS, usual: 1000 },
  closeMs: { least: 0, most: MAX_TIMEOUT_MS, usual: 1000 },
};

/** The names of all tuning options, for doors that refuse unknown ones. */
export const TUNING_NAMES: readonly string[] = Object.keys(limits);

/** @throws {ViewstampError} `InvalidOptions` */
export function settingsOf(cluster: ClusterAddresses, tuning: ClientTuning): ClientSettings {
  const numbers = {} as Record<keyof ClientTuning, number>;
  for (const name of Object.keys(limits) as (keyof ClientTuning)[]) {
    const { least, most, usual } = limits[name];
    const value = tuning[name] === undefined ? usual : tuning[name];
    const whole = name !== "maxOutstanding" || Number.isInteger(value);
    if (typeof value !== "number" || !(value >= least && value <= most) || !whole)
      throw invalid(`${name} must be a number from ${least} to ${most}, not ${String(value)}`, { option: name });
    numbers[name] = value;
  }
  return { addresses: addressesOf(cluster), ...numbers };
}

/** @throws {ViewstampError} `InvalidOptions` for a list that is empty, repeats an address or holds what is none */
export function addressesOf(cluster: ClusterAddresses): GivenAddress[] {
  if (typeof cluster !== "object" || cluster === null)
    throw invalid("cluster must be a list of addresses or a record of node id to address", { option: "cluster" });
  const given: GivenAddress[] = Array.isArray(cluster)
    ? cluster.map((url: string) => ({ url, id: undefined }))
    : Object.entries(cluster as Readonly<Record<string, string>>).map(([id, url]) => ({ url, id }));
  if (given.length === 0) throw invalid("cluster is empty: name at least one node's address", { option: "cluster" });
  const seen = new Set<string>();
  for (const { url } of given) {
    const name = canonicalUrl(url);
    if (name === undefined)
      throw invalid(`cluster holds ${JSON.stringify(url)}, which is no address like "ws://host:7001"`, { url });
    if (seen.has(name)) throw invalid(`cluster names ${url} twice`, { url });
    seen.add(name);
  }
  return given;
}

/** One spelling for each address, or `undefined` for what is none. */
export function canonicalUrl(url: unknown): string | undefined {
  if (typeof url !== "string" || !/^(wss?|memory):\/\/[^/?#]/.test(url)) return undefined;
  try {
    return new URL(url).href;
  } catch {
    return undefined;
  }
}

/** @throws {ViewstampError} `InvalidOptions` for an option that does not exist: a mistyped one must not be ignored */
export function refuseUnknown(given: unknown, known: readonly string[], whose: string): void {
  if (typeof given !== "object" || given === null || Array.isArray(given))
    throw invalid(`${whose} takes an object of options, not ${kindOf(given)}`, {});
  for (const name of Object.keys(given)) {
    if (!known.includes(name))
      throw invalid(`${whose} has no option ${JSON.stringify(name)}; there are: ${known.join(", ")}`, { option: name });
  }
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  return value === null ? "null" : typeof value;
}

const callOptionNames = ["signal", "timeoutMs"];
const queryOptionNames = [...callOptionNames, "consistency"];

/** @throws {ViewstampError} `InvalidOptions` */
export function checkCallOptions(options: CallOptions): void {
  checkOptions(options, callOptionNames);
}

/** @throws {ViewstampError} `InvalidOptions` */
export function checkQueryOptions(options: QueryOptions): void {
  checkOptions(options, queryOptionNames);
  const { consistency } = options;
  if (consistency !== undefined && consistency !== "linearizable" && consistency !== "local")
    throw invalid(`consistency is "linearizable" or "local", not ${JSON.stringify(consistency)}`, {
      option: "consistency",
    });
}

function checkOptions(options: CallOptions, known: readonly string[]): void {
  if (typeof options !== "object" || options === null) throw invalid("the options of a call are an object", {});
  refuseUnknown(options, known, "a call");
  const { timeoutMs, signal } = options;
  if (timeoutMs !== undefined && !(typeof timeoutMs === "number" && timeoutMs > 0 && timeoutMs <= MAX_TIMEOUT_MS))
    throw invalid(`timeoutMs must be a number above 0 and at most ${MAX_TIMEOUT_MS}, not ${String(timeoutMs)}`, {
      option: "timeoutMs",
    });
  if (signal !== undefined && !isSignal(signal)) throw invalid("signal must be an AbortSignal", { option: "signal" });
}

/** By its shape: one of another realm, or of a polyfill, is one too. */
export function isSignal(value: unknown): value is AbortSignal {
  if (typeof value !== "object" || value === null) return false;
  const { aborted, addEventListener, removeEventListener } = value as Partial<AbortSignal>;
  const isTarget = typeof addEventListener === "function" && typeof removeEventListener === "function";
  return typeof aborted === "boolean" && isTarget;
}

export function invalid(text: string, data: Readonly<Record<string, unknown>>): ViewstampError {
  return new ViewstampError("InvalidOptions", text, { data });
}
