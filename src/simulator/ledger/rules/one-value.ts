/**
 * Rule 1.
 * @module
 */
import type { Ballot } from "../../../protocol/ballot.ts";
import type { View } from "../../../protocol/view.ts";
import { keyOf } from "../disk-model.ts";
import type { Rule } from "../observer.ts";

export const oneValue: Rule = {
  number: 1,
  statement: "Never two values decided for one instance; never two values accepted under one ballot.",
  watch(facts, violated) {
    const decided = new Map<number, string>();
    const proposed = new Map<string, string>();
    const one = (instance: number, ballot: Ballot, value: View, who: string): void => {
      const name = `${instance}:${ballot.round}:${ballot.node}`;
      const key = keyOf(value);
      const before = proposed.get(name);
      if (before === undefined) proposed.set(name, key);
      else if (before !== key) violated(`${who}: ballot ${name} has two values, ${before} and ${key}`);
    };
    const decide = (view: View, who: string): void => {
      const key = keyOf(view);
      const before = decided.get(view.vid);
      if (before === undefined) decided.set(view.vid, key);
      else if (before !== key) violated(`${who}: view ${view.vid} is decided as ${before} and as ${key}`);
    };
    return {
      sent(node, _to, message) {
        if (message.type === "accept") one(message.instance, message.ballot, message.value, node.id);
        if (message.type === "decided") decide(message.view, node.id);
      },
      written(node, records) {
        for (const record of records) {
          if (record.kind === "accepted") one(record.instance, record.accepted.ballot, record.accepted.value, node.id);
        }
      },
      durable(node, records) {
        for (const record of records) {
          // A founder that dies before its view 1 is durable has told nobody, and makes another.
          if (record.kind === "view") decide(record.view, node.id);
          if (record.kind !== "accepted") continue;
          const { ballot, value } = record.accepted;
          const accept = facts.accepts.get(`${record.instance}:${ballot.round}:${ballot.node}`);
          const chosen = facts.chosen.get(record.instance);
          if (chosen !== undefined && accept !== undefined && accept.by.size * 2 > majorityBase(facts, record.instance))
            decide(value, "a majority");
        }
      },
      chosen(view) {
        decide(view, "a majority");
      },
    };
  },
};

function majorityBase(facts: { readonly chosen: ReadonlyMap<number, View> }, instance: number): number {
  return facts.chosen.get(instance - 1)?.acceptors.length ?? Number.POSITIVE_INFINITY;
}
