/**
 * Mutants of what is asked for beside plain locks: several at once, semaphores, limits, delays after a lost session,
 * elections.
 * @module
 */
import type { Mutant } from "./mutant.ts";

const GRANTS = "src/locks/machine-grants.ts";
const LINE = "src/locks/machine-line.ts";
const STATE = "src/locks/machine-state.ts";
const CLAIM = "src/locks/client-claim.ts";
const CLAIMS = "src/locks/client-claims.ts";
const ELECTION = "src/locks/election.ts";
const SNAPSHOT = "src/locks/machine-snapshot.ts";

export const TOGETHER_MUTANTS: readonly Mutant[] = [
  {
    name: "group: granted where one of its locks is free",
    rules: [12, 14],
    patches: [
      {
        file: LINE,
        find: "const canEnter = names.every(",
        replace: "const canEnter = names.some(",
      },
    ],
  },
  {
    name: "group: room that it makes at its other locks is not seen",
    rules: [14],
    patches: [
      {
        file: LINE,
        find: "for (const other of table.groups.names(head.session, head.group)) others.push(other);",
        replace: "",
      },
    ],
    why: "shared ones stand behind it at another of its locks",
  },
  {
    name: "group: its holder is told when the first grant is heard of",
    rules: [12, 13],
    patches: [
      {
        file: "src/locks/client-group.ts",
        find: "this.uses[index] = use;",
        replace: "this.uses.fill(use);",
      },
    ],
    why: "it takes the first lock for all of them",
  },
  {
    name: "group: for which locks it stands in line is missing from the snapshot",
    rules: [0, 10],
    patches: [{ file: SNAPSHOT, find: "  yield* groups;\n", replace: "" }],
    why: "it is found when the snapshot is restored: nobody could ever let the group in, or would for ever",
  },
  {
    name: "group: it comes back from a snapshot without one of its locks",
    rules: [10, 12, 14],
    patches: [
      {
        file: SNAPSHOT,
        find: "for (const row of slice.groups) table.groups.put(...row);",
        replace:
          "for (const [session, first, names] of slice.groups) table.groups.put(session, first, names.slice(1));",
      },
    ],
    why: "it is let in where the others are free, and stands in line at the lost one for ever",
  },
  {
    name: "group: its locks come back from a snapshot in another order",
    rules: [10],
    patches: [
      {
        file: SNAPSHOT,
        find: "for (const row of slice.groups) table.groups.put(...row);",
        replace:
          "for (const [session, first, names] of slice.groups) table.groups.put(session, first, names.reverse());",
      },
    ],
  },
  {
    name: "semaphore: one holder too many",
    rules: [12],
    patches: [
      {
        file: STATE,
        find: "if (permits > 0) return holders.length < permits;",
        replace: "if (permits > 0) return holders.length <= permits;",
      },
    ],
  },
  {
    name: "semaphore: all who wait are let in at once",
    rules: [12],
    patches: [
      {
        file: LINE,
        find: "const most = head.permits > 0 ? head.permits - holders.length : queue.length;",
        replace: "const most = queue.length + 0 * holders.length;",
      },
    ],
  },
  {
    name: "maxHoldMs: nobody looks at the limit",
    rules: [13],
    patches: [
      {
        file: CLAIM,
        find: "if (this.#limit !== undefined && keeper.now() >= this.#limit.until) keeper.overdue(this);",
        replace: "",
      },
      { file: CLAIM, find: "() => keeper.overdue(this));", replace: "() => {});" },
    ],
  },
  {
    name: "maxHoldMs: the lock goes back and its holder is not told",
    rules: [12, 13],
    patches: [
      {
        file: CLAIMS,
        find: `use.end(lossOf(use.claim.name, use.token, "maxHoldMs"));\n    use.tellLoss();`,
        replace: "",
      },
    ],
  },
  {
    name: "lockDelayMs: over at once",
    rules: [12],
    patches: [{ file: GRANTS, find: "until: at.now + delayMs", replace: "until: at.now + 0 * delayMs" }],
  },
  {
    name: "lockDelayMs: those who wait are not let in when it is over",
    rules: [14],
    patches: [{ file: GRANTS, find: "  letIn(table, due, at);\n", replace: "" }],
  },
  {
    name: "lockDelayMs: missing from the snapshot",
    rules: [10, 12],
    patches: [
      {
        file: SNAPSHOT,
        find: "barred: barRow === null ? barred : barFromRow(barRow),",
        replace: "barred: barRow === null || barRow.length > 0 ? barred : barFromRow(barRow),",
      },
    ],
  },
  {
    name: "lockDelayMs: a session that fell silent ends like one that was closed",
    rules: [12],
    patches: [
      {
        file: "src/rsm/state.ts",
        find: "this.machine.endSession(session.id, entry.body.length > 0, context)",
        replace: "this.machine.endSession(session.id, entry.body.length > 1, context)",
      },
    ],
  },
  {
    name: "election: the same term for several leaders",
    rules: [13],
    patches: [{ file: ELECTION, find: "return this.#lock.token;", replace: "return this.#lock.token / 4n;" }],
  },
  {
    name: "election: two leaders, as one does not look whether its term is over",
    rules: [12, 13],
    patches: [{ file: ELECTION, find: "this.#lock.assertHeld();", replace: "" }],
  },
  {
    name: "election: two leaders, as one is not told that its term is over",
    rules: [12, 13],
    patches: [
      {
        file: ELECTION,
        find: "this.#controller.abort(this.#lock.signal.reason);\n    this.#settle(undefined);",
        replace: "",
      },
      { file: ELECTION, find: "this.#lock.assertHeld();", replace: "this.signal.throwIfAborted();" },
    ],
    why: "whoever trusts its signal alone must be told",
  },
];
