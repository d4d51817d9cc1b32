/**
 * Rule 3.
 * @module
 */
import type { View } from "../../../protocol/view.ts";
import { identityKey, keyOf } from "../disk-model.ts";
import type { Facts, NodeFacts } from "../facts.ts";
import type { CoreEye, Rule } from "../observer.ts";

interface Position {
  readonly life: number;
  readonly vid: number;
  readonly applied: number;
}

export const inSync: Rule = {
  number: 3,
  statement:
    "Never a member of any decided view missing an entry committed in an earlier one; never a view decided without its predecessor's acceptors; within one life of a node, never its view or applied position going back, nor its log's end except by dropping uncommitted entries.",
  watch(facts, violated) {
    const positions = new Map<string, Position>();
    return {
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
          if (later === undefined) continue;
          const missing = memberWithout(facts, later, through);
          if (missing !== undefined)
            violated(`${through} is committed in view ${inView.vid}; ${missing}, a member of view ${vid}, lacks it`);
        }
      },
      written(node, records) {
        for (const record of records) {
          if (record.kind === "view") checkChosen(facts, node, record.view, violated);
          if (record.kind === "truncate") checkTruncation(facts, node, record.seqno, violated);
        }
      },
      stepped(node, core) {
        const before = positions.get(node.id);
        const now = { life: node.life, vid: core.view?.vid ?? 0, applied: core.applied };
        positions.set(node.id, now);
        if (before === undefined || before.life !== now.life) return;
        if (now.vid < before.vid) violated(`${node.id} went back from view ${before.vid} to ${now.vid}`);
        if (now.applied < before.applied)
          violated(`${node.id} went back from applied ${before.applied} to ${now.applied}`);
        checkEnd(node, core, violated);
      },
    };
  },
};

function memberWithout(facts: Facts, view: View, through: number): string | undefined {
  for (const member of view.members) {
    const data = facts.dataOf.get(identityKey(member));
    // What a fault has taken from a member's disk is the fault's doing.
    if (data?.ruined !== undefined) continue;
    if (!facts.holdsCommitted(member, through)) return identityKey(member);
  }
  return undefined;
}

function checkChosen(facts: Facts, node: NodeFacts, view: View, violated: (text: string) => void): void {
  if (view.vid <= 1) return;
  const chosen = facts.chosen.get(view.vid);
  if (chosen === undefined)
    violated(
      `${node.id} takes view ${view.vid} for decided, and no majority of the acceptors of ${view.vid - 1} has accepted it`,
    );
  else if (keyOf(chosen) !== keyOf(view))
    violated(`${node.id} takes another view ${view.vid} for decided than was chosen`);
}

/** Truncations are in the written log already: what was dropped is known by what is still durable. */
function checkTruncation(facts: Facts, node: NodeFacts, seqno: number, violated: (text: string) => void): void {
  const { log } = node.data.durable;
  const first = seqno + 1;
  if (first > facts.committedThrough || first > log.end || first <= log.base.seqno) return;
  if (log.chainAt(first) === facts.chainAt(first)) violated(`${node.id} drops its entry ${first}, which is committed`);
}

function checkEnd(node: NodeFacts, core: CoreEye, violated: (text: string) => void): void {
  if (core.log.end < core.applied)
    violated(`${node.id}'s log ends at ${core.log.end}, before its applied ${core.applied}`);
}
