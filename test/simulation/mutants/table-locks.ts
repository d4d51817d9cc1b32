/**
 * Mutants of the lock machine and the lock client (design.md 4.8).
 * @module
 */
import type { Mutant } from "./mutant.ts";

const GRANTS = "src/locks/machine-grants.ts";
const LINE = "src/locks/machine-line.ts";
const MACHINE = "src/locks/machine.ts";
const STATE = "src/locks/machine-state.ts";
const CLAIMS = "src/locks/client-claims.ts";

export const LOCK_MUTANTS: readonly Mutant[] = [
  {
    name: "a shared request is compatible with anything",
    rules: [12],
    patches: [
      {
        file: STATE,
        find: `(mode === "shared" && first.mode === "shared");`,
        replace: `mode === "shared";`,
      },
    ],
  },
  {
    name: "shared waiters are granted past an exclusive one",
    rules: [12],
    patches: [
      {
        file: LINE,
        find: "return Math.min(most, end === -1 ? queue.length : end);",
        replace: `return Math.min(most, queue.slice().filter(({ mode }) => mode === "shared").length);`,
      },
    ],
  },
  {
    name: "release of another tenure accepted",
    rules: [12],
    patches: [
      {
        file: GRANTS,
        find: "one.session === session && one.xid === tenure.xid && one.token === tenure.token;",
        replace: "one.session === session || one.xid === tenure.xid;",
      },
    ],
  },
  {
    name: "ifAvailable overtakes",
    rules: [14],
    patches: [
      {
        file: GRANTS,
        find: "if (lock.queue.length === 0 && isCompatible(lock, waiter)) return",
        replace: `if ((lock.queue.length === 0 || wanted.how === "ifAvailable") && isCompatible(lock, waiter)) return`,
      },
    ],
    why: "shared requests that do not wait overtake an exclusive one for ever",
  },
  {
    name: "grant to a dead session",
    rules: [12],
    patches: [
      {
        file: GRANTS,
        find: "const rest = without(lock, isIts);",
        replace: "const rest = { ...lock, holders: but(lock.holders, isIts), stolen: but(lock.stolen, isIts) };",
      },
    ],
  },
  {
    name: "the next one is not let in when a session ends",
    rules: [14],
    patches: [
      {
        file: GRANTS,
        find: "  letIn(table, names, at);\n",
        replace: "",
      },
    ],
  },
  {
    name: "the next one is not let in at a release",
    rules: [14],
    patches: [
      {
        file: GRANTS,
        find: "  table.put(name, rest);\n  letIn(table, [name], at);\n",
        replace: "  table.put(name, rest);\n",
      },
    ],
  },
  {
    name: "waiter lost at abort: those behind are not let in",
    rules: [14],
    patches: [
      {
        file: GRANTS,
        find: "  table.put(name, rest);\n  letIn(table, [name], at);\n",
        replace: `  const held = table.get(name).holders.length;
  table.put(name, rest);
  if (rest.holders.length < held) letIn(table, [name], at);
`,
      },
    ],
    why: "shared ones behind an exclusive one that gives up stay in line beside shared holders",
  },
  {
    name: "waiter lost at abort: the cluster is not told",
    rules: [14, 15],
    patches: [
      {
        file: "src/locks/client-request.ts",
        find: "if (this.#claim !== undefined) claims.letGo(this.#claim);",
        replace: "",
      },
    ],
    why: "it is granted the lock, and nobody knows",
  },
  {
    name: "no notice to who is next",
    rules: [14, 15],
    patches: [
      {
        file: LINE,
        find: `at.notify(session, { type: "granted", name, xid, token, keep });`,
        replace: "",
      },
    ],
  },
  {
    name: "a grant is not outstanding",
    rules: [14, 15],
    patches: [
      {
        file: "src/locks/machine-keeping.ts",
        find: "if (waited) yield",
        replace: "if (waited && token < 0n) yield",
      },
    ],
    why: "a notice that was lost with its connection is never said again",
  },
  {
    name: "who was declined and has not said that it knows missing from the snapshot",
    rules: [10, 14],
    patches: [
      {
        file: "src/locks/machine-snapshot.ts",
        find: "const named = declined.slice(from, to)",
        replace: "const named = declined.slice(to, to)",
      },
    ],
  },
  {
    name: "those in line missing from the snapshot",
    rules: [10, 14, 15],
    patches: [
      {
        file: "src/locks/machine-snapshot.ts",
        find: "queue.slice(from, to).map(waiterToRow)",
        replace: "queue.slice(to, to).map(waiterToRow)",
      },
    ],
  },
  {
    name: "token restarts after a restore",
    rules: [10, 13],
    patches: [
      { file: STATE, find: "export class LockTable {", replace: "export class LockTable {\n  issued = 0;" },
      { file: MACHINE, find: "wanted, at(ctx))", replace: "wanted, at(ctx, table))" },
      {
        file: MACHINE,
        find: "release(table, ctx.session, tenure, at(ctx))",
        replace: "release(table, ctx.session, tenure, at(ctx, table))",
      },
      {
        file: MACHINE,
        find: "settle(table, ctx.session, tenure, at(ctx))",
        replace: "settle(table, ctx.session, tenure, at(ctx, table))",
      },
      {
        file: MACHINE,
        find: "refill(table, ctx.session, tenure, at(ctx))",
        replace: "refill(table, ctx.session, tenure, at(ctx, table))",
      },
      { file: MACHINE, find: "tenures, at(ctx))", replace: "tenures, at(ctx, table))" },
      { file: MACHINE, find: "request, at(ctx))", replace: "request, at(ctx, table))" },
      { file: MACHINE, find: "all, at(ctx))", replace: "all, at(ctx, table))" },
      { file: MACHINE, find: "isLost, at(ctx))", replace: "isLost, at(ctx, table))" },
      { file: MACHINE, find: "timeIsUp(table, at(ctx))", replace: "timeIsUp(table, at(ctx, table))" },
      {
        file: MACHINE,
        find: "function at(ctx: StepContext): At {",
        replace: "function at(ctx: StepContext, table: LockTable): At {",
      },
      { file: MACHINE, find: "seqno: ctx.viewstamp.seqno,", replace: "seqno: ++table.issued," },
    ],
    why: "tokens count the steps of the machine, and the count is not in its snapshot",
  },
  {
    name: "token from replicated time",
    rules: [13],
    patches: [
      {
        file: LINE,
        find: "BigInt(at.seqno) * BigInt(TOKENS_PER_ENTRY)",
        replace: "BigInt(Math.floor(at.now)) * BigInt(TOKENS_PER_ENTRY)",
      },
    ],
    why: "two grants within a millisecond have the same",
  },
  {
    name: "machine reads the wall clock",
    rules: [10],
    patches: [
      {
        file: LINE,
        find: "BigInt(at.seqno) * BigInt(TOKENS_PER_ENTRY)",
        replace: "BigInt(Date.now()) * BigInt(TOKENS_PER_ENTRY)",
      },
    ],
  },
  {
    name: "those let in together share a token",
    rules: [13],
    patches: [{ file: LINE, find: "BigInt(index * part);", replace: "BigInt(0 * index * part);" }],
  },
  {
    name: "map order differs",
    rules: [10, 13],
    patches: [
      {
        file: LINE,
        find: ": entered.map((waiter",
        replace: ": [...new Set(entered)].sort(() => Math.random() - 0.5).map((waiter",
      },
    ],
    why: "those let in together get their tokens in the order of an unordered set, another one on each replica",
  },
  {
    name: "a lost lock's signal stays silent",
    rules: [13],
    patches: [
      {
        file: "src/locks/client-returns.ts",
        find: "for (const use of uses) use.tellLoss();",
        replace: "",
      },
    ],
  },
  {
    name: "a lock client looks at the clock only when it is granted",
    rules: [12, 13],
    patches: [
      {
        file: "src/locks/client-claim.ts",
        find: `if (!this.isOver && !keeper.isTrusted(this.#claim)) keeper.distrust(this);`,
        replace: "",
      },
    ],
  },
  {
    name: "an untrusted grant is taken",
    rules: [12, 13],
    patches: [
      { file: CLAIMS, find: "const trusted = this.isTrusted(claim);", replace: "const trusted = claim.xid > 0;" },
      {
        file: "src/client/engine.ts",
        find: "if (!this.#inFrame) this.#keeper.check();\n",
        replace: "",
      },
    ],
    why: `a process that wakes up is told of a grant that was taken back while it slept. The first change alone does no harm
that can be seen here: the clock was looked at when the frame came, and no time passes until the grant is taken`,
  },
  {
    name: "who hears too late that it may run something once runs it",
    rules: [9],
    patches: [
      { file: "src/locks/once.ts", find: "if (!trust.isOver()) return", replace: "if (trust !== null) return" },
    ],
    why: "another has claimed it by then, and runs it first",
    wishes: { faults: ["client pauses", "client cut off", "client unheard", "cut pair"] },
  },
  {
    name: "what was claimed to be run once is forgotten in half its time",
    rules: [9],
    patches: [
      {
        file: "src/locks/machine-once.ts",
        find: "this.put([key, id, now + ttlMs]);",
        replace: "this.put([key, id, now + ttlMs / 2]);",
      },
    ],
  },
];
