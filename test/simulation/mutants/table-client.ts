/**
 * Mutants of the client: its session's deadline, and what it says of calls (design.md 4.7).
 * @module
 */
import type { Mutant } from "./mutant.ts";

const SESSION = "src/client/session.ts";
const TRUST = "src/client/trust.ts";

export const CLIENT_MUTANTS: readonly Mutant[] = [
  {
    name: "client deadline counted from the answer",
    rules: [12, 13],
    patches: [
      {
        file: SESSION,
        find: "this.#live?.trust.confirm(sent, driftPercent);",
        replace: "this.#live?.trust.confirm(Math.max(sent, this.#clock.earliest()), driftPercent);",
      },
    ],
  },
  {
    name: "client deadline not shortened by the drift",
    rules: [12, 13],
    patches: [
      {
        file: TRUST,
        find: "return this.#ttlMs * (1 - driftPercent / 100);",
        replace: "return this.#ttlMs * (1 - Math.min(0, driftPercent));",
      },
    ],
  },
  {
    name: "a sleep of the machine is not counted",
    rules: [12, 13],
    patches: [
      {
        file: TRUST,
        find: "this.#asleep += Math.max(0, moved);",
        replace: "this.#asleep += Math.min(0, moved) * 0;",
      },
    ],
  },
  {
    name: "a session is trusted until its timer fires",
    rules: [12, 13],
    patches: [
      {
        file: "src/locks/client-claims.ts",
        find: "return session?.id === claim.session ? session.trustedUntil : Number.NEGATIVE_INFINITY;",
        replace: "return session?.id === claim.session ? Infinity : -Infinity;",
      },
      {
        file: "src/client/engine.ts",
        find: "get session(): LiveSession | undefined {\n    this.#keeper.check();",
        replace: "get session(): LiveSession | undefined {",
      },
    ],
    why: "a process that wakes up acts under its lock before its timers are looked at",
  },
  {
    name: "a call that was sent is said not to be done",
    rules: [7, 8, 9],
    patches: [
      {
        file: "src/client/requests.ts",
        find: `return this.#inDoubt || this.state !== "unsent";`,
        replace: "return this.#inDoubt;",
      },
    ],
  },
  {
    name: "a call is not sent again on a new connection",
    rules: [15],
    patches: [
      {
        file: "src/client/requests.ts",
        find: 'if (pending.state === "sent") pending.unsend(true);',
        replace: 'if (pending.state === "sent" && pending.call === undefined) pending.unsend(true);',
      },
    ],
  },
  {
    name: "a client does not try again after BUSY",
    rules: [15],
    patches: [
      {
        file: "src/client/requests.ts",
        find: "if (pending.number < this.#firstUnsent) this.#firstUnsent = pending.number;",
        replace: "",
      },
    ],
  },
];
