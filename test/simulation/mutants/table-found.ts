/**
 * Bugs that were really there, and that the simulator found: planted again, so that it would find them again however
 * seeds are drawn.
 */
import type { Mutant } from "./mutant.ts";

export const FOUND_MUTANTS: readonly Mutant[] = [
  {
    name: "found: whoever was met before a view counts other data is taken for returned",
    rules: [15],
    why: "the incarnation met last may be the older one, which is dead: it took its successor's place as an acceptor",
    patches: [
      {
        file: "src/config/liveness.ts",
        find: "      if (!this.hasReturned(acceptor)) continue;",
        replace: "      if (acceptor !== undefined) continue;",
      },
    ],
  },
  {
    name: "found: nobody listens to data whose place other data had taken and that was found again",
    rules: [15],
    patches: [
      {
        file: "src/config/liveness.ts",
        find: "    const state = this.#meet(from);\n    if (!state.impaired)",
        replace:
          "    const state = this.#meet(from);\n    if (!state.impaired && state !== this.#replaced.get(from.id))",
      },
      {
        file: "src/config/liveness.ts",
        find: "    state.linked = true;",
        replace: "    state.linked = state !== this.#replaced.get(peer.id);",
      },
    ],
  },
  {
    name: "found: a former primary that was impaired is never heard again",
    rules: [15],
    why: "its word was not forgotten with its view: as a backup it was removed and admitted hundreds of times",
    patches: [
      {
        file: "src/config/liveness.ts",
        find: "    for (const peer of this.#peers.values()) peer.impaired = false;",
        replace: "",
      },
    ],
  },
  {
    name: "found: a wall clock that was set back hides the sleep that follows",
    rules: [12, 13],
    why: "by how much the wall clock runs ahead was counted from the last keep-alive alone",
    patches: [
      {
        file: "src/client/trust.ts",
        find: "if (Math.abs(moved) < LEAST_MS) return moved;",
        replace: "if (moved < LEAST_MS) return moved;",
      },
    ],
  },
  {
    name: "found: grants before and after a probe's end share a token",
    rules: [13],
    why: "the tokens of an entry were shared out among those of one step, and a probe that ended between two steps made two of them",
    patches: [
      {
        file: "src/locks/machine-line.ts",
        find: ".map((waiter) => ({ ...waiter, keeps: waiter.keeps && queue.length === 0 }));",
        replace:
          ".map((waiter, index) => ({ ...waiter, keeps: waiter.keeps && queue.length === 0, share: [index, count] }));",
      },
      {
        file: "src/locks/machine-line.ts",
        find: "tenureOf(waiter, at, true, index, entered.length)",
        replace: "tenureOf(waiter, at, true, ...(waiter as unknown as { share: [number, number] }).share)",
      },
    ],
  },
  {
    name: "found: whoever was leaving is leaving for ever",
    rules: [15],
    why: "it came back in the same view, and another was lost: to remove both would have left too few, so neither was (seed 1795398339698203)",
    patches: [
      {
        file: "src/config/suspicions.ts",
        find: "if (this.#unfit.get(peer.id)?.leaving === true) this.#unfit.delete(peer.id);",
        replace: "",
      },
    ],
  },
];
