/**
 * A learner takes a snapshot: chunk by chunk, in order, resumable over connections, and into effect in one atomic step
 * (design.md 4.4); the old log stays until then.
 * @module
 */
import { ViewstampError } from "../protocol/errors.ts";
import type { SnapshotChunk, SnapshotOffer } from "../protocol/messages.ts";
import type { SnapshotInfo } from "../protocol/storage.ts";
import { type NodeId, sameViewstamp, type View, type Viewstamp } from "../protocol/view.ts";
import type { ReplicatedLog } from "./replicated-log.ts";
import type { CheckedRestoration } from "./state.ts";

/** In `suspectMs`: it is asked again after this at the latest. */
const LONGEST_PATIENCE = 8;

interface Receiving {
  readonly info: SnapshotInfo;
  readonly restoration: CheckedRestoration;
  /** Chunks that have come and are not restored yet: one step restores one, so that many at once are no pause. */
  readonly waiting: Uint8Array[];
  /** The chunk to be restored next. */
  next: number;
  /** The storage has the chunks before this one. */
  stored: number;
  /** When it last got on, or at least heard of this snapshot: what comes twice shows a slow connection, not a lossy one. */
  heardAt: number;
  /** Silence for so long means that something is lost. It doubles each time: to ask a slow connection again chokes it. */
  patienceMs: number;
  /** All chunks are there and becoming durable: the state is as good as replaced. */
  installing: boolean;
}

export class Reception {
  readonly #replica: ReplicatedLog;
  #vid = 0;
  #primary: NodeId = "";
  /** The learner has promised to hold the log through this place. */
  #boundTo = 0;
  #receiving: Receiving | undefined;

  constructor(replica: ReplicatedLog) {
    this.#replica = replica;
  }

  /** A newer view: its primary may go on with the same snapshot. `boundTo` is this view's promise, if any. */
  follow(view: View, boundTo: number): void {
    this.#vid = view.vid;
    this.#primary = view.primary;
    this.#boundTo = boundTo;
    if (this.#receiving !== undefined) this.#receiving.patienceMs = this.#replica.options.suspectMs;
  }

  /** Where to resume, for the primary. */
  get position(): { readonly at: Viewstamp; readonly next: number } | undefined {
    const receiving = this.#receiving;
    return receiving === undefined ? undefined : { at: receiving.info.at, next: nextToCome(receiving) };
  }

  bindTo(seqno: number): void {
    this.#boundTo = Math.max(this.#boundTo, seqno);
  }

  onOffer({ at, chunks }: SnapshotOffer, now: number): void {
    if (at.seqno < this.#boundTo || chunks < 1 || this.#receiving?.installing === true) return;
    const { info: begun } = this.#receiving ?? {};
    // In another number of chunks it is cut otherwise: no part of the one fits into the other.
    if (begun === undefined || !sameViewstamp(begun.at, at) || begun.chunks !== chunks) {
      const restoration = this.#replica.state.restore(at);
      const { suspectMs: patienceMs } = this.#replica.options;
      const info = { at, chunks };
      const progress = { waiting: [], next: 0, stored: 0, heardAt: now, patienceMs, installing: false };
      this.#receiving = { info, restoration, ...progress };
      this.#replica.beginReception(at);
    }
    if (this.#receiving !== undefined) this.#want(this.#receiving);
  }

  onChunk({ at, index, bytes }: SnapshotChunk, now: number): void {
    const receiving = this.#receiving;
    if (receiving === undefined || !sameViewstamp(receiving.info.at, at)) return;
    receiving.heardAt = now;
    if (index !== nextToCome(receiving) || index >= receiving.info.chunks) return;
    receiving.waiting.push(bytes);
    this.#replica.goOn();
  }

  /** Restores one of the chunks that have come. */
  continued(): void {
    const receiving = this.#receiving;
    const bytes = receiving?.waiting.shift();
    if (receiving === undefined || bytes === undefined) return;
    const { output } = this.#replica;
    try {
      receiving.restoration.chunk(bytes);
      // Before it is durable: what is no state must not take the place of one.
      if (receiving.next + 1 === receiving.info.chunks) receiving.restoration.check();
    } catch (error) {
      if (error instanceof ViewstampError && error.code === "WrongMachine") throw error;
      output.path("badSnapshotChunk");
      this.#receiving = undefined;
      return;
    }
    output.push({ type: "restored" });
    output.push({ type: "storeChunk", at: receiving.info.at, index: receiving.next, bytes });
    receiving.next++;
    if (receiving.waiting.length > 0) this.#replica.goOn();
  }

  onStored(at: Viewstamp, index: number, now: number): void {
    const receiving = this.#receiving;
    // A completion of a reception that was given up says nothing of this one.
    if (receiving === undefined || !sameViewstamp(receiving.info.at, at) || index >= receiving.next) return;
    receiving.heardAt = now;
    receiving.stored = Math.max(receiving.stored, index + 1);
    if (receiving.stored < receiving.info.chunks) {
      this.#want(receiving);
    } else if (!receiving.installing) {
      receiving.installing = true;
      this.#replica.output.push({ type: "installSnapshot", at });
    }
  }

  /** A primary can serve this log from entries alone; `false` while a snapshot is taking its place. */
  yieldToLog(): boolean {
    if (this.#receiving?.installing === true) return false;
    if (this.#receiving !== undefined) this.#replica.output.path("receptionGivenUp");
    this.#receiving = undefined;
    return true;
  }

  /** The snapshot is durable: the state is replaced; gives which one it was. */
  finish(at: Viewstamp): SnapshotInfo | undefined {
    const receiving = this.#receiving;
    if (receiving === undefined || !sameViewstamp(receiving.info.at, at)) return undefined;
    this.#receiving = undefined;
    receiving.restoration.finish();
    this.#replica.output.push({ type: "restored" });
    this.#replica.output.path("snapshotInstalled");
    return receiving.info;
  }

  tick(now: number): void {
    const receiving = this.#receiving;
    if (receiving === undefined || now - receiving.heardAt < receiving.patienceMs) return;
    // What it waits for is its own disk: more chunks would only fill the memory.
    if (receiving.stored < nextToCome(receiving) || receiving.installing) return;
    receiving.heardAt = now;
    receiving.patienceMs = Math.min(2 * receiving.patienceMs, LONGEST_PATIENCE * this.#replica.options.suspectMs);
    this.#want(receiving);
  }

  #want(receiving: Receiving): void {
    const { output, config } = this.#replica;
    const { at } = receiving.info;
    const want = { type: "snapshotWant", vid: this.#vid, at, next: nextToCome(receiving) } as const;
    output.send(this.#primary, want, config.viewWrite);
  }
}

function nextToCome({ next, waiting }: Receiving): number {
  return next + waiting.length;
}
