/**
 * The value a proposer puts forward after phase 1: the only place where a view is made (design.md 4.2). A view changes
 * in three ways: shrink, takeover, admit; each keeps the in-sync invariant.
 * @module
 */
import {
  compareIds,
  findById,
  type Invitation,
  type Member,
  type NodeId,
  sameIdentity,
  sortById,
  type View,
} from "../protocol/view.ts";

/** An operator's change; it is made together with a shrink. */
export type MembershipChange =
  | { readonly action: "add"; readonly id: NodeId; readonly url: string }
  | { readonly action: "remove"; readonly id: NodeId }
  | { readonly action: "lift"; readonly id: NodeId };

export type Intent =
  /** Go on with the members that answer the roll call; the same set included. */
  | { readonly kind: "shrink"; readonly change?: MembershipChange }
  /** Run the instance to its end, whatever view that gives: an accepted value was met. */
  | { readonly kind: "finish" }
  /** A graceful stop: the members without this node. */
  | { readonly kind: "handOver" }
  /** Only the primary: one learner more. */
  | { readonly kind: "admit"; readonly learner: Member };

export interface Situation {
  readonly view: View;
  readonly self: Member;
  readonly intent: Intent;
  /** Ids of those whose promise of this ballot, with the view's incarnation, the proposer holds. */
  readonly rollCall: ReadonlySet<NodeId>;
  /** Members that answer but do not log, or said that they are leaving. */
  readonly unfit: ReadonlySet<NodeId>;
  /** Known ids that have come back as another incarnation than the view's. */
  readonly returned: ReadonlyMap<NodeId, Member>;
  /** Advertised addresses by id, as last heard from the view's incarnation. */
  readonly urls: ReadonlyMap<NodeId, string>;
  /** Acceptors silent for so long that they are to be forgotten, by id. */
  readonly forgettable: readonly NodeId[];
  readonly minCopies: number;
  /** Whether this node, as primary of the view, may stamp in it: it is the primary and did not find the view on disk. */
  readonly leads: boolean;
}

/** The next view, or `undefined` if none may be made for this intent now. */
export function nextView(situation: Situation): View | undefined {
  return situation.intent.kind === "admit" ? admit(situation, situation.intent.learner) : shrinkOrTakeOver(situation);
}

function admit(situation: Situation, learner: Member): View | undefined {
  const { view, self } = situation;
  if (view.primary !== self.id || !situation.leads) return undefined;
  // No id is admitted while another incarnation of it is a member: that one is removed first.
  if (findById(view.members, learner.id) !== undefined || view.barred.includes(learner.id)) return undefined;
  const others = view.acceptors.filter((acceptor) => acceptor.id !== learner.id);
  return finish(situation, {
    members: [...view.members, learner],
    acceptors: [...replaceReturned(situation, others, view.members), learner],
    primary: view.primary,
    barred: view.barred,
    invited: view.invited.filter((invitation) => invitation.id !== learner.id),
  });
}

function shrinkOrTakeOver(situation: Situation): View | undefined {
  const members = shrunkMembers(situation);
  return members === undefined ? takeOver(situation) : shrink(situation, members);
}

function shrunkMembers(situation: Situation): readonly Member[] | undefined {
  const { view, rollCall, unfit, returned, minCopies, intent, self } = situation;
  const removed = intent.kind === "shrink" && intent.change?.action === "remove" ? intent.change.id : undefined;
  const isCandidate = (member: Member): boolean =>
    rollCall.has(member.id) &&
    !returned.has(member.id) &&
    member.id !== removed &&
    !(intent.kind === "handOver" && member.id === self.id);
  const kept = view.members.filter((member) => isCandidate(member) && !unfit.has(member.id));
  if (kept.length >= minCopies) return kept;
  const candidates = view.members.filter(isCandidate);
  if (candidates.length === view.members.length) {
    // Nobody can be spared: the same members are a view too, unless the point was to remove one that is unfit.
    const isRemoval = intent.kind === "shrink" && intent.change === undefined && unfit.size > 0;
    return isRemoval && situation.leads ? undefined : candidates;
  }
  const survivors = view.members.filter((member) => !returned.has(member.id));
  const onlyReturnedDropped = survivors.length < view.members.length && survivors.every(isCandidate);
  return onlyReturnedDropped && survivors.length > 0 ? survivors : undefined;
}

function shrink(situation: Situation, members: readonly Member[]): View {
  const { view, intent } = situation;
  const change = intent.kind === "shrink" ? intent.change : undefined;
  const primary = findById(members, view.primary)?.id ?? smallestId(members);
  const remaining = replaceReturned(situation, view.acceptors, []).filter(
    (acceptor) => change?.action !== "remove" || acceptor.id !== change.id,
  );
  const acceptors = forget(remaining, members, situation.forgettable);
  return finish(situation, { members, acceptors, primary, ...withChange(view, change) });
}

/**
 * The same members with the proposer as primary: fewer would be fewer than `minCopies`. It needs no roll call, because
 * every member of the view holds what was committed before it, and it cannot become active while one is missing.
 */
function takeOver(situation: Situation): View | undefined {
  const { view, self, intent, leads } = situation;
  const mayKeepAll = intent.kind === "finish" || (intent.kind === "shrink" && intent.change === undefined && !leads);
  if (!mayKeepAll) return undefined;
  return finish(situation, {
    members: view.members,
    acceptors: replaceReturned(situation, view.acceptors, view.members),
    primary: self.id,
    barred: view.barred,
    invited: view.invited,
  });
}

/** Known ids that returned with a new incarnation take their old one's place, but not that of a `kept` member. */
function replaceReturned(
  situation: Situation,
  acceptors: readonly Member[],
  kept: readonly Member[],
): readonly Member[] {
  return acceptors.map((acceptor) => {
    if (kept.some((member) => sameIdentity(member, acceptor))) return acceptor;
    return situation.returned.get(acceptor.id) ?? acceptor;
  });
}

/** The acceptors without those silent ones that can go: never leaving an even number nor fewer than three, and no member. */
export function forget(
  acceptors: readonly Member[],
  members: readonly Member[],
  silent: readonly NodeId[],
): readonly Member[] {
  const idle = acceptors.filter(({ id }) => silent.includes(id) && findById(members, id) === undefined);
  for (let count = idle.length; count > 0; count--) {
    const left = acceptors.length - count;
    if (left < 3 || left % 2 === 0) continue;
    const dropped = idle.slice(0, count);
    return acceptors.filter((acceptor) => !dropped.includes(acceptor));
  }
  return acceptors;
}

function withChange(view: View, change: MembershipChange | undefined): Pick<View, "barred" | "invited"> {
  const { barred, invited } = view;
  switch (change?.action) {
    case undefined:
      return { barred, invited };
    case "add": {
      const invitation: Invitation = { id: change.id, url: change.url };
      return { barred, invited: [...invited.filter((other) => other.id !== change.id), invitation] };
    }
    case "remove":
      return {
        barred: [...barred.filter((id) => id !== change.id), change.id],
        invited: invited.filter((other) => other.id !== change.id),
      };
    case "lift":
      return { barred: barred.filter((id) => id !== change.id), invited };
  }
}

function finish(situation: Situation, next: Omit<View, "vid">): View {
  const current = (member: Member): Member => {
    const url = situation.urls.get(member.id);
    const known = findById(situation.view.acceptors, member.id);
    if (url === undefined || known === undefined || !sameIdentity(known, member)) return member;
    return { ...member, url };
  };
  return {
    vid: situation.view.vid + 1,
    members: sortById(next.members).map(current),
    acceptors: sortById(next.acceptors).map(current),
    barred: [...next.barred].sort(compareIds),
    invited: sortById(next.invited),
    primary: next.primary,
  };
}

function smallestId(members: readonly Member[]): NodeId {
  return members.map((member) => member.id).sort(compareIds)[0] as NodeId;
}
