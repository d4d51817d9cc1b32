/**
 * This node as a proposer: what it has to propose, and one campaign at a time to have it decided.
 * @module
 */
import { Proposer } from "../paxos/proposer.ts";
import { assert } from "../protocol/errors.ts";
import type { Accepted, Promised, Refused } from "../protocol/messages.ts";
import type { CoreOptions } from "../protocol/options.ts";
import type { SeededRandom } from "../protocol/random.ts";
import { type Identity, type Member, type NodeId, primaryOf, sameIdentity, type View } from "../protocol/view.ts";
import type { AddressBook } from "./address-book.ts";
import type { Campaign } from "./campaign.ts";
import type { NewestView } from "./newest-view.ts";
import { type Intent, type MembershipChange, nextView, type Situation } from "./next-view.ts";
import type { ConfigOutput } from "./output.ts";
import type { Suspicions } from "./suspicions.ts";

export interface CampaignsSetup {
  readonly newest: NewestView;
  readonly suspicions: Suspicions;
  readonly addresses: AddressBook;
  readonly options: CoreOptions;
  readonly output: ConfigOutput;
  readonly random: SeededRandom;
}

/** So often `suspectMs` of the primary's silence, and the members have had their turns, all of them. */
const ORPHANED_AFTER = 4;

export class Campaigns {
  readonly #newest: NewestView;
  readonly #suspicions: Suspicions;
  readonly #addresses: AddressBook;
  readonly #options: CoreOptions;
  readonly #output: ConfigOutput;
  readonly #random: SeededRandom;
  #campaign: Campaign | undefined;
  /** The highest round that refused one of this node's. */
  #seenRound = 0;
  #failures = 0;
  #nextAttemptAt = 0;
  /** An accept that admits has left: the value may be chosen at any time, so the primary stamps no more. */
  #admitLeft = false;
  /** The primary met an accepted value, or its own accept left: the instance must be run to its end. */
  #mustFinish = false;
  #learner: Member | undefined;
  #change: MembershipChange | undefined;
  #isHandingOver = false;

  constructor(setup: CampaignsSetup) {
    this.#newest = setup.newest;
    this.#suspicions = setup.suspicions;
    this.#addresses = setup.addresses;
    this.#options = setup.options;
    this.#output = setup.output;
    this.#random = setup.random;
  }

  get current(): Campaign | undefined {
    return this.#campaign;
  }

  get admitLeft(): boolean {
    return this.#admitLeft;
  }

  get isHandingOver(): boolean {
    return this.#isHandingOver;
  }

  onView(now: number): void {
    this.#campaign = undefined;
    this.#admitLeft = false;
    this.#mustFinish = false;
    this.#learner = undefined;
    this.#change = undefined;
    this.#seenRound = 0;
    this.#failures = 0;
    this.#nextAttemptAt = now;
  }

  linkUp(id: NodeId): void {
    const campaign = this.#campaign;
    if (campaign !== undefined && isUnanswered(campaign, id)) this.#send(campaign, [id]);
  }

  admit(learner: Member, now: number): void {
    if (this.#learner !== undefined && sameIdentity(this.#learner, learner)) return;
    this.#learner = learner;
    this.#beginAnew(now);
  }

  /** Gives up what has not gone beyond phase 1; `false` if an admitting accept has left, which can't be taken back. */
  cancelAdmit(now: number): boolean {
    if (this.#admitLeft) return false;
    this.#learner = undefined;
    if (this.#campaign?.intent.kind === "admit") this.abandon(now);
    return true;
  }

  handOver(now: number): void {
    if (this.#isHandingOver) return;
    this.#isHandingOver = true;
    this.#beginAnew(now);
  }

  change(change: MembershipChange, now: number): void {
    this.#change = change;
    this.#beginAnew(now);
  }

  cancelChange(now: number): void {
    this.#change = undefined;
    const intent = this.#campaign?.intent;
    if (intent?.kind === "shrink" && intent.change !== undefined) this.abandon(now);
  }

  runInstance(): void {
    if (!this.#mustFinish) this.#output.path("acceptedValueMet");
    this.#mustFinish = true;
  }

  /** Another node's ballot was promised or accepted here: this node's own can no longer win. */
  overtaken(now: number): void {
    if (this.#campaign === undefined) return;
    this.#output.path("duelOfProposers");
    this.abandon(now);
  }

  tick(now: number): void {
    if (this.#campaign === undefined) this.#maybeBegin(now);
    const campaign = this.#campaign;
    if (campaign === undefined) return;
    if (campaign.proposer.value === undefined && this.#motive(now) === undefined) {
      this.abandon(now);
      return;
    }
    if (now - campaign.sentAt >= this.#options.heartbeatMs) {
      campaign.sentAt = now;
      this.#send(
        campaign,
        acceptorIds(campaign).filter((id) => isUnanswered(campaign, id)),
      );
    }
    this.#advance(campaign, now);
  }

  onPromise(from: Identity, message: Promised, now: number): void {
    const campaign = this.#campaignOf(message);
    if (campaign === undefined || campaign.proposer.value !== undefined) return;
    campaign.proposer.onPromise(from, message.accepted);
    this.#advance(campaign, now);
  }

  /** The value, once it is chosen. */
  onAccepted(from: Identity, message: Accepted): View | undefined {
    const campaign = this.#campaignOf(message);
    return campaign?.proposer.onAccepted(from) === true ? campaign.proposer.value : undefined;
  }

  onRefused(message: Refused, now: number): void {
    if (this.#campaignOf(message) === undefined) return;
    this.#seenRound = Math.max(this.#seenRound, message.round);
    if (!message.sticky) this.abandon(now);
  }

  /** A write has become durable: this node's own promise or acceptance may now be counted. */
  onDurable(write: number, now: number): View | undefined {
    const campaign = this.#campaign;
    if (campaign === undefined || campaign.ownWrite === 0 || write < campaign.ownWrite) return undefined;
    campaign.ownWrite = 0;
    const { proposer } = campaign;
    if (proposer.value !== undefined) return proposer.onAccepted(this.#newest.self) ? proposer.value : undefined;
    proposer.onPromise(this.#newest.self, this.#newest.acceptor.accepted);
    this.#advance(campaign, now);
    return undefined;
  }

  abandon(now: number): void {
    if (this.#campaign === undefined) return;
    this.#campaign = undefined;
    this.#failures = Math.min(this.#failures + 1, 4);
    const backOff = (this.#options.heartbeatMs / 4) * 2 ** this.#failures;
    this.#nextAttemptAt = now + backOff * (0.5 + this.#random.next());
    this.#output.path("campaignAbandoned");
  }

  /** For a new purpose: a campaign in phase 1 gives way to it, one in phase 2 goes on. */
  #beginAnew(now: number): void {
    this.#nextAttemptAt = now;
    if (this.#campaign?.proposer.value === undefined) this.#campaign = undefined;
    this.#maybeBegin(now);
  }

  #maybeBegin(now: number): void {
    const { view, acceptor, self } = this.#newest;
    if (this.#campaign !== undefined || now < this.#nextAttemptAt || view === undefined) return;
    const intent = this.#motive(now);
    if (intent === undefined) return;
    const ballot = { round: Math.max(acceptor.round, this.#seenRound) + 1, node: self.id };
    const promised = acceptor.prepare(ballot);
    assert(promised, "a proposer's new ballot is above all it has promised");
    const ownWrite = this.#output.persist({ kind: "promised", instance: acceptor.instance, ballot });
    const proposer = new Proposer(view, ballot);
    const message = { type: "prepare", view, ballot } as const;
    this.#campaign = { intent, proposer, ownWrite, message, sentAt: now, quorumAt: undefined };
    this.#send(this.#campaign, acceptorIds(this.#campaign));
  }

  /** What this node has to propose now, if anything. */
  #motive(now: number): Intent | undefined {
    if (!this.#newest.isMember()) return this.#isOrphaned(now) ? { kind: "finish" } : undefined;
    if (this.#newest.isPrimary()) return this.#primaryMotive(now);
    return this.#suspicions.isTurnToReplace(now) ? { kind: "shrink" } : undefined;
  }

  #primaryMotive(now: number): Intent | undefined {
    const suspicions = this.#suspicions;
    if (this.#newest.isFromDisk) return { kind: "shrink" };
    if (this.#isHandingOver && suspicions.canSpareSelf(now)) return { kind: "handOver" };
    if (this.#learner !== undefined) return { kind: "admit", learner: this.#learner };
    if (this.#change !== undefined) return { kind: "shrink", change: this.#change };
    if (suspicions.isAny && suspicions.canShrink(now)) return { kind: "shrink" };
    if (this.#mustFinish) return { kind: "finish" };
    return suspicions.canForget(now) ? { kind: "shrink" } : undefined;
  }

  /**
   * An acceptor that is no member holds a value that may have been chosen, and no member has run the instance to its end for
   * long: the one that did may be gone, with all others that could. So it does. It proposes nothing of its own: with its
   * own promise it adopts what it has accepted, or what another has accepted under a higher ballot.
   */
  #isOrphaned(now: number): boolean {
    const { view, acceptor } = this.#newest;
    if (view === undefined || acceptor.accepted === undefined || !this.#newest.isAcceptor()) return false;
    return this.#suspicions.liveness.silence(primaryOf(view), now) > ORPHANED_AFTER * this.#options.suspectMs;
  }

  /** From phase 1 to phase 2, once a majority has promised and the roll call is complete or has waited long enough. */
  #advance(campaign: Campaign, now: number): void {
    const { proposer } = campaign;
    if (proposer.value !== undefined || !proposer.hasPromiseQuorum()) return;
    if (proposer.adopted === undefined && !this.#newest.isMember()) return;
    campaign.quorumAt ??= now;
    const needsRollCall = proposer.adopted === undefined && campaign.intent.kind !== "admit";
    if (needsRollCall && !this.#isRollCallOver(campaign, now)) return;
    const value = proposer.adopted ?? nextView(this.#situation(campaign, now));
    if (value === undefined) {
      this.abandon(now);
      return;
    }
    if (proposer.adopted !== undefined) this.#output.path("acceptedValueAdopted");
    if (!this.#newest.isMember()) this.#output.path("orphanFinished");
    this.#propose(campaign, value, now);
  }

  #isRollCallOver(campaign: Campaign, now: number): boolean {
    if (now - (campaign.quorumAt ?? now) > 2 * this.#options.heartbeatMs) return true;
    return campaign.proposer.base.members.every(
      (member) =>
        campaign.proposer.promised.has(member.id) ||
        this.#suspicions.isSuspected(member.id) ||
        this.#suspicions.liveness.isGone(member),
    );
  }

  #propose(campaign: Campaign, value: View, now: number): void {
    const { proposer } = campaign;
    const { acceptor } = this.#newest;
    proposer.propose(value);
    if (!acceptor.accept(proposer.ballot, value)) {
      this.abandon(now);
      return;
    }
    const { instance, accepted } = acceptor;
    assert(accepted !== undefined, "an acceptor holds what it accepted");
    this.#mustFinish = true;
    const admits = value.members.some((member) => !this.#newest.isMember(member));
    if (admits && this.#newest.isPrimary()) this.#admitLeft = true;
    campaign.ownWrite = this.#output.persist({ kind: "accepted", instance, accepted });
    campaign.message = { type: "accept", instance, ballot: proposer.ballot, value };
    campaign.sentAt = now;
    this.#send(campaign, acceptorIds(campaign));
  }

  #situation(campaign: Campaign, now: number): Situation {
    const view = campaign.proposer.base;
    return {
      view,
      self: this.#newest.self,
      intent: campaign.intent,
      rollCall: campaign.proposer.promised,
      unfit: this.#suspicions.unfit,
      returned: this.#addresses.returned(view, this.#suspicions),
      urls: this.#addresses.urls,
      forgettable: this.#suspicions.forgettable(now),
      minCopies: this.#options.minCopies,
      leads: this.#newest.leads,
    };
  }

  #campaignOf({ instance, ballot }: Pick<Promised, "instance" | "ballot">): Campaign | undefined {
    const campaign = this.#campaign;
    if (campaign === undefined || campaign.proposer.instance !== instance) return undefined;
    const own = campaign.proposer.ballot;
    return own.round === ballot.round && own.node === ballot.node ? campaign : undefined;
  }

  #send(campaign: Campaign, ids: readonly NodeId[]): void {
    // Its own promise is durable before its prepare leaves: a ballot is never used again after a restart.
    const ownPromise = campaign.proposer.value === undefined ? campaign.ownWrite : 0;
    const after = Math.max(ownPromise, this.#newest.write);
    for (const id of ids) if (id !== this.#newest.self.id) this.#output.send(id, campaign.message, after);
  }
}

function acceptorIds(campaign: Campaign): NodeId[] {
  return campaign.proposer.base.acceptors.map((acceptor) => acceptor.id);
}

function isUnanswered({ proposer }: Campaign, id: NodeId): boolean {
  return !(proposer.value === undefined ? proposer.promised : proposer.accepted).has(id);
}
