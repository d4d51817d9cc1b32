/**
 * Mutants of locks that clients keep after use: the cache, and what the lock machine does about it (design.md 4.8).
 * @module
 */
import type { Mutant } from "./mutant.ts";

const LINE = "src/locks/machine-line.ts";
const KEEPING = "src/locks/machine-keeping.ts";
const CLAIMS = "src/locks/client-claims.ts";
const CACHE = "src/locks/client-cache.ts";

export const CACHE_MUTANTS: readonly Mutant[] = [
  {
    name: "those who keep a lock are not told that others wait",
    rules: [14],
    patches: [
      {
        file: LINE,
        find: `at.notify(session, { type: "revoke", name, xid, token, answer: asked });`,
        replace: "",
      },
    ],
  },
  {
    name: "a revoke is not outstanding",
    rules: [14, 15],
    patches: [
      {
        file: KEEPING,
        find: "if (keep === 0 || !(asked || queue.length > 0)) return;",
        replace: "if (keep >= 0) return;",
      },
    ],
    why: "a notice that was lost with its connection or its primary is never said again",
  },
  {
    name: "the question what is used is said again without the question",
    rules: [7, 14, 15],
    patches: [{ file: KEEPING, find: "answer: asked }", replace: "answer: false }" }],
    why: "ifAvailable waits for a use to end",
  },
  {
    name: "a declined probe is not outstanding",
    rules: [14, 15],
    patches: [
      {
        file: KEEPING,
        find: "if (probing === session) notices.push(",
        replace: "if (probing === session && xid < 0) notices.push(",
      },
    ],
  },
  {
    name: "that a tenure is kept is missing from the snapshot",
    rules: [10, 12, 14, 15],
    patches: [
      {
        file: "src/locks/machine-snapshot.ts",
        find: "return { session, xid, mode, since, owner, permits, delayMs, token, waited, keep, asked };",
        replace: "return { session, xid, mode, since, owner, permits, delayMs, token, waited, keep: 0 * keep, asked };",
      },
    ],
  },
  {
    name: "a probe is answered with a release while the lock is in use",
    rules: [12, 13],
    patches: [
      {
        file: CLAIMS,
        find: "if (claim.keep > 0 && claim.uses.length > 0 && (answer || isWeaker)) this.#returns.settle(claim, this);",
        replace: "if (claim.keep > 0 && claim.uses.length > 0 && (answer || isWeaker)) void this.#returns.give(claim);",
      },
    ],
  },
  {
    name: "a revoked lock goes back while it is in use",
    rules: [12, 13],
    patches: [
      {
        file: CLAIMS,
        find: "if (claim.uses.length === 0 && (claim.state ===",
        replace: "if ((claim.state ===",
      },
    ],
  },
  {
    name: "a revoked lock is handed out on",
    rules: [12, 13, 15],
    patches: [
      {
        file: CACHE,
        find: "    this.#remove(keeping);\n    this.#claims.giveUp(claim);",
        replace: "    this.#claims.giveUp(claim);",
      },
    ],
  },
  {
    name: "local token reused",
    rules: [13],
    patches: [{ file: "src/locks/client-claim.ts", find: "claim.taken++", replace: "claim.taken" }],
  },
  {
    name: "tokens that local uses have taken are granted to the next",
    rules: [13],
    patches: [
      {
        file: LINE,
        find: "const part = Math.floor(TOKENS_PER_ENTRY / count);",
        replace: "const part = 1;",
      },
      { file: LINE, find: "keeps ? part : 0;", replace: "keeps ? TOKENS_PER_ENTRY : 0;" },
    ],
    why: "those let in together share the entry's block",
  },
  {
    name: "an exclusive use beside shared ones in the same client",
    rules: [12],
    patches: [
      {
        file: CACHE,
        find: `return uses.length === 0 || (mode === "shared" && uses[0]?.mode === "shared");`,
        replace: `return uses.length === 0 || uses[0]?.mode === "shared";`,
      },
    ],
  },
  {
    name: "a shared tenure is good enough for an exclusive use",
    rules: [12, 13],
    patches: [
      {
        file: CACHE,
        find: `const isEnough = how !== "steal" && lockDelayMs === 0 && (claim.mode === "exclusive" || mode === "shared");`,
        replace: `const isEnough = how !== "steal" && lockDelayMs === 0;`,
      },
    ],
  },
  {
    name: "a steal does not ask those who may have the lock unused",
    rules: [12],
    patches: [
      {
        file: "src/locks/machine-grants.ts",
        find: "if (isKept(lock)) {",
        replace: "if (isKept(lock) && lock.queue.length < 0) {",
      },
    ],
    why: "the client that kept it takes it once more, though another has it",
  },
  {
    name: "a steal waits for an answer for as long as there is none",
    rules: [14, 15],
    patches: [{ file: LINE, find: "(isKept(lock) && thief.robsAt > at.now)", replace: "isKept(lock)" }],
    why: "a client that stands still is robbed when its session is over, not after a second",
  },
  {
    name: "those who wait for a kept lock are forgotten when it goes",
    rules: [15],
    patches: [
      {
        file: CACHE,
        find: "request.keeping = undefined;\n      request.again();",
        replace: "request.keeping = undefined;",
      },
    ],
  },
];
