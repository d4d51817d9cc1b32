/**
 * The sequence of views: which one is the newest, who may propose the next, when, and what it may say. Paxos decides;
 * decisions are returned to the layer above.
 * @module
 */
import type { Acceptor } from "../paxos/acceptor.ts";
import type { MachineAbility, MachineVersion } from "../protocol/machine.ts";
import { cannotRun, canRun, oldestOf } from "../protocol/machine-versions.ts";
import type {
  Accept,
  Accepted,
  Confirm,
  Confirmed,
  Decided,
  Genesis,
  PeerMessage,
  Prepare,
} from "../protocol/messages.ts";
import type { CoreOptions } from "../protocol/options.ts";
import type { SeededRandom } from "../protocol/random.ts";
import type { DurableState } from "../protocol/storage.ts";
import {
  type ClusterId,
  type Identity,
  type Invitation,
  includesIdentity,
  type Member,
  type NodeId,
  primaryOf,
  type View,
} from "../protocol/view.ts";
import { AddressBook } from "./address-book.ts";
import type { Campaign } from "./campaign.ts";
import { Campaigns } from "./campaigns.ts";
import { Founding } from "./genesis.ts";
import type { Liveness } from "./liveness.ts";
import { NewestView } from "./newest-view.ts";
import type { MembershipChange } from "./next-view.ts";
import type { ConfigOutput } from "./output.ts";
import { Suspicions } from "./suspicions.ts";
import { Voting } from "./voting.ts";

export interface ConfigSetup {
  readonly self: Member;
  /** Every node's `cluster` option: these ids may join, and found the cluster together. */
  readonly cluster: readonly Invitation[];
  readonly options: CoreOptions;
  /** What its program can run. */
  readonly able: readonly MachineAbility[];
  readonly durable: DurableState;
  /** Whether this node's data was never anything but empty. */
  readonly mayFound: boolean;
  readonly random: SeededRandom;
  readonly now: number;
}

/** The messages this layer answers. */
export type ConfigMessage = Extract<
  PeerMessage,
  { type: "prepare" | "promise" | "accept" | "accepted" | "refused" | "decided" | "fetch" | "fresh" | "genesis" }
>;

export class Config {
  readonly self: Member;
  readonly addresses: AddressBook;
  readonly suspicions: Suspicions;
  readonly #options: CoreOptions;
  readonly #output: ConfigOutput;
  readonly #newest: NewestView;
  readonly #voting: Voting;
  readonly #campaigns: Campaigns;
  readonly #founding: Founding | undefined;
  readonly #able: readonly MachineAbility[];
  /** The machine versions in which the cluster's log begins. */
  #origin: readonly MachineVersion[] | undefined;
  #clusterId: ClusterId | undefined;
  #recordedClusterId: ClusterId | undefined;
  #clusterIdWrite = 0;
  #freshSaidAt = Number.NEGATIVE_INFINITY;
  #askedAt = Number.NEGATIVE_INFINITY;
  readonly #toldAt: Map<NodeId, number> = new Map();

  constructor({ self, cluster, options, able, durable, mayFound, random, now }: ConfigSetup, output: ConfigOutput) {
    const newest = new NewestView(self, durable);
    const suspicions = new Suspicions(newest, options, output, random, now);
    const addresses = new AddressBook(newest, cluster);
    this.self = self;
    this.#options = options;
    this.#output = output;
    this.#newest = newest;
    this.suspicions = suspicions;
    this.addresses = addresses;
    this.#voting = new Voting(newest, suspicions, options, output);
    this.#campaigns = new Campaigns({ newest, suspicions, addresses, options, output, random });
    this.#able = able;
    // Data that does not say in which versions it begins has been there the longest.
    this.#origin = durable.machines?.origin ?? (durable.view === undefined ? undefined : oldestOf(able));
    this.#recordedClusterId = durable.identity?.clusterId;
    this.#clusterId = this.#recordedClusterId ?? durable.setAside?.clusterId;
    this.#founding = mayFound && durable.view === undefined ? new Founding(self, cluster) : undefined;
  }

  get view(): View | undefined {
    return this.#newest.view;
  }

  /** The write that makes the newest view durable: nothing that speaks of it leaves before. */
  get viewWrite(): number {
    return this.#newest.write;
  }

  get clusterId(): ClusterId | undefined {
    return this.#clusterId;
  }

  /** The write that made the cluster id durable: nobody is told it before. */
  get clusterIdWrite(): number {
    return this.#clusterIdWrite;
  }

  /** The machine versions in which the cluster's log begins; `undefined` before genesis. */
  get origin(): readonly MachineVersion[] | undefined {
    return this.#origin;
  }

  get acceptor(): Acceptor {
    return this.#newest.acceptor;
  }

  get liveness(): Liveness {
    return this.suspicions.liveness;
  }

  get campaign(): Campaign | undefined {
    return this.#campaigns.current;
  }

  isMember(who?: Identity): boolean {
    return this.#newest.isMember(who);
  }

  isPrimary(who?: Identity): boolean {
    return this.#newest.isPrimary(who);
  }

  /** Whether this node, as primary, may stamp in the newest view. */
  get leads(): boolean {
    return this.#newest.leads;
  }

  /** A view with fewer members exists only to be enlarged: nothing is committed in it. */
  get lacksCopies(): boolean {
    return this.view !== undefined && this.view.members.length < this.#options.minCopies;
  }

  /** An accept that admits has left: this primary stamps nothing more in its view. */
  get admitLeft(): boolean {
    return this.#campaigns.admitLeft;
  }

  linkUp(peer: Identity): void {
    this.liveness.linkUp(peer);
    this.#founding?.linkUp(peer);
    this.#freshSaidAt = Number.NEGATIVE_INFINITY;
    this.#output.send(peer.id, { type: "fetch", vid: this.#newest.vid }, this.viewWrite);
    this.#campaigns.linkUp(peer.id);
  }

  linkDown(id: NodeId, refused: boolean): void {
    this.liveness.linkDown(id, refused);
    this.#founding?.linkDown(id);
  }

  heardDown(id: NodeId): void {
    this.liveness.heardDown(id);
    this.#founding?.forget(id);
  }

  onMessage(from: Identity, message: ConfigMessage, now: number): View | undefined {
    switch (message.type) {
      case "prepare":
        return this.#onPrepare(from, message, now);
      case "promise":
        this.#campaigns.onPromise(from, message, now);
        return undefined;
      case "accept":
        return this.#onAccept(from, message, now);
      case "accepted":
        return this.#onAccepted(from, message, now);
      case "refused":
        this.#campaigns.onRefused(message, now);
        return undefined;
      case "decided":
        return this.#onDecided(message, now);
      case "fetch":
        return this.#onFetch(from, message.vid);
      case "fresh":
        return this.#onFresh(from, message.able, now);
      case "genesis":
        return this.#onGenesis(from, message, now);
    }
  }

  onDurable(write: number, now: number): View | undefined {
    return this.#decide(this.#campaigns.onDurable(write, now), now);
  }

  tick(now: number): View | undefined {
    this.#sayFresh(now);
    this.#askForView(now);
    const founded = this.#tryToFound(now);
    if (founded !== undefined) return founded;
    if (this.isMember()) this.suspicions.watch(now);
    this.#campaigns.tick(now);
    return undefined;
  }

  /** Only the primary, which has stopped stamping: propose the view with this learner. */
  admit(learner: Member, now: number): void {
    this.#campaigns.admit(learner, now);
  }

  /** `false` if an admitting accept has left: it can't be taken back. */
  cancelAdmit(now: number): boolean {
    return this.#campaigns.cancelAdmit(now);
  }

  handOver(now: number): void {
    this.#campaigns.handOver(now);
  }

  change(change: MembershipChange, now: number): void {
    this.#campaigns.change(change, now);
  }

  cancelChange(now: number): void {
    this.#campaigns.cancelChange(now);
  }

  /** An acceptor has accepted a value for the next instance: until that is decided no read can be confirmed. */
  runInstance(): void {
    this.#campaigns.runInstance();
  }

  /** `undefined` if this node knows a newer view than the asker's: it is told instead. */
  confirm(from: Identity, message: Confirm, now: number): Confirmed | undefined {
    if (this.#newest.vid <= message.vid) return this.#voting.confirm(message);
    this.tellView(from.id, now);
    return undefined;
  }

  /** Tells a node that is behind, now and then. */
  tellView(id: NodeId, now: number): void {
    const { view } = this;
    const toldAt = this.#toldAt.get(id) ?? Number.NEGATIVE_INFINITY;
    if (view === undefined || now - toldAt < this.#options.heartbeatMs / 4) return;
    this.#toldAt.set(id, now);
    this.#output.send(id, { type: "decided", view }, this.viewWrite);
  }

  #onPrepare(from: Identity, message: Prepare, now: number): View | undefined {
    if (this.view === undefined) {
      // A node without a view learns one from `genesis` only, which has its own conditions.
      this.#output.send(from.id, { type: "fetch", vid: 0 }, 0);
      return undefined;
    }
    const adopted = message.view.vid > this.#newest.vid ? this.#adopt(message.view, now) : undefined;
    if (message.view.vid < this.#newest.vid) this.tellView(from.id, now);
    else if (this.#voting.onPrepare(from, message, this.#campaigns.isHandingOver, now)) this.#campaigns.overtaken(now);
    return adopted;
  }

  #onAccept(from: Identity, message: Accept, now: number): undefined {
    const next = this.#newest.vid + 1;
    if (message.instance > next) this.#output.send(from.id, { type: "fetch", vid: next - 1 }, this.viewWrite);
    else if (message.instance < next) this.tellView(from.id, now);
    else if (this.#voting.onAccept(from, message)) this.#campaigns.overtaken(now);
    return undefined;
  }

  #onAccepted(from: Identity, message: Accepted, now: number): View | undefined {
    return this.#decide(this.#campaigns.onAccepted(from, message), now);
  }

  /** A value this node proposed was chosen: everyone it concerns is told once it is durable here. */
  #decide(chosen: View | undefined, now: number): View | undefined {
    if (chosen === undefined) return undefined;
    const concerned = new Set([...(this.view?.acceptors ?? []), ...chosen.acceptors].map((node) => node.id));
    concerned.delete(this.self.id);
    this.#adopt(chosen, now);
    for (const id of concerned) this.#output.send(id, { type: "decided", view: chosen }, this.viewWrite);
    return chosen;
  }

  #onDecided(message: Decided, now: number): View | undefined {
    if (this.view === undefined || message.view.vid <= this.#newest.vid) return undefined;
    return this.#adopt(message.view, now);
  }

  #onFetch(from: Identity, vid: number): undefined {
    if (this.view === undefined || this.#newest.vid <= vid) return undefined;
    if (vid === 0) return this.#sendGenesis(from);
    this.#output.send(from.id, { type: "decided", view: this.view }, this.viewWrite);
    return undefined;
  }

  #adopt(view: View, now: number): View {
    const previous = this.view;
    this.#newest.adopt(view, this.#output.persist({ kind: "view", view }));
    this.#campaigns.onView(now);
    this.suspicions.onView(previous, view, now);
    const founder = this.#founding?.founder;
    // It may still count this node as fresh, from what it said before.
    if (previous === undefined && founder !== undefined && founder !== this.self.id) this.#sendGenesis({ id: founder });
    return view;
  }

  /** A founder that crashed with the cluster id on its disk and not yet the view has told nobody: it is fresh still. */
  #isFresh(): boolean {
    if (this.#founding === undefined || this.view !== undefined) return false;
    return this.#clusterId === undefined || (this.#founding.isFounder && this.#clusterId === this.#ownClusterId);
  }

  /** A founder's incarnation is random and used once: enough to tell clusters apart. */
  get #ownClusterId(): ClusterId {
    return `c${this.self.incarnation}`;
  }

  #sayFresh(now: number): void {
    const founding = this.#founding;
    if (founding === undefined || founding.isFounder || !this.#isFresh()) return;
    if (!founding.isLinked || now - this.#freshSaidAt < this.#options.suspectMs) return;
    this.#freshSaidAt = now;
    founding.saidFresh();
    this.#output.send(founding.founder, { type: "fresh", able: this.#able }, 0);
  }

  /** Until it hears from a primary: an answer may be lost, and nobody speaks to whom the newest view does not count. */
  #askForView(now: number): void {
    if (now - this.#askedAt < this.#options.suspectMs || !this.#mayBeBehind(now)) return;
    this.#askedAt = now;
    const question = { type: "fetch", vid: this.#newest.vid } as const;
    for (const { id } of this.addresses.peers()) {
      if (this.liveness.isLinked(id)) this.#output.send(id, question, this.viewWrite);
    }
  }

  /** Proposing tells a member only as long as one of those who would choose the next view is still there. */
  #mayBeBehind(now: number): boolean {
    const { view } = this;
    if (view === undefined) return true;
    if (this.isPrimary()) return !this.suspicions.hearsMajority(now);
    return this.liveness.silence(primaryOf(view), now) > this.#options.suspectMs;
  }

  #onFresh(from: Identity, able: readonly MachineAbility[], now: number): View | undefined {
    if (this.view !== undefined) return this.#sendGenesis(from);
    this.#founding?.onFresh(from, able);
    return this.#tryToFound(now);
  }

  #tryToFound(now: number): View | undefined {
    if (!this.#isFresh() || this.#founding?.isFounder !== true) return undefined;
    const view = this.#founding.firstView();
    if (view === undefined) return undefined;
    const origin = this.#founding.origin(this.#able);
    this.#takeClusterId(this.#ownClusterId, origin);
    this.#adopt(view, now);
    for (const member of view.members) if (member.id !== this.self.id) this.#sendGenesis(member);
    return view;
  }

  #sendGenesis(to: Pick<Identity, "id">): undefined {
    if (this.view === undefined || this.#clusterId === undefined || this.#origin === undefined) return undefined;
    const message: Genesis = { type: "genesis", clusterId: this.#clusterId, origin: this.#origin, view: this.view };
    this.#output.send(to.id, message, this.viewWrite);
    return undefined;
  }

  #onGenesis(from: Identity, message: Genesis, now: number): View | undefined {
    if (this.#clusterId !== undefined && this.#clusterId !== message.clusterId) return undefined;
    // Whoever knows a view is not fresh any more, whatever it said before.
    this.#founding?.forget(from.id);
    if (this.#isFresh() && this.#founding?.mayTake(message, from) !== true) return undefined;
    if (message.view.vid <= this.#newest.vid) return undefined;
    // A late answer to a node that has joined meanwhile is just a newer view: what it has promised since stays.
    if (this.view === undefined) this.#becomePart(message);
    return this.#adopt(message.view, now);
  }

  /**
   * A member counts as a copy of what is to come, so its program must be able to execute that. It may not, if another
   * program than this one said fresh: nothing is taken then, and the other finds everything as it left it.
   */
  #becomePart({ clusterId, origin, view }: Genesis): void {
    if (includesIdentity(view.members, this.self) && !canRun(this.#able, origin)) {
      throw cannotRun(this.#able, origin, "this node is a member of a cluster whose log begins with");
    }
    this.#takeClusterId(clusterId, origin);
  }

  #takeClusterId(clusterId: ClusterId, origin: readonly MachineVersion[]): void {
    this.#origin = origin;
    this.#output.persist({ kind: "machines", origin, promised: [] });
    if (this.#recordedClusterId === clusterId) return;
    const isNews = this.#clusterId === undefined;
    this.#clusterId = clusterId;
    this.#recordedClusterId = clusterId;
    const write = this.#output.persist({ kind: "identity", incarnation: this.self.incarnation, clusterId });
    if (isNews) this.#clusterIdWrite = write;
  }
}
