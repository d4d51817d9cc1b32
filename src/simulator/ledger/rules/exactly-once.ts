/**
 * Rule 9. (The tally machine looks at the same from inside the state: it counts how often each command was executed.)
 * @module
 */
import { hashBytes } from "../chain.ts";
import type { Rule } from "../observer.ts";

export const exactlyOnce: Rule = {
  number: 9,
  statement: "Never a request executed twice, or retried with another reply.",
  watch(_facts, violated) {
    const replies = new Map<string, number>();
    return {
      answered(node, _core, _client, message) {
        if (message.type !== "reply") return;
        const key = `${message.session.vid}.${message.session.seqno}#${message.number}`;
        const hash = hashBytes(message.body);
        const before = replies.get(key);
        if (before === undefined) replies.set(key, hash);
        else if (before !== hash) violated(`${node.id} replies to request ${key} with something else than before`);
      },
    };
  },
};
