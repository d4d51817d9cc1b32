/**
 * What a disk remembers: records folded as the storage contract says.
 * @module
 */
import type { Entry } from "../../src/protocol/entry.ts";
import type { DurableState, StorageRecord } from "../../src/protocol/storage.ts";
import { ORIGIN, type Viewstamp } from "../../src/protocol/view.ts";

export class Disk {
  identity: DurableState["identity"];
  machines: DurableState["machines"];
  view: DurableState["view"];
  promised: DurableState["promised"];
  accepted: DurableState["accepted"];
  level: DurableState["level"];
  base: Viewstamp = ORIGIN;
  entries: Entry[] = [];
  snapshot: { at: Viewstamp; chunks: Uint8Array[] } | undefined;

  write(record: StorageRecord): void {
    switch (record.kind) {
      case "identity":
        this.identity = record;
        return;
      case "machines":
        this.machines = { origin: record.origin, promised: record.promised };
        return;
      case "view":
        this.view = record.view;
        this.promised = undefined;
        this.accepted = undefined;
        return;
      case "promised":
        this.promised = record.ballot;
        return;
      case "accepted":
        this.promised = record.accepted.ballot;
        this.accepted = record.accepted;
        return;
      case "level":
        this.level = record;
        return;
      case "append":
        this.#append(record.entries);
        return;
      case "truncate":
        this.entries = this.entries.filter((entry) => entry.seqno <= record.seqno);
        return;
      case "base":
        this.#startAfter(record.at);
    }
  }

  /** What the next start finds. */
  state(): DurableState {
    const { identity, machines, view, promised, accepted, level, snapshot } = this;
    // A crash between a received snapshot and its `base`: a log that does not contain the snapshot's place is dropped.
    if (snapshot !== undefined && snapshot.at.seqno > this.base.seqno && !this.holds(snapshot.at)) {
      this.#startAfter(snapshot.at);
    }
    return {
      identity,
      machines,
      setAside: undefined,
      view,
      promised,
      accepted,
      level,
      snapshot: snapshot && { at: snapshot.at, chunks: snapshot.chunks.length },
      base: this.base,
      entries: [...this.entries],
    };
  }

  get end(): number {
    return this.base.seqno + this.entries.length;
  }

  /** A durable snapshot stands for the log through its place, also before the `base` that goes with it. */
  get durableThrough(): number {
    return Math.max(this.end, this.snapshot?.at.seqno ?? 0);
  }

  covers(at: Viewstamp): boolean {
    return this.holds(at) || Math.max(this.base.seqno, this.snapshot?.at.seqno ?? 0) >= at.seqno;
  }

  holds(at: Viewstamp): boolean {
    if (at.seqno === this.base.seqno) return at.vid === this.base.vid;
    return this.entries[at.seqno - this.base.seqno - 1]?.vid === at.vid;
  }

  #append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.seqno !== this.end + 1) {
        throw new Error(`entry ${entry.seqno} was given to a disk whose log ends at ${this.end}`);
      }
      this.entries.push(entry);
    }
  }

  #startAfter(at: Viewstamp): void {
    this.entries = this.holds(at) ? this.entries.filter((entry) => entry.seqno > at.seqno) : [];
    this.base = at;
  }
}
