/**
 * Writes a snapshot to its own file. It counts once the log says so: that record is the atomic step.
 * @module
 */
import { ViewstampError } from "../protocol/errors.ts";
import type { Done, SnapshotWriter } from "../protocol/storage.ts";
import type { Viewstamp } from "../protocol/view.ts";
import { blockOf, type FileId, fileIdOf, headOf } from "./blocks.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { snapshotName } from "./names.ts";
import type { SnapshotNote } from "./records.ts";
import type { StoredSnapshot } from "./snapshot-reader.ts";
import { inTurn, then } from "./steps.ts";

/**
 * Synced this often, so that no sync takes long: the log's own would wait for it. A file system writes what a file has
 * grown by before the next growth of any other file is durable.
 */
const SYNC_EVERY_BYTES = 1 << 20;

export interface SnapshotWriterOptions {
  readonly disk: Disk;
  readonly number: number;
  readonly at: Viewstamp;
  readonly randomId: string;
  /** Records the snapshot as the newest; then it is. */
  readonly record: (stored: StoredSnapshot, done: Done) => void;
  /** Every error, before it is answered; gives it as it is answered. */
  readonly failed: (error: Error) => Error;
  readonly defer: (callback: () => void) => void;
  /** It has ended, and its file is closed. */
  readonly ended: () => void;
}

type Stage = "writing" | "committing" | "aborted" | "ended";

export class SnapshotFileWriter implements SnapshotWriter {
  readonly #options: SnapshotWriterOptions;
  readonly #name: string;
  readonly #id: FileId;
  readonly #offsets: number[] = [];
  #file: DiskFile | undefined;
  #isMade = false;
  #bytes = 0;
  #unsynced = 0;
  #stage: Stage = "writing";
  #isBusy = false;

  constructor(options: SnapshotWriterOptions) {
    this.#options = options;
    this.#name = snapshotName(options.number);
    this.#id = fileIdOf(options.randomId);
  }

  write(chunk: Uint8Array, done: Done): void {
    this.#run(done, (ended) =>
      inTurn(
        [
          (next) => this.#open(next),
          (next) => {
            this.#offsets.push(this.#bytes);
            this.#append(blockOf(chunk, this.#id, this.#bytes, 0), next);
          },
          (next) => (this.#unsynced < SYNC_EVERY_BYTES ? next(undefined) : this.#sync(next)),
        ],
        ended,
      ),
    );
  }

  commit(done: Done): void {
    this.#run(done, (ended) =>
      inTurn(
        [
          (next) => this.#open(next),
          (next) => this.#sync(next),
          (next) => this.#close(next),
          (next) => this.#options.disk.syncDirectory(next),
          (next) => this.#record(next),
        ],
        ended,
      ),
    );
  }

  abort(): void {
    if (this.#stage !== "writing") return;
    this.#stage = "aborted";
    if (!this.#isBusy) this.#discard();
  }

  /** One step at a time. An abort meanwhile ends it after the step, unless the log has been told already. */
  #run(done: Done, step: (ended: Done) => void): void {
    if (this.#stage !== "writing" || this.#isBusy) {
      const error = new ViewstampError("Closed", "this snapshot is written no longer, or its last step is under way");
      return this.#options.defer(() => done(error));
    }
    this.#isBusy = true;
    step((error) => {
      this.#isBusy = false;
      const reported = error === undefined ? undefined : this.#options.failed(error);
      if (this.#stage === "aborted") this.#discard();
      done(reported ?? (this.#stage === "aborted" ? aborted() : undefined));
    });
  }

  #open(next: Done): void {
    if (this.#file !== undefined) return next(undefined);
    this.#options.disk.create(
      this.#name,
      then(next, (file) => {
        this.#file = file;
        this.#isMade = true;
        this.#append(headOf("snapshot", this.#id), next);
      }),
    );
  }

  #append(bytes: Uint8Array, next: Done): void {
    this.#bytes += bytes.length;
    this.#unsynced += bytes.length;
    this.#file!.append(bytes, next);
  }

  #sync(next: Done): void {
    this.#unsynced = 0;
    this.#file!.sync(next);
  }

  #close(next: Done): void {
    const file = this.#file!;
    this.#file = undefined;
    file.close(next);
  }

  #record(next: Done): void {
    if (this.#stage === "aborted") return next(undefined);
    this.#stage = "committing";
    const { number, at, randomId, record } = this.#options;
    const note: SnapshotNote = { number, id: randomId, at, chunks: this.#offsets.length, bytes: this.#bytes };
    record({ note, offsets: this.#offsets }, (error) => {
      this.#stage = "ended";
      this.#options.ended();
      next(error);
    });
  }

  /** A file left behind by an error here is removed at the next open. */
  #discard(): void {
    const { disk, ended } = this.#options;
    const closing = this.#file === undefined ? [] : [(next: Done) => this.#close(next)];
    const removing = this.#isMade ? [(next: Done) => disk.remove(this.#name, next)] : [];
    inTurn([...closing, ...removing], () => ended());
  }
}

function aborted(): ViewstampError {
  return new ViewstampError("Closed", "this snapshot was aborted");
}
