/**
 * Mutants of what clients are served: reads, sessions, replies, the replicated state and its snapshot (design.md 4.3, 4.6,
 * 4.7), and of the order in which the hands let things leave.
 * @module
 */
import type { Mutant } from "./mutant.ts";

const SERVING = "src/rsm/serving.ts";
const CONFIRMATION = "src/rsm/confirmation.ts";
const STATE = "src/rsm/state.ts";
const SESSIONS = "src/rsm/sessions.ts";
const CHUNKS = "src/rsm/state-chunks.ts";
const LIVE = "src/rsm/live-sessions.ts";

export const SERVING_MUTANTS: readonly Mutant[] = [
  {
    name: "read without a round",
    rules: [8],
    patches: [
      {
        file: SERVING,
        find: `this.#confirmation.add({ kind: "query", client, xid: message.xid, body: message.body });`,
        replace: `this.#answer({ kind: "query", client, xid: message.xid, body: message.body }, 0);`,
      },
    ],
  },
  {
    name: "read confirmed by one short of a majority",
    rules: [8],
    patches: [
      {
        file: CONFIRMATION,
        find: "if (round.confirmed.size + 1 < quorumOf(this.#view)) return [];",
        replace: "if (round.confirmed.size + 1 < quorumOf(this.#view) - 1) return [];",
      },
    ],
  },
  {
    name: "read confirmed by those that know a newer view",
    rules: [8],
    patches: [
      {
        file: "src/config/config.ts",
        find: "if (this.#newest.vid <= message.vid) return this.#voting.confirm(message);",
        replace: "if (message.vid > 0) return this.#voting.confirm(message);",
      },
    ],
  },
  {
    name: "read without the accepted-nothing condition",
    rules: [8],
    patches: [
      {
        file: "src/config/voting.ts",
        find: "const accepted = this.#newest.vid === vid && this.#newest.acceptor.accepted !== undefined;",
        replace: "const accepted = false;",
      },
      {
        file: CONFIRMATION,
        find: "if (config.acceptor.accepted !== undefined) {",
        replace: "if (config.acceptor.accepted !== undefined && !config.isPrimary()) {",
      },
    ],
    why: "acceptors that chose the next view, and have not heard that it was chosen, confirm the old one",
  },
  {
    name: "confirmations of an earlier round counted",
    rules: [8],
    patches: [
      {
        file: CONFIRMATION,
        find: "if (round === undefined || message.round !== round.number) return [];",
        replace: "if (round === undefined) return [];",
      },
    ],
  },
  {
    name: "reply before commit: a skip is answered at once",
    rules: [7],
    patches: [
      {
        file: SERVING,
        find: "this.#stamp(kind, message.session, message, message.skip ? EMPTY : message.body, now);",
        replace: `this.#stamp(kind, message.session, message, message.skip ? EMPTY : message.body, now);
    const { session: of, number } = message;
    if (message.skip) this.#replica.output.answer(client, { type: "reply", session: of, number, body: EMPTY });`,
      },
    ],
  },
  {
    name: "reply before commit: a session is opened at once",
    rules: [7],
    patches: [
      {
        file: SERVING,
        find: "this.#askers.set(entry.seqno, { client, xid: message.xid });\n    return undefined;\n  }\n\n  onEnd(",
        replace: `const session = { vid: entry.vid, seqno: entry.seqno };
    this.#replica.output.answer(client, { type: "opened", xid: message.xid, session, ttlMs: message.ttlMs });
    return undefined;
  }

  onEnd(`,
      },
    ],
  },
  {
    name: "replies missing from the snapshot",
    rules: [9, 10],
    patches: [{ file: SESSIONS, find: "replies: [...replies] };", replace: "replies: [] };" }],
  },
  {
    name: "session changed while a snapshot is taken",
    rules: [9, 10],
    patches: [{ file: STATE, find: "    this.#sessions.changes(session);\n", replace: "" }],
  },
  {
    name: "read answered before what was committed is executed",
    rules: [8],
    patches: [{ file: CONFIRMATION, find: "through: commit,", replace: "through: applied," }],
  },
  {
    name: "last numbers missing from the snapshot",
    rules: [9, 10],
    patches: [
      {
        file: CHUNKS,
        find: "session.lastNumber = lastNumber;\n",
        replace: "session.lastNumber = acknowledgedThrough;\n",
      },
    ],
  },
  {
    name: "a reply forgotten before its client has it",
    rules: [9],
    patches: [
      {
        file: STATE,
        find: "session.acknowledge(entry.acknowledgedThrough);",
        replace: "session.acknowledge(entry.number - 1);",
      },
    ],
  },
  {
    name: "session re-created silently",
    rules: [9, 12],
    patches: [
      {
        file: STATE,
        find: "if (session === undefined) return NOTHING;\n    if (entry.number <=",
        replace: "if (entry.number <=",
      },
      {
        file: STATE,
        find: "const session = this.#sessions.get(entry.session);\n",
        replace: `let session = this.#sessions.get(entry.session);
    if (session === undefined) {
      session = this.#sessions.open(entry.session, 1000);
      session.lastNumber = entry.number - 1;
    }
`,
      },
      {
        file: SERVING,
        find: `import type { Session } from "./sessions.ts";`,
        replace: `import { Session } from "./sessions.ts";`,
      },
      {
        file: SERVING,
        find: `const session = this.#replica.state.sessions.get(message.session);
    const live = this.#live.get(message.session.seqno);`,
        replace: `let session = this.#replica.state.sessions.get(message.session);
    let live = this.#live.get(message.session.seqno);
    if (session === undefined && live === undefined && !this.#isFromLater(message.session) && this.isTaking) {
      session = new Session(message.session, 1000);
      session.lastNumber = message.number - 1;
      live = this.#live.add(session, now);
    }`,
      },
    ],
    why: "a late repetition of a request whose session has ended is executed again",
  },
  {
    name: "a retry is executed again",
    rules: [9],
    patches: [
      {
        file: STATE,
        find: `if (entry.number <= session.lastNumber) {
      return { reply: session.replies.get(entry.number), duplicate: true, notices: [] };
    }
    assert(entry.number === session.lastNumber + 1, "a session's numbers are stamped consecutively");`,
        replace: "",
      },
      {
        file: SERVING,
        find: "if (message.number <= session.lastNumber) return this.#replyAgain(client, message, session);",
        replace: `if (message.number <= session.lastNumber) {
      if (this.isTaking) this.#stamp("command", message.session, message, message.body, now);
      return undefined;
    }`,
      },
    ],
  },
  {
    name: "running hash begins anew after a snapshot",
    rules: [10],
    patches: [{ file: STATE, find: "this.#hash = header.hash;", replace: "this.#hash = 0;" }],
  },
  {
    name: "replicated time not in the snapshot",
    rules: [10],
    patches: [{ file: STATE, find: "this.#time = header.time;", replace: "this.#time = 0;" }],
  },
  {
    name: "a machine's time is the wall clock",
    rules: [10],
    patches: [{ file: "src/machine/step.ts", find: "this.now = context.now;", replace: "this.now = Date.now();" }],
    why: "no reply of the machines here depends on it: only the states differ",
  },
  {
    name: "keep-alive confirmed after the session's end was stamped",
    rules: [12, 13],
    patches: [
      {
        file: SERVING,
        find: `if (live.ending) return this.#decline(client, message.xid, "BUSY", "the session is ending");`,
        replace: "",
      },
      {
        file: SERVING,
        find: `if (live.ending) return this.#decline(client, xid, "BUSY", "the session is ending");`,
        replace: "",
      },
    ],
  },
  {
    name: "no full TTL after an activation",
    rules: [12, 13],
    patches: [
      {
        file: SERVING,
        find: "this.#live.begin(this.#replica.state.sessions, now);",
        replace: "this.#live.begin(this.#replica.state.sessions, now - 500);",
      },
    ],
  },
  {
    name: "the primary ends a session after half its TTL",
    rules: [12, 13],
    patches: [
      {
        file: LIVE,
        find: "?? this.#begunAt) + session.ttlMs;",
        replace: "?? this.#begunAt) + session.ttlMs / 2;",
      },
      {
        file: LIVE,
        find: "this.#checkAt = Math.min(this.#checkAt, now + session.ttlMs);",
        replace: "this.#checkAt = Math.min(this.#checkAt, now + session.ttlMs / 2);",
      },
    ],
  },
  {
    name: "silent sessions are never ended",
    rules: [12, 14, 15],
    patches: [{ file: LIVE, find: "return this.isLooking || now >= this.#checkAt;", replace: "return now < 0;" }],
    why: "what a dead client holds is never free again",
  },
  {
    name: "notices not sent again by a new primary",
    rules: [14, 15],
    patches: [
      {
        file: SERVING,
        find: "const outstanding = state.machine.outstanding(live.session.id);",
        replace: "const outstanding: readonly Uint8Array[] = state.machine.outstanding(live.session.id).slice(0, 0);",
      },
    ],
  },
  {
    name: "messages leave before the disk has what they promise",
    rules: [2],
    patches: [
      {
        file: "src/replica/durability.ts",
        find: "if (after <= this.#durable) sink.push(message);",
        replace: "if (after <= this.#written) sink.push(message);",
      },
    ],
  },
  {
    name: "a node keeps one incarnation whatever becomes of its data",
    rules: [1, 3, 6],
    patches: [
      {
        file: "src/replica/boot.ts",
        find: "const identity = { incarnation: environment.randomId(), clusterId: durable.setAside?.clusterId };",
        replace: `const identity = { incarnation: "0123456789abcdef", clusterId: durable.setAside?.clusterId };`,
      },
    ],
    why: "a new disk under an old identity: what it has promised, accepted and logged is gone, and counted",
  },
];
