/**
 * The storage contract: what must be durable before what.
 *
 * A node writes one stream of records. A crash leaves a prefix of that stream, at least everything for which `done`
 * was called. Callbacks, not promises, so that a seeded simulator decides when each completes; none is ever called
 * from inside the call that it belongs to. After the first error a storage fails every later call: an fsync error
 * is never retried.
 * @module
 */
import type { AcceptedValue, Ballot } from "./ballot.ts";
import type { Entry } from "./entry.ts";
import type { MachineVersion } from "./machine.ts";
import type { ClusterId, Incarnation, View, Viewstamp } from "./view.ts";

/** Called once, when what was asked is done (`undefined`) or has failed. */
export type Done = (error: Error | undefined) => void;

/** One thing a node must remember. */
export type StorageRecord =
  /** Written once with new data, and again when the cluster id becomes known. */
  | { readonly kind: "identity"; readonly incarnation: Incarnation; readonly clusterId: ClusterId | undefined }
  /**
   * What this data has to do with the versions of machines; each replaces the one before. `origin`: in which the cluster's
   * log begins. `promised`: the newest that its node has said it can run (`readied`), empty before.
   */
  | ({ readonly kind: "machines" } & DurableMachines)
  /** The newest decided view. In the same record: promised and accepted of instances up to `view.vid` are dropped. */
  | { readonly kind: "view"; readonly view: View }
  | { readonly kind: "promised"; readonly instance: number; readonly ballot: Ballot }
  /** Implies the promise of its ballot. */
  | { readonly kind: "accepted"; readonly instance: number; readonly accepted: AcceptedValue }
  /** The learner's promise of `leveled`; void once a view above `vid` is recorded. */
  | { readonly kind: "level"; readonly vid: number; readonly through: Viewstamp }
  /** Consecutive entries that follow the log's end. */
  | { readonly kind: "append"; readonly entries: readonly Entry[] }
  /** Entries beyond `seqno` are dropped. */
  | { readonly kind: "truncate"; readonly seqno: number }
  /**
   * The log now begins after `at`, which a durable snapshot covers: entries through it are dropped; if the log does
   * not contain `at`, all are.
   */
  | { readonly kind: "base"; readonly at: Viewstamp };

/** The fields of a `machines` record. */
export interface DurableMachines {
  /** In which the cluster's log begins. */
  readonly origin: readonly MachineVersion[];
  /** That every program which starts on this data can run. */
  readonly promised: readonly MachineVersion[];
}

/** A durable snapshot: the applied state at `at`, as `chunks` chunks. */
export interface SnapshotInfo {
  /** The last entry it covers. */
  readonly at: Viewstamp;
  /** How many chunks, read by index from 0. */
  readonly chunks: number;
}

/** What a storage remembers, after replaying its records. */
export interface DurableState {
  /** `undefined` for an empty directory: the node makes a new incarnation. */
  readonly identity: { readonly incarnation: Incarnation; readonly clusterId: ClusterId | undefined } | undefined;
  /** The newest `machines` record; `undefined` before genesis. */
  readonly machines: DurableMachines | undefined;
  /**
   * Set when damaged data was set aside, now or at an earlier start, until the node holds entries or a snapshot again, or
   * is a member of its newest view: it is never fresh, it may only join, as a new incarnation, the cluster of that id
   * (`undefined`: unknown).
   */
  readonly setAside: { readonly clusterId: ClusterId | undefined; readonly reason: string } | undefined;
  /** The newest decided view. */
  readonly view: View | undefined;
  /** Of instance `(view?.vid ?? 0) + 1` only. */
  readonly promised: Ballot | undefined;
  /** Of the same instance. */
  readonly accepted: AcceptedValue | undefined;
  /** The learner's newest promise of `leveled`, if no view above its `vid` followed. */
  readonly level: { readonly vid: number; readonly through: Viewstamp } | undefined;
  /** The newest durable snapshot. If the log did not contain its `at`, the log has been dropped (see `base`). */
  readonly snapshot: SnapshotInfo | undefined;
  /** Where the log begins: `snapshot.at` or earlier; `ORIGIN` without a snapshot. */
  readonly base: Viewstamp;
  /** The entries after `base`, consecutive. */
  readonly entries: readonly Entry[];
}

/** Writes one snapshot, chunk by chunk. The one before it stays until `commit` is done. */
export interface SnapshotWriter {
  /** One chunk at a time: the next after `done`. */
  write(chunk: Uint8Array, done: Done): void;
  /** Makes it durable and the newest, in one atomic step. */
  commit(done: Done): void;
  /** Gives it up; the snapshot before it stays the newest. */
  abort(): void;
}

/** Where a node remembers: `fileStorage(dir)`, `memoryStorage()`, or your own. The module comment has the rules. */
export interface Storage {
  /** Where the data is, such as a directory: for people, in warnings. */
  readonly place?: string;
  /**
   * Takes the lock on the data, replays and checks it. Called once, first. `failed` is called if the data is lost later without
   * anybody writing: another process has taken it over, and is now the node that this one was.
   */
  open(
    done: (error: Error | undefined, state: DurableState | undefined) => void,
    failed?: (error: Error) => void,
  ): void;
  /** Appends records to the stream; `done` in order of the calls, once they and all before them are durable. */
  write(records: readonly StorageRecord[], done: Done): void;
  /** Starts a snapshot of the state at `at`; one at a time. */
  writeSnapshot(at: Viewstamp): SnapshotWriter;
  /** Reads one chunk of the newest snapshot; an error if that is no longer the one at `at`. */
  readSnapshotChunk(
    at: Viewstamp,
    index: number,
    done: (error: Error | undefined, chunk: Uint8Array | undefined) => void,
  ): void;
  /**
   * Moves the data aside as `open` does with damaged data: it proved to lack what it must hold. The storage is closed
   * afterwards; the next `open` of the same data reports `setAside`.
   */
  setAside(reason: string, clusterId: ClusterId | undefined, done: Done): void;
  /** Waits for writes under way, releases the lock. */
  close(done: Done): void;
}
