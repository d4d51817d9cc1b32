/**
 * Rule 8. (The linearizability checker looks at the same from the clients' side.)
 * @module
 */
import type { Rule } from "../observer.ts";

interface Question {
  readonly life: number;
  readonly through: number;
  readonly newestChosen: number;
  readonly moment: number;
}

export const freshReads: Rule = {
  number: 8,
  statement: "Never a read older than what was committed when it was asked.",
  watch(facts, violated) {
    const asked = new Map<string, Question>();
    return {
      asked(node, _core, client, message) {
        const isRead = message.type === "query" && message.consistency === "linearizable";
        const isCopy = message.type === "copy" && message.next === 0;
        if (!isRead && !isCopy) return;
        const { committedThrough: through, newestChosen } = facts;
        const moment = facts.confirmations.moment();
        asked.set(`${node.id} ${client} ${message.xid}`, { life: node.life, through, newestChosen, moment });
      },
      answered(node, core, client, message) {
        if (message.type !== "answer" && message.type !== "copied" && message.type !== "declined") return;
        const key = `${node.id} ${client} ${message.xid}`;
        const question = asked.get(key);
        if (question === undefined) return;
        asked.delete(key);
        if (question.life !== node.life || message.type === "declined") return;
        if (core.applied < question.through)
          violated(`${node.id} answers a read from ${core.applied}; ${question.through} was committed when it came`);
        // A majority had accepted that view, so a majority cannot have said since that it accepted nothing.
        const vid = core.view?.vid ?? 0;
        if (question.newestChosen > vid)
          violated(`${node.id} answers a read in view ${vid}; view ${question.newestChosen} was chosen when it came`);
        const missing = core.view === undefined ? 0 : facts.confirmations.missing(node.id, core.view, question.moment);
        if (missing > 0) violated(`${node.id} answers a read that ${missing} of a majority have not confirmed`);
      },
      copied({ at, askedThrough }) {
        if (at.seqno < askedThrough)
          violated(`a copy is of the state at ${at.seqno}; ${askedThrough} was committed when it was asked for`);
      },
      says(node, core, to, message) {
        if (message.type !== "confirmed" || message.accepted) return;
        if ((core.view?.vid ?? 0) > message.vid)
          violated(`${node.id} confirms view ${message.vid} to ${to}, and knows view ${core.view?.vid}`);
        if (node.data.written.acceptedIn(message.vid + 1) !== undefined)
          violated(`${node.id} says to ${to} that it has accepted nothing for view ${message.vid + 1}`);
      },
    };
  },
};
