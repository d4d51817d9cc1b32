/**
 * Mutants of the machines and the lock client, more of them: kv, steals, groups, refills.
 * @module
 */
import type { Mutant } from "./mutant.ts";

export const MACHINE_MUTANTS: readonly Mutant[] = [
  {
    name: "what was claimed to be run once is missing from the snapshot",
    rules: [9, 10],
    patches: [
      {
        file: "src/locks/machine-snapshot.ts",
        find: "  yield* once;\n",
        replace: "",
      },
    ],
  },
  {
    name: "group: it outlives its session",
    rules: [12],
    patches: [
      {
        file: "src/locks/machine-grants.ts",
        find: "  for (const group of table.groups.of(session)) table.groups.delete(session, group);\n",
        replace: "",
      },
    ],
  },
  {
    name: "group: one of its requests is let in alone among shared ones",
    rules: [12],
    patches: [
      {
        file: "src/locks/machine-line.ts",
        find: 'waiter.mode === "exclusive" || waiter.group > 0);\n  const most',
        replace: 'waiter.mode === "exclusive");\n  const most',
      },
    ],
  },
  {
    name: "a lock is kept though it was revoked before the grant was heard of",
    rules: [13, 14, 15],
    patches: [
      {
        file: "src/locks/client-claims.ts",
        find: "if (keep > 0 && revoked === undefined) this.#observer.kept(claim);",
        replace: "if (keep > 0) this.#observer.kept(claim);",
      },
    ],
  },
  {
    name: "nobody is let in after a settlement",
    rules: [14],
    patches: [
      {
        file: "src/locks/machine-keeping.ts",
        find: "  letIn(table, [name], at);\n  return true;",
        replace: "  return true;",
      },
    ],
  },
  {
    name: "a steal is not outstanding",
    rules: [14],
    patches: [
      {
        file: "src/locks/machine-keeping.ts",
        find: "if (robbed === session) notices.push",
        replace: "if (robbed === session && xid < 0) notices.push",
      },
    ],
  },
  {
    name: "the robbed are not told when it happens",
    rules: [7],
    patches: [
      {
        file: "src/locks/machine-line.ts",
        find: 'for (const { session, xid, token } of robbed) at.notify(session, { type: "stolen", name, xid, token });',
        replace: "void [name, robbed, at];",
      },
    ],
    why: "they are told when their client comes back, of something that no entry said",
  },
  {
    name: "a client does not believe that it was robbed",
    rules: [13],
    patches: [
      {
        file: "src/locks/client-claims.ts",
        find: '} else this.#lose(claim, "stolen");',
        replace: "}",
      },
    ],
  },
  {
    name: "what was claimed to be run once is never forgotten",
    rules: [15],
    patches: [
      {
        file: "src/locks/machine.ts",
        find: "    table.once.tick(ctx.now);\n",
        replace: "",
      },
    ],
  },
  {
    name: "a snapshot of a map sees what is changed later",
    rules: [0, 10],
    patches: [
      {
        file: "src/machine/versioned-map.ts",
        find: "    this.#epoch++;\n",
        replace: "",
      },
    ],
  },
  {
    name: "a refill gives tokens that were given out before",
    rules: [13],
    patches: [
      {
        file: "src/locks/machine-keeping.ts",
        find: "=== undefined ? null : wholeBlock(at);",
        replace: "=== undefined ? null : { ...wholeBlock(at), token: tenure.token };",
      },
    ],
  },
  {
    name: "kv: an older version is good enough to compare",
    rules: [8],
    patches: [
      {
        file: "src/machine/kv.ts",
        find: "if (current !== wanted.version) return",
        replace: "if (current < wanted.version) return",
      },
    ],
  },
  {
    name: "kv: versions are missing from the snapshot",
    rules: [10],
    patches: [
      {
        file: "src/machine/kv.ts",
        find: "this.#state.set(key, { value, version });",
        replace: "this.#state.set(key, { value, version: version > 0 ? 1 : 0 });",
      },
    ],
  },
  {
    name: "kv: a page begins too far behind the one before",
    rules: [8],
    patches: [
      {
        file: "src/machine/kv.ts",
        find: "`${after}\\0`",
        replace: "`${after}~`",
      },
    ],
  },
  {
    name: "kv: a deleted key is still there",
    rules: [8],
    patches: [
      {
        file: "src/machine/kv.ts",
        find: "(state, name) => state.delete(name)",
        replace: "(state, name) => state.has(name)",
      },
    ],
  },
];
