/**
 * Typed clients, for every runtime, browsers included.
 *
 * @example
 * ```ts
 * import { connect } from "viewstamp/client";
 * import { webSocket } from "viewstamp/transports/websocket";
 *
 * const client = await connect({ cluster: ["ws://a:7001", "ws://b:7001"], machine: stock, transport: webSocket() });
 * await client.add({ sku: "bolt", by: 3 });
 * await client.close();
 * ```
 * @module
 */
import {
  type ClientMembers,
  connectClient,
  type MachineClient,
  type MachineClientOptions,
  type MachinesClient,
} from "../client/connect.ts";
import { type ClientTuning, type ClusterAddresses, refuseUnknown, TUNING_NAMES } from "../client/options.ts";
import type { AnyMachine } from "../machine/definition.ts";
import type { Transport } from "../protocol/transport.ts";
import { systemEnvironment } from "./environment.ts";

/** What `connect` needs in any case. */
export interface ClusterConnection extends ClientTuning {
  /** Addresses of nodes; some of them are enough. */
  readonly cluster: ClusterAddresses;
  /** How it talks: `webSocket()`. */
  readonly transport: Transport;
}

/** Options of `connect` for one machine: its calls are members of the client. */
export interface ConnectOptions<Of extends AnyMachine> extends ClusterConnection {
  /** The same definition as the replicas run. */
  readonly machine: Of;
}

/** Options of `connect` for several machines: each is a member of the client, under its name. */
export interface ConnectManyOptions<Of extends readonly AnyMachine[]> extends ClusterConnection {
  /** The same definitions as the replicas run; those that are called are enough. */
  readonly machines: Of;
}

const optionNames: readonly string[] = ["cluster", "machine", "machines", "transport", ...TUNING_NAMES];

/**
 * Connects to a cluster; resolves once a node has accepted this client. Some addresses are enough, the client finds the
 * primary and follows it. Its types come from the machine.
 *
 * @example
 * ```ts
 * await using client = await connect({ cluster, machine: stock, transport: webSocket() });
 * await client.add({ sku: "bolt", by: 3 }, { timeoutMs: 5_000 });
 * const count = await client.count("bolt");
 * ```
 *
 * @throws {ViewstampError} `InvalidOptions`; `Timeout` if no node accepts it within `timeoutMs`; or why every node
 * refuses: `WrongMachine`, `WrongCluster`, `WrongProtocol`
 */
export function connect<Of extends AnyMachine>(options: ConnectOptions<Of>): Promise<MachineClient<Of>>;
/** The same for several machines: `client.stock.add(…)`. */
export function connect<const Of extends readonly AnyMachine[]>(
  options: ConnectManyOptions<Of>,
): Promise<MachinesClient<Of>>;
export async function connect(options: ClusterConnection): Promise<ClientMembers> {
  refuseUnknown(options, optionNames, "connect");
  const complete = { ...options, environment: systemEnvironment };
  return connectClient(complete as MachineClientOptions<AnyMachine>);
}

export type {
  Caller,
  CallsOf,
  ClientMembers,
  CommandCaller,
  MachineClient,
  MachinesClient,
  QueryCaller,
} from "../client/connect.ts";
export type { CallOptions, LiveSession, QueryOptions, SessionChange } from "../client/contract.ts";
export type { ClientTuning, ClusterAddresses } from "../client/options.ts";
export type * from "../machine/definition.ts";
export type {
  IsIdentifier,
  KnownKeys,
  NameCheck,
  NamesCheck,
  RESERVED_NAMES,
  Refused,
  ReservedName,
} from "../machine/names.ts";
export { type ErrorCode, type ErrorDetails, MachineError, ViewstampError } from "../protocol/errors.ts";
export type { SessionId } from "../protocol/session.ts";
export type { Closed, Connection, ConnectionHandler, Listener, Transport } from "../protocol/transport.ts";
export type { Viewstamp } from "../protocol/view.ts";
