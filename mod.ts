/**
 * Replicated state machines for TypeScript on Node, Bun and Deno: linearizable, exactly once, no other infrastructure.
 *
 * @example
 * ```ts
 * import * as v from "valibot";
 * import { command, defineMachine, query, startCluster } from "viewstamp";
 *
 * const counter = defineMachine({
 *   name: "counter",
 *   version: 1,
 *   init: () => ({ count: 0 }),
 *   commands: { add: command(v.number(), (state, by) => (state.count += by)) },
 *   queries: { count: query(v.undefined(), (state) => state.count) },
 * });
 *
 * await using cluster = await startCluster({ nodes: 3, machine: counter });
 * const client = await cluster.connect();
 * await client.add(3);
 * ```
 * @module
 */

export type { CallsOf, ClientMembers, MachineClient, MachinesClient } from "./src/client/connect.ts";
export type { CallOptions, LiveSession, QueryOptions, SessionChange } from "./src/client/contract.ts";
export type { ClientTuning, ClusterAddresses } from "./src/client/options.ts";
export { type ConnectManyOptions, type ConnectOptions, connect } from "./src/entry/client.ts";
export {
  type LocalCluster,
  type LocalClusterOptions,
  type LocalMachineClusterOptions,
  type LocalMachinesClusterOptions,
  startCluster,
} from "./src/entry/cluster.ts";
export { type Replica, type ReplicaOptions, startReplica } from "./src/entry/replica.ts";
export { command, defineMachine, query } from "./src/machine/define.ts";
export type {
  AnyCommand,
  AnyMachine,
  AnyQuery,
  Command,
  CommandContext,
  InputOf,
  Machine,
  MachineDefinition,
  NoticeOf,
  OutputOf,
  Query,
  QueryContext,
  StateRestoration,
  StepContext,
} from "./src/machine/definition.ts";
export type { NodeStatus } from "./src/protocol/client-messages.ts";
export { type ErrorCode, type ErrorDetails, MachineError, ViewstampError } from "./src/protocol/errors.ts";
export { CORE_DEFAULTS, type CoreOptions } from "./src/protocol/options.ts";
export type { SessionId } from "./src/protocol/session.ts";
export type { Storage } from "./src/protocol/storage.ts";
export type { Transport } from "./src/protocol/transport.ts";
export type { NodeId, View, Viewstamp } from "./src/protocol/view.ts";
export type { ReplicaEvent } from "./src/replica/contract.ts";
export { memoryStorage } from "./src/storage/memory.ts";
