/**
 * Mutants of machine versions: when a cluster switches, who comes along, and which code executes what.
 * @module
 */
import type { PlanWishes } from "../../../src/simulator/plan.ts";
import type { Mutant } from "./mutant.ts";

/** The usual draw upgrades half of its clusters, and few of them at an unhappy moment. */
const UPGRADES: PlanWishes = {
  versions: 3,
  faults: [
    "newer program",
    "older program",
    "left behind",
    "kill",
    "slow disk",
    "crash at a message",
    "cut off at a message",
  ],
};

export const UPGRADE_MUTANTS: readonly Mutant[] = [
  {
    name: "upgrade entry appended before all members have promised that they can",
    rules: [2],
    patches: [
      {
        file: "src/rsm/upgrade.ts",
        find: "return this.#members().every(({ who }) => attempt.readied.has(who.id)) ? to : undefined;",
        replace: "return to;",
      },
    ],
  },
  {
    name: "upgrade entry appended before the primary's own promise is durable",
    rules: [2],
    patches: [
      {
        file: "src/rsm/upgrade.ts",
        find: "if (this.#replica.durability.write < attempt.ownWrite) return undefined;",
        replace: "",
      },
    ],
    wishes: UPGRADES,
    why: "its disk must be slower than the way to the others and theirs",
  },
  {
    name: "ready is said before the promise is durable",
    rules: [2],
    patches: [
      {
        file: "src/rsm/following.ts",
        find: "const after = Math.max(this.#replica.promise(versions), config.viewWrite);",
        replace: "this.#replica.promise(versions);\n    const after = config.viewWrite;",
      },
    ],
  },
  {
    name: "upgrade of what only the primary can run",
    rules: [0, 2],
    patches: [
      {
        file: "src/rsm/upgrade.ts",
        find: 'const to = newestCommon([willing, ...(programs as NonNullable<Progress["able"]>[])]);',
        replace: "const to = newestCommon([willing]);",
      },
      {
        file: "src/rsm/following.ts",
        find: "if (!config.isMember() || !canRun(willing, versions)) return;",
        replace: "if (!config.isMember()) return;",
      },
    ],
  },
  {
    name: "entries of version n replayed by n + 1 after a restart",
    rules: [0, 7, 9, 10],
    patches: [{ file: "src/rsm/replicated-log.ts", find: "this.state.begin(origin);", replace: "" }],
  },
  {
    name: "a snapshot of version n restored by n + 1",
    rules: [0, 7, 9, 10],
    patches: [
      {
        file: "src/machine/snapshot.ts",
        find: "new Incoming(machine, version)",
        replace: "new Incoming(machine, machine.versions.at(-1)!)",
      },
    ],
  },
  {
    name: "old node admitted after the switch",
    rules: [0, 10],
    patches: [
      {
        file: "src/rsm/leadership.ts",
        find: "if (!this.#canFollow(progress, log.end)) return this.#refuseOld(progress, log.end);",
        replace: "",
      },
    ],
    wishes: UPGRADES,
    why: "a node must be away while all others are upgraded",
  },
  {
    name: "the state is not migrated",
    rules: [9, 10],
    patches: [
      {
        file: "src/machine/runner.ts",
        find: "        state = migrated;\n",
        replace: "",
      },
    ],
  },
];
