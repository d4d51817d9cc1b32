/**
 * The three ways in which a view may follow another (design.md 4.2), as rule 3 looks at them: shrink, takeover, admit; and
 * what only operators change.
 * @module
 */
import {
  compareIds,
  findById,
  includesIdentity,
  type Member,
  sameIdentity,
  type View,
} from "../../../protocol/view.ts";
import { identityKey } from "../disk-model.ts";
import { type Facts, holdsChain, type NodeFacts } from "../facts.ts";
import type { Proposal } from "../observer.ts";

/** What is wrong with a value that its proposer has made itself. */
export function faultOfChange(facts: Facts, proposer: NodeFacts, proposal: Proposal, base: View): string | undefined {
  const { value } = proposal;
  const self = proposer.identity;
  if (self === undefined || !includesIdentity(base.members, self)) return "and is no member of the one before";
  const other = faultOfAcceptors(value) ?? faultOfOperators(facts, value, base);
  if (other !== undefined) return other;
  const added = value.members.filter((member) => !includesIdentity(base.members, member));
  const removed = base.members.filter((member) => !includesIdentity(value.members, member));
  const [learner] = added;
  if (learner === undefined) return faultOfShrink(facts, proposer, proposal, base, removed);
  if (added.length > 1 || removed.length > 0) return `with members ${ids(value.members)} after ${ids(base.members)}`;
  return faultOfAdmission(facts, proposer, base, value, learner);
}

/** Members are always acceptors, in the same incarnation; nobody who is barred is either. */
function faultOfAcceptors({ members, acceptors, barred }: View): string | undefined {
  const other = members.find((member) => !includesIdentity(acceptors, member));
  if (other !== undefined) return `with the member ${identityKey(other)}, which is no acceptor`;
  const counted = acceptors.find(({ id }) => barred.includes(id));
  return counted === undefined ? undefined : `with ${counted.id}, which an operator has removed`;
}

/** Who is removed and who may join is for operators to say; an invitation ends when it is taken. */
function faultOfOperators({ changesAsked }: Facts, value: View, base: View): string | undefined {
  const barred = value.barred.find((id) => !base.barred.includes(id) && !changesAsked.has(`remove ${id}`));
  if (barred !== undefined) return `that bars ${barred}, and no operator has asked for that`;
  const lifted = base.barred.find((id) => !value.barred.includes(id) && !changesAsked.has(`lift ${id}`));
  if (lifted !== undefined) return `that bars ${lifted} no more, and no operator has asked for that`;
  const lost = base.invited.find(
    ({ id }) =>
      findById(value.invited, id) === undefined &&
      findById(value.acceptors, id) === undefined &&
      !value.barred.includes(id),
  );
  return lost === undefined ? undefined : `without the invitation of ${lost.id}`;
}

function faultOfShrink(
  facts: Facts,
  proposer: NodeFacts,
  { instance, ballot, value }: Proposal,
  base: View,
  removed: readonly Member[],
): string | undefined {
  const isTakeover = removed.length === 0 && value.primary === proposer.id;
  if (isTakeover) return undefined;
  const heir =
    findById(value.members, base.primary)?.id ?? [...value.members].sort((a, b) => compareIds(a.id, b.id))[0]?.id;
  if (value.primary !== heir) return `with the primary ${value.primary} instead of ${heir}`;
  const promises = facts.promises(instance, ballot);
  const absent = value.members.find((member) => member.id !== proposer.id && !promises.has(identityKey(member)));
  return absent === undefined ? undefined : `with ${identityKey(absent)}, which has not answered the roll call`;
}

function faultOfAdmission(
  facts: Facts,
  proposer: NodeFacts,
  base: View,
  value: View,
  learner: Member,
): string | undefined {
  const self = proposer.identity;
  if (base.primary !== proposer.id) return `with ${learner.id}, and only ${base.primary} may admit`;
  if (value.primary !== base.primary) return `with another primary and ${learner.id}`;
  if (self !== undefined && sameIdentity(self, learner)) return "with itself";
  const other = findById(base.members, learner.id);
  if (other !== undefined) return `with ${identityKey(learner)} beside ${identityKey(other)}`;
  const { log } = proposer.data.written;
  const data = facts.dataOf.get(identityKey(learner));
  // Its promise binds it until it knows a newer view; a proposer that stood still meanwhile may be late with its proposal.
  if (data !== undefined && data.durable.vid > base.vid) return undefined;
  const level = data?.durable.level;
  if (data === undefined || level === undefined || level.vid !== base.vid || level.through.seqno < log.end)
    return `with ${learner.id}, which has not promised to hold the log through ${log.end}`;
  return holdsChain(data.durable, log.end, log.chainAt(log.end))
    ? undefined
    : `with ${learner.id}, which does not hold the log through ${log.end}`;
}

function ids(members: readonly Member[]): string {
  return `{${members.map(identityKey).join(", ")}}`;
}
