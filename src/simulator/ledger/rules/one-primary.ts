/**
 * Rule 4.
 * @module
 */
import type { Entry } from "../../../protocol/entry.ts";
import { hashEntry } from "../chain.ts";
import type { Rule } from "../observer.ts";

export const onePrimary: Rule = {
  number: 4,
  statement:
    "Never two active primaries in one view, nor one view activated by two lives; never one viewstamp for two entries.",
  watch(facts, violated) {
    /** By seqno and vid: the hash of the entry. */
    const stamped = new Map<number, Map<number, number>>();
    /** The view that each node found on its disk at the start of this life. */
    const found = new Map<string, number>();
    const stamp = (id: string, entry: Entry): void => {
      let views = stamped.get(entry.seqno);
      if (views === undefined) stamped.set(entry.seqno, (views = new Map()));
      const before = views.get(entry.vid);
      const hash = hashEntry(entry);
      if (before === undefined) views.set(entry.vid, hash);
      else if (before !== hash) violated(`${id}: viewstamp ${entry.vid}.${entry.seqno} stands for two entries`);
    };
    return {
      recovered(node, state) {
        found.set(node.id, state.view?.vid ?? 0);
      },
      activated(node, _core, view) {
        const before = facts.activations.get(view.vid);
        if (view.primary !== node.id)
          violated(`${node.id} activates view ${view.vid}, whose primary is ${view.primary}`);
        if (before !== undefined && (before.id !== node.id || before.life !== node.life))
          violated(
            `view ${view.vid} is activated by ${before.id} (life ${before.life}) and ${node.id} (life ${node.life})`,
          );
        if (found.get(node.id) === view.vid) violated(`${node.id} activates view ${view.vid}, found on its own disk`);
      },
      sent(node, _to, message) {
        if (message.type !== "invoke" && message.type !== "heartbeat") return;
        const lead = facts.leads.get(message.vid);
        if (lead === undefined || (lead.id === node.id && lead.life === node.life && lead.start === message.start))
          return;
        violated(
          `view ${message.vid} is led by ${lead.id} (life ${lead.life}) from ${lead.start} and ${node.id} (life ${node.life}) from ${message.start}`,
        );
      },
      writing(node, record) {
        if (record.kind === "append") for (const entry of record.entries) stamp(node.id, entry);
      },
    };
  },
};
