/**
 * Rule 1. Paxos is looked at where it would go wrong, not only where two values meet: what a ballot must carry is known when
 * it is put forward.
 * @module
 */
import { type Ballot, compareBallots } from "../../../protocol/ballot.ts";
import type { StorageRecord } from "../../../protocol/storage.ts";
import { quorumOf, type View } from "../../../protocol/view.ts";
import { identityKey, viewKey } from "../disk-model.ts";
import { ballotName, type Facts, type NodeFacts } from "../facts.ts";
import type { CoreEye, Proposal, Rule } from "../observer.ts";

export const oneValue: Rule = {
  number: 1,
  statement: "Never two values decided for one instance; never two values accepted under one ballot.",
  watch(facts, violated) {
    const campaigns = new Map<string, number>();
    const one = (instance: number, ballot: Ballot, value: View, who: string): void => {
      const known = facts.proposals.get(instance)?.find((proposal) => compareBallots(proposal.ballot, ballot) === 0);
      if (known !== undefined && known.key !== viewKey(value))
        violated(`${who}: ballot ${ballotName(instance, ballot)} has two values, ${known.key} and ${viewKey(value)}`);
    };
    const decide = (view: View, who: string): void => {
      const known = facts.chosen.get(view.vid);
      if (known !== undefined && viewKey(known) !== viewKey(view))
        violated(`${who}: view ${view.vid} is decided as ${viewKey(known)} and as ${viewKey(view)}`);
    };
    return {
      sent(node, _to, message) {
        if (message.type === "accept") one(message.instance, message.ballot, message.value, node.id);
        else if (message.type === "decided") decide(message.view, node.id);
        else if (message.type === "prepare") {
          const name = ballotName(message.view.vid + 1, message.ballot);
          // Another view 1, after one that was given up with its founder's disk, has instances of its own.
          const campaign = `${name} after ${viewKey(message.view)}`;
          const life = campaigns.get(campaign);
          if (life === undefined) campaigns.set(campaign, node.life);
          else if (life !== node.life) violated(`${node.id} uses ballot ${name} again in another life`);
        }
      },
      writing(node, record) {
        if (record.kind === "accepted") one(record.instance, record.accepted.ballot, record.accepted.value, node.id);
        const broken = brokenPromise(node, record);
        if (broken !== undefined) violated(`${node.id} ${broken}`);
      },
      records(node, core, record) {
        const forgotten = forgottenBallot(core, record);
        if (forgotten !== undefined)
          violated(`${node.id} remembers no promise of ${forgotten}, which it has just made`);
      },
      durable(node, records) {
        // A founder that dies before its view 1 is durable has told nobody, and makes another.
        for (const record of records) if (record.kind === "view") decide(record.view, node.id);
      },
      proposed(node, proposal) {
        const fault = faultOf(facts, node, proposal);
        if (fault !== undefined) violated(`${node.id} proposes under ${nameOf(proposal)} ${fault}`);
      },
      alsoChosen(view) {
        decide(view, "a majority");
      },
      chosen(view) {
        const ballot = facts.chosenBallot.get(view.vid);
        if (ballot === undefined) return;
        for (const other of facts.proposals.get(view.vid) ?? []) {
          if (compareBallots(other.ballot, ballot) <= 0 || other.key === viewKey(view)) continue;
          violated(
            `${viewKey(view)} is chosen under ${ballotName(view.vid, ballot)}; ${nameOf(other)} has another value`,
          );
        }
      },
    };
  },
};

function nameOf({ instance, ballot }: Proposal): string {
  return ballotName(instance, ballot);
}

/** What an acceptor has promised is on its disk, or on its way there, when it writes the next thing. */
function brokenPromise(node: NodeFacts, record: StorageRecord): string | undefined {
  if (record.kind !== "promised" && record.kind !== "accepted") return undefined;
  const promised = node.data.written.promisedIn(record.instance);
  const ballot = record.kind === "promised" ? record.ballot : record.accepted.ballot;
  if (promised === undefined || compareBallots(ballot, promised) >= 0) return undefined;
  return `has ${record.kind} ${ballotName(record.instance, ballot)} below its promise of round ${promised.round} to ${promised.node}`;
}

function faultOf(facts: Facts, proposer: NodeFacts, proposal: Proposal): string | undefined {
  const { instance, ballot, key } = proposal;
  const lowest = facts.chosenBallot.get(instance);
  const chosen = facts.chosen.get(instance);
  if (chosen !== undefined && lowest !== undefined && compareBallots(ballot, lowest) > 0 && key !== viewKey(chosen))
    return `another value than the one chosen under ${ballotName(instance, lowest)}`;
  const base = facts.chosen.get(instance - 1);
  if (base === undefined) return undefined;
  return promiseFault(facts, proposer, proposal, base);
}

/**
 * The proposer counted some of the promises that left for it, its own among them, and at least a majority: the value must be
 * the one of the highest ballot that those report. (Which ones it counted nobody can see; that no choice fits can be seen.)
 */
function promiseFault(facts: Facts, proposer: NodeFacts, proposal: Proposal, base: View): string | undefined {
  const { instance, ballot, key } = proposal;
  const { identity } = proposer;
  if (identity === undefined) return undefined;
  const own = ownAccepted(proposer, instance, ballot);
  const reports = [...facts.promises(instance, ballot)].filter(([who]) => isAcceptor(base, who));
  const reported = reports.filter(([who]) => who !== identityKey(identity)).map(([, accepted]) => accepted);
  if (isAcceptor(base, identityKey(identity))) reported.push(own);
  const needed = quorumOf(base);
  if (reported.length < needed) return `after ${reported.length} of ${needed} promises`;
  const below = facts.proposals.get(instance) ?? [];
  const atMost = (bound: Ballot | undefined): number =>
    reported.filter((one) => one === undefined || (bound !== undefined && compareBallots(one, bound) <= 0)).length;
  if (own === undefined && atMost(undefined) >= needed) return undefined;
  const fits = reported.some((bound) => {
    if (bound === undefined || (own !== undefined && compareBallots(bound, own) < 0) || atMost(bound) < needed)
      return false;
    return below.find((one) => compareBallots(one.ballot, bound) === 0)?.key === key;
  });
  return fits ? undefined : "another value than the highest that its promises report";
}

/** What the proposer itself had accepted when it promised its ballot. */
function ownAccepted(proposer: NodeFacts, instance: number, ballot: Ballot): Ballot | undefined {
  const accepted = proposer.data.written.acceptedIn(instance)?.ballot;
  return accepted !== undefined && compareBallots(accepted, ballot) < 0 ? accepted : undefined;
}

function isAcceptor(base: View, key: string): boolean {
  return base.acceptors.some((one) => identityKey(one) === key);
}

/** To promise or to accept under a ballot is to take part in none below it, in this life as in all later ones. */
function forgottenBallot({ config }: CoreEye, record: StorageRecord): string | undefined {
  if (config === undefined || (record.kind !== "promised" && record.kind !== "accepted")) return undefined;
  const ballot = record.kind === "promised" ? record.ballot : record.accepted.ballot;
  const { instance, promised } = config.acceptor;
  if (record.instance !== instance || (promised !== undefined && compareBallots(promised, ballot) >= 0))
    return undefined;
  return ballotName(instance, ballot);
}
