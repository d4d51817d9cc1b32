/**
 * Mutants of locks that clients keep after use: the cache, and what the lock machine does about it (design.md 4.8).
 * @module
 */
import type { Mutant } from "./mutant.ts";

const GRANTS = "src/locks/machine-grants.ts";
const KEEPING = "src/locks/machine-keeping.ts";
const CLAIMS = "src/locks/client-claims.ts";
const CACHE = "src/locks/client-cache.ts";

export const CACHE_MUTANTS: readonly Mutant[] = [
  {
    name: "those who keep a lock are not told that others wait",
    rules: [14],
    patches: [
      {
        file: GRANTS,
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
        find: "return { session, xid, mode, since, owner, token, waited, keep, asked };",
        replace: "return { session, xid, mode, since, owner, token, waited, keep: 0 * keep, asked };",
      },
    ],
  },
  {
    name: "a probe is answered with a release while the lock is in use",
    rules: [12, 13],
    patches: [
      {
        file: CLAIMS,
        find: "if (claim.keep > 0 && claim.uses.length > 0 && (answer || isWeaker)) this.#settle(claim);",
        replace: "if (claim.keep > 0 && claim.uses.length > 0 && (answer || isWeaker)) void this.#return(claim);",
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
    name: "a revoke that comes before the grant is forgotten",
    rules: [15],
    patches: [
      {
        file: CLAIMS,
        find: `if (claim.revoked !== "with an answer") claim.revoked = answer ? "with an answer" : "politely";`,
        replace: "",
      },
    ],
  },
  {
    name: "notice of another tenure obeyed",
    rules: [12, 13],
    patches: [
      {
        file: CLAIMS,
        find: "const claim = this.#claims.get(notice.xid);",
        replace:
          "const claim = this.#claims.get(notice.xid) ?? [...this.#claims.values()].find(({ name, keep }) => name === notice.name && keep > 0);",
      },
      {
        file: CLAIMS,
        find: `if (claim.token !== token || claim.state === "releasing") return;`,
        replace: `if (claim.state === "releasing") return;`,
      },
      { file: CLAIMS, find: "if (claim.token !== token) return;", replace: "" },
    ],
    why: "what is said late about a tenure that was given back ends the next one",
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
        file: GRANTS,
        find: "const part = Math.floor(TOKENS_PER_ENTRY / count);",
        replace: "const part = 1;",
      },
      { file: GRANTS, find: "keep: keeps ? part : 0", replace: "keep: keeps ? TOKENS_PER_ENTRY : 0" },
    ],
    why: "those let in together share the entry's block",
  },
  {
    name: "a kept lock outlives its session",
    rules: [12, 13],
    patches: [
      { file: CLAIMS, find: "waiting.push(...this.#observer.cleared());", replace: "" },
      { file: CACHE, find: "(this.#isNewTurn() && this.#isTrusted(keeping));", replace: "now >= 0;" },
    ],
  },
  {
    name: "a kept lock is taken without a look at the clock",
    rules: [12, 13],
    patches: [{ file: CACHE, find: "(this.#isNewTurn() && this.#isTrusted(keeping));", replace: "now >= 0;" }],
    why: "a client that was paused takes it before it does anything else",
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
        find: `const isEnough = how !== "steal" && (claim.mode === "exclusive" || mode === "shared");`,
        replace: `const isEnough = how !== "steal";`,
      },
    ],
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
  {
    name: "those who wait for a kept lock are not let in",
    rules: [15],
    patches: [{ file: CACHE, find: "if (keeping.waiting.length > 0) this.#letIn(keeping);", replace: "" }],
  },
  {
    name: "a use is given back before the cluster knows of it",
    rules: [12, 15],
    patches: [
      {
        file: CLAIMS,
        find: "settled === undefined ? post() : settled.then((isDone) => (isDone ? post() : undefined));",
        replace: "post();",
      },
      {
        file: CLAIMS,
        find: 'const settled = this.#outbox.post(session, "settle", settlement).then(',
        replace: 'const settled = Promise.resolve().then(() => this.#outbox.post(session, "settle", settlement)).then(',
      },
    ],
    why: "the release finds nothing, and what is settled after it stays for ever",
    wishes: { calls: 400 },
  },
];
