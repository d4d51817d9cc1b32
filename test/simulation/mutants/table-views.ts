/**
 * Mutants of Paxos and the sequence of views, more of them: off by one, an earlier instance's message, what operators ask for.
 * @module
 */
import type { Mutant } from "./mutant.ts";

export const VIEW_MUTANTS: readonly Mutant[] = [
  {
    name: "an accept makes no promise",
    rules: [1],
    patches: [
      {
        file: "src/paxos/acceptor.ts",
        find: "    this.#promised = ballot;\n    // One ballot",
        replace: "    // One ballot",
      },
    ],
  },
  {
    name: "a promise is compared by its round alone",
    rules: [1],
    patches: [
      {
        file: "src/paxos/acceptor.ts",
        find: "compareBallots(ballot, this.#promised) < 0",
        replace: "ballot.round < this.#promised.round",
      },
    ],
  },
  {
    name: "an accept of an earlier instance is taken for one of this",
    rules: [1],
    patches: [
      {
        file: "src/config/config.ts",
        find: "else if (message.instance < next) this.tellView(from.id, now);\n    else if (this.#voting",
        replace: "else if (this.#voting",
      },
    ],
  },
  {
    name: "the smallest id is primary after every shrink",
    rules: [3],
    patches: [
      {
        file: "src/config/next-view.ts",
        find: "findById(members, view.primary)?.id ?? smallestId(members)",
        replace: "smallestId(members)",
      },
    ],
  },
  {
    name: "shrink without a roll call",
    rules: [3],
    patches: [
      {
        file: "src/config/next-view.ts",
        find: "    rollCall.has(member.id) &&\n",
        replace: "",
      },
    ],
  },
  {
    name: "too many silent acceptors are forgotten",
    rules: [15],
    patches: [
      {
        file: "src/config/next-view.ts",
        find: "if (left < 3 || left % 2 === 0) continue;",
        replace: "if (left < 2) continue;",
      },
    ],
  },
  {
    name: "silent members are forgotten as acceptors",
    rules: [3, 15],
    patches: [
      {
        file: "src/config/next-view.ts",
        find: "silent.includes(id) && findById(members, id) === undefined",
        replace: "silent.includes(id)",
      },
      {
        file: "src/config/suspicions.ts",
        find: "!this.#newest.isMember(acceptor) && !this.liveness.hasReturned(acceptor)",
        replace: "!this.liveness.hasReturned(acceptor)",
      },
    ],
  },
  {
    name: "who is barred may join",
    rules: [3],
    patches: [
      {
        file: "src/config/address-book.ts",
        find: 'if (view.barred.includes(id)) return "barred";',
        replace: "",
      },
      {
        file: "src/config/next-view.ts",
        find: " || view.barred.includes(learner.id)) return undefined;",
        replace: ") return undefined;",
      },
    ],
  },
  {
    name: "who is barred is forgotten by the next view",
    rules: [3],
    patches: [
      {
        file: "src/config/next-view.ts",
        find: "barred: [...next.barred].sort(compareIds),",
        replace: "barred: next.barred.length > situation.view.barred.length ? [...next.barred] : [],",
      },
    ],
  },
  {
    name: "a removed node stays an acceptor",
    rules: [3],
    patches: [
      {
        file: "src/config/next-view.ts",
        find: '(acceptor) => change?.action !== "remove" || acceptor.id !== change.id,',
        replace: '(acceptor) => change?.action !== "remove" || acceptor.id === change.id || true,',
      },
    ],
  },
];
