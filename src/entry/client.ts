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
  type MachinesClientOptions,
  type TypedClientOptions,
} from "../client/connect.ts";
import type { AnyMachine } from "../machine/definition.ts";
import { systemEnvironment } from "./environment.ts";

/** Options of `connect` for one machine: its calls are members of the client. */
export type ConnectOptions<Of extends AnyMachine> = Omit<MachineClientOptions<Of>, "environment">;

/** Options of `connect` for several machines: each is a member of the client, under its name. */
export type ConnectManyOptions<Of extends readonly AnyMachine[]> = Omit<MachinesClientOptions<Of>, "environment">;

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
export function connect<const Of extends readonly AnyMachine[]>(
  options: ConnectManyOptions<Of>,
): Promise<MachinesClient<Of>>;
export function connect(options: Omit<TypedClientOptions, "environment">): Promise<ClientMembers> {
  const complete = { ...options, environment: systemEnvironment };
  return connectClient(complete as MachineClientOptions<AnyMachine>);
}

export type {
  CallsOf,
  ClientMembers,
  CommandCaller,
  MachineClient,
  MachinesClient,
  QueryCaller,
} from "../client/connect.ts";
export type { CallOptions, LiveSession, QueryOptions, SessionChange } from "../client/contract.ts";
export type { ClientTuning, ClusterAddresses } from "../client/options.ts";
export { type ErrorCode, MachineError, ViewstampError } from "../protocol/errors.ts";
