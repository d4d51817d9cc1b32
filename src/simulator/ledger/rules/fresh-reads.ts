/**
 * Rule 8. (The linearizability checker looks at the same from the clients' side.)
 * @module
 */
import type { Rule } from "../observer.ts";

export const freshReads: Rule = {
  number: 8,
  statement: "Never a read older than what was committed when it was asked.",
  watch(facts, violated) {
    const asked = new Map<string, { readonly life: number; readonly through: number }>();
    return {
      stepped(node, _core, event) {
        if (event.type !== "client" || event.message.type !== "query") return;
        if (event.message.consistency !== "linearizable") return;
        asked.set(`${node.id} ${event.client} ${event.message.xid}`, {
          life: node.life,
          through: facts.committedThrough,
        });
      },
      answered(node, core, client, message) {
        if (message.type !== "answer") return;
        const key = `${node.id} ${client} ${message.xid}`;
        const question = asked.get(key);
        asked.delete(key);
        if (question === undefined || question.life !== node.life || core.applied >= question.through) return;
        violated(`${node.id} answers a read from ${core.applied}; ${question.through} was committed when it came`);
      },
    };
  },
};
