/**
 * Rule 15. The run knows when faults have ended and hands over what it sees; what that means is said here. Two choices of a
 * view that can only end badly are looked at when they are made.
 * @module
 */
import { findById, type Identity, includesIdentity, type View } from "../../../protocol/view.ts";
import type { Facts } from "../facts.ts";
import type { CoreEye, Proposal, Rule } from "../observer.ts";

export const goodEnd: Rule = {
  number: 15,
  statement:
    "Never, after faults end, a live client still waiting, hashes unequal, memory or timers still growing; never a cluster with a majority of acceptors up, and with a holder of everything committed among them, that forms no writable view.",
  watch(facts, violated) {
    return {
      proposed(node, proposal) {
        const base = facts.chosen.get(proposal.instance - 1);
        const fault = base === undefined || !proposal.isNew ? undefined : faultOfSize(facts, proposal, base);
        if (fault !== undefined) violated(`${node.id} proposes view ${proposal.instance} ${fault}`);
        const dead = base === undefined ? undefined : countedAgain(facts, proposal.value, base);
        if (dead !== undefined)
          violated(
            `${node.id} proposes view ${proposal.instance} with ${dead} of before, whose place other data has taken`,
          );
      },
      committed(node, view, _from, through) {
        const least = facts.options?.minCopies ?? 1;
        if (view.members.length >= least) return;
        violated(`${node.id} commits ${through} on fewer than ${least} copies: the loss of one disk would be the end`);
      },
    };
  },
};

/**
 * An acceptor that the view before does not count, and an earlier one did: it died before its successor came, and has not been
 * found again.
 */
function countedAgain(facts: Facts, value: View, base: View): string | undefined {
  const isCounted = (view: View, acceptor: Identity): boolean => includesIdentity(view.acceptors, acceptor);
  const again = value.acceptors.find(
    (acceptor) =>
      findById(base.acceptors, acceptor.id) !== undefined &&
      facts.node(acceptor.id).identity?.incarnation !== acceptor.incarnation &&
      !isCounted(base, acceptor) &&
      [...facts.chosen.values()].some((view) => view.vid < base.vid && isCounted(view, acceptor)),
  );
  return again?.id;
}

/** Numbers that must not grow while nobody asks for anything, by name. */
export type Sizes = Readonly<Record<string, number>>;

/** What one node keeps. */
export function sizesOf(core: CoreEye): Sizes {
  return { entries: core.log.end - core.log.base.seqno, sessions: core.state.sessions.size, applied: core.applied };
}

/** What has grown between two looks at a quiet cluster, by more than it may by chance. */
export function grown(before: Sizes, after: Sizes, slack: Sizes = {}): string | undefined {
  const names = Object.keys(after).filter((name) => (after[name] ?? 0) > (before[name] ?? 0) + (slack[name] ?? 0));
  if (names.length === 0) return undefined;
  const said = names.map((name) => `${name} from ${before[name] ?? 0} to ${after[name]}`);
  return `something grows while nothing is asked: ${said.join(", ")}`;
}

/** Acceptors stay when members go, so that their return helps; and one lost disk must not be the end of everything. */
function faultOfSize(facts: Facts, { value }: Proposal, base: View): string | undefined {
  const { options } = facts;
  if (options === undefined) return undefined;
  const forgotten = base.acceptors.find(
    ({ id }) => findById(value.acceptors, id) === undefined && !value.barred.includes(id),
  );
  const left = value.acceptors.length;
  if (forgotten !== undefined && options.forgetAfterMs === undefined)
    return `without the acceptor ${forgotten.id}, which no operator has removed`;
  if (forgotten !== undefined && (left < 3 || left % 2 === 0))
    return `without the acceptor ${forgotten.id}, which leaves ${left}`;
  if (value.members.length >= Math.min(options.minCopies, base.members.length)) return undefined;
  const alive = base.members.find(
    (member) =>
      !includesIdentity(value.members, member) &&
      facts.nodes.get(member.id)?.identity?.incarnation === member.incarnation,
  );
  return alive === undefined ? undefined : `with fewer than ${options.minCopies} copies, dropping ${alive.id}`;
}
