/**
 * Rule 2.
 * @module
 */
import { type Ballot, compareBallots } from "../../../protocol/ballot.ts";
import type { Entry } from "../../../protocol/entry.ts";
import type { PeerMessage, Promised } from "../../../protocol/messages.ts";
import { decodeUpgrade } from "../../../protocol/upgrade-body.ts";
import type { Identity } from "../../../protocol/view.ts";
import { identityKey, keyOf } from "../disk-model.ts";
import { type Facts, holdsChain, type NodeFacts } from "../facts.ts";
import type { Rule } from "../observer.ts";

export const durableBeforeSent: Rule = {
  number: 2,
  statement:
    "Never a promise, accept, `invoked`, `readied` or view adoption sent before the sender's disk holds it; never an " +
    "upgrade stamped before all members have promised to run it.",
  watch(facts, violated) {
    return {
      writing(node, record) {
        if (record.kind !== "append") return;
        for (const entry of record.entries) {
          const unready = entry.kind === "upgrade" ? unreadyMember(facts, entry) : undefined;
          if (unready !== undefined)
            violated(
              `${node.id} has the upgrade ${entry.vid}.${entry.seqno}, which ${unready} has not promised to run`,
            );
        }
      },
      sent(node, to, message) {
        const missing = missingOnDisk(facts, node, message);
        if (missing !== undefined) violated(`${node.id} sent ${message.type} to ${to}, and its disk lacks ${missing}`);
      },
    };
  },
};

/** A member of the view in which it was stamped that has not durably promised to run what the entry switches to. */
function unreadyMember(facts: Facts, { vid, body }: Entry): string | undefined {
  const { to } = decodeUpgrade(body);
  const isReady = (member: Identity): boolean => {
    const promised = facts.dataOf.get(identityKey(member))?.durable.machines?.promised ?? [];
    return to.every(({ name, version }) => promised.some((one) => one.name === name && one.version >= version));
  };
  return facts.chosen.get(vid)?.members.find((member) => !isReady(member))?.id;
}

function missingOnDisk(facts: Facts, node: NodeFacts, message: PeerMessage): string | undefined {
  const disk = node.data.durable;
  switch (message.type) {
    case "prepare":
      return viewMissing(node, message.view.vid) ?? promiseMissing(node, message.view.vid + 1, message.ballot);
    case "promise":
      return promiseMissing(node, message.instance, message.ballot) ?? acceptedHidden(node, message);
    case "accept":
      return promiseMissing(node, message.instance, message.ballot);
    case "accepted":
      return acceptedMissing(node, message.instance, message.ballot);
    case "refused":
      return viewMissing(node, message.instance - 1);
    case "decided":
      return viewMissing(node, message.view.vid);
    case "fresh":
      return disk.identity === undefined ? "the identity that says to be fresh" : undefined;
    case "genesis":
      return (
        viewMissing(node, message.view.vid) ??
        (disk.identity?.clusterId === message.clusterId ? undefined : "the cluster id") ??
        (keyOf(disk.machines?.origin) === keyOf(message.origin) ? undefined : "the versions the log begins with")
      );
    case "invoked":
      return viewMissing(node, message.vid) ?? logMissing(facts, node, message.vid, message.seqno);
    case "leveled": {
      const { vid, through } = message;
      if (disk.vid > vid) return undefined;
      if (disk.level?.vid !== vid || disk.level.through.seqno < through.seqno) return "the promise to be level";
      return disk.log.holds(through) ? viewMissing(node, vid) : "the log it says to hold";
    }
    case "readied": {
      const promised = (name: string): number => disk.machines?.promised.find((one) => one.name === name)?.version ?? 0;
      const isPromised = message.versions.every(({ name, version }) => promised(name) >= version);
      return isPromised ? viewMissing(node, message.vid) : "the promise to be ready";
    }
    case "fetch":
    case "ready":
    case "join":
    case "joinRefused":
    case "leaving":
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
    // An acceptor that is behind may confirm.
    case "confirmed":
      return undefined;
  }
}

function viewMissing(node: NodeFacts, vid: number): string | undefined {
  return node.data.durable.vid >= vid ? undefined : `view ${vid}`;
}

function promiseMissing(node: NodeFacts, instance: number, ballot: Ballot): string | undefined {
  const disk = node.data.durable;
  if (disk.vid >= instance) return undefined;
  const promised = disk.promisedIn(instance);
  return promised !== undefined && compareBallots(promised, ballot) >= 0 ? undefined : "the promise";
}

function acceptedMissing(node: NodeFacts, instance: number, ballot: Ballot): string | undefined {
  const disk = node.data.durable;
  if (disk.vid >= instance) return undefined;
  const accepted = disk.acceptedIn(instance);
  return accepted === undefined || compareBallots(accepted.ballot, ballot) < 0 ? "the accepted value" : undefined;
}

/** A later accept may have become durable since; one before this promise must be reported, the highest of them. */
function acceptedHidden(node: NodeFacts, { instance, ballot, accepted }: Promised): string | undefined {
  const disk = node.data.durable;
  if (disk.vid >= instance) return undefined;
  const held = disk.acceptedIn(instance);
  if (accepted !== undefined && (held === undefined || compareBallots(held.ballot, accepted.ballot) < 0))
    return "the accepted value that it reports";
  if (held === undefined || compareBallots(held.ballot, ballot) >= 0) return undefined;
  const isHidden = accepted === undefined || compareBallots(accepted.ballot, held.ballot) < 0;
  return isHidden ? "nothing, but the promise hides an accepted value" : undefined;
}

/**
 * The log through `seqno`, equal to that of the primary of `vid` as long as that primary is in its view, and no entry of an
 * older view beyond the view's start.
 */
function logMissing(facts: Facts, node: NodeFacts, vid: number, seqno: number): string | undefined {
  const { log, vid: newest } = node.data.durable;
  if (newest > vid) return undefined;
  if (log.end < seqno) return `entries through ${seqno} (it ends at ${log.end})`;
  const start = facts.leads.get(vid)?.start;
  const beyond = start === undefined ? undefined : log.vidAt(start + 1);
  if (start !== undefined && start >= log.base.seqno && beyond !== undefined && beyond < vid)
    return `the drop of entry ${beyond}.${start + 1}, beyond the start of view ${vid}`;
  const theirs = facts.leaderOf(vid)?.data.written.log;
  if (theirs === undefined || seqno <= theirs.base.seqno) return undefined;
  return holdsChain(node.data.durable, seqno, theirs.chainAt(seqno))
    ? undefined
    : "the primary's entries at that place";
}
