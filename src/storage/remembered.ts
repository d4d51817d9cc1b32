/**
 * What a storage remembers, record by record: the meaning of the storage contract. At open it also keeps the entries;
 * later only the shape of the log, for the heads of new segments.
 * @module
 */
import { compareBallots } from "../protocol/ballot.ts";
import type { Entry } from "../protocol/entry.ts";
import type { DurableState, SnapshotInfo } from "../protocol/storage.ts";
import { ORIGIN, type Viewstamp } from "../protocol/view.ts";
import { LogShape } from "./log-shape.ts";
import type { Checkpoint, Facts, LogRecord } from "./records.ts";

const NO_FACTS: Facts = {
  identity: undefined,
  machines: undefined,
  view: undefined,
  promised: undefined,
  accepted: undefined,
  level: undefined,
  snapshot: undefined,
};

/** A segment no longer written: the entries in it that are still in the log are those through `holdsThrough`. */
interface ClosedSegment {
  readonly number: number;
  readonly holdsThrough: number;
}

/** The node is a member of the newest view that it knows: it held whatever was committed before that. */
export function isOfMember({ identity, view }: Facts): boolean {
  return view?.members.some(({ incarnation }) => incarnation === identity?.incarnation) === true;
}

export class Remembered {
  #facts: Facts;
  readonly #shape: LogShape;
  /** The entries after `#floor`; `undefined` once they are no longer kept. */
  #entries: Entry[] | undefined = [];
  #floor: number;
  #closed: readonly ClosedSegment[] = [];

  /** From a checkpoint, the entries through the end of its log are in segments that are not read. */
  constructor(checkpoint?: Checkpoint) {
    this.#facts = checkpoint?.facts ?? NO_FACTS;
    this.#shape = new LogShape(checkpoint?.base ?? ORIGIN, checkpoint?.runs ?? []);
    this.#floor = this.#shape.end.seqno;
  }

  get facts(): Facts {
    return this.#facts;
  }

  get base(): Viewstamp {
    return this.#shape.base;
  }

  get end(): Viewstamp {
    return this.#shape.end;
  }

  checkpoint(number: number | undefined, previousBytes: number): Checkpoint {
    return { previousBytes, facts: this.#facts, base: this.#shape.base, runs: this.#shape.runs, number };
  }

  /** Whether all entries after the base have been seen. */
  get isComplete(): boolean {
    return this.#floor === this.#shape.base.seqno;
  }

  /** Whether the state is a snapshot's at this place, and the log as it is counts for nothing. */
  isReplacedBy(at: Viewstamp): boolean {
    return at.seqno >= this.#shape.base.seqno && !this.#shape.contains(at);
  }

  /**
   * Whether its node has been given anything of the cluster's state, or a place among its members: the newest view alone
   * is told to everyone who asks.
   */
  hasBegun(hasSnapshot: boolean): boolean {
    return hasSnapshot || this.#shape.end.seqno > 0 || isOfMember(this.#facts);
  }

  /** From now on entries are not kept, only the shape of the log. */
  forgetEntries(): void {
    this.#entries = undefined;
  }

  /** @throws {ViewstampError} `Internal` if the record contradicts those before it */
  apply(record: LogRecord): void {
    switch (record.kind) {
      case "identity":
        this.#learn({ identity: { incarnation: record.incarnation, clusterId: record.clusterId } });
        break;
      case "machines":
        this.#learn({ machines: { origin: record.origin, promised: record.promised } });
        break;
      case "view":
        this.#learnView(record.view);
        break;
      case "promised":
        this.#promise(record);
        break;
      case "accepted":
        this.#learn({ accepted: { instance: record.instance, accepted: record.accepted } });
        this.#promise({ instance: record.instance, ballot: record.accepted.ballot });
        break;
      case "level":
        this.#learn({ level: { vid: record.vid, through: record.through } });
        break;
      case "append":
        for (const entry of record.entries) this.#append(entry);
        break;
      case "truncate":
        this.#truncate(record.seqno);
        break;
      case "base":
        this.#rebase(record.at);
        break;
      case "snapshot":
        this.#learn({ snapshot: record.note });
        break;
      case "seal":
        break;
    }
  }

  /** From now on records go to a newer segment. */
  closeSegment(number: number): void {
    this.#closed = [...this.#closed, { number, holdsThrough: this.#shape.end.seqno }];
  }

  /** The oldest closed segments, of which nothing is needed any more. */
  get uncalledFor(): readonly number[] {
    const first = this.#closed.findIndex(({ holdsThrough }) => holdsThrough > this.#shape.base.seqno);
    const needless = first < 0 ? this.#closed : this.#closed.slice(0, first);
    return needless.map(({ number }) => number);
  }

  forgetSegment(number: number): void {
    this.#closed = this.#closed.filter((one) => one.number !== number);
  }

  /** The state as the contract gives it; its entries are the very list that is kept here, for it may be long. */
  durableState(snapshot: SnapshotInfo | undefined, setAside: DurableState["setAside"]): DurableState {
    const { identity, machines, view, promised, accepted, level } = this.#facts;
    const instance = (view?.vid ?? 0) + 1;
    return {
      identity,
      machines,
      setAside: this.hasBegun(snapshot !== undefined) ? undefined : setAside,
      view,
      promised: promised?.instance === instance ? promised.ballot : undefined,
      accepted: accepted?.instance === instance ? accepted.accepted : undefined,
      level,
      snapshot,
      base: this.#shape.base,
      entries: this.#entries ?? [],
    };
  }

  #learn(facts: Partial<Facts>): void {
    this.#facts = { ...this.#facts, ...facts };
  }

  #learnView(view: NonNullable<Facts["view"]>): void {
    const { promised, accepted, level } = this.#facts;
    this.#learn({
      view,
      promised: promised !== undefined && promised.instance > view.vid ? promised : undefined,
      accepted: accepted !== undefined && accepted.instance > view.vid ? accepted : undefined,
      level: level !== undefined && level.vid >= view.vid ? level : undefined,
    });
  }

  #promise({ instance, ballot }: NonNullable<Facts["promised"]>): void {
    const { promised } = this.#facts;
    if (promised !== undefined) {
      if (promised.instance > instance) return;
      if (promised.instance === instance && compareBallots(promised.ballot, ballot) >= 0) return;
    }
    this.#learn({ promised: { instance, ballot } });
  }

  #append(entry: Entry): void {
    this.#shape.append(entry);
    this.#entries?.push(entry);
  }

  #truncate(seqno: number): void {
    this.#shape.truncate(seqno);
    this.#holdOnly(seqno);
    if (seqno < this.#floor) this.#floor = seqno;
    if (this.#entries !== undefined) this.#entries.length = Math.min(this.#entries.length, seqno - this.#floor);
  }

  #rebase(at: Viewstamp): void {
    const contained = this.#shape.rebase(at);
    if (!contained) this.#holdOnly(0);
    if (contained) this.#entries?.splice(0, Math.max(0, at.seqno - this.#floor));
    else this.#entries?.splice(0);
    this.#floor = contained ? Math.max(this.#floor, at.seqno) : at.seqno;
  }

  #holdOnly(seqno: number): void {
    this.#closed = this.#closed.map(({ number, holdsThrough }) => ({
      number,
      holdsThrough: Math.min(holdsThrough, seqno),
    }));
  }
}
