/**
 * Rule 11.
 * @module
 */
import type { DurableState } from "../../../protocol/storage.ts";
import type { NodeFacts } from "../facts.ts";
import type { Rule } from "../observer.ts";
import type { Recovery } from "../recovery.ts";

export const noCorruption: Rule = {
  number: 11,
  statement: "Never corrupt bytes read as data or as absence.",
  watch(_facts, violated) {
    return {
      recovering(node, state, recovery) {
        const fault = faultOf(node, state, recovery);
        if (fault !== undefined) violated(`${node.id} ${fault}`);
      },
      settingAside(node, reason) {
        // What a running node lacks only a fault can have taken.
        if (node.data.ruined === undefined) violated(`${node.id} sets its data aside without need: ${reason}`);
      },
    };
  },
};

function faultOf(node: NodeFacts, state: DurableState, recovery: Recovery): string | undefined {
  const { ruined, durable } = node.data;
  switch (recovery.kind) {
    case "known":
      return undefined;
    case "setAside": {
      // An identity given to a storage that was closed before it was written does not count.
      const isNeeded = ruined !== undefined || durable.identity === undefined;
      return isNeeded ? undefined : `set its data aside without need: ${recovery.reason}`;
    }
    case "unknown":
      if (state.identity === undefined) return `reads its damaged data as absence: ${recovery.what} differs`;
      return `recovered a state that it never had: ${recovery.what} differs`;
  }
}
