/**
 * Rule 5.
 * @module
 */
import type { Rule } from "../observer.ts";

export const noOldCommits: Rule = {
  number: 5,
  statement: "Never, after view v is active, a commit in an older view that v's start does not hold.",
  watch(facts, violated) {
    return {
      committed(node, view, _from, through) {
        for (const [vid, activation] of facts.activations) {
          if (vid <= view.vid || through <= activation.through) continue;
          violated(
            `${node.id} commits ${through} in view ${view.vid}, while view ${vid} is active since ${activation.through}`,
          );
        }
      },
      stepped(node, core) {
        if (core.role !== "primary" || core.activeVid === undefined) return;
        for (let vid = core.activeVid + 1; vid <= facts.newestActive; vid++) {
          const activation = facts.activations.get(vid);
          if (activation !== undefined && core.commit > activation.through && core.log.end >= core.commit) {
            const place = facts.committed(core.commit);
            if (place !== undefined && core.log.entry(core.commit)?.vid === place.entry.vid) continue;
            violated(
              `${node.id} has committed ${core.commit} in view ${core.activeVid}, which view ${vid} does not hold`,
            );
          }
        }
      },
    };
  },
};
