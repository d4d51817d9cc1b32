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

export type {
  Caller,
  CallsOf,
  ClientMembers,
  CommandCaller,
  MachineClient,
  MachinesClient,
  QueryCaller,
} from "./src/client/connect.ts";
export type { CallOptions, LiveSession, QueryOptions, SessionChange } from "./src/client/contract.ts";
export type { ClientTuning, ClusterAddresses } from "./src/client/options.ts";
export { type ClusterConnection, type ConnectManyOptions, type ConnectOptions, connect } from "./src/entry/client.ts";
export {
  type LocalCluster,
  type LocalClusterOptions,
  type LocalMachineClusterOptions,
  type LocalMachinesClusterOptions,
  startCluster,
} from "./src/entry/cluster.ts";
export { type Replica, type ReplicaOptions, startReplica } from "./src/entry/replica.ts";
export { combine } from "./src/machine/combine.ts";
export { command, defineMachine, query } from "./src/machine/define.ts";
export type * from "./src/machine/definition.ts";
export type {
  IsIdentifier,
  KnownKeys,
  NameCheck,
  NamesCheck,
  RESERVED_NAMES,
  Refused,
  ReservedName,
} from "./src/machine/names.ts";
export type { AcceptedValue, Ballot } from "./src/protocol/ballot.ts";
export type { NodeStatus } from "./src/protocol/client-messages.ts";
export type { Entry, EntryKind } from "./src/protocol/entry.ts";
export { type ErrorCode, type ErrorDetails, MachineError, ViewstampError } from "./src/protocol/errors.ts";
export type { MachineVersion } from "./src/protocol/machine.ts";
export type { CoreOptions } from "./src/protocol/options.ts";
export type { SessionId } from "./src/protocol/session.ts";
export type {
  Done,
  DurableMachines,
  DurableState,
  SnapshotInfo,
  SnapshotWriter,
  Storage,
  StorageRecord,
} from "./src/protocol/storage.ts";
export type { Closed, Connection, ConnectionHandler, Listener, Transport } from "./src/protocol/transport.ts";
export type {
  ClusterId,
  Identity,
  Incarnation,
  Invitation,
  Member,
  NodeId,
  View,
  Viewstamp,
} from "./src/protocol/view.ts";
export type { ReplicaEvent } from "./src/replica/contract.ts";
export type { Happening } from "./src/rsm/events.ts";
export { memoryStorage } from "./src/storage/memory.ts";
