/**
 * The sequence of views: which one is the newest, who may propose the next, when, and what it may say. Paxos decides;
 * decisions are returned to the layer above.
 * @module
 */
import { Acceptor } from "../paxos/acceptor.ts";
import { Proposer } from "../paxos/proposer.ts";
import { assert } from "../protocol/errors.ts";
import type {
  Accept,
  Accepted,
  Confirm,
  Confirmed,
  Decided,
  Genesis,
  PeerMessage,
  Prepare,
  Promised,
  Refused,
} from "../protocol/messages.ts";
import type { CoreOptions } from "../protocol/options.ts";
import type { SeededRandom } from "../protocol/random.ts";
import type { DurableState } from "../protocol/storage.ts";
import {
  type ClusterId,
  compareIds,
  findById,
  type Identity,
  type Invitation,
  includesIdentity,
  type Member,
  type NodeId,
  primaryOf,
  sameIdentity,
  type View,
} from "../protocol/view.ts";
import type { Campaign } from "./campaign.ts";
import { Founding } from "./genesis.ts";
import { Liveness } from "./liveness.ts";
import { forget, type Intent, type MembershipChange, nextView, type Situation } from "./next-view.ts";
import type { ConfigOutput } from "./output.ts";

export interface ConfigSetup {
  readonly self: Member;
  /** Every node's `cluster` option: these ids may join, and found the cluster together. */
  readonly cluster: readonly Invitation[];
  readonly options: CoreOptions;
  readonly durable: DurableState;
  /** Whether this node's data was never anything but empty. */
  readonly mayFound: boolean;
  readonly random: SeededRandom;
  readonly now: number;
}

interface Unfit {
  readonly reason: string;
  /** It said so itself: nothing that it does makes it fit again. */
  readonly leaving: boolean;
}

/** The messages this layer answers. */
export type ConfigMessage = Extract<
  PeerMessage,
  { type: "prepare" | "promise" | "accept" | "accepted" | "refused" | "decided" | "fetch" | "fresh" | "genesis" }
>;

export class Config {
  readonly self: Member;
  readonly liveness: Liveness;
  readonly #setup: ConfigSetup;
  readonly #options: CoreOptions;
  readonly #output: ConfigOutput;
  readonly #founding: Founding | undefined;
  #clusterId: ClusterId | undefined;
  #recordedClusterId: ClusterId | undefined;
  #freshSaidAt = Number.NEGATIVE_INFINITY;
  #view: View | undefined;
  /** The write that makes the newest view durable: nothing that speaks of it leaves before. */
  #viewWrite = 0;
  /** Found on this node's own disk at start: it never leads this view. */
  #viewFromDisk = false;
  #acceptor: Acceptor;
  #campaign: Campaign | undefined;
  /** Rounds below this were refused. */
  #seenRound = 0;
  #failures = 0;
  #nextAttemptAt = 0;
  #primarySuspectedSince: number | undefined;
  #turnJitter = 0;
  /** An accept that admits has left: the value may be chosen at any time, so the primary stamps no more. */
  #admitLeft = false;
  /** The primary met an accepted value, or its own accept left: the instance must be run to its end. */
  #mustFinish = false;
  #learner: Member | undefined;
  #change: MembershipChange | undefined;
  #handingOver = false;
  readonly #unfit: Map<NodeId, Unfit> = new Map();
  readonly #urls: Map<NodeId, string> = new Map();
  readonly #toldAt: Map<NodeId, number> = new Map();
  readonly #suspected: Set<NodeId> = new Set();

  constructor(setup: ConfigSetup, output: ConfigOutput) {
    const { durable } = setup;
    this.self = setup.self;
    this.#setup = setup;
    this.#options = setup.options;
    this.#output = output;
    this.liveness = new Liveness(setup.now);
    this.#recordedClusterId = durable.identity?.clusterId;
    this.#clusterId = this.#recordedClusterId ?? durable.setAside?.clusterId;
    this.#view = durable.view;
    this.#viewFromDisk = durable.view !== undefined;
    this.#acceptor = new Acceptor((durable.view?.vid ?? 0) + 1, durable.promised, durable.accepted);
    this.#founding = setup.mayFound && durable.view === undefined ? new Founding(setup.self, setup.cluster) : undefined;
  }

  get view(): View | undefined {
    return this.#view;
  }

  get viewWrite(): number {
    return this.#viewWrite;
  }

  get viewFromDisk(): boolean {
    return this.#viewFromDisk;
  }

  get clusterId(): ClusterId | undefined {
    return this.#clusterId;
  }

  get acceptor(): Acceptor {
    return this.#acceptor;
  }

  /** This node's ballot under way, for inspection. */
  get campaign(): Campaign | undefined {
    return this.#campaign;
  }

  isMember(who: Identity = this.self): boolean {
    return this.#view !== undefined && includesIdentity(this.#view.members, who);
  }

  isAcceptor(who: Identity = this.self): boolean {
    return this.#view !== undefined && includesIdentity(this.#view.acceptors, who);
  }

  isPrimary(who: Identity = this.self): boolean {
    return this.#view !== undefined && sameIdentity(primaryOf(this.#view), who);
  }

  /** Whether this node, as primary, may stamp in the newest view. */
  get leads(): boolean {
    return this.isPrimary() && !this.#viewFromDisk;
  }

  /** A view with fewer members exists only to be enlarged: nothing is committed in it. */
  get lacksCopies(): boolean {
    return this.#view !== undefined && this.#view.members.length < this.#options.minCopies;
  }

  get admitLeft(): boolean {
    return this.#admitLeft;
  }

  /** Whether a node of this id may become a member. */
  mayJoin(id: NodeId): "yes" | "barred" | "unknown" {
    const view = this.#view;
    if (view === undefined) return "unknown";
    if (view.barred.includes(id)) return "barred";
    const known =
      findById(this.#setup.cluster, id) ?? findById(view.acceptors, id) ?? findById(view.invited, id) ?? undefined;
    return known === undefined ? "unknown" : "yes";
  }

  /** Every node this one should keep a link to, with the newest address known. */
  peers(): Invitation[] {
    const found = new Map<NodeId, Invitation>();
    const add = ({ id, url }: Invitation): void => {
      if (id !== this.self.id) found.set(id, { id, url: this.#urls.get(id) ?? url });
    };
    for (const node of this.#setup.cluster) add(node);
    for (const node of this.#view?.invited ?? []) add(node);
    for (const node of this.#view?.acceptors ?? []) add(node);
    return [...found.values()].sort((a, b) => compareIds(a.id, b.id));
  }

  linkUp(peer: Identity): void {
    this.liveness.linkUp(peer);
    this.#output.send(peer.id, { type: "fetch", vid: this.#view?.vid ?? 0 }, this.#viewWrite);
    this.#freshSaidAt = Number.NEGATIVE_INFINITY;
    const campaign = this.#campaign;
    if (campaign !== undefined && this.#isUnanswered(campaign, peer.id)) this.#sendCampaign(campaign, [peer.id]);
  }

  linkDown(id: NodeId, refused: boolean): void {
    this.liveness.linkDown(id, refused);
    this.#founding?.forget(id);
  }

  heardDown(id: NodeId): void {
    this.liveness.heardDown(id);
    this.#founding?.forget(id);
  }

  /** The address a node advertises now, written in the next view; whether that is news. */
  learnUrl(peer: Member): boolean {
    const before = this.#urls.get(peer.id) ?? findById(this.peers(), peer.id)?.url;
    this.#urls.set(peer.id, peer.url);
    return before !== peer.url;
  }

  onMessage(from: Identity, message: ConfigMessage, now: number): View | undefined {
    switch (message.type) {
      case "prepare":
        return this.#onPrepare(from, message, now);
      case "promise":
        return this.#onPromise(from, message, now);
      case "accept":
        return this.#onAccept(from, message, now);
      case "accepted":
        return this.#onAccepted(from, message, now);
      case "refused":
        return this.#onRefused(message, now);
      case "decided":
        return this.#onDecided(message, now);
      case "fetch":
        return this.#onFetch(from, message.vid);
      case "fresh":
        return this.#onFresh(from, now);
      case "genesis":
        return this.#onGenesis(from, message, now);
    }
  }

  /** A write of this node has become durable: its own promise or acceptance may now be counted. */
  onDurable(write: number, now: number): View | undefined {
    const campaign = this.#campaign;
    if (campaign === undefined || campaign.ownWrite === 0 || write < campaign.ownWrite) return undefined;
    campaign.ownWrite = 0;
    if (campaign.proposer.value === undefined) {
      campaign.proposer.onPromise(this.self, this.#acceptor.accepted);
      return this.#advance(campaign, now);
    }
    return this.#countAccepted(campaign, this.self, now);
  }

  tick(now: number): View | undefined {
    this.#sayFresh(now);
    const founded = this.#tryToFound(now);
    if (founded !== undefined) return founded;
    if (this.#view === undefined || !this.isMember()) return undefined;
    this.#watch(now);
    if (this.#campaign === undefined) this.#maybeCampaign(now);
    const campaign = this.#campaign;
    if (campaign === undefined) return undefined;
    if (this.#isMoot(campaign, now)) {
      this.abandon(now);
      return undefined;
    }
    if (now - campaign.sentAt >= this.#options.heartbeatMs) {
      campaign.sentAt = now;
      this.#sendCampaign(
        campaign,
        campaign.proposer.base.acceptors
          .map((acceptor) => acceptor.id)
          .filter((id) => this.#isUnanswered(campaign, id)),
      );
    }
    return this.#advance(campaign, now);
  }

  /** Only the primary, which has stopped stamping: propose the view with this learner. */
  admit(learner: Member, now: number): void {
    if (this.#learner !== undefined && sameIdentity(this.#learner, learner)) return;
    this.#learner = learner;
    this.#nextAttemptAt = now;
    if (this.#campaign?.proposer.value === undefined) this.#campaign = undefined;
    this.#maybeCampaign(now);
  }

  /** Gives up what has not gone beyond phase 1; `false` if an admitting accept has left, which can't be taken back. */
  cancelAdmit(now: number): boolean {
    if (this.#admitLeft) return false;
    this.#learner = undefined;
    if (this.#campaign?.intent.kind === "admit") this.abandon(now);
    return true;
  }

  handOver(now: number): void {
    this.#handingOver = true;
    this.#nextAttemptAt = now;
    if (this.#campaign?.proposer.value === undefined) this.#campaign = undefined;
    this.#maybeCampaign(now);
  }

  change(change: MembershipChange, now: number): void {
    this.#change = change;
    this.#nextAttemptAt = now;
    if (this.#campaign?.proposer.value === undefined) this.#campaign = undefined;
    this.#maybeCampaign(now);
  }

  /** Whether the view could go on without this member: else it just stops, and the others wait for its return. */
  canSpare(who: Identity, now: number): boolean {
    const fit = this.#view?.members.filter(
      (member) => !sameIdentity(member, who) && this.suspicion(member, now) === undefined,
    );
    return fit !== undefined && fit.length >= this.#options.minCopies;
  }

  cancelChange(now: number): void {
    this.#change = undefined;
    if (this.#campaign?.intent.kind === "shrink" && this.#campaign.intent.change !== undefined) this.abandon(now);
  }

  /** A member answers but does not log, or is leaving: the next view does without it. */
  markUnfit(id: NodeId, reason: string, leaving = false): void {
    if (leaving || !this.#unfit.has(id)) this.#unfit.set(id, { reason, leaving });
  }

  /** It logs again. */
  markFit(id: NodeId): void {
    if (this.#unfit.get(id)?.leaving === false) this.#unfit.delete(id);
  }

  /** Whether a view without the suspected members could have enough of them: else a ballot would be in vain. */
  canShrink(now: number): boolean {
    const view = this.#view as View;
    const fit = view.members.filter((member) => this.suspicion(member, now) === undefined);
    if (fit.length >= this.#options.minCopies) return true;
    const survivors = view.members.filter((member) => !this.liveness.hasReturned(member));
    return survivors.length < view.members.length && survivors.every((member) => fit.includes(member));
  }

  /** An acceptor reported an accepted value for the next instance: until it is decided no read can be confirmed. */
  runInstance(): void {
    if (!this.#mustFinish) this.#output.path("acceptedValueMet");
    this.#mustFinish = true;
  }

  /** Answers whether this node knows no newer view than the primary's; `undefined` if it does, and says so. */
  confirm(from: Identity, message: Confirm, now: number): Confirmed | undefined {
    const view = this.#view;
    if (view !== undefined && view.vid > message.vid) {
      this.tellView(from.id, now);
      return undefined;
    }
    const accepted = view?.vid === message.vid && this.#acceptor.accepted !== undefined;
    return { type: "confirmed", vid: message.vid, round: message.round, accepted };
  }

  /** Tells a node that is behind, now and then. */
  tellView(id: NodeId, now: number): void {
    const view = this.#view;
    if (
      view === undefined ||
      now - (this.#toldAt.get(id) ?? Number.NEGATIVE_INFINITY) < this.#options.heartbeatMs / 4
    ) {
      return;
    }
    this.#toldAt.set(id, now);
    this.#output.send(id, { type: "decided", view }, this.#viewWrite);
  }

  /** Why a member is suspected now, if it is. */
  suspicion(member: Member, now: number): string | undefined {
    if (sameIdentity(member, this.self)) return undefined;
    if (this.liveness.hasReturned(member)) return "another incarnation of it lives";
    if (this.liveness.isGone(member)) return "nobody listens at its address";
    const unfit = this.#unfit.get(member.id);
    if (unfit !== undefined) return unfit.reason;
    const silence = this.liveness.silence(member, now);
    return silence > this.#options.suspectMs ? `silent for ${Math.floor(silence)} ms` : undefined;
  }

  /** Whether a majority of the acceptors has given this node a life sign within `suspectMs`. */
  hearsMajority(now: number): boolean {
    const view = this.#view;
    if (view === undefined) return false;
    const heard = view.acceptors.filter(
      (acceptor) =>
        sameIdentity(acceptor, this.self) || this.liveness.silence(acceptor, now) <= this.#options.suspectMs,
    );
    return heard.length * 2 > view.acceptors.length;
  }

  abandon(now: number): void {
    if (this.#campaign === undefined) return;
    this.#campaign = undefined;
    this.#failures = Math.min(this.#failures + 1, 4);
    const backOff = (this.#options.heartbeatMs / 4) * 2 ** this.#failures;
    this.#nextAttemptAt = now + backOff * (0.5 + this.#setup.random.next());
    this.#output.path("campaignAbandoned");
  }

  #isFresh(): boolean {
    return this.#view === undefined && this.#clusterId === undefined && this.#setup.mayFound;
  }

  #sayFresh(now: number): void {
    const founding = this.#founding;
    if (founding === undefined || founding.isFounder || !this.#isFresh()) return;
    const incarnation = this.liveness.incarnationOf(founding.founder);
    if (incarnation === undefined || !this.liveness.isLinked(founding.founder)) return;
    if (now - this.#freshSaidAt < this.#options.suspectMs) return;
    this.#freshSaidAt = now;
    founding.saidFreshTo({ id: founding.founder, incarnation });
    this.#output.send(founding.founder, { type: "fresh" }, 0);
  }

  #onFresh(from: Identity, now: number): View | undefined {
    if (this.#view !== undefined) return this.#sendGenesis(from);
    this.#founding?.onFresh(from);
    return this.#tryToFound(now);
  }

  #tryToFound(now: number): View | undefined {
    if (this.#founding === undefined || !this.#founding.isFounder || !this.#isFresh()) return undefined;
    const view = this.#founding.firstView();
    if (view === undefined) return undefined;
    this.#takeClusterId(this.#makeClusterId());
    this.#adopt(view, now);
    for (const member of view.members) if (member.id !== this.self.id) this.#sendGenesis(member);
    return view;
  }

  #makeClusterId(): ClusterId {
    // Unguessable enough to tell clusters apart: the founder's incarnation is random and used once.
    return `c${this.self.incarnation}`;
  }

  #sendGenesis(to: Identity): undefined {
    if (this.#view === undefined || this.#clusterId === undefined) return undefined;
    const message: Genesis = { type: "genesis", clusterId: this.#clusterId, view: this.#view };
    this.#output.send(to.id, message, this.#viewWrite);
    return undefined;
  }

  #onGenesis(from: Identity, message: Genesis, now: number): View | undefined {
    if (this.#clusterId !== undefined && this.#clusterId !== message.clusterId) return undefined;
    if (this.#isFresh() && !(this.#founding?.mayTake(message, from) ?? true)) return undefined;
    if (this.#view !== undefined && message.view.vid <= this.#view.vid) return undefined;
    this.#takeClusterId(message.clusterId);
    return this.#adopt(message.view, now);
  }

  #takeClusterId(clusterId: ClusterId): void {
    if (this.#recordedClusterId === clusterId) return;
    this.#clusterId = clusterId;
    this.#recordedClusterId = clusterId;
    this.#output.persist({ kind: "identity", incarnation: this.self.incarnation, clusterId });
  }

  #onFetch(from: Identity, vid: number): undefined {
    const view = this.#view;
    if (view === undefined || view.vid <= vid) return undefined;
    if (vid === 0) return this.#sendGenesis(from);
    this.#output.send(from.id, { type: "decided", view }, this.#viewWrite);
    return undefined;
  }

  #onDecided(message: Decided, now: number): View | undefined {
    // Without a cluster id a view is taken from `genesis` only, which has its own conditions.
    if (this.#view === undefined || message.view.vid <= this.#view.vid) return undefined;
    return this.#adopt(message.view, now);
  }

  #adopt(view: View, now: number): View {
    const previous = this.#view;
    assert(previous === undefined || view.vid > previous.vid, "views only go forward");
    this.#viewWrite = this.#output.persist({ kind: "view", view });
    this.#view = view;
    this.#viewFromDisk = false;
    this.#acceptor = new Acceptor(view.vid + 1);
    this.#campaign = undefined;
    this.#admitLeft = false;
    this.#mustFinish = false;
    this.#learner = undefined;
    this.#change = undefined;
    this.#failures = 0;
    this.#nextAttemptAt = now;
    this.#primarySuspectedSince = undefined;
    this.#unfit.clear();
    this.#suspected.clear();
    this.#graceNewcomers(previous, view, now);
    return view;
  }

  /** Members do not talk to each other, only with the primary: whoever is new in that place is not yet heard. */
  #graceNewcomers(previous: View | undefined, view: View, now: number): void {
    if (view.primary !== previous?.primary) {
      this.liveness.grace(view.primary, now);
      if (this.isPrimary()) for (const acceptor of view.acceptors) this.liveness.grace(acceptor.id, now);
    }
    for (const member of view.members) {
      if (previous === undefined || !includesIdentity(previous.members, member)) this.liveness.grace(member.id, now);
    }
  }

  #onPrepare(from: Identity, message: Prepare, now: number): View | undefined {
    const adopted = this.#learnView(from, message.view, now);
    const view = this.#view;
    if (view === undefined || message.view.vid < view.vid) {
      this.tellView(from.id, now);
      return adopted;
    }
    if (!this.isAcceptor() || !includesIdentity(view.members, from) || message.ballot.node !== from.id) return adopted;
    const acceptor = this.#acceptor;
    const sticky = this.#sticksToPrimary(from, now);
    if (sticky || !acceptor.prepare(message.ballot)) {
      if (sticky) this.#output.path("stickyRefusal");
      this.#refuse(from, message.ballot, sticky);
      return adopted;
    }
    this.#dropOvertakenCampaign(message.ballot.node, now);
    const after = this.#output.persist({ kind: "promised", instance: acceptor.instance, ballot: message.ballot });
    this.#output.send(
      from.id,
      { type: "promise", instance: acceptor.instance, ballot: message.ballot, accepted: acceptor.accepted },
      after,
    );
    return adopted;
  }

  /** A decided view is learned from a proposer too; a fresh node learns only from `genesis`. */
  #learnView(from: Identity, view: View, now: number): View | undefined {
    if (this.#view === undefined) {
      this.#output.send(from.id, { type: "fetch", vid: 0 }, 0);
      return undefined;
    }
    return view.vid > this.#view.vid ? this.#adopt(view, now) : undefined;
  }

  /** An acceptor that still hears its primary does not help to replace it. */
  #sticksToPrimary(from: Identity, now: number): boolean {
    const view = this.#view as View;
    if (from.id === view.primary || this.#viewFromDisk) return false;
    const primary = primaryOf(view);
    if (sameIdentity(primary, this.self)) return this.hearsMajority(now) && !this.#handingOver;
    const heardAt = this.liveness.heardAt(primary);
    return heardAt !== undefined && now - heardAt <= this.#options.suspectMs && this.liveness.isListening(primary);
  }

  #refuse(to: Identity, ballot: Promised["ballot"], sticky: boolean): void {
    const { instance, round } = this.#acceptor;
    this.#output.send(to.id, { type: "refused", instance, ballot, round, sticky }, this.#viewWrite);
  }

  #dropOvertakenCampaign(node: NodeId, now: number): void {
    if (this.#campaign === undefined || node === this.self.id) return;
    this.#output.path("duelOfProposers");
    this.abandon(now);
  }

  #onAccept(from: Identity, message: Accept, now: number): View | undefined {
    const view = this.#view;
    const acceptor = this.#acceptor;
    if (view === undefined || message.instance > acceptor.instance) {
      this.#output.send(from.id, { type: "fetch", vid: view?.vid ?? 0 }, this.#viewWrite);
      return undefined;
    }
    if (message.instance < acceptor.instance) {
      this.tellView(from.id, now);
      return undefined;
    }
    if (!this.isAcceptor() || !includesIdentity(view.members, from)) return undefined;
    if (message.value.vid !== message.instance || message.ballot.node !== from.id) return undefined;
    if (!acceptor.accept(message.ballot, message.value)) {
      this.#refuse(from, message.ballot, false);
      return undefined;
    }
    this.#dropOvertakenCampaign(message.ballot.node, now);
    const accepted = acceptor.accepted;
    assert(accepted !== undefined, "an acceptor holds what it accepted");
    const after = this.#output.persist({ kind: "accepted", instance: acceptor.instance, accepted });
    const reply: Accepted = { type: "accepted", instance: acceptor.instance, ballot: message.ballot };
    this.#output.send(from.id, reply, after);
    return undefined;
  }

  #onPromise(from: Identity, message: Promised, now: number): View | undefined {
    const campaign = this.#campaignOf(message);
    if (campaign === undefined || campaign.proposer.value !== undefined) return undefined;
    campaign.proposer.onPromise(from, message.accepted);
    return this.#advance(campaign, now);
  }

  #onAccepted(from: Identity, message: Accepted, now: number): View | undefined {
    const campaign = this.#campaignOf(message);
    return campaign === undefined ? undefined : this.#countAccepted(campaign, from, now);
  }

  #onRefused(message: Refused, now: number): undefined {
    const campaign = this.#campaignOf(message);
    if (campaign === undefined) return undefined;
    this.#seenRound = Math.max(this.#seenRound, message.round);
    if (!message.sticky) this.abandon(now);
    return undefined;
  }

  #campaignOf(message: Pick<Promised, "instance" | "ballot">): Campaign | undefined {
    const campaign = this.#campaign;
    if (campaign === undefined || campaign.proposer.instance !== message.instance) return undefined;
    const { ballot } = campaign.proposer;
    return ballot.round === message.ballot.round && ballot.node === message.ballot.node ? campaign : undefined;
  }

  #countAccepted(campaign: Campaign, from: Identity, now: number): View | undefined {
    const { proposer } = campaign;
    if (!proposer.onAccepted(from) || proposer.value === undefined) return undefined;
    const recipients = new Set([...proposer.base.acceptors, ...proposer.value.acceptors].map((node) => node.id));
    const view = this.#adopt(proposer.value, now);
    recipients.delete(this.self.id);
    for (const id of recipients) this.#output.send(id, { type: "decided", view }, this.#viewWrite);
    return view;
  }

  /** From phase 1 to phase 2, once a majority has promised and the roll call is complete or has waited long enough. */
  #advance(campaign: Campaign, now: number): undefined {
    const { proposer } = campaign;
    if (proposer.value !== undefined || !proposer.hasPromiseQuorum()) return undefined;
    campaign.quorumAt ??= now;
    if (proposer.adopted === undefined && campaign.intent.kind !== "admit" && !this.#rollCallIsOver(campaign, now)) {
      return undefined;
    }
    const value = proposer.adopted ?? nextView(this.#situation(campaign, now));
    if (value === undefined) {
      this.abandon(now);
      return undefined;
    }
    if (proposer.adopted !== undefined) this.#output.path("acceptedValueAdopted");
    this.#propose(campaign, value, now);
    return undefined;
  }

  #rollCallIsOver(campaign: Campaign, now: number): boolean {
    if (now - (campaign.quorumAt ?? now) > 2 * this.#options.heartbeatMs) return true;
    return campaign.proposer.base.members.every(
      (member) =>
        campaign.proposer.promised.has(member.id) ||
        this.#suspected.has(member.id) ||
        this.#unfit.has(member.id) ||
        this.liveness.isGone(member),
    );
  }

  #propose(campaign: Campaign, value: View, now: number): void {
    const { proposer } = campaign;
    proposer.propose(value);
    if (!this.#acceptor.accept(proposer.ballot, value)) {
      this.abandon(now);
      return;
    }
    const accepted = this.#acceptor.accepted;
    assert(accepted !== undefined, "an acceptor holds what it accepted");
    this.#mustFinish = true;
    if (value.members.some((member) => !this.isMember(member))) this.#admitLeft ||= this.isPrimary();
    campaign.ownWrite = this.#output.persist({ kind: "accepted", instance: proposer.instance, accepted });
    campaign.message = { type: "accept", instance: proposer.instance, ballot: proposer.ballot, value };
    campaign.sentAt = now;
    this.#sendCampaign(
      campaign,
      proposer.base.acceptors.map((acceptor) => acceptor.id),
    );
  }

  #isUnanswered(campaign: Campaign, id: NodeId): boolean {
    const { proposer } = campaign;
    return !(proposer.value === undefined ? proposer.promised : proposer.accepted).has(id);
  }

  #sendCampaign(campaign: Campaign, ids: readonly NodeId[]): void {
    // Its own promise is durable before its prepare leaves: a ballot is never used again after a restart.
    const after = campaign.proposer.value === undefined ? campaign.ownWrite : this.#viewWrite;
    for (const id of ids)
      if (id !== this.self.id) this.#output.send(id, campaign.message, Math.max(after, this.#viewWrite));
  }

  #situation(campaign: Campaign, now: number): Situation {
    const view = campaign.proposer.base;
    return {
      view,
      self: this.self,
      intent: campaign.intent,
      rollCall: campaign.proposer.promised,
      unfit: new Set(this.#unfit.keys()),
      returned: this.#returned(view),
      urls: new Map([...this.#urls, [this.self.id, this.self.url]]),
      forgettable: this.#forgettable(view, now),
      minCopies: this.#options.minCopies,
      leads: this.leads,
    };
  }

  #returned(view: View): Map<NodeId, Member> {
    const returned = new Map<NodeId, Member>();
    for (const acceptor of view.acceptors) {
      if (sameIdentity(acceptor, this.self) || !this.liveness.hasReturned(acceptor)) continue;
      const incarnation = this.liveness.incarnationOf(acceptor.id);
      if (incarnation === undefined) continue;
      returned.set(acceptor.id, { id: acceptor.id, incarnation, url: this.#urls.get(acceptor.id) ?? acceptor.url });
    }
    return returned;
  }

  #forgettable(view: View, now: number): NodeId[] {
    const { forgetAfterMs } = this.#options;
    if (forgetAfterMs === undefined || !this.leads) return [];
    return view.acceptors
      .filter((acceptor) => !this.isMember(acceptor) && this.liveness.silence(acceptor, now) > forgetAfterMs)
      .map((acceptor) => acceptor.id);
  }

  /** Notes new suspicions, for people, and since when the primary is suspected. */
  #watch(now: number): void {
    const view = this.#view as View;
    const watched = this.isPrimary() ? view.members : [primaryOf(view)];
    for (const member of watched) {
      const reason = this.suspicion(member, now);
      if (reason === undefined) {
        this.#suspected.delete(member.id);
      } else if (!this.#suspected.has(member.id)) {
        this.#suspected.add(member.id);
        this.#output.suspected(member.id, reason);
      }
    }
    if (!this.#suspected.has(view.primary)) {
      this.#primarySuspectedSince = undefined;
    } else if (this.#primarySuspectedSince === undefined) {
      this.#primarySuspectedSince = now;
      this.#turnJitter = this.#setup.random.next();
    }
  }

  #isMoot(campaign: Campaign, now: number): boolean {
    if (campaign.proposer.value !== undefined) return false;
    return this.#motive(now) === undefined;
  }

  #maybeCampaign(now: number): void {
    if (this.#campaign !== undefined || now < this.#nextAttemptAt || this.#view === undefined) return;
    const intent = this.#motive(now);
    if (intent === undefined) return;
    const round = Math.max(this.#acceptor.round, this.#seenRound) + 1;
    const ballot = { round, node: this.self.id };
    const promised = this.#acceptor.prepare(ballot);
    assert(promised, "a proposer's new ballot is above all it has promised");
    const ownWrite = this.#output.persist({ kind: "promised", instance: this.#acceptor.instance, ballot });
    const proposer = new Proposer(this.#view, ballot);
    this.#campaign = {
      intent,
      proposer,
      ownWrite,
      message: { type: "prepare", view: this.#view, ballot },
      sentAt: now,
      quorumAt: undefined,
    };
    this.#sendCampaign(
      this.#campaign,
      this.#view.acceptors.map((acceptor) => acceptor.id),
    );
  }

  /** What this node has to propose now, if anything. */
  #motive(now: number): Intent | undefined {
    if (!this.isMember()) return undefined;
    return this.isPrimary() ? this.#primaryMotive(now) : this.#backupMotive(now);
  }

  #primaryMotive(now: number): Intent | undefined {
    if (this.#viewFromDisk || this.#mustFinish) return { kind: "shrink" };
    if (this.#handingOver) return this.canSpare(this.self, now) ? { kind: "handOver" } : undefined;
    if (this.#learner !== undefined) return { kind: "admit", learner: this.#learner };
    if (this.#change !== undefined) return { kind: "shrink", change: this.#change };
    if (this.#suspected.size > 0) return this.canShrink(now) ? { kind: "shrink" } : undefined;
    const view = this.#view as View;
    const forgets = forget(view.acceptors, view.members, this.#forgettable(view, now)).length < view.acceptors.length;
    return forgets ? { kind: "shrink" } : undefined;
  }

  #backupMotive(now: number): Intent | undefined {
    const since = this.#primarySuspectedSince;
    if (since === undefined) return undefined;
    return now - since >= this.#turnDelay() ? { kind: "shrink" } : undefined;
  }

  /** The first member in id order after the primary goes first, the others wait one step longer each. */
  #turnDelay(): number {
    const view = this.#view as View;
    const ids = view.members.map((member) => member.id);
    const primaryAt = ids.indexOf(view.primary);
    const order = [...ids.slice(primaryAt + 1), ...ids.slice(0, primaryAt)];
    const before = order.slice(0, order.indexOf(this.self.id)).filter((id) => {
      const member = findById(view.members, id);
      return member !== undefined && !this.liveness.isGone(member);
    });
    return before.length * this.#options.heartbeatMs * (1 + this.#turnJitter / 2);
  }
}
