/**
 * Rule 2.
 * @module
 */
import { compareBallots } from "../../../protocol/ballot.ts";
import type { PeerMessage } from "../../../protocol/messages.ts";
import { type Facts, holdsChain, type NodeFacts } from "../facts.ts";
import type { Rule } from "../observer.ts";

export const durableBeforeSent: Rule = {
  number: 2,
  statement: "Never a promise, accept, `invoked` or view adoption sent before the sender's disk holds it.",
  watch(facts, violated) {
    return {
      sent(node, to, message) {
        const missing = missingOnDisk(facts, node, message);
        if (missing !== undefined) violated(`${node.id} sent ${message.type} to ${to}, and its disk lacks ${missing}`);
      },
    };
  },
};

function missingOnDisk(facts: Facts, node: NodeFacts, message: PeerMessage): string | undefined {
  const disk = node.data.durable;
  switch (message.type) {
    case "prepare":
      return viewMissing(node, message.view.vid) ?? promiseMissing(node, message.view.vid + 1, message.ballot);
    case "promise": {
      const accepted = disk.accepted?.instance === message.instance ? disk.accepted.accepted : undefined;
      const dropped = (disk.view?.vid ?? 0) >= message.instance;
      // A later accept may have become durable since; an earlier one must not be hidden.
      if (!dropped && message.accepted === undefined && accepted !== undefined)
        if (compareBallots(accepted.ballot, message.ballot) < 0)
          return "nothing, but the promise hides an accepted value";
      return promiseMissing(node, message.instance, message.ballot);
    }
    case "accept":
      return promiseMissing(node, message.instance, message.ballot);
    case "accepted": {
      if ((disk.view?.vid ?? 0) >= message.instance) return undefined;
      const accepted = disk.accepted?.instance === message.instance ? disk.accepted.accepted : undefined;
      return accepted === undefined || compareBallots(accepted.ballot, message.ballot) < 0
        ? "the accepted value"
        : undefined;
    }
    case "decided":
      return viewMissing(node, message.view.vid);
    case "genesis":
      return (
        viewMissing(node, message.view.vid) ??
        (disk.identity?.clusterId === message.clusterId ? undefined : "the cluster id")
      );
    case "invoked":
      return viewMissing(node, message.vid) ?? logMissing(facts, node, message.vid, message.seqno);
    case "leveled": {
      const { vid, through } = message;
      if ((disk.view?.vid ?? 0) > vid) return undefined;
      if (disk.level?.vid !== vid || disk.level.through.seqno < through.seqno) return "the promise to be level";
      return disk.log.holds(through) ? viewMissing(node, vid) : "the log it says to hold";
    }
    case "invoke":
    case "heartbeat":
    case "alive":
    case "locate":
    case "located":
    case "level":
    case "confirm":
    case "snapshotOffer":
    case "snapshotWant":
    case "snapshotChunk":
      return viewMissing(node, message.vid);
    // An acceptor that is behind may confirm, and who asks is told where it stands.
    case "confirmed":
    case "refused":
    case "fetch":
    case "fresh":
    case "join":
    case "joinRefused":
    case "leaving":
      return undefined;
  }
}

function viewMissing(node: NodeFacts, vid: number): string | undefined {
  return (node.data.durable.view?.vid ?? 0) >= vid ? undefined : `view ${vid}`;
}

function promiseMissing(
  node: NodeFacts,
  instance: number,
  ballot: { round: number; node: string },
): string | undefined {
  const disk = node.data.durable;
  if ((disk.view?.vid ?? 0) >= instance) return undefined;
  const promised = disk.promisedIn(instance);
  return promised !== undefined && compareBallots(promised, ballot) >= 0 ? undefined : "the promise";
}

/** The log through `seqno`, equal to that of the primary of `vid` as long as that primary is in its view. */
function logMissing(facts: Facts, node: NodeFacts, vid: number, seqno: number): string | undefined {
  const { log } = node.data.durable;
  const newer = (node.data.durable.view?.vid ?? 0) > vid;
  if (!newer && log.end < seqno) return `entries through ${seqno} (it ends at ${log.end})`;
  const view = facts.chosen.get(vid);
  const primary = view?.members.find((member) => member.id === view.primary);
  const leader = primary === undefined ? undefined : facts.nodes.get(primary.id);
  if (newer || primary === undefined || leader?.core?.view?.vid !== vid) return undefined;
  if (leader.identity?.incarnation !== primary.incarnation) return undefined;
  const theirs = leader.data.written;
  if (seqno <= theirs.log.base.seqno) return undefined;
  return holdsChain(node.data.durable, seqno, theirs.log.chainAt(seqno))
    ? undefined
    : "the primary's entries at that place";
}
