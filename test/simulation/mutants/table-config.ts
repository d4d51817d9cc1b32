/**
 * Mutants of the sequence of views: who is in them, who proposes them, who is suspected (design.md 4.2, 4.5).
 * @module
 */
import type { Mutant } from "./mutant.ts";

const NEXT = "src/config/next-view.ts";
const CAMPAIGNS = "src/config/campaigns.ts";
const CONFIG = "src/config/config.ts";
const NEWEST = "src/config/newest-view.ts";
const VOTING = "src/config/voting.ts";
const GENESIS = "src/config/genesis.ts";
const CORE = "src/rsm/core.ts";
const ADMISSION = "src/rsm/admission.ts";

export const CONFIG_MUTANTS: readonly Mutant[] = [
  {
    name: "view kept in memory only",
    rules: [2, 3],
    patches: [
      {
        file: CONFIG,
        find: `this.#newest.adopt(view, this.#output.persist({ kind: "view", view }));`,
        replace: "this.#newest.adopt(view, 0);",
      },
    ],
  },
  {
    name: "view spoken of before it is durable",
    rules: [2],
    patches: [
      {
        file: CONFIG,
        find: `this.#newest.adopt(view, this.#output.persist({ kind: "view", view }));`,
        replace: `this.#newest.adopt(view, this.#output.persist({ kind: "view", view }) - 1);`,
      },
    ],
  },
  {
    name: "a view is decided with the proposer's own acceptance",
    rules: [1, 3],
    patches: [
      {
        file: CAMPAIGNS,
        find: "return proposer.onAccepted(this.#newest.self) ? proposer.value : undefined;",
        replace: "return proposer.value;",
      },
    ],
  },
  {
    name: "restarted primary leads its old view again",
    rules: [4],
    patches: [
      { file: NEWEST, find: "this.#isFromDisk = durable.view !== undefined;", replace: "this.#isFromDisk = false;" },
      {
        file: CORE,
        find: "if (this.config.isPrimary()) return;",
        replace: `if (this.config.isPrimary()) {
      this.#leadership = new Leadership(this.#replica, view, this.#setup.now);
      this.#serving = new Serving(this.#replica, this.#leadership);
      return;
    }`,
      },
    ],
  },
  {
    name: "view with a member not of the view before",
    rules: [3],
    patches: [
      {
        file: NEXT,
        find: "return finish(situation, { members, acceptors, primary, ...withChange(view, change) });",
        replace: `const all = [...members, ...situation.returned.values()];
  return finish(situation, { members: all, acceptors, primary, ...withChange(view, change) });`,
      },
    ],
    why: "whoever returned with an empty disk takes its old place among the members",
  },
  {
    name: "a backup admits",
    rules: [3],
    patches: [
      {
        file: NEXT,
        find: "members: view.members,\n    acceptors: replaceReturned(situation, view.acceptors, view.members),",
        replace: `members: view.acceptors.filter(
      ({ id }) => findById(view.members, id) !== undefined || (situation.rollCall.has(id) && !situation.returned.has(id)),
    ),
    acceptors: replaceReturned(situation, view.acceptors, view.members),`,
      },
    ],
    why: "a backup that takes over also takes in the acceptors that answered its roll call",
  },
  {
    name: "learner admitted before it is level",
    rules: [3],
    patches: [
      {
        file: ADMISSION,
        find: "this.#attempt = attempt;\n    this.#ask(attempt);",
        replace: "this.#attempt = attempt;\n    this.#replica.config.admit({ ...learner.who, url: learner.url }, now);",
      },
    ],
    why: "being sent everything is taken for holding it",
  },
  {
    name: "the primary stamps on while it waits for the learner's promise",
    rules: [3],
    patches: [
      {
        file: ADMISSION,
        find: "return this.#attempt !== undefined || this.#replica.config.admitLeft;",
        replace: "return this.#replica.config.admitLeft;",
      },
    ],
  },
  {
    name: "stamping on after the admit's accept left",
    rules: [3],
    patches: [
      {
        file: CAMPAIGNS,
        find: "if (this.#admitLeft) return false;",
        replace: "this.#admitLeft = false;",
      },
    ],
    why: "an admission that takes too long is given up, although its accept may still be chosen",
  },
  {
    name: "stamping on as soon as the admit's accept left",
    rules: [3],
    patches: [
      {
        file: ADMISSION,
        find: "return this.#attempt !== undefined || this.#replica.config.admitLeft;",
        replace: "return this.#attempt !== undefined && !this.#replica.config.admitLeft;",
      },
    ],
  },
  {
    name: "shrink below minCopies",
    rules: [15],
    patches: [
      { file: NEXT, find: "if (kept.length >= minCopies) return kept;", replace: "if (kept.length >= 1) return kept;" },
      {
        file: "src/config/suspicions.ts",
        find: "if (fit.length >= this.#options.minCopies) return true;",
        replace: "if (fit.length >= 1) return true;",
      },
    ],
    why: "one lost disk then ends the cluster",
  },
  {
    name: "acceptors always equal to members",
    rules: [15],
    patches: [
      {
        file: NEXT,
        find: "const acceptors = forget(remaining, members, situation.forgettable);",
        replace: "const acceptors = remaining.filter(({ id }) => findById(members, id) !== undefined);",
      },
    ],
    why: "a node that was away for a moment does not help any more to replace one that is lost",
  },
  {
    name: "stickiness to an old view's primary",
    rules: [15],
    patches: [
      {
        file: VOTING,
        find: "return heardAt !== undefined && now - heardAt <= this.#options.suspectMs && liveness.isListening(primary);",
        replace: "return heardAt !== undefined && liveness.isListening(primary);",
      },
    ],
    why: "an acceptor sticks to the primary of its view for as long as there is a connection, however silent it is",
  },
  {
    name: "stickiness to a primary that cannot do its work",
    rules: [15],
    patches: [
      {
        file: "src/config/liveness.ts",
        find: "if (!state.impaired) state.heardAt = now;",
        replace: "state.heardAt = now;",
      },
    ],
    why: "a primary whose disk hangs keeps its place",
  },
  {
    name: "a silent backup is never removed",
    rules: [15],
    patches: [
      {
        file: CAMPAIGNS,
        find: `if (suspicions.isAny && suspicions.canShrink(now)) return { kind: "shrink" };`,
        replace: "",
      },
    ],
  },
  {
    name: "accepted, undecided value left to block reads",
    rules: [15],
    patches: [{ file: CAMPAIGNS, find: `if (this.#mustFinish) return { kind: "finish" };`, replace: "" }],
    why: "reads are never confirmed again; it takes a proposer that is stopped just after its accept, and a primary that stays",
    wishes: { nodes: 3, faults: ["messages lost", "two accepted values"] },
  },
  {
    name: "the first view does not wait for everybody",
    rules: [0, 1, 6, 15],
    patches: [
      {
        file: GENESIS,
        find: "if (incarnation === undefined) return undefined;",
        replace: "if (incarnation === undefined) continue;",
      },
    ],
    why: "who comes later was never fresh for the founder; a founder whose disk is replaced founds again",
  },
  {
    name: "a fresh node takes a late first view, of a founder that is gone",
    rules: [1, 6, 15],
    patches: [{ file: GENESIS, find: "from.incarnation === this.#saidFreshTo;", replace: 'from.incarnation !== "";' }],
    why: "it has told the next founder that it is fresh, and is counted in the view which that one makes",
  },
  {
    name: "a fresh node becomes a member of a cluster whose machines its program cannot run",
    rules: [0],
    patches: [
      {
        file: CONFIG,
        find: "if (includesIdentity(view.members, this.self) && !canRun(this.#able, origin)) {",
        replace: "if (includesIdentity(view.members, this.self) && this.#able.length === 0) {",
      },
    ],
    why: "it was counted on with a newer program than it has by then, and stops at the first entry",
  },
];
