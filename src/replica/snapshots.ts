/**
 * Snapshots on their way to and from the storage, in slices, so that large state does not stop the world.
 * @module
 */
import type { Environment } from "../protocol/environment.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { SnapshotWriter, Storage } from "../protocol/storage.ts";
import type { NodeId, Viewstamp } from "../protocol/view.ts";
import type { CoreEvent } from "../rsm/events.ts";

export interface SnapshotsOptions {
  readonly storage: Storage;
  readonly environment: Environment;
  readonly sliceMs: number;
  readonly accept: (event: CoreEvent) => void;
  readonly failed: (error: unknown) => void;
}

/** One snapshot is written at a time: a new one abandons the one under way. */
export class Snapshots {
  readonly #options: SnapshotsOptions;
  readonly #toRead: { readonly to: NodeId; readonly at: Viewstamp; readonly index: number }[] = [];
  #underWay: { abandon(): void } | undefined;

  constructor(options: SnapshotsOptions) {
    this.#options = options;
  }

  /** `pauseMs`: what it has cost already to make the iterator. */
  save(at: Viewstamp, chunks: Iterator<Uint8Array>, pauseMs: number): void {
    this.abandon();
    this.#underWay = new Saving(at, chunks, pauseMs, this.#options);
  }

  receive(at: Viewstamp): void {
    this.abandon();
    this.#underWay = new Receiving(at, this.#options);
  }

  store(at: Viewstamp, index: number, bytes: Uint8Array): void {
    this.#receiving().store(at, index, bytes);
  }

  install(at: Viewstamp): void {
    this.#receiving().install(at);
  }

  /** One at a time: the learner takes chunks in order only, and a disk may end its reads in any. */
  read(to: NodeId, at: Viewstamp, index: number): void {
    this.#toRead.push({ to, at, index });
    if (this.#toRead.length === 1) this.#readNext();
  }

  #readNext(): void {
    const next = this.#toRead[0];
    if (next === undefined) return;
    const { storage, accept, failed } = this.#options;
    const { to, at, index } = next;
    const done = (bytes: Uint8Array | undefined): void => {
      this.#toRead.shift();
      accept({ type: "chunkRead", to, at, index, bytes });
      this.#readNext();
    };
    storage.readSnapshotChunk(at, index, (error, chunk) => {
      if (error === undefined) done(chunk);
      // A newer snapshot may have taken its place. But damage is no absence: a storage that has failed fails every call.
      else storage.write([], (failure) => (failure === undefined ? done(undefined) : failed(failure)));
    });
  }

  abandon(): void {
    this.#underWay?.abandon();
    this.#underWay = undefined;
  }

  #receiving(): Receiving {
    if (this.#underWay instanceof Receiving) return this.#underWay;
    throw new ViewstampError("Internal", "no snapshot is being received");
  }
}

/** Drains an iterator into the storage. */
class Saving {
  readonly #at: Viewstamp;
  readonly #chunks: Iterator<Uint8Array>;
  readonly #options: SnapshotsOptions;
  readonly #writer: SnapshotWriter;
  #pauseMs: number;
  #written = 0;
  /** What making chunks has cost in this turn. */
  #turnMs = 0;
  #turnWatched = false;
  #waitsForTurn = false;
  /** All of it is written; whether it still can be given up, only the storage knows. */
  #isCommitting = false;
  #isAbandoned = false;
  #over = false;

  constructor(at: Viewstamp, chunks: Iterator<Uint8Array>, pauseMs: number, options: SnapshotsOptions) {
    this.#at = at;
    this.#chunks = chunks;
    this.#options = options;
    this.#pauseMs = pauseMs;
    this.#writer = options.storage.writeSnapshot(at);
    this.#waitsForTurn = true;
    this.#watchTurn();
  }

  abandon(): void {
    if (this.#over) return;
    this.#isAbandoned = true;
    this.#over = !this.#isCommitting;
    this.#writer.abort();
    this.#chunks.return?.();
  }

  #watchTurn(): void {
    if (this.#turnWatched) return;
    this.#turnWatched = true;
    this.#options.environment.endOfTurn(() => {
      this.#turnWatched = false;
      this.#turnMs = 0;
      if (!this.#waitsForTurn) return;
      this.#waitsForTurn = false;
      this.#next();
    });
  }

  #next(): void {
    if (this.#over) return;
    this.#watchTurn();
    const chunk = this.#measured();
    if (this.#over) return;
    if (chunk === undefined) this.#commit();
    else this.#writer.write(chunk, (error) => this.#wrote(error));
  }

  /** The next chunk; `undefined` at the end. */
  #measured(): Uint8Array | undefined {
    const { environment } = this.#options;
    const began = environment.now();
    try {
      const next = this.#chunks.next();
      return next.done === true ? undefined : next.value;
    } catch (error) {
      this.#failed(new ViewstampError("MachineFailed", "a machine could not make its snapshot", { cause: error }));
      return undefined;
    } finally {
      this.#turnMs += environment.now() - began;
      this.#pauseMs = Math.max(this.#pauseMs, this.#turnMs);
    }
  }

  #wrote(error: Error | undefined): void {
    if (this.#over) return;
    this.#written++;
    if (error !== undefined) this.#failed(error);
    else if (this.#turnMs < this.#options.sliceMs) this.#next();
    else this.#waitsForTurn = true;
  }

  #commit(): void {
    this.#isCommitting = true;
    this.#writer.commit((error) => this.#committed(error));
  }

  /** If it was too late to give it up it is the newest, and the one before it is gone: that has to be known. */
  #committed(error: Error | undefined): void {
    if (error !== undefined) {
      if (!this.#isAbandoned) this.#failed(error);
      return;
    }
    this.#over = true;
    const snapshot = { at: this.#at, chunks: this.#written };
    this.#options.accept({ type: "snapshotSaved", snapshot, pauseMs: this.#pauseMs });
  }

  #failed(error: Error): void {
    this.abandon();
    this.#options.failed(error);
  }
}

/** Takes a peer's snapshot, chunk by chunk. */
class Receiving {
  readonly #options: SnapshotsOptions;
  readonly #writer: SnapshotWriter;
  /** Chunks, and at last the installation, in order; the first is with the storage. */
  readonly #steps: (() => void)[] = [];
  #stored = 0;
  #over = false;

  constructor(at: Viewstamp, options: SnapshotsOptions) {
    this.#options = options;
    this.#writer = options.storage.writeSnapshot(at);
  }

  store(at: Viewstamp, index: number, bytes: Uint8Array): void {
    this.#then(() => this.#writer.write(bytes, (error) => this.#stepped(error, { type: "chunkStored", at, index })));
    this.#stored++;
  }

  install(at: Viewstamp): void {
    const snapshot = { at, chunks: this.#stored };
    this.#then(() => this.#writer.commit((error) => this.#stepped(error, { type: "snapshotInstalled", snapshot })));
  }

  abandon(): void {
    if (this.#over) return;
    this.#over = true;
    this.#writer.abort();
  }

  #then(step: () => void): void {
    this.#steps.push(step);
    if (this.#steps.length === 1) step();
  }

  #stepped(error: Error | undefined, event: CoreEvent): void {
    if (this.#over) return;
    if (error !== undefined) {
      this.#over = true;
      this.#options.failed(error);
      return;
    }
    if (event.type === "snapshotInstalled") this.#over = true;
    this.#steps.shift();
    this.#steps[0]?.();
    this.#options.accept(event);
  }
}
