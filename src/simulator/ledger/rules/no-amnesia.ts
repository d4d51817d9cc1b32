/**
 * Rule 6.
 * @module
 */

import type { View } from "../../../protocol/view.ts";
import { identityKey } from "../disk-model.ts";
import type { Rule } from "../observer.ts";

export const noAmnesia: Rule = {
  number: 6,
  statement: "Never two live incarnations of one node counted; never amnesiac state counted in any quorum.",
  watch(facts, violated) {
    return {
      chosen(view) {
        const twice = countedTwice(view);
        if (twice !== undefined) violated(`view ${view.vid} counts ${twice} twice`);
      },
      written(node, records) {
        for (const record of records) {
          if (record.kind !== "identity") continue;
          const known = facts.dataOf.get(identityKey({ id: node.id, incarnation: record.incarnation }));
          if (known !== undefined && known !== node.data)
            violated(`${node.id} lost its data and goes on as its old incarnation ${record.incarnation}`);
        }
      },
      sent(node, to, message) {
        if (node.data.ruined === undefined) return;
        if (
          message.type === "promise" ||
          message.type === "accepted" ||
          message.type === "invoked" ||
          message.type === "leveled"
        )
          violated(`${node.id} sent ${message.type} to ${to} from data that is not whole: ${node.data.ruined}`);
      },
    };
  },
};

function countedTwice(view: View): string | undefined {
  for (const list of [view.members, view.acceptors]) {
    const ids = list.map(({ id }) => id);
    const twice = ids.find((id, i) => ids.indexOf(id) !== i);
    if (twice !== undefined) return twice;
  }
  const stray = view.members.find((member) => !view.acceptors.some((one) => identityKey(one) === identityKey(member)));
  return stray === undefined ? undefined : `${identityKey(stray)} as a member and not as an acceptor, or`;
}
