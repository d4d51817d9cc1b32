/**
 * What the ledger has seen, as the rules need it: disks by incarnation, chosen views, activations, and the one history of
 * committed entries.
 * @module
 */
import type { Ballot } from "../../protocol/ballot.ts";
import type { Entry } from "../../protocol/entry.ts";
import type { SnapshotInfo, StorageRecord } from "../../protocol/storage.ts";
import { type Identity, type NodeId, quorumOf, type View, type Viewstamp } from "../../protocol/view.ts";
import { chained, ORIGIN_CHAIN } from "./chain.ts";
import { DiskModel, identityKey, keyOf } from "./disk-model.ts";
import type { CoreEye } from "./observer.ts";

/** One data directory: what was given to it, and how much of that is durable. */
export class DataFacts {
  readonly durable: DiskModel = new DiskModel();
  readonly written: DiskModel = new DiskModel();
  /** Given and not yet durable, in order. */
  readonly pending: (readonly StorageRecord[])[] = [];
  pendingSnapshot: SnapshotInfo | undefined;
  /** A fault took something that it held: whatever its node says from now on must not count. */
  ruined: string | undefined;
}

/** One node, over all its lives. */
export class NodeFacts {
  readonly id: NodeId;
  data: DataFacts = new DataFacts();
  life = 0;
  alive = false;
  core: CoreEye | undefined;

  constructor(id: NodeId) {
    this.id = id;
  }

  get identity(): Identity | undefined {
    const incarnation = this.data.written.identity?.incarnation;
    return incarnation === undefined ? undefined : { id: this.id, incarnation };
  }
}

/** A committed place. */
export interface CommittedPlace {
  readonly entry: Entry;
  readonly chain: number;
  /** The view whose primary was the first to commit it. */
  readonly inView: number;
}

export class Facts {
  readonly nodes: Map<NodeId, NodeFacts> = new Map();
  /** The data of every incarnation there ever was. */
  readonly dataOf: Map<string, DataFacts> = new Map();
  /** Chosen views by vid. */
  readonly chosen: Map<number, View> = new Map();
  newestChosen = 0;
  /** Who activated a view, in which life. */
  readonly activations: Map<number, { readonly id: NodeId; readonly life: number; readonly through: number }> =
    new Map();
  newestActive = 0;
  readonly #committed: CommittedPlace[] = [];
  /** By `instance:ballot`: who has durably accepted, and what. */
  readonly accepts: Map<string, { readonly value: View; readonly key: string; readonly by: Set<string> }> = new Map();
  readonly chainOf: (at: Viewstamp) => number | undefined = (at) => this.chainAt(at.seqno);

  node(id: NodeId): NodeFacts {
    let node = this.nodes.get(id);
    if (node === undefined) {
      node = new NodeFacts(id);
      this.nodes.set(id, node);
    }
    return node;
  }

  get committedThrough(): number {
    return this.#committed.length;
  }

  committed(seqno: number): CommittedPlace | undefined {
    return this.#committed[seqno - 1];
  }

  chainAt(seqno: number): number | undefined {
    return seqno === 0 ? ORIGIN_CHAIN : this.#committed[seqno - 1]?.chain;
  }

  commit(entry: Entry, inView: number): CommittedPlace {
    const before = this.chainAt(this.committedThrough) as number;
    const place = { entry, chain: chained(before, entry), inView };
    this.#committed.push(place);
    return place;
  }

  /** Counts a durable accept; gives the view if it is chosen by this. */
  accept(node: NodeFacts, instance: number, ballot: Ballot, value: View): View | undefined {
    const key = `${instance}:${ballot.round}:${ballot.node}`;
    let accept = this.accepts.get(key);
    if (accept === undefined) {
      accept = { value, key: keyOf(value), by: new Set() };
      this.accepts.set(key, accept);
    }
    const base = this.chosen.get(instance - 1);
    const identity = node.identity;
    if (base === undefined || identity === undefined || node.data.ruined !== undefined) return undefined;
    if (!base.acceptors.some((one) => identityKey(one) === identityKey(identity))) return undefined;
    accept.by.add(identityKey(identity));
    if (accept.by.size < quorumOf(base)) return undefined;
    return accept.value;
  }

  /** Remembers a chosen view; false if it was known. */
  choose(view: View): boolean {
    if (this.chosen.has(view.vid)) return false;
    this.chosen.set(view.vid, view);
    this.newestChosen = Math.max(this.newestChosen, view.vid);
    return true;
  }

  /** Whether this incarnation durably holds the committed history through `seqno`; ruined data holds nothing. */
  holdsCommitted(who: Identity, seqno: number): boolean {
    const data = this.dataOf.get(identityKey(who));
    if (data === undefined) return false;
    return holdsChain(data.durable, seqno, this.chainAt(seqno));
  }
}

/** Whether a log is equal to the one with this chain through `seqno`. */
export function holdsChain(disk: DiskModel, seqno: number, chain: number | undefined): boolean {
  const { log } = disk;
  if (seqno < log.base.seqno) return true;
  return log.end >= seqno && log.chainAt(seqno) === chain;
}
