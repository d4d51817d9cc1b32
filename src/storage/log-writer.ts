/**
 * Writes the log: group commit, marks, and a new segment when one is full.
 *
 * One append and one sync are under way at a time; what comes meanwhile is the next batch. An acknowledgement leaves
 * after the mark that covers it is written: with the next batch, or alone.
 * @module
 */
import type { Done } from "../protocol/storage.ts";
import { Batch } from "./batch.ts";
import type { Disk } from "./disk.ts";
import { segmentName } from "./names.ts";
import type { LogRecord } from "./records.ts";
import type { Remembered } from "./remembered.ts";
import { makeSegment, type OpenSegment } from "./segment.ts";
import { errorOf, inTurn, then } from "./steps.ts";

export interface LogWriterOptions {
  readonly disk: Disk;
  readonly remembered: Remembered;
  readonly segment: OpenSegment;
  /** A segment that has grown by this is followed by a new one. */
  readonly segmentBytes: number;
  readonly randomId: () => string;
  /** Calls back soon, not from inside the call. */
  readonly defer: (callback: () => void) => void;
  /** Called once, with the first error; gives it as every write that is not acknowledged meets it. */
  readonly failed: (error: Error) => Error;
}

interface Waiting {
  readonly records: readonly LogRecord[];
  readonly done: Done;
}

export class LogWriter {
  readonly #options: LogWriterOptions;
  readonly #batch: Batch = new Batch();
  #segment: OpenSegment;
  /** How long the segment is; it is durable through `#durable`. */
  #bytes: number;
  #durable: number;
  #queue: Waiting[] = [];
  /** Being written and synced. */
  #committing: Done[] = [];
  /** Durable, and not yet acknowledged: the mark is missing. */
  #unmarked: Done[] = [];
  #isBusy = false;
  /** What every write from now on meets. */
  #failure: Error | undefined;
  #idle: (() => void) | undefined;

  constructor(options: LogWriterOptions) {
    this.#options = options;
    this.#segment = options.segment;
    this.#bytes = options.segment.bytes;
    this.#durable = options.segment.bytes;
  }

  write(records: readonly LogRecord[], done: Done): void {
    const failure = this.#failure;
    if (failure !== undefined) return this.#options.defer(() => done(failure));
    this.#queue.push({ records, done });
    this.#next();
  }

  /** Calls back once nothing is under way or waiting; at once if so, or after a failure. */
  whenIdle(callback: () => void): void {
    if (this.#failure !== undefined || (!this.#isBusy && this.#queue.length === 0)) callback();
    else this.#idle = callback;
  }

  close(done: Done): void {
    this.#segment.file.close(done);
  }

  #next(): void {
    if (this.#isBusy || this.#failure !== undefined) return;
    const wanted = this.#queue.length > 0;
    const isFull = this.#bytes - this.#segment.from >= this.#options.segmentBytes;
    if (wanted && !isFull) this.#commit(this.#queue.splice(0));
    else if (wanted && this.#unmarked.length === 0) this.#roll();
    else if (this.#unmarked.length > 0) this.#append(() => this.#finished());
    else this.#becameIdle();
  }

  #commit(waiting: readonly Waiting[]): void {
    const { remembered, defer } = this.#options;
    this.#isBusy = true;
    this.#committing = waiting.map(({ done }) => done);
    const fault = errorOf(() => {
      for (const { records } of waiting) for (const record of records) this.#take(record);
    });
    if (fault !== undefined) return defer(() => this.#fail(fault));
    const needless = remembered.uncalledFor;
    this.#append(() =>
      this.#segment.file.sync((error) => {
        if (error !== undefined) return this.#fail(error);
        this.#durable = this.#bytes;
        this.#unmarked = this.#committing;
        this.#committing = [];
        this.#remove(needless, () => this.#finished());
      }),
    );
  }

  #take(record: LogRecord): void {
    this.#options.remembered.apply(record);
    this.#batch.add(record);
  }

  /** Appends the batch, or just a mark; then what was durable before is marked, and acknowledged. */
  #append(then: () => void): void {
    this.#isBusy = true;
    const bytes = this.#batch.finish(this.#segment.id, this.#bytes, this.#durable);
    const marked = this.#unmarked;
    this.#segment.file.append(bytes, (error) => {
      if (error !== undefined) return this.#fail(error);
      this.#bytes += bytes.length;
      this.#batch.clear();
      this.#unmarked = [];
      for (const done of marked) done(undefined);
      then();
    });
  }

  /**
   * The new segment is durable before the old one is sealed, so a sealed one without a next is damage. What the head of
   * the new one says of the old is what was durable: the last mark need not be.
   */
  #roll(): void {
    this.#isBusy = true;
    const { disk, remembered, randomId } = this.#options;
    const old = this.#segment;
    const checkpoint = remembered.checkpoint(old.number + 1, this.#durable);
    const failed: Done = (error) => this.#fail(error!);
    makeSegment(
      disk,
      old.number + 1,
      checkpoint,
      randomId(),
      then(failed, (made) => {
        this.#batch.add({ kind: "seal", next: made.number });
        const seal = this.#batch.finish(old.id, this.#bytes, this.#durable);
        inTurn(
          [(next) => old.file.append(seal, next), (next) => old.file.sync(next), (next) => old.file.close(next)],
          (error) => {
            if (error === undefined) this.#begin(made);
            else made.file.close(() => this.#fail(error));
          },
        );
      }),
    );
  }

  #begin(segment: OpenSegment): void {
    const { remembered } = this.#options;
    remembered.closeSegment(this.#segment.number);
    this.#batch.clear();
    this.#segment = segment;
    this.#bytes = segment.bytes;
    this.#durable = segment.bytes;
    this.#remove(remembered.uncalledFor, () => this.#finished());
  }

  #remove(segments: readonly number[], then: () => void): void {
    const { disk, remembered } = this.#options;
    inTurn(
      segments.map((number) => (next) => {
        remembered.forgetSegment(number);
        disk.remove(segmentName(number), next);
      }),
      (error) => (error === undefined ? then() : this.#fail(error)),
    );
  }

  #finished(): void {
    this.#isBusy = false;
    this.#next();
  }

  #becameIdle(): void {
    this.#idle?.();
    this.#idle = undefined;
  }

  #fail(error: Error): void {
    const reported = this.#options.failed(error);
    this.#failure = reported;
    const unanswered = [...this.#unmarked, ...this.#committing, ...this.#queue.map(({ done }) => done)];
    this.#unmarked = [];
    this.#committing = [];
    this.#queue = [];
    for (const done of unanswered) done(reported);
    this.#becameIdle();
  }
}
