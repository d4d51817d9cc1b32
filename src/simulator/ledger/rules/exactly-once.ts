/**
 * Rule 9. (The tester machine looks at the same from inside the state: it counts how often each command was executed, see
 * `workload/registers.ts`.)
 * @module
 */
import { sessionIdOf } from "../../../protocol/session.ts";
import type { Viewstamp } from "../../../protocol/view.ts";
import { hashBytes } from "../chain.ts";
import type { Rule } from "../observer.ts";

export const exactlyOnce: Rule = {
  number: 9,
  statement: "Never a request executed twice, or retried with another reply.",
  watch(_facts, violated) {
    const replies = new Map<string, number>();
    const executed = new Set<string>();
    const sessions = new Set<string>();
    return {
      applied(entry, { reply, duplicate }) {
        if (entry.kind === "open") sessions.add(sessionIdOf(entry));
        if (entry.kind === "end") sessions.delete(sessionIdOf(entry.session));
        if (entry.number === 0) return;
        const key = requestKey(entry.session, entry.number);
        const isOpen = sessions.has(sessionIdOf(entry.session));
        if (!isOpen && reply !== undefined)
          violated(`request ${key} is executed at ${entry.seqno}, in no open session`);
        if (isOpen && executed.has(key) !== duplicate)
          violated(`request ${key} is ${duplicate ? "taken for done" : "executed again"} at ${entry.seqno}`);
        if (reply === undefined) return;
        executed.add(key);
        const hash = hashBytes(reply);
        const before = replies.get(key);
        if (before === undefined) replies.set(key, hash);
        else if (before !== hash) violated(`request ${key} gets another reply at ${entry.seqno} than before`);
      },
      answered(node, _core, _client, message) {
        if (message.type !== "reply") return;
        const key = requestKey(message.session, message.number);
        const hash = hashBytes(message.body);
        const before = replies.get(key);
        if (before === undefined) replies.set(key, hash);
        else if (before !== hash) violated(`${node.id} replies to request ${key} with something else than before`);
      },
    };
  },
};

export function requestKey(session: Viewstamp, number: number): string {
  return `${session.vid}.${session.seqno}#${number}`;
}
