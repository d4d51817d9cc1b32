/**
 * Rule 7.
 * @module
 */
import type { ServerMessage } from "../../../protocol/client-messages.ts";
import { identityKey } from "../disk-model.ts";
import { type Facts, holdsChain, type NodeFacts } from "../facts.ts";
import type { CoreEye, Rule } from "../observer.ts";

export const committedStays: Rule = {
  number: 7,
  statement:
    "Never a committed entry lost, reordered or changed; never a reply, grant or notice from an uncommitted one.",
  watch(facts, violated) {
    const checked = new Map<string, number>();
    const requests = new Set<string>();
    return {
      committed(node, view, from, through) {
        for (let seqno = from + 1; seqno <= through; seqno++) {
          const entry = facts.committed(seqno)?.entry;
          if (entry === undefined) continue;
          if (entry.number > 0) requests.add(`${entry.session.vid}.${entry.session.seqno}#${entry.number}`);
        }
        for (const member of view.members) {
          const data = facts.dataOf.get(identityKey(member));
          if (data?.ruined !== undefined) continue;
          if (data === undefined || !holdsChain(data.durable, through, facts.chainAt(through)))
            violated(
              `${node.id} commits ${through} in view ${view.vid}, and ${identityKey(member)} does not have it durably`,
            );
        }
      },
      stepped(node, core) {
        checkPosition(facts, node, core, checked, violated);
      },
      answered(node, core, _client, message) {
        const fault = unfounded(facts, core, requests, message);
        if (fault !== undefined) violated(`${node.id} sends ${fault}`);
      },
    };
  },
};

function checkPosition(
  facts: Facts,
  node: NodeFacts,
  core: CoreEye,
  checked: Map<string, number>,
  violated: (text: string) => void,
): void {
  const key = `${node.id} ${node.life}`;
  const before = checked.get(key) ?? 0;
  if (core.commit > facts.committedThrough)
    violated(
      `${node.id} takes ${core.commit} for committed, and no primary has committed beyond ${facts.committedThrough}`,
    );
  if (core.applied > facts.committedThrough)
    violated(`${node.id} has applied ${core.applied}, and only ${facts.committedThrough} is committed`);
  if (core.applied === before) return;
  checked.set(key, core.applied);
  for (let seqno = Math.max(before, core.log.base.seqno) + 1; seqno <= core.applied; seqno++) {
    const entry = core.log.entry(seqno);
    const place = facts.committed(seqno);
    if (entry === undefined || place === undefined || entry.vid === place.entry.vid) continue;
    violated(`${node.id} applies ${entry.vid}.${seqno}, and ${place.entry.vid}.${seqno} is committed at that place`);
  }
}

function unfounded(facts: Facts, core: CoreEye, requests: Set<string>, message: ServerMessage): string | undefined {
  switch (message.type) {
    case "reply": {
      const request = `${message.session.vid}.${message.session.seqno}#${message.number}`;
      return requests.has(request) ? undefined : `a reply to ${request}, which is not committed`;
    }
    case "opened": {
      const { vid, seqno } = message.session;
      return facts.committed(seqno)?.entry.vid === vid ? undefined : `opened ${vid}.${seqno}, which is not committed`;
    }
    case "notice":
      return core.applied <= facts.committedThrough ? undefined : "a notice from a state that is not committed";
    default:
      return undefined;
  }
}
