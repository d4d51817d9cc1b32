/**
 * Mutants of what is durable when it is said, of starting after a crash, and of what clients are told, more of them.
 * @module
 */
import type { Mutant } from "./mutant.ts";

export const HAND_MUTANTS: readonly Mutant[] = [
  {
    name: "invoked leaves before the drop of a stale tail is durable",
    rules: [2],
    patches: [
      {
        file: "src/rsm/following.ts",
        find: "if (!durability.isTruncated || durability.write < config.viewWrite) return;",
        replace: "if (durability.write < config.viewWrite) return;",
      },
    ],
  },
  {
    name: "one completed write lets all leave that waits for later ones",
    rules: [2],
    patches: [
      {
        file: "src/replica/durability.ts",
        find: "next !== undefined && next.after <= through;",
        replace: "next !== undefined;",
      },
    ],
  },
  {
    name: "a completed write counts for what was written since",
    rules: [2],
    patches: [
      {
        file: "src/replica/durability.ts",
        find: "if (error === undefined) this.#completed(through);",
        replace: "if (error === undefined) this.#completed(Math.max(through, this.#written));",
      },
    ],
  },
  {
    name: "a torn end is not cut off",
    rules: [11],
    patches: [
      {
        file: "src/storage/recovery.ts",
        find: "return this.#inventory.bytesOf.get(name) === end ? []",
        replace: "return this.#inventory.bytesOf.get(name) !== undefined ? []",
      },
    ],
  },
  {
    name: "damaged data is set aside, and that is forgotten at once",
    rules: [11],
    patches: [
      {
        file: "src/storage/recovery.ts",
        find: "this.#note = note;\n      this.#beginAnew();",
        replace: "this.#beginAnew();",
      },
    ],
  },
  {
    name: "a snapshot's name is not synced",
    rules: [11, 15],
    patches: [
      {
        file: "src/storage/snapshot-writer.ts",
        find: "          (next) => this.#options.disk.syncDirectory(next),\n",
        replace: "",
      },
    ],
  },
  {
    name: "the primary's own acceptance does not stop what it confirms",
    rules: [8, 13],
    patches: [
      {
        file: "src/rsm/confirmation.ts",
        find: "if (config.acceptor.accepted !== undefined) {",
        replace: "if (config.acceptor.accepted !== undefined && config.viewWrite < 0) {",
      },
    ],
  },
  {
    name: "what was stamped is not answered when its view is over",
    rules: [15],
    patches: [
      {
        file: "src/rsm/serving.ts",
        find: "this.#refuseAll(this.#confirmation.cancel());\n    this.#refuseStamped();\n  }",
        replace: "this.#refuseAll(this.#confirmation.cancel());\n  }",
      },
    ],
  },
  {
    name: "keep-alive confirmed without a round",
    rules: [13],
    patches: [
      {
        file: "src/rsm/serving.ts",
        find: 'this.#confirmation.add({ kind: "keepAlive", client, xid: message.xid, seqno: message.session.seqno });',
        replace: "this.#keptAlive(client, message.xid, message.session.seqno);",
      },
    ],
  },
  {
    name: "which replies a client has is missing from the snapshot",
    rules: [10],
    patches: [
      {
        file: "src/rsm/state-chunks.ts",
        find: "    session.acknowledge(acknowledgedThrough);\n",
        replace: "    void acknowledgedThrough;\n",
      },
    ],
  },
  {
    name: "a long TTL comes back from a snapshot as a short one",
    rules: [10],
    patches: [
      {
        file: "src/rsm/state-chunks.ts",
        find: "?? new Session({ vid, seqno }, ttlMs);",
        replace: "?? new Session({ vid, seqno }, Math.min(ttlMs, 1000));",
      },
    ],
  },
  {
    name: "a client acknowledges replies that it does not have",
    rules: [9, 12],
    patches: [
      {
        file: "src/client/requests.ts",
        find: "acknowledgedThrough: this.#oldest - 1, skip",
        replace: "acknowledgedThrough: number - 1, skip",
      },
    ],
  },
  {
    name: "a query is not asked again on a new connection",
    rules: [15],
    patches: [
      {
        file: "src/client/questions.ts",
        find: "      question.sent = false;\n      (isLocal",
        replace: "      if (question.sent) continue;\n      (isLocal",
      },
    ],
  },
  {
    name: "the calls of a session that is over are said not to be done",
    rules: [8, 9],
    patches: [
      {
        file: "src/client/session-keeper.ts",
        find: "expiredError(id, reason, outcomeUnknown)",
        replace: 'expiredError(id, reason, outcomeUnknown && reason === "")',
      },
    ],
  },
  {
    name: "recovery by force: entries are stamped anew, and executed at other places",
    rules: [7],
    patches: [
      {
        file: "src/replica/new-cluster.ts",
        find: "else executeAll(remains, stored, executed);",
        replace: "else executed(undefined, undefined);",
      },
    ],
    why: "an entry that compares a version finds another one: what it wrote was acknowledged, and is gone",
  },
];
