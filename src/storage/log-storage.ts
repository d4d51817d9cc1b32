/**
 * The storage contract over a disk: a log in segments, and snapshots beside it. The same code runs on files and in the
 * simulator.
 * @module
 */
import { ViewstampError } from "../protocol/errors.ts";
import type { Done, DurableState, SnapshotWriter, Storage, StorageRecord } from "../protocol/storage.ts";
import { type ClusterId, sameViewstamp, type Viewstamp } from "../protocol/view.ts";
import type { Disk, Got } from "./disk.ts";
import { asStorageError } from "./faults.ts";
import { LogWriter } from "./log-writer.ts";
import { numberAbove, snapshotName, takeInventory } from "./names.ts";
import { type Recovered, recover } from "./recovery.ts";
import { setFilesAside } from "./set-aside.ts";
import { readChunk, type StoredSnapshot } from "./snapshot-reader.ts";
import { SnapshotFileWriter } from "./snapshot-writer.ts";
import { then } from "./steps.ts";

export interface LogStorageOptions {
  readonly disk: Disk;
  /** 16 hex digits that nobody can guess. */
  readonly randomId: () => string;
  /** Calls back soon, not from inside the call. */
  readonly defer: (callback: () => void) => void;
  /** A segment of the log that has grown by this is followed by a new one; 16 MiB by default. */
  readonly segmentBytes?: number;
}

const SEGMENT_BYTES = 16 << 20;

export function logStorage(options: LogStorageOptions): Storage {
  return new LogStorage(options);
}

class LogStorage implements Storage {
  readonly #options: LogStorageOptions;
  #log: LogWriter | undefined;
  #snapshot: StoredSnapshot | undefined;
  #nextSnapshot = 1;
  /** Snapshots being written or thrown away. */
  readonly #writers: Set<SnapshotFileWriter> = new Set();
  #whenNoWriters: (() => void) | undefined;
  #isClosing = false;
  /** Why every call fails now. */
  #refusal: ViewstampError | undefined = notOpen();

  constructor(options: LogStorageOptions) {
    this.#options = options;
  }

  get place(): string {
    return this.#options.disk.name;
  }

  open(
    done: (error: Error | undefined, state: DurableState | undefined) => void,
    failed: (error: Error) => void = () => {},
  ): void {
    const { disk, randomId } = this.#options;
    const refuse = (error: Error): void => done(asStorageError(error, disk.name), undefined);
    let lost: Error | undefined;
    const locked: Done = (error) => {
      if (error !== undefined) return refuse(error);
      recover(disk, randomId, (damage, recovered) => {
        const fault = damage ?? lost;
        const refused = (): void => disk.unlock(() => refuse(fault!));
        if (recovered === undefined) return refused();
        if (fault !== undefined) return recovered.segment.file.close(refused);
        this.#begin(recovered);
        done(undefined, recovered.state);
      });
    };
    disk.lock(locked, (error) => {
      lost = error;
      if (this.#refusal === undefined) failed(this.#fail(error));
    });
  }

  write(records: readonly StorageRecord[], done: Done): void {
    const refusal = this.#refusal;
    if (refusal === undefined) this.#log!.write(records, done);
    else this.#options.defer(() => done(refusal));
  }

  writeSnapshot(at: Viewstamp): SnapshotWriter {
    const { disk, randomId, defer } = this.#options;
    if (this.#refusal !== undefined) return new RefusedSnapshot(this.#refusal, defer);
    const log = this.#log!;
    const writer: SnapshotFileWriter = new SnapshotFileWriter({
      disk,
      at,
      defer,
      number: this.#nextSnapshot++,
      randomId: randomId(),
      record: (stored, done) => this.#recordSnapshot(log, stored, done),
      failed: (error) => this.#fail(error),
      ended: () => this.#writerEnded(writer),
    });
    this.#writers.add(writer);
    return writer;
  }

  readSnapshotChunk(at: Viewstamp, index: number, done: Got<Uint8Array>): void {
    const { disk, defer } = this.#options;
    const stored = this.#snapshot;
    const refusal = this.#refusal ?? whyNotChunk(stored, at, index);
    if (refusal !== undefined) return defer(() => done(refusal, undefined));
    readChunk(disk, stored!, index, (error, chunk) => {
      // A newer snapshot may have replaced the file while it was read.
      if (error === undefined) done(undefined, chunk);
      else done(stored === this.#snapshot ? this.#fail(error) : gone(at), undefined);
    });
  }

  setAside(reason: string, clusterId: ClusterId | undefined, done: Done): void {
    const { disk, randomId, defer } = this.#options;
    const refusal = this.#refusal;
    if (this.#log === undefined || this.#isClosing) return defer(() => done(refusal));
    const ended: Done = (error) => disk.unlock((failure) => done(wrapped(error ?? failure, disk.name)));
    this.#finish((error) => {
      const fault = refusal ?? error;
      // A disk that has failed is left alone; what is open is closed all the same.
      if (fault !== undefined) return ended(fault);
      disk.list(
        then(ended, (files) => {
          const inventory = takeInventory(files);
          const note = { clusterId, reason, from: numberAbove(inventory) };
          setFilesAside(disk, note, randomId(), inventory, ended);
        }),
      );
    });
  }

  close(done: Done): void {
    const { disk, defer } = this.#options;
    if (this.#log === undefined || this.#isClosing) return defer(() => done(undefined));
    this.#finish((error) => disk.unlock((failure) => done(wrapped(error ?? failure, disk.name))));
  }

  #begin({ remembered, segment, snapshot, nextSnapshot }: Recovered): void {
    const { disk, randomId, defer, segmentBytes = SEGMENT_BYTES } = this.#options;
    const failed = (error: Error): Error => this.#fail(error);
    this.#log = new LogWriter({ disk, remembered, segment, segmentBytes, randomId, defer, failed });
    this.#snapshot = snapshot;
    this.#nextSnapshot = nextSnapshot;
    this.#refusal = undefined;
    this.#isClosing = false;
  }

  #recordSnapshot(log: LogWriter, stored: StoredSnapshot, done: Done): void {
    log.write([{ kind: "snapshot", note: stored.note }], (error) => {
      if (error !== undefined) return done(error);
      const old = this.#snapshot;
      this.#snapshot = stored;
      if (old === undefined) done(undefined);
      else this.#options.disk.remove(snapshotName(old.note.number), done);
    });
  }

  #writerEnded(writer: SnapshotFileWriter): void {
    this.#writers.delete(writer);
    this.#lookForWriters();
  }

  #lookForWriters(): void {
    if (this.#writers.size > 0) return;
    const whenNone = this.#whenNoWriters;
    this.#whenNoWriters = undefined;
    whenNone?.();
  }

  /** The first error is what every later call gets. */
  #fail(error: Error): ViewstampError {
    this.#refusal ??= asStorageError(error, this.#options.disk.name);
    return this.#refusal;
  }

  /** Takes no more calls, ends what is under way, closes the log. After an error there is nothing left to report. */
  #finish(done: Done): void {
    const log = this.#log!;
    const hasFailed = this.#refusal !== undefined;
    this.#isClosing = true;
    this.#refusal ??= closed();
    this.#whenNoWriters = () =>
      log.whenIdle(() =>
        log.close((error) => {
          this.#log = undefined;
          done(hasFailed ? undefined : error);
        }),
      );
    for (const writer of [...this.#writers]) writer.abort();
    this.#lookForWriters();
  }
}

/** Answers every call with the same error. */
class RefusedSnapshot implements SnapshotWriter {
  readonly #refusal: ViewstampError;
  readonly #defer: (callback: () => void) => void;

  constructor(refusal: ViewstampError, defer: (callback: () => void) => void) {
    this.#refusal = refusal;
    this.#defer = defer;
  }

  write(_chunk: Uint8Array, done: Done): void {
    this.#defer(() => done(this.#refusal));
  }

  commit(done: Done): void {
    this.#defer(() => done(this.#refusal));
  }

  abort(): void {}
}

function whyNotChunk(stored: StoredSnapshot | undefined, at: Viewstamp, index: number): ViewstampError | undefined {
  if (stored === undefined || !sameViewstamp(stored.note.at, at)) return gone(at);
  return index < stored.offsets.length ? undefined : new ViewstampError("StorageFailed", `there is no chunk ${index}`);
}

function gone(at: Viewstamp): ViewstampError {
  return new ViewstampError("StorageFailed", `the snapshot at ${at.vid}.${at.seqno} is no longer the newest`);
}

function notOpen(): ViewstampError {
  return new ViewstampError("Closed", "the storage is not open");
}

function closed(): ViewstampError {
  return new ViewstampError("Closed", "the storage is closed");
}

function wrapped(error: Error | undefined, place: string): ViewstampError | undefined {
  return error === undefined ? undefined : asStorageError(error, place);
}
