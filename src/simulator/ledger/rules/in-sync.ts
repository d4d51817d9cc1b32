/**
 * Rule 3. A view changes in three ways only (design.md 4.2), and a backup drops entries for two reasons only (4.4): both are
 * looked at where they are done, before what they may break is broken.
 * @module
 */
import type { StorageRecord } from "../../../protocol/storage.ts";
import { sameIdentity, type View, type Viewstamp } from "../../../protocol/view.ts";
import { identityKey, viewKey } from "../disk-model.ts";
import type { Facts, NodeFacts } from "../facts.ts";
import type { CoreEye, Position, Rule } from "../observer.ts";
import { faultOfChange } from "./view-changes.ts";

export const inSync: Rule = {
  number: 3,
  statement:
    "Never a member of any decided view missing an entry committed in an earlier one; never a view decided without its predecessor's acceptors; within one life of a node, never its view or applied position going back, nor its log's end except by dropping uncommitted entries.",
  watch(facts, violated) {
    /** By view: the incarnation of its primary that has put forward an admission. */
    const admitting = new Map<number, string>();
    return {
      proposed(node, proposal) {
        const base = facts.chosen.get(proposal.instance - 1);
        if (base === undefined || !proposal.isNew) return;
        const fault = faultOfChange(facts, node, proposal, base);
        if (fault !== undefined) violated(`${node.id} proposes view ${proposal.instance} ${fault}`);
        const { identity } = node;
        if (identity !== undefined && proposal.value.members.length > base.members.length)
          admitting.set(base.vid, identityKey(identity));
      },
      chosen(view) {
        const missing = memberWithout(facts, view, facts.committedThrough);
        if (missing !== undefined)
          violated(
            `${missing} is a member of view ${view.vid} and lacks a committed entry (through ${facts.committedThrough})`,
          );
      },
      committed(_node, inView, _from, through) {
        for (let vid = inView.vid + 1; vid <= facts.newestChosen; vid++) {
          const later = facts.chosen.get(vid);
          const missing = later === undefined ? undefined : memberWithout(facts, later, through);
          if (missing !== undefined)
            violated(`${through} is committed in view ${inView.vid}; ${missing}, a member of view ${vid}, lacks it`);
        }
      },
      writing(node, record) {
        const fault = faultOfRecord(facts, node, record, admitting);
        if (fault !== undefined) violated(`${node.id} ${fault}`);
      },
      snapshot(node, { at }) {
        const fault = faultOfSnapshot(node, at);
        if (fault !== undefined) violated(`${node.id} ${fault}`);
      },
      moved(node, core, before) {
        if (before === undefined) return;
        const fault = faultOfMove(facts, node, core, before);
        if (fault !== undefined) violated(`${node.id} ${fault}`);
      },
    };
  },
};

/** What a fault has taken from a disk counts as it was then: a member may say what it holds, and lose it later. */
function memberWithout(facts: Facts, view: View, through: number): string | undefined {
  const missing = view.members.find((member) => !facts.holdsCommitted(member, through));
  return missing === undefined ? undefined : identityKey(missing);
}

function faultOfRecord(
  facts: Facts,
  node: NodeFacts,
  record: StorageRecord,
  admitting: ReadonlyMap<number, string>,
): string | undefined {
  switch (record.kind) {
    case "view":
      return faultOfView(facts, record.view);
    case "truncate":
      return faultOfDrop(facts, node, record.seqno);
    case "append": {
      const vid = record.entries.at(-1)?.vid ?? 0;
      const { identity } = node;
      const isStamped = identity !== undefined && admitting.get(vid) === identityKey(identity);
      return isStamped ? `stamps in view ${vid} after it has proposed to admit a learner` : undefined;
    }
    default:
      return undefined;
  }
}

function faultOfView(facts: Facts, view: View): string | undefined {
  if (view.vid <= 1) return undefined;
  const chosen = facts.chosen.get(view.vid);
  if (chosen === undefined)
    return `takes view ${view.vid} for decided, and no majority of the acceptors of ${view.vid - 1} has accepted it`;
  return viewKey(chosen) === viewKey(view) ? undefined : `takes another view ${view.vid} for decided than was chosen`;
}

function faultOfDrop(facts: Facts, node: NodeFacts, seqno: number): string | undefined {
  const { written } = node.data;
  const first = seqno + 1;
  const stampedIn = written.log.vidAt(first);
  if (stampedIn === undefined || first <= written.log.base.seqno) return undefined;
  const name = `${stampedIn}.${first}`;
  const chain = facts.chainAt(first);
  if (chain !== undefined && written.log.chainAt(first) === chain) return `drops entry ${name}, which is committed`;
  if (stampedIn === written.vid) return `drops entry ${name} of its own view`;
  const level = written.binding;
  if (level !== undefined && seqno < level.through.seqno)
    return `drops entry ${name}, and has promised to hold its log through ${level.through.seqno}`;
  const theirs = facts.leaderOf(written.vid)?.data.written.log;
  if (theirs !== undefined && first > theirs.base.seqno && theirs.vidAt(first) === stampedIn)
    return `drops entry ${name}, which the primary of view ${written.vid} has too`;
  return undefined;
}

/** One of a node's own state is of its own log; only a learner takes another's, and not one below what it promised to hold. */
function faultOfSnapshot(node: NodeFacts, at: Viewstamp): string | undefined {
  const { written } = node.data;
  if (written.log.holds(at)) return undefined;
  const level = written.binding;
  if (level !== undefined && at.seqno < level.through.seqno)
    return `takes a snapshot of ${at.seqno}, and has promised to hold its log through ${level.through.seqno}`;
  const self = node.identity;
  const isMember = self !== undefined && written.view?.members.some((member) => sameIdentity(member, self)) === true;
  return isMember ? `takes a snapshot of ${at.seqno} as a member of view ${written.vid}` : undefined;
}

function faultOfMove(facts: Facts, node: NodeFacts, core: CoreEye, before: Position): string | undefined {
  const vid = core.view?.vid ?? 0;
  const was = before.view?.vid ?? 0;
  const { end } = core.log;
  if (vid < was) return `went back from view ${was} to ${vid}`;
  if (core.applied < before.applied) return `went back from applied ${before.applied} to ${core.applied}`;
  if (end < core.applied) return `has a log that ends at ${end}, before its applied ${core.applied}`;
  if (end >= before.end) return undefined;
  const chain = facts.chainAt(end + 1);
  if (chain === undefined || node.data.written.log.chainAt(end + 1) !== chain) return undefined;
  return `has a log that ends at ${end} and ended at ${before.end}, entries between are committed`;
}
