/**
 * Rule 4.
 * @module
 */
import { hashEntry } from "../chain.ts";
import type { Rule } from "../observer.ts";

export const onePrimary: Rule = {
  number: 4,
  statement:
    "Never two active primaries in one view, nor one view activated by two lives; never one viewstamp for two entries.",
  watch(facts, violated) {
    const stamped = new Map<number, Map<number, number>>();
    return {
      activated(node, view) {
        const before = facts.activations.get(view.vid);
        if (view.primary !== node.id)
          violated(`${node.id} activates view ${view.vid}, whose primary is ${view.primary}`);
        if (before !== undefined && (before.id !== node.id || before.life !== node.life))
          violated(
            `view ${view.vid} is activated by ${before.id} (life ${before.life}) and ${node.id} (life ${node.life})`,
          );
      },
      written(node, records) {
        for (const record of records) {
          if (record.kind !== "append") continue;
          for (const entry of record.entries) {
            const hash = hashEntry(entry);
            let view = stamped.get(entry.vid);
            if (view === undefined) stamped.set(entry.vid, (view = new Map()));
            const before = view.get(entry.seqno);
            if (before === undefined) view.set(entry.seqno, hash);
            else if (before !== hash)
              violated(`${node.id}: viewstamp ${entry.vid}.${entry.seqno} stands for two entries`);
          }
        }
      },
    };
  },
};
