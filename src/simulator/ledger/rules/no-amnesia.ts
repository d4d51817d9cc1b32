/**
 * Rule 6.
 * @module
 */
import { includesIdentity, type View } from "../../../protocol/view.ts";
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
      committed(node, view, _from, through) {
        for (const member of view.members) {
          const ruined = facts.dataOf.get(identityKey(member))?.ruined;
          if (ruined === undefined || facts.holdsCommitted(member, through)) continue;
          violated(`${node.id} commits ${through} and counts ${identityKey(member)}, which cannot have it: ${ruined}`);
        }
      },
      writing(node, record) {
        if (record.kind !== "identity") return;
        const known = facts.dataOf.get(identityKey({ id: node.id, incarnation: record.incarnation }));
        if (known !== undefined && known !== node.data)
          violated(`${node.id} lost its data and goes on as its old incarnation ${record.incarnation}`);
      },
      sent(node, to, message) {
        const { type } = message;
        if (type !== "promise" && type !== "accepted" && type !== "invoked" && type !== "leveled") return;
        if (node.data.ruined !== undefined)
          violated(`${node.id} sent ${type} to ${to} from data that is not whole: ${node.data.ruined}`);
        if (type !== "promise" && type !== "accepted") return;
        const base = facts.chosen.get(message.instance - 1);
        const { identity } = node;
        if (base === undefined || (identity !== undefined && includesIdentity(base.acceptors, identity))) return;
        violated(`${node.id} sent ${type} to ${to}, and its incarnation is no acceptor of view ${base.vid}`);
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
  const stray = view.members.find((member) => !includesIdentity(view.acceptors, member));
  return stray === undefined ? undefined : `${identityKey(stray)} as a member and not as an acceptor, or`;
}
