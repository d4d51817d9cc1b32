/**
 * Rule 7.
 * @module
 */
import type { ServerMessage } from "../../../protocol/client-messages.ts";
import { sessionIdOf } from "../../../protocol/session.ts";
import type { View } from "../../../protocol/view.ts";
import { hashBytes } from "../chain.ts";
import { identityKey } from "../disk-model.ts";
import { entryIn, type Facts, holdsChain } from "../facts.ts";
import type { CoreEye, Rule } from "../observer.ts";
import { requestKey } from "./exactly-once.ts";

export const committedStays: Rule = {
  number: 7,
  statement:
    "Never a committed entry lost, reordered or changed; never a reply, grant or notice from an uncommitted one.",
  watch(facts, violated) {
    const requests = new Set<string>();
    const notices = new Set<string>();
    return {
      committed(node, view, from, through) {
        for (let seqno = from + 1; seqno <= through; seqno++) {
          const entry = facts.committed(seqno)?.entry;
          if (entry !== undefined && entry.number > 0) requests.add(requestKey(entry.session, entry.number));
        }
        const missing = memberWithout(facts, view, through, facts.chainAt(through));
        if (missing !== undefined)
          violated(`${node.id} commits ${through} in view ${view.vid}, and ${missing} does not have it durably`);
      },
      activated(node, core, view) {
        const missing = memberWithout(facts, view, core.commit, node.data.written.log.chainAt(core.commit));
        if (missing !== undefined)
          violated(`${node.id} activates view ${view.vid} at ${core.commit}, and ${missing} does not have its log`);
      },
      applied(_entry, { notices: made }) {
        for (const { session, body } of made) notices.add(noticeKey(session, body));
      },
      moved(node, core, before) {
        if (core.applied === (before?.applied ?? 0) && core.commit === before?.commit) return;
        const fault = faultOfPosition(facts, core, before?.applied ?? 0);
        if (fault !== undefined) violated(`${node.id} ${fault}`);
      },
      copied({ at }) {
        const entry = facts.committed(at.seqno)?.entry;
        if (at.seqno > 0 && entry?.vid !== at.vid)
          violated(`a copy has executed ${at.vid}.${at.seqno}, and what is committed there is of view ${entry?.vid}`);
      },
      answered(node, core, _client, message) {
        const fault = unfounded(facts, core, requests, notices, message);
        if (fault !== undefined) violated(`${node.id} sends ${fault}`);
      },
    };
  },
};

/** A member whose data was ruined is rule 6's business. */
function memberWithout(facts: Facts, view: View, through: number, chain: number | undefined): string | undefined {
  for (const member of view.members) {
    const key = identityKey(member);
    const data = facts.dataOf.get(key);
    if (data?.ruined !== undefined) continue;
    if (data === undefined || !holdsChain(data.durable, through, chain)) return key;
  }
  return undefined;
}

function faultOfPosition(facts: Facts, core: CoreEye, before: number): string | undefined {
  const { committedThrough } = facts;
  if (core.commit > committedThrough)
    return `takes ${core.commit} for committed, and no primary has committed beyond ${committedThrough}`;
  if (core.applied > committedThrough) return `has applied ${core.applied}, and only ${committedThrough} is committed`;
  for (let seqno = Math.max(before, core.log.base.seqno) + 1; seqno <= core.applied; seqno++) {
    const entry = entryIn(core, seqno);
    const place = facts.committed(seqno);
    if (entry !== undefined && place !== undefined && entry.vid !== place.entry.vid)
      return `applies ${entry.vid}.${seqno}, and ${place.entry.vid}.${seqno} is committed at that place`;
  }
  return undefined;
}

function unfounded(
  facts: Facts,
  core: CoreEye,
  requests: ReadonlySet<string>,
  notices: ReadonlySet<string>,
  message: ServerMessage,
): string | undefined {
  switch (message.type) {
    case "reply": {
      const request = requestKey(message.session, message.number);
      return requests.has(request) ? undefined : `a reply to ${request}, which is not committed`;
    }
    case "opened": {
      const { vid, seqno } = message.session;
      return facts.committed(seqno)?.entry.vid === vid ? undefined : `opened ${vid}.${seqno}, which is not committed`;
    }
    case "notice": {
      if (core.applied > facts.committedThrough) return "a notice from a state that is not committed";
      if (facts.replay === undefined) return undefined;
      const session = sessionIdOf(message.session);
      return notices.has(noticeKey(session, message.body))
        ? undefined
        : `${session} a notice that no committed entry gave`;
    }
    default:
      return undefined;
  }
}

function noticeKey(session: string, body: Uint8Array): string {
  return `${session} ${hashBytes(body)}`;
}
