/**
 * A storage in memory: it outlives its replica, not its process.
 * @module
 */
import { ViewstampError } from "../protocol/errors.ts";
import type { Done, DurableState, SnapshotWriter, Storage, StorageRecord } from "../protocol/storage.ts";
import { type ClusterId, sameViewstamp, type Viewstamp } from "../protocol/view.ts";
import { Remembered } from "./remembered.ts";

/**
 * Data that is gone when the process ends: for tests, and for clusters that may start empty.
 *
 * A replica that is closed and started again with the same object finds its data; with a new one it comes back as a new
 * incarnation. A cluster on memory keeps what a majority of its nodes keeps.
 *
 * @example
 * ```ts
 * const replica = await startReplica({ id: "a", cluster, machine: stock, storage: memoryStorage(), transport });
 * ```
 */
export function memoryStorage(): Storage {
  return new MemoryStorage();
}

interface MemorySnapshot {
  readonly at: Viewstamp;
  readonly chunks: readonly Uint8Array[];
}

class MemoryStorage implements Storage {
  #remembered: Remembered = new Remembered();
  #snapshot: MemorySnapshot | undefined;
  #setAside: DurableState["setAside"];
  #isOpen = false;
  #failure: Error | undefined;

  open(done: (error: Error | undefined, state: DurableState | undefined) => void): void {
    if (this.#isOpen) {
      const error = new ViewstampError(
        "DataInUse",
        "this memory storage belongs to a replica that has not been closed",
      );
      return queueMicrotask(() => done(error, undefined));
    }
    this.#isOpen = true;
    queueMicrotask(() => done(undefined, this.#load()));
  }

  write(records: readonly StorageRecord[], done: Done): void {
    this.#answer(done, () => {
      for (const record of records) this.#remembered.apply(record);
    });
  }

  writeSnapshot(at: Viewstamp): SnapshotWriter {
    const chunks: Uint8Array[] = [];
    let isOver = false;
    const step = (done: Done, act: () => void): void =>
      this.#answer(done, () => {
        if (isOver) throw new ViewstampError("Closed", "this snapshot is written no longer");
        act();
      });
    return {
      write: (chunk, done) => step(done, () => chunks.push(new Uint8Array(chunk))),
      commit: (done) =>
        step(done, () => {
          isOver = true;
          this.#snapshot = { at, chunks };
        }),
      abort: () => {
        isOver = true;
      },
    };
  }

  readSnapshotChunk(
    at: Viewstamp,
    index: number,
    done: (error: Error | undefined, chunk: Uint8Array | undefined) => void,
  ): void {
    const snapshot = this.#snapshot;
    const isNewest = this.#isOpen && snapshot !== undefined && sameViewstamp(snapshot.at, at);
    const chunk = isNewest ? snapshot.chunks[index] : undefined;
    const gone = new ViewstampError(
      "StorageFailed",
      `there is no chunk ${index} of a snapshot at ${at.vid}.${at.seqno}`,
    );
    queueMicrotask(() => done(chunk === undefined ? gone : undefined, chunk));
  }

  setAside(reason: string, clusterId: ClusterId | undefined, done: Done): void {
    this.#answer(done, () => {
      this.#remembered = new Remembered();
      this.#snapshot = undefined;
      this.#setAside = { clusterId, reason };
      this.#isOpen = false;
    });
  }

  close(done: Done): void {
    this.#isOpen = false;
    this.#failure = undefined;
    queueMicrotask(() => done(undefined));
  }

  #load(): DurableState {
    const at = this.#snapshot?.at;
    if (at !== undefined && this.#remembered.isReplacedBy(at)) this.#remembered.apply({ kind: "base", at });
    const snapshot = at === undefined ? undefined : { at, chunks: this.#snapshot!.chunks.length };
    const state = this.#remembered.durableState(snapshot, this.#setAside);
    return { ...state, entries: [...state.entries] };
  }

  /** Does it now, as nothing can be lost, and says so after the call. */
  #answer(done: Done, act: () => void): void {
    let error = this.#isOpen ? this.#failure : new ViewstampError("Closed", "the storage is not open");
    if (error === undefined) {
      try {
        act();
      } catch (fault) {
        error = fault instanceof Error ? fault : new Error(String(fault));
        if (!(fault instanceof ViewstampError && fault.code === "Closed")) this.#failure = error;
      }
    }
    queueMicrotask(() => done(error));
  }
}
