/**
 * What the model is held against: some clients of a cluster, and what can happen to them, in a time that passes only when
 * it is told to.
 * @module
 */
import type { LockClientOptions } from "../../../src/locks/client-options.ts";
import type { ClusterLocks } from "../../../src/locks/cluster-locks.ts";

export interface RigOptions {
  readonly seed: number;
  readonly clients: number;
  readonly cache: LockClientOptions["cache"];
}

export interface Rig {
  /** After this long nothing moves any more. */
  readonly restMs: number;
  /** `lapse`, `die` and `failOver` are over by then. */
  readonly troubleMs: number;
  now(): number;
  /** The locks of a client that lives. */
  locks(client: number): ClusterLocks;
  /** Its session, if it has one. */
  session(client: number): string | undefined;
  advance(ms: number): Promise<void>;
  /** What a promise comes to, while time goes on. */
  settle<T>(promise: Promise<T>): Promise<T>;
  /** The client's session ends and it could not be told. Calls back when nothing is to be relied on any more. */
  lapse(client: number, isOver: () => void): Promise<void>;
  /** The client is dead, its session runs out, and another takes its place. */
  die(client: number): Promise<void>;
  /** A closed client is replaced by a new one. */
  renew(client: number): void;
  /** The primary dies, now. */
  crash(): void;
  /** Another one serves, and the cluster is whole again. */
  recover(): Promise<void>;
  /** Every client is closed: nothing may be left. */
  finish(): Promise<void>;
}
