/**
 * Rule 5.
 * @module
 */
import { entryIn } from "../facts.ts";
import type { Rule } from "../observer.ts";

export const noOldCommits: Rule = {
  number: 5,
  statement: "Never, after view v is active, a commit in an older view that v's start does not hold.",
  watch(facts, violated) {
    return {
      committed(node, view, _from, through) {
        for (let vid = view.vid + 1; vid <= facts.newestActive; vid++) {
          const activation = facts.activations.get(vid);
          if (activation === undefined || through <= activation.through) continue;
          violated(
            `${node.id} commits ${through} in view ${view.vid}, while view ${vid} is active since ${activation.through}`,
          );
        }
      },
      moved(node, core) {
        if (core.activeVid === undefined || core.activeVid >= facts.newestActive || core.role !== "primary") return;
        // What it holds at that place must be what the newer view began with.
        const entry = entryIn(core, core.commit);
        const place = facts.committed(core.commit);
        if (entry !== undefined && place !== undefined && entry.vid !== place.entry.vid)
          violated(
            `${node.id} has committed ${entry.vid}.${core.commit} in view ${core.activeVid}, and view ${facts.newestActive} is active with another entry there`,
          );
      },
      says(node, core, to, message) {
        // Who knows a newer view acknowledges nothing in an older one, or that could go on committing.
        if (message.type === "invoked" && message.vid < (core.view?.vid ?? 0))
          violated(`${node.id} acknowledges view ${message.vid} to ${to}, and knows view ${core.view?.vid}`);
      },
    };
  },
};
