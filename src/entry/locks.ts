/**
 * Locks that survive crashes, for every runtime: the Web Locks API (W3C) for a whole cluster.
 *
 * @example
 * ```ts
 * import { connectLocks } from "viewstamp/locks";
 *
 * const locks = await connectLocks({ cluster: ["ws://a:7001", "ws://b:7001", "ws://c:7001"] });
 *
 * await locks.request("invoice/42", async (lock) => {
 *   await save(row, { fence: lock.token, signal: lock.signal });
 * });
 *
 * await using lock = await locks.acquire("invoice/42", { timeoutMs: 5_000 });
 * ```
 * @module
 */
import { webSocket } from "../../transports/websocket.ts";
import { connectCore } from "../client/core.ts";
import { type ClientTuning, type ClusterAddresses, refuseUnknown, TUNING_NAMES } from "../client/options.ts";
import { type LockClientOptions, readClientOptions } from "../locks/client-options.ts";
import { ClusterLocks } from "../locks/cluster-locks.ts";
import { locks } from "../locks/machine.ts";
import type { Transport } from "../protocol/transport.ts";
import { systemEnvironment } from "./environment.ts";

/** Options of `connectLocks`. Times are milliseconds. */
export interface ConnectLocksOptions extends ClientTuning, LockClientOptions {
  /** Addresses of nodes; some of them are enough, the client finds the primary and follows it. */
  readonly cluster: ClusterAddresses;
  /** Default: WebSockets. */
  readonly transport?: Transport;
}

const optionNames: readonly string[] = ["cluster", "transport", "owner", "cache", ...TUNING_NAMES];

/**
 * Connects to a cluster that runs the lock machine; resolves once the cluster has opened a session for this client.
 *
 * @example
 * ```ts
 * const locks = await connectLocks({ cluster: ["ws://127.0.0.1:7001"], owner: "billing", sessionTtlMs: 5_000 });
 * ```
 *
 * @throws {ViewstampError} `InvalidOptions`; `Timeout` if no node accepts it, or no majority serves it, within
 * `timeoutMs` (30 s unless you say), with what is missing as its `cause`; or why every node refuses: `WrongMachine`,
 * `WrongCluster`, `WrongProtocol`
 */
export async function connectLocks(options: ConnectLocksOptions): Promise<ClusterLocks> {
  refuseUnknown(options, optionNames, "connectLocks");
  const { owner = "", cache = {}, transport = webSocket(), ...rest } = options;
  readClientOptions({ owner, cache });
  const machines = [{ name: locks.name, version: locks.version }];
  const core = await connectCore({ ...rest, transport, environment: systemEnvironment, machines });
  try {
    // A wait for a lock has no limit of its own: a cluster that does not serve is found out here.
    await core.openSession();
    return new ClusterLocks(core, { owner, cache });
  } catch (error) {
    await core.close();
    throw error;
  }
}

export type { CallOptions, QueryOptions } from "../client/contract.ts";
export type { ClientTuning, ClusterAddresses } from "../client/options.ts";
export { LockClient } from "../locks/client.ts";
export type { CacheOptions, LockClientOptions } from "../locks/client-options.ts";
export type {
  AcquiredLock,
  AcquiredLocks,
  GroupOptions,
  Lock,
  LockCallback,
  LockGroup,
  LockInfo,
  LockMode,
  LockOptions,
  LockSnapshot,
  PermitOptions,
} from "../locks/client-types.ts";
export { ClusterLocks } from "../locks/cluster-locks.ts";
export { Election, type ElectOptions, type Leadership } from "../locks/election.ts";
export { Fence, type FenceHolder, type FenceMark, fence } from "../locks/fence.ts";
export { type FenceSqlOptions, fenceSql, type PlaceholderStyle, type SqlFence } from "../locks/fence-sql.ts";
export { type LockCommands, type LockQueries, locks } from "../locks/machine.ts";
export type { GroupRow, GroupTable } from "../locks/machine-groups.ts";
export type { OnceClaim, OnceRow, OnceTable } from "../locks/machine-once.ts";
export type { Queue as LockQueue } from "../locks/machine-queue.ts";
export type { Bar, Lock as LockState, LockTable, Named, Tenure, Waiter } from "../locks/machine-state.ts";
export type {
  AcquireAllReply,
  AcquireReply,
  Acquisition,
  CancelReply,
  GroupAcquisition,
  KeptTenure,
  ListCursor,
  Listed,
  ListPage,
  LockNotice,
  Request,
  Settlement,
  TenureName,
  TokenBlock,
  Use,
} from "../locks/machine-words.ts";
export type { Leader, ObserveOptions } from "../locks/observer.ts";
export type { OnceResult, RunOnceOptions } from "../locks/once.ts";
export { Semaphore, type SemaphoreHost } from "../locks/semaphore.ts";
export { type ErrorCode, MachineError, ViewstampError } from "../protocol/errors.ts";
