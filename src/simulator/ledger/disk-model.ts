/**
 * What one node's disk must hold, replayed from the records its storage was given: the ledger's own opinion, to hold
 * messages and recoveries against.
 * @module
 */
import { type AcceptedValue, type Ballot, compareBallots } from "../../protocol/ballot.ts";
import type { Entry } from "../../protocol/entry.ts";
import type { DurableMachines, DurableState, SnapshotInfo, StorageRecord } from "../../protocol/storage.ts";
import { type Identity, ORIGIN, type View, type Viewstamp } from "../../protocol/view.ts";
import { chained, ORIGIN_CHAIN } from "./chain.ts";

/** The operation log as places: who stamped each, and a chain of hashes that says whether two logs are equal up to it. */
export class LogModel {
  base: Viewstamp = ORIGIN;
  /** The chain at `base`; `undefined` where only a snapshot is known, until the ledger knows what was committed there. */
  baseChain: number | undefined = ORIGIN_CHAIN;
  vids: number[] = [];
  chains: (number | undefined)[] = [];

  get end(): number {
    return this.base.seqno + this.vids.length;
  }

  vidAt(seqno: number): number | undefined {
    return seqno === this.base.seqno ? this.base.vid : this.vids[seqno - this.base.seqno - 1];
  }

  chainAt(seqno: number): number | undefined {
    return seqno === this.base.seqno ? this.baseChain : this.chains[seqno - this.base.seqno - 1];
  }

  /** Whether the place is in the log or covered by its base. */
  holds(at: Viewstamp): boolean {
    return at.seqno < this.base.seqno || this.vidAt(at.seqno) === at.vid;
  }

  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const before = this.chainAt(this.end);
      this.vids.push(entry.vid);
      this.chains.push(before === undefined ? undefined : chained(before, entry));
    }
  }

  truncate(seqno: number): void {
    const keep = Math.max(0, seqno - this.base.seqno);
    if (keep < this.vids.length) this.vids.length = this.chains.length = keep;
  }

  rebase(at: Viewstamp, chain: number | undefined): void {
    if (at.seqno < this.base.seqno) return;
    const inLog = this.vidAt(at.seqno) === at.vid;
    const dropped = inLog ? at.seqno - this.base.seqno : this.vids.length;
    this.baseChain = inLog ? this.chainAt(at.seqno) : chain;
    this.vids.splice(0, dropped);
    this.chains.splice(0, dropped);
    this.base = at;
  }

  copy(): LogModel {
    const copy = new LogModel();
    copy.base = this.base;
    copy.baseChain = this.baseChain;
    copy.vids = this.vids.slice();
    copy.chains = this.chains.slice();
    return copy;
  }
}

/** The records of one data directory, replayed. */
export class DiskModel {
  identity: { readonly incarnation: string; readonly clusterId: string | undefined } | undefined;
  machines: DurableMachines | undefined;
  view: View | undefined;
  promised: { readonly instance: number; readonly ballot: Ballot } | undefined;
  accepted: { readonly instance: number; readonly accepted: AcceptedValue } | undefined;
  level: { readonly vid: number; readonly through: Viewstamp } | undefined;
  snapshot: SnapshotInfo | undefined;
  log: LogModel = new LogModel();

  apply(record: StorageRecord, chainOf: (at: Viewstamp) => number | undefined): void {
    switch (record.kind) {
      case "identity":
        this.identity = { incarnation: record.incarnation, clusterId: record.clusterId };
        break;
      case "machines":
        this.machines = { origin: record.origin, promised: record.promised };
        break;
      case "view":
        this.view = record.view;
        this.#dropInstances(record.view.vid);
        break;
      case "promised":
        this.promised = { instance: record.instance, ballot: record.ballot };
        break;
      case "accepted":
        this.accepted = { instance: record.instance, accepted: record.accepted };
        this.#promiseImplied(record.instance, record.accepted.ballot);
        break;
      case "level":
        this.level = { vid: record.vid, through: record.through };
        break;
      case "append":
        this.log.append(record.entries);
        break;
      case "truncate":
        this.log.truncate(record.seqno);
        break;
      case "base":
        this.log.rebase(record.at, chainOf(record.at));
        break;
    }
  }

  /** A snapshot is durable and the newest; a log that does not contain its place is dropped. */
  installed(snapshot: SnapshotInfo, chainOf: (at: Viewstamp) => number | undefined): void {
    this.snapshot = snapshot;
    if (!this.log.holds(snapshot.at)) this.log.rebase(snapshot.at, chainOf(snapshot.at));
  }

  /** The newest view's number. */
  get vid(): number {
    return this.view?.vid ?? 0;
  }

  /** What was accepted in an instance, if it is remembered. */
  acceptedIn(instance: number): AcceptedValue | undefined {
    return this.accepted?.instance === instance ? this.accepted.accepted : undefined;
  }

  /** The promise to be level that still binds, if there is one. */
  get binding(): { readonly vid: number; readonly through: Viewstamp } | undefined {
    return this.level !== undefined && this.level.vid >= this.vid ? this.level : undefined;
  }

  /** The promise for an instance, if one is remembered. */
  promisedIn(instance: number): Ballot | undefined {
    return this.promised?.instance === instance ? this.promised.ballot : undefined;
  }

  copy(): DiskModel {
    const copy = new DiskModel();
    Object.assign(copy, this);
    copy.log = this.log.copy();
    return copy;
  }

  /** In what a recovered state differs from this, or `undefined`. */
  differs(state: DurableState): string | undefined {
    const instance = this.vid + 1;
    const promised = this.promisedIn(instance);
    const accepted = this.acceptedIn(instance);
    const level = this.binding;
    if (state.identity?.incarnation !== this.identity?.incarnation) return "identity";
    if (state.identity?.clusterId !== this.identity?.clusterId) return "cluster id";
    if (keyOf(state.machines) !== keyOf(this.machines)) return "machine versions";
    if (viewKey(state.view) !== viewKey(this.view)) return "view";
    if (keyOf(state.promised) !== keyOf(promised)) return "promised";
    if (keyOf(state.accepted) !== keyOf(accepted)) return "accepted";
    if (level !== undefined && keyOf(state.level) !== keyOf(level)) return "level";
    return this.#logDiffers(state);
  }

  #logDiffers(state: DurableState): string | undefined {
    const { log } = this;
    const end =
      state.entries.length === 0 ? state.base.seqno : (state.entries[state.entries.length - 1] as Entry).seqno;
    if (end !== log.end) return `log's end (${end}, not ${log.end})`;
    if (!log.holds(state.base)) return "base";
    let chain = log.chainAt(state.base.seqno);
    if (state.base.seqno < log.base.seqno) chain = undefined;
    for (const entry of state.entries) {
      if (entry.seqno <= log.base.seqno) continue;
      if (log.vidAt(entry.seqno) !== entry.vid) return `entry ${entry.seqno}`;
      if (chain === undefined) chain = entry.seqno - 1 === log.base.seqno ? log.baseChain : undefined;
      if (chain !== undefined) chain = chained(chain, entry);
      if (chain !== undefined && log.chainAt(entry.seqno) !== chain) return `the bytes of entry ${entry.seqno}`;
    }
    return undefined;
  }

  #dropInstances(through: number): void {
    if (this.promised !== undefined && this.promised.instance <= through) this.promised = undefined;
    if (this.accepted !== undefined && this.accepted.instance <= through) this.accepted = undefined;
  }

  #promiseImplied(instance: number, ballot: Ballot): void {
    const promised = this.promisedIn(instance);
    if (promised === undefined || compareBallots(promised, ballot) < 0) this.promised = { instance, ballot };
  }
}

const viewKeys: WeakMap<View, string> = new WeakMap();

/** Of one view, made once. */
export function viewKey(view: View | undefined): string {
  if (view === undefined) return "";
  let key = viewKeys.get(view);
  if (key === undefined) viewKeys.set(view, (key = JSON.stringify(view)));
  return key;
}

/** Two things are the same if their keys are. */
export function keyOf(thing: unknown): string {
  return thing === undefined ? "" : JSON.stringify(thing);
}

export function identityKey(who: Identity): string {
  return `${who.id}/${who.incarnation}`;
}
