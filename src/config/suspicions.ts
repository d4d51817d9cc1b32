/**
 * Who is suspected, why and since when (design.md 4.2, failure detection), and what that means for the next view.
 * @module
 */
import type { CoreOptions } from "../protocol/options.ts";
import type { SeededRandom } from "../protocol/random.ts";
import {
  findById,
  type Identity,
  includesIdentity,
  type Member,
  type NodeId,
  primaryOf,
  sameIdentity,
  type View,
} from "../protocol/view.ts";
import { Liveness } from "./liveness.ts";
import type { NewestView } from "./newest-view.ts";
import { forget } from "./next-view.ts";
import type { ConfigOutput } from "./output.ts";

interface Unfit {
  readonly reason: string;
  /** It said so itself: nothing that this life of it does makes it fit again. */
  readonly leaving: boolean;
}

export class Suspicions {
  readonly liveness: Liveness;
  readonly #newest: NewestView;
  readonly #options: CoreOptions;
  readonly #output: ConfigOutput;
  readonly #random: SeededRandom;
  /** Members that answer but do not log, or that are leaving. */
  readonly #unfit: Map<NodeId, Unfit> = new Map();
  readonly #suspected: Set<NodeId> = new Set();
  #primarySuspectedSince: number | undefined;
  #turnJitter = 0;

  constructor(newest: NewestView, options: CoreOptions, output: ConfigOutput, random: SeededRandom, now: number) {
    this.#newest = newest;
    this.#options = options;
    this.#output = output;
    this.#random = random;
    this.liveness = new Liveness(now);
  }

  get unfit(): ReadonlySet<NodeId> {
    return new Set(this.#unfit.keys());
  }

  /** Whether any member this node watches is suspected. */
  get isAny(): boolean {
    return this.#suspected.size > 0;
  }

  isSuspected(id: NodeId): boolean {
    return this.#suspected.has(id) || this.#unfit.has(id);
  }

  markUnfit(id: NodeId, reason: string, leaving: boolean): void {
    if (leaving || !this.#unfit.has(id)) this.#unfit.set(id, { reason, leaving });
  }

  /** Another connection of it may be that of a later life, which stays; a life that is leaving says so again. */
  heardUp(peer: Identity): void {
    this.liveness.heardUp(peer);
    if (this.#unfit.get(peer.id)?.leaving === true) this.#unfit.delete(peer.id);
  }

  markFit(id: NodeId): void {
    if (this.#unfit.get(id)?.leaving === false) this.#unfit.delete(id);
  }

  /** A newer view: suspicions begin anew, and whoever is new in its place is given time to be heard. */
  onView(previous: View | undefined, view: View, now: number): void {
    this.#primarySuspectedSince = undefined;
    this.#unfit.clear();
    this.#suspected.clear();
    this.liveness.newView(previous?.acceptors ?? [], view.acceptors);
    // Members do not talk to each other, only with the primary.
    if (view.primary !== previous?.primary) {
      this.liveness.grace(view.primary, now);
      if (this.#newest.isPrimary()) for (const acceptor of view.acceptors) this.liveness.grace(acceptor.id, now);
    }
    for (const member of view.members) {
      if (previous === undefined || !includesIdentity(previous.members, member)) this.liveness.grace(member.id, now);
    }
  }

  /** Why a member is suspected now, if it is. */
  reason(member: Member, now: number): string | undefined {
    if (sameIdentity(member, this.#newest.self)) return undefined;
    if (this.liveness.hasReturned(member)) return "another incarnation of it lives";
    if (this.liveness.isGone(member)) return "nobody listens at its address";
    const unfit = this.#unfit.get(member.id);
    if (unfit !== undefined) return unfit.reason;
    const silence = this.liveness.silence(member, now);
    return silence > this.#options.suspectMs ? `silent for ${Math.floor(silence)} ms` : undefined;
  }

  /** Notes new suspicions, for people, and since when the primary is suspected. */
  watch(now: number): void {
    const view = this.#newest.view as View;
    for (const member of this.#newest.isPrimary() ? view.members : [primaryOf(view)]) {
      const reason = this.reason(member, now);
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
      this.#turnJitter = this.#random.next();
    }
  }

  /** A backup's turn to replace the primary: first the next in id order, the others wait one step longer each. */
  isTurnToReplace(now: number): boolean {
    const since = this.#primarySuspectedSince;
    return since !== undefined && now - since >= this.#turnDelay();
  }

  /** Whether a majority of the acceptors has given this node a life sign within `suspectMs`. */
  hearsMajority(now: number): boolean {
    const { view } = this.#newest;
    return view !== undefined && this.hearsMajorityOf(view.acceptors, now);
  }

  hearsMajorityOf(acceptors: readonly Identity[], now: number): boolean {
    return acceptors.filter((acceptor) => this.hears(acceptor, now)).length * 2 > acceptors.length;
  }

  /** Whether it has given this node a life sign within `suspectMs`; it hears itself. */
  hears(who: Identity, now: number): boolean {
    return sameIdentity(who, this.#newest.self) || this.liveness.silence(who, now) <= this.#options.suspectMs;
  }

  /** Whether a view without the suspected members could have enough of them: else a ballot would be in vain. */
  canShrink(now: number): boolean {
    const view = this.#newest.view as View;
    const fit = view.members.filter((member) => this.reason(member, now) === undefined);
    if (fit.length >= this.#options.minCopies) return true;
    const survivors = view.members.filter((member) => !this.liveness.hasReturned(member));
    return survivors.length < view.members.length && survivors.every((member) => fit.includes(member));
  }

  /**
   * Whether the view could go on without this node: else it just stops, and the others wait for its return. Backups do
   * not hear each other: only the primary can hold silence against a member.
   */
  canSpareSelf(now: number): boolean {
    const { view, self } = this.#newest;
    const isPrimary = this.#newest.isPrimary();
    const left = view?.members.filter((member) => {
      if (sameIdentity(member, self)) return false;
      return isPrimary ? this.reason(member, now) === undefined : !this.liveness.isGone(member);
    });
    return left !== undefined && left.length >= this.#options.minCopies;
  }

  /** Acceptors that are no members and have been silent for `forgetAfterMs`. */
  forgettable(now: number): NodeId[] {
    const { forgetAfterMs } = this.#options;
    const { view } = this.#newest;
    if (forgetAfterMs === undefined || view === undefined || !this.#newest.leads) return [];
    return view.acceptors
      .filter((acceptor) => !this.#newest.isMember(acceptor) && !this.liveness.hasReturned(acceptor))
      .filter((acceptor) => this.liveness.silence(acceptor, now) > forgetAfterMs)
      .map((acceptor) => acceptor.id);
  }

  /** Whether forgetting is due: some of them can go without leaving an even number or fewer than three. */
  canForget(now: number): boolean {
    const view = this.#newest.view as View;
    const forgettable = this.forgettable(now);
    if (forgettable.length === 0) return false;
    return forget(view.acceptors, view.members, forgettable).length < view.acceptors.length;
  }

  #turnDelay(): number {
    const view = this.#newest.view as View;
    const ids = view.members.map((member) => member.id);
    const primaryAt = ids.indexOf(view.primary);
    const order = [...ids.slice(primaryAt + 1), ...ids.slice(0, primaryAt)];
    const before = order.slice(0, order.indexOf(this.#newest.self.id)).filter((id) => {
      const member = findById(view.members, id);
      return member !== undefined && !this.liveness.isGone(member);
    });
    return before.length * this.#options.heartbeatMs * (1 + this.#turnJitter / 2);
  }
}
