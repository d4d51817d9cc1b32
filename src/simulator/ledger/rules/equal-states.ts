/**
 * Rule 10. (At the end of a run the whole states are compared, also with a replay of the whole history.)
 * @module
 */
import type { Rule } from "../observer.ts";

export const equalStates: Rule = {
  number: 10,
  statement: "Never equal applied position with unequal state hash; never snapshot and log unequal to full replay.",
  watch(_facts, violated) {
    const hashes = new Map<number, { readonly hash: number; readonly id: string }>();
    const seen = new Map<string, number>();
    return {
      started(node) {
        seen.delete(node.id);
      },
      stepped(node, core) {
        const { applied } = core;
        if (seen.get(node.id) === applied) return;
        seen.set(node.id, applied);
        const { hash } = core.state;
        const before = hashes.get(applied);
        if (before === undefined) hashes.set(applied, { hash, id: node.id });
        else if (before.hash !== hash) violated(`${node.id} and ${before.id} differ in their state at ${applied}`);
      },
    };
  },
};
