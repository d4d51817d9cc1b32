/**
 * What the ledger has seen, as the rules need it: disks by incarnation, proposals and chosen views, who led and activated
 * which view, and the one history of committed entries, executed once by the ledger itself.
 * @module
 */
import { type Ballot, compareBallots } from "../../protocol/ballot.ts";
import type { Entry } from "../../protocol/entry.ts";
import type { Promised } from "../../protocol/messages.ts";
import type { CoreOptions } from "../../protocol/options.ts";
import type { SnapshotInfo, StorageRecord } from "../../protocol/storage.ts";
import { type Identity, type NodeId, quorumOf, type View, type Viewstamp } from "../../protocol/view.ts";
import { chained, ORIGIN_CHAIN } from "./chain.ts";
import { Confirmations } from "./confirmations.ts";
import { DiskModel, identityKey, viewKey } from "./disk-model.ts";
import { LockModel } from "./lock-model.ts";
import type { ClientsEye, CoreEye, Position, Proposal } from "./observer.ts";
import type { Replay } from "./replay.ts";

/** What the ledger needs to know of the options that all nodes share. */
export type ViewOptions = Pick<CoreOptions, "minCopies" | "forgetAfterMs">;

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
  /** After the last step of this life. */
  position: Position | undefined;
  #identity: Identity | undefined;

  constructor(id: NodeId) {
    this.id = id;
  }

  get identity(): Identity | undefined {
    const incarnation = this.data.written.identity?.incarnation;
    if (incarnation === undefined) return undefined;
    if (this.#identity?.incarnation !== incarnation) this.#identity = { id: this.id, incarnation };
    return this.#identity;
  }
}

/** A committed place. */
export interface CommittedPlace {
  readonly entry: Entry;
  readonly chain: number;
  /** The view whose primary was the first to commit it. */
  readonly inView: number;
}

/** A value that has been accepted under one ballot, and who has done so durably. */
interface Accepts {
  readonly value: View;
  readonly by: Set<string>;
}

/** Who leads a view, since when. */
export interface Lead {
  readonly id: NodeId;
  readonly life: number;
  /** Where its log ended when the view began. */
  readonly start: number;
}

export class Facts {
  readonly options: ViewOptions | undefined;
  readonly clients: ClientsEye | undefined;
  /** The ledger's own execution of what is committed; there from the first commit on, if a machine was given. */
  replay: Replay | undefined;
  /** What that says about locks; there with the replay. */
  readonly locks: LockModel = new LockModel();
  readonly confirmations: Confirmations = new Confirmations();
  readonly nodes: Map<NodeId, NodeFacts> = new Map();
  /** The data of every incarnation there ever was. */
  readonly dataOf: Map<string, DataFacts> = new Map();
  /** Chosen views by vid. */
  readonly chosen: Map<number, View> = new Map();
  newestChosen = 0;
  /** The lowest ballot known to have chosen an instance's value. */
  readonly chosenBallot: Map<number, Ballot> = new Map();
  /** What operators have asked for, as `action id`. */
  readonly changesAsked: Set<string> = new Set();
  /** Who activated a view, in which life. */
  readonly activations: Map<number, { readonly id: NodeId; readonly life: number; readonly through: number }> =
    new Map();
  newestActive = 0;
  /** Whoever was the first to speak as a view's primary. */
  readonly leads: Map<number, Lead> = new Map();
  /** By instance, in the order in which they were seen. */
  readonly proposals: Map<number, Proposal[]> = new Map();
  /** By ballot: which acceptors have promised it to its proposer, and what each had accepted then. */
  readonly #promises: Map<string, Map<string, Ballot | undefined>> = new Map();
  readonly #accepts: Map<string, Accepts> = new Map();
  readonly #committed: CommittedPlace[] = [];
  readonly chainOf: (at: Viewstamp) => number | undefined = (at) => this.chainAt(at.seqno);

  constructor(options?: ViewOptions, clients?: ClientsEye) {
    this.options = options;
    this.clients = clients;
  }

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

  /** Remembers a value put forward under a ballot; gives it if nobody has seen that ballot before. */
  propose(instance: number, ballot: Ballot, value: View): Proposal | undefined {
    let proposals = this.proposals.get(instance);
    if (proposals === undefined) this.proposals.set(instance, (proposals = []));
    if (proposals.some((one) => compareBallots(one.ballot, ballot) === 0)) return undefined;
    const key = viewKey(value);
    const proposal = { instance, ballot, value, key, isNew: proposals.every((one) => one.key !== key) };
    proposals.push(proposal);
    return proposal;
  }

  /** A promise has left for its proposer. */
  promised(node: NodeFacts, { instance, ballot, accepted }: Promised): void {
    const { identity } = node;
    if (identity !== undefined) this.#promisesOf(instance, ballot).set(identityKey(identity), accepted?.ballot);
  }

  /** Which acceptors have promised a ballot, and what each said to have accepted; the proposer's own is not among them. */
  promises(instance: number, ballot: Ballot): ReadonlyMap<string, Ballot | undefined> {
    return this.#promisesOf(instance, ballot);
  }

  /** Counts a durable accept; gives the view if it is chosen by this. */
  accept(node: NodeFacts, instance: number, ballot: Ballot, value: View): View | undefined {
    const name = ballotName(instance, ballot);
    let accepts = this.#accepts.get(name);
    if (accepts === undefined) this.#accepts.set(name, (accepts = { value, by: new Set() }));
    const base = this.chosen.get(instance - 1);
    const { identity } = node;
    if (base === undefined || identity === undefined || node.data.ruined !== undefined) return undefined;
    const key = identityKey(identity);
    if (!base.acceptors.some((one) => identityKey(one) === key)) return undefined;
    accepts.by.add(key);
    if (accepts.by.size < quorumOf(base)) return undefined;
    const lowest = this.chosenBallot.get(instance);
    if (lowest === undefined || compareBallots(ballot, lowest) < 0) this.chosenBallot.set(instance, ballot);
    return accepts.value;
  }

  choose(view: View): void {
    this.chosen.set(view.vid, view);
    this.newestChosen = Math.max(this.newestChosen, view.vid);
  }

  /** All that was about a first view that was given up. */
  unfound(): void {
    this.chosen.clear();
    this.newestChosen = 0;
    this.leads.clear();
    this.proposals.clear();
    this.#promises.clear();
    this.#accepts.clear();
  }

  /** A primary speaks in its view. */
  lead(node: NodeFacts, vid: number, start: number): void {
    if (!this.leads.has(vid)) this.leads.set(vid, { id: node.id, life: node.life, start });
  }

  /** Whether this incarnation durably holds the committed history through `seqno`, or did when its data was ruined. */
  holdsCommitted(who: Identity, seqno: number): boolean {
    const data = this.dataOf.get(identityKey(who));
    return data !== undefined && holdsChain(data.durable, seqno, this.chainAt(seqno));
  }

  /** The node that leads this view now: in the life that began to, for none after it does. */
  leaderOf(vid: number): NodeFacts | undefined {
    const lead = this.leads.get(vid);
    const node = lead === undefined ? undefined : this.nodes.get(lead.id);
    return node?.alive && node.life === lead?.life && node.core?.view?.vid === vid ? node : undefined;
  }

  #promisesOf(instance: number, ballot: Ballot): Map<string, Ballot | undefined> {
    const name = ballotName(instance, ballot);
    let promises = this.#promises.get(name);
    if (promises === undefined) this.#promises.set(name, (promises = new Map()));
    return promises;
  }
}

/** The entry at a place, if the log holds one. */
export function entryIn({ log }: CoreEye, seqno: number): Entry | undefined {
  return seqno > log.base.seqno && seqno <= log.end ? log.entry(seqno) : undefined;
}

export function ballotName(instance: number, ballot: Ballot): string {
  return `${instance}:${ballot.round}:${ballot.node}`;
}

/** Whether a log is equal to the one with this chain through `seqno`. */
export function holdsChain(disk: DiskModel, seqno: number, chain: number | undefined): boolean {
  const { log } = disk;
  if (seqno < log.base.seqno) return true;
  return log.end >= seqno && log.chainAt(seqno) === chain;
}
