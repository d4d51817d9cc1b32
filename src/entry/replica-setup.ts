/**
 * The options of a replica, checked at the door: what is wrong, and what to do about it.
 * @module
 */
import * as v from "valibot";
import type { AnyMachine } from "../machine/definition.ts";
import type { MachineFault } from "../machine/parts.ts";
import { checkMachines, replicated } from "../machine/replicated.ts";
import { ViewstampError } from "../protocol/errors.ts";
import { CORE_DEFAULTS, type CoreOptions } from "../protocol/options.ts";
import type { Storage } from "../protocol/storage.ts";
import { MAX_FRAME_BYTES, type Transport } from "../protocol/transport.ts";
import type { NodeId } from "../protocol/view.ts";
import { realBrain } from "../replica/brain.ts";
import { type Address, HAND_LIMITS, type ReplicaEvent, type ReplicaSetup } from "../replica/contract.ts";
import { systemEnvironment } from "./environment.ts";
import { runtimeName } from "./runtime.ts";

/** How a replica is started. Times are milliseconds, sizes are bytes. */
export interface ReplicaOptions extends Partial<CoreOptions> {
  /** This node's name: up to 64 letters, digits, `.`, `_` and `-`. Data belongs to it for ever. */
  readonly id: NodeId;
  /**
   * Every node of the cluster, by id, with its address; the same on all nodes. A fresh cluster starts once all of them
   * have been seen. Two nodes have no fault tolerance: use three or five.
   */
  readonly cluster: Readonly<Record<NodeId, string>>;
  /** The machine to replicate; or `machines`. */
  readonly machine?: AnyMachine;
  /** Several machines in one cluster; clients call them by name. */
  readonly machines?: readonly AnyMachine[];
  /** Where it remembers: `fileStorage(dir)`, or `memoryStorage()` for tests. One replica for each. */
  readonly storage: Storage;
  /** How it talks: `webSocket()`. */
  readonly transport: Transport;
  /** Where it takes connections. Default: its address in `cluster`. */
  readonly listen?: string;
  /** Where the others and clients reach it. Default: its address in `cluster`. */
  readonly advertise?: string;
  /** Called for what happens to the replica; what it throws is ignored. Silent by default. */
  readonly observer?: (event: ReplicaEvent) => void;
}

const MAX_ID_LENGTH = 64;
const MAX_URL_LENGTH = 2048;
const LONGEST_MS = 24 * 3600 * 1000;
const MOST_BYTES = 1024 * 1024 * 1024;
/** Whoever comes back is sent it at once, perhaps twice: beyond `maxQueuedBytes` it would be cut off for that, again and again. */
const MOST_IN_FLIGHT = HAND_LIMITS.maxQueuedBytes / 4;
/** What is around a body, an entry or a message in a frame fits into this. */
const FRAME_SLACK = 16 * 1024;

function whole(least: number, most: number): v.GenericSchema<number> {
  const text = `must be a whole number from ${least} to ${most}`;
  return v.pipe(v.number(text), v.integer(text), v.minValue(least, text), v.maxValue(most, text));
}

const percent = "must be a number from 0 to 50";
const id = v.pipe(
  v.string("must be a string"),
  v.regex(/^[\w.-]+$/, 'must be letters, digits, ".", "_" and "-"'),
  v.maxLength(MAX_ID_LENGTH, `must have at most ${MAX_ID_LENGTH} characters`),
);
const address = v.pipe(
  v.string("must be an address"),
  v.maxLength(MAX_URL_LENGTH, `must have at most ${MAX_URL_LENGTH} characters`),
  v.check((url) => canonical(url) !== undefined, 'must be an address like "ws://host:7001"'),
);

const schema = v.strictObject({
  id,
  cluster: v.pipe(
    v.custom<object>((value) => !Array.isArray(value), 'must name each node: { a: "ws://host:7001", … }'),
    v.record(id, address, 'must name each node: { a: "ws://host:7001", … }'),
  ),
  machine: v.optional(v.unknown()),
  machines: v.optional(v.unknown()),
  storage: v.custom<Storage>((value) => hasMethods(value, "open", "write"), "must be a storage: fileStorage(dir)"),
  transport: v.custom<Transport>((value) => hasMethods(value, "dial", "listen"), "must be a transport: webSocket()"),
  listen: v.optional(address),
  advertise: v.optional(address),
  observer: v.optional(v.function("must be a function")),
  heartbeatMs: v.optional(whole(5, 60_000)),
  suspectMs: v.optional(whole(15, 600_000)),
  minCopies: v.optional(whole(1, 100)),
  forgetAfterMs: v.optional(whole(1000, 365 * LONGEST_MS)),
  driftPercent: v.optional(v.pipe(v.number(percent), v.minValue(0, percent), v.maxValue(50, percent))),
  maxBodyBytes: v.optional(whole(1024, MAX_FRAME_BYTES / 2)),
  maxInvokeBytes: v.optional(whole(1024, MAX_FRAME_BYTES / 2)),
  maxInFlightBytes: v.optional(whole(1024, MOST_IN_FLIGHT)),
  maxPendingEntries: v.optional(whole(1, 10_000_000)),
  maxPendingBytes: v.optional(whole(1024, MOST_BYTES)),
  maxSessionReplies: v.optional(whole(1, 1_000_000)),
  maxSessions: v.optional(whole(1, 10_000_000)),
  minSessionTtlMs: v.optional(whole(50, LONGEST_MS)),
  maxSessionTtlMs: v.optional(whole(50, LONGEST_MS)),
  snapshotEveryBytes: v.optional(whole(1024, Number.MAX_SAFE_INTEGER)),
});

/**
 * Everything a replica needs, defaults filled in.
 * @throws {ViewstampError} `InvalidOptions`
 */
export function setupOf(options: ReplicaOptions): ReplicaSetup {
  checkShape(options);
  const { cluster, machine, machines, storage, transport, observer } = options;
  const { own, listen, advertise } = addressesOf(options);
  checkDialed(options);
  if ((machine === undefined) === (machines === undefined))
    throw invalid("machine", "give either machine or machines: what the cluster replicates");
  const all = checkMachines(machines ?? (machine as AnyMachine));
  const listed = Object.entries(cluster).map(([id, url]): Address => ({ id, url }));
  const core = coreOptionsOf(options, listed.length);
  const trace = (fault: MachineFault): void => observer?.({ event: "warning", text: textOf(fault) });
  return {
    id: options.id,
    cluster: own === undefined ? [...listed, { id: options.id, url: advertise ?? listen }] : listed,
    listen,
    advertise,
    storage,
    transport,
    machine: () => replicated(all, { trace, maxReplyBytes: core.maxBodyBytes }),
    options: core,
    limits: HAND_LIMITS,
    environment: systemEnvironment,
    runtime: runtimeName(),
    makeBrain: realBrain,
    observer,
    tap: undefined,
  };
}

function checkShape(options: unknown): void {
  const parsed = v.safeParse(schema, options, { abortPipeEarly: true });
  const issue = parsed.issues?.[0];
  if (issue === undefined) return;
  const path = v.getDotPath(issue);
  if (path === null) throw invalid("options", "the options of a replica are an object");
  const name = path.split(".")[0] as string;
  if (issue.type === "strict_object") {
    const known = Object.keys(schema.entries);
    if (!known.includes(name)) throw invalid(name, `a replica has no option "${name}"; there are: ${known.join(", ")}`);
    throw invalid(name, `${name} is missing${Object.hasOwn(usual, name) ? `: give one, such as ${usual[name]}` : ""}`);
  }
  throw invalid(name, `${path} ${issue.message}, not ${shown(issue.input)}`);
}

const usual: Readonly<Record<string, string>> = {
  storage: 'fileStorage("data/a")',
  transport: "webSocket()",
  cluster: '{ a: "ws://host:7001", … }',
};

function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 100));
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

interface Addresses {
  readonly own: string | undefined;
  readonly listen: string;
  readonly advertise: string | undefined;
}

function addressesOf({ id, cluster, listen, advertise }: ReplicaOptions): Addresses {
  const urls = Object.entries(cluster);
  if (urls.length === 0) throw invalid("cluster", "cluster is empty: name every node with its address");
  const own = Object.hasOwn(cluster, id) ? cluster[id] : undefined;
  const at = listen ?? own;
  if (at === undefined)
    throw invalid(
      "cluster",
      `cluster has no node "${id}": name it there, or give listen for a node that an operator adds`,
    );
  const byUrl = new Map<string, string>();
  for (const [node, url] of urls) {
    const other = byUrl.get(canonical(url) as string);
    if (other !== undefined) throw invalid("cluster", `"${other}" and "${node}" have one address: each has its own`);
    byUrl.set(canonical(url) as string, node);
    if (urls.length > 1 && new URL(url).port === "0")
      throw invalid("cluster", `the address of "${node}" has port 0: the others must know the real one`);
  }
  const told = advertise ?? own;
  return { own, listen: at, advertise: told !== undefined && new URL(told).port === "0" ? undefined : told };
}

/** What the others cannot dial is found out here, not by waiting for them. Port 0 is this node's own business. */
function checkDialed({ cluster, advertise, transport }: ReplicaOptions): void {
  for (const url of [...Object.values(cluster), ...(advertise === undefined ? [] : [advertise])]) {
    const refusal = new URL(url).port === "0" ? undefined : transport.refusal?.(url);
    if (refusal !== undefined) throw invalid(url === advertise ? "advertise" : "cluster", refusal);
  }
}

function coreOptionsOf(given: ReplicaOptions, nodes: number): CoreOptions {
  const names = Object.keys(CORE_DEFAULTS) as (keyof CoreOptions)[];
  const chosen = Object.fromEntries(names.flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]]])));
  const options: CoreOptions = { ...CORE_DEFAULTS, minCopies: Math.min(CORE_DEFAULTS.minCopies, nodes), ...chosen };
  checkRelations(options, nodes);
  return options;
}

function checkRelations(options: CoreOptions, nodes: number): void {
  const { heartbeatMs, suspectMs, minCopies, forgetAfterMs, minSessionTtlMs, maxSessionTtlMs } = options;
  const { maxBodyBytes, maxInvokeBytes, maxInFlightBytes, maxPendingBytes } = options;
  if (suspectMs <= 2 * heartbeatMs)
    throw invalid("suspectMs", `suspectMs (${suspectMs}) must exceed twice heartbeatMs (${heartbeatMs})`);
  if (minCopies > nodes)
    throw invalid("minCopies", `minCopies (${minCopies}) must not exceed the ${nodes} nodes of the cluster`);
  if (forgetAfterMs !== undefined && forgetAfterMs <= 2 * suspectMs)
    throw invalid("forgetAfterMs", `forgetAfterMs (${forgetAfterMs}) must exceed twice suspectMs (${suspectMs})`);
  if (minSessionTtlMs > maxSessionTtlMs)
    throw invalid("minSessionTtlMs", `minSessionTtlMs (${minSessionTtlMs}) must not exceed maxSessionTtlMs`);
  if (maxInvokeBytes + maxBodyBytes > MAX_FRAME_BYTES - FRAME_SLACK)
    throw invalid("maxBodyBytes", `maxBodyBytes and maxInvokeBytes must fit into one frame of ${MAX_FRAME_BYTES}`);
  if (maxInFlightBytes < maxInvokeBytes || maxInFlightBytes < maxBodyBytes)
    throw invalid("maxInFlightBytes", "maxInFlightBytes must be at least maxInvokeBytes and maxBodyBytes");
  if (maxPendingBytes < maxBodyBytes) throw invalid("maxPendingBytes", "maxPendingBytes must be at least maxBodyBytes");
}

function canonical(url: string): string | undefined {
  if (!/^[a-z][\w+.-]*:\/\/[^/?#]/i.test(url)) return undefined;
  try {
    return new URL(url).href;
  } catch {
    return undefined;
  }
}

function hasMethods(value: unknown, ...names: readonly string[]): boolean {
  if (typeof value !== "object" || value === null) return false;
  const methods = value as Readonly<Record<string, unknown>>;
  return names.every((name) => typeof methods[name] === "function");
}

function textOf({ machine, where, viewstamp, error }: MachineFault): string {
  const place = viewstamp === undefined ? "" : ` at ${viewstamp.vid}.${viewstamp.seqno}`;
  const why = error instanceof Error ? error.message : String(error);
  const advice = where === "migrate" ? MEND_MIGRATE : "";
  return `machine "${machine}" failed in ${where}${place}: ${why}${advice}`;
}

const MEND_MIGRATE =
  ". The version before goes on running: mend it under the same version number, and restart all nodes with that program, " +
  "one by one; until then restart none with this one";

function invalid(option: string, text: string): ViewstampError {
  return new ViewstampError("InvalidOptions", text, { data: { option } });
}
