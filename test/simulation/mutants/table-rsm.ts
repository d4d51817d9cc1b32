/**
 * Mutants of the replicated log: activation, acknowledging, committing, state transfer (design.md 4.3 to 4.5).
 * @module
 */
import type { Mutant } from "./mutant.ts";

const LEADERSHIP = "src/rsm/leadership.ts";
const FOLLOWING = "src/rsm/following.ts";
const CORE = "src/rsm/core.ts";
const LOG = "src/rsm/log.ts";
const REPLICATED = "src/rsm/replicated-log.ts";

export const RSM_MUTANTS: readonly Mutant[] = [
  {
    name: "commit without the primary's own write",
    rules: [7],
    patches: [
      {
        file: LEADERSHIP,
        find: "let through = durability.seqno;",
        replace: "let through = this.#replica.log.end;",
      },
    ],
  },
  {
    name: "commit on a majority of members",
    rules: [3, 7],
    patches: [
      {
        file: LEADERSHIP,
        find: `let through = durability.seqno;
    for (const progress of this.#progress.values()) {
      if (!progress.isLearner) through = Math.min(through, progress.acked);
    }`,
        replace: `const places = [durability.seqno];
    for (const progress of this.#progress.values()) if (!progress.isLearner) places.push(progress.acked);
    const through = places.sort((a, b) => b - a)[Math.floor(places.length / 2)] as number;`,
      },
    ],
  },
  {
    name: "commit with the primary's own write alone",
    rules: [7],
    patches: [
      {
        file: LEADERSHIP,
        find: "if (!progress.isLearner) through = Math.min(through, progress.acked);",
        replace: "if (!progress.isLearner && !this.#active) through = Math.min(through, progress.acked);",
      },
    ],
    why: "the lab's way: the primary executes on arrival",
  },
  {
    name: "view active before all have the log",
    rules: [5, 8, 9, 10],
    patches: [
      {
        file: LEADERSHIP,
        find: "if (through < this.start || (this.#isLevel && through <= commit)) return;",
        replace: "if (this.#isLevel && through <= commit) return;",
      },
    ],
  },
  {
    name: "view active before its log is executed",
    rules: [7, 8, 9, 10, 15],
    patches: [{ file: LEADERSHIP, find: " || this.#replica.applied < this.start) return", replace: ") return" }],
  },
  {
    name: "invoked before durable",
    rules: [2],
    patches: [
      {
        file: FOLLOWING,
        find: "const seqno = Math.min(this.#matched, durability.seqno);",
        replace: "const seqno = this.#matched;",
      },
    ],
  },
  {
    name: "the log's end acknowledged instead of the last place compared equal",
    rules: [2, 7],
    patches: [
      {
        file: FOLLOWING,
        find: "const seqno = Math.min(this.#matched, durability.seqno);",
        replace: "const seqno = durability.seqno;",
      },
    ],
  },
  {
    name: "commit point followed beyond the last place compared equal",
    rules: [7],
    patches: [
      {
        file: FOLLOWING,
        find: "this.#replica.commitThrough(Math.min(commit, this.#matched));",
        replace: "this.#replica.commitThrough(Math.min(commit, this.#replica.log.end));",
      },
    ],
  },
  {
    name: "previous compared by length alone",
    rules: [2, 7],
    patches: [
      {
        file: FOLLOWING,
        find: "if (message.previous.seqno >= log.base.seqno && !log.contains(message.previous)) {",
        replace: "if (message.previous.seqno > log.end) {",
      },
    ],
    wishes: { faults: ["comes back with another log"] },
    why: `a primary sends on from the last common place, so it takes a tail that differs, an invoke lost inside its connection,
and a second one that follows within that tail: in the usual draw once in some thousand seeds`,
  },
  {
    name: "entries at a place that is taken are thought to be the same",
    rules: [2, 7],
    patches: [
      {
        file: FOLLOWING,
        find: "(entry) => entry.seqno > log.base.seqno && log.vidAt(entry.seqno) !== entry.vid,",
        replace: "(entry) => entry.seqno > log.end,",
      },
    ],
  },
  {
    name: "everything after previous dropped at each invoke",
    rules: [3, 7, 10],
    patches: [
      {
        file: FOLLOWING,
        find: "this.#isLost = false;\n    this.#appendMissing(message);",
        replace: `this.#isLost = false;
    if (message.previous.seqno < log.end) this.#replica.truncate(Math.max(message.previous.seqno, this.#replica.commit));
    this.#appendMissing(message);`,
      },
    ],
  },
  {
    name: "log beyond the primary's dropped at first contact",
    rules: [3],
    patches: [
      {
        file: FOLLOWING,
        find: "this.#start = start;\n    const { log } = this.#replica;",
        replace:
          "const isFirst = this.#start === undefined;\n    this.#start = start;\n    const { log } = this.#replica;",
      },
      {
        file: FOLLOWING,
        find: "if (vid !== undefined && vid < this.view.vid) {",
        replace: "if (vid !== undefined && (vid < this.view.vid || isFirst)) {",
      },
    ],
    why: "a backup that restarts in its view drops what it has acknowledged in it",
  },
  {
    name: "stale tail not dropped in activation",
    rules: [2, 3, 7],
    patches: [
      {
        file: FOLLOWING,
        find: "if (vid !== undefined && vid < this.view.vid) {",
        replace: "if (vid !== undefined && vid > this.view.vid) {",
      },
      {
        file: FOLLOWING,
        find: "this.#matched = Math.max(this.#matched, Math.min(through, log.end));",
        replace: "this.#matched = Math.max(this.#matched, through, log.end);",
      },
    ],
    why: `were the tail dropped, a log in which an invoke fits would be the primary's up to its end: the second change is
harmless without the first, and the first is without the second`,
  },
  {
    name: "learner drops its log after saying level",
    rules: [3],
    patches: [
      {
        file: CORE,
        find: "else this.#attendance.joinSoon(now);",
        replace: `else {
      if (this.log.end > this.commit) this.#replica.truncate(this.commit);
      this.#attendance.joinSoon(now);
    }`,
      },
    ],
    why: "a learner begins anew when its connection to the primary does",
  },
  {
    name: "learner drops its log at restart",
    rules: [3],
    patches: [
      {
        file: CORE,
        find: "this.#reception.follow(view, durable.level?.vid === view.vid ? durable.level.through.seqno : 0);",
        replace: `if (!this.config.isMember() && this.log.end > this.commit) this.#replica.truncate(this.commit);
    this.#reception.follow(view, 0);`,
      },
    ],
  },
  {
    name: "snapshot taken in two steps",
    rules: [3, 11],
    patches: [
      {
        file: REPLICATED,
        find: `this.output.push({ type: "receiveSnapshot", at });`,
        replace: `this.output.push({ type: "receiveSnapshot", at });
    this.log.startAfter(at);
    this.#handedThrough = this.log.end;
    this.durability.restarted(at.seqno, false);
    this.output.persist({ kind: "base", at });`,
      },
    ],
    why: "the old log goes first, the snapshot that replaces it comes later",
  },
  {
    name: "log cut before its snapshot is durable",
    rules: [3, 7, 11],
    patches: [
      {
        file: REPLICATED,
        find: `this.output.push({ type: "saveSnapshot", at: this.state.applied, chunks: this.state.snapshot() });`,
        replace: `this.output.push({ type: "saveSnapshot", at: this.state.applied, chunks: this.state.snapshot() });
    this.log.startAfter(this.state.applied);
    this.output.persist({ kind: "base", at: this.state.applied });`,
      },
    ],
  },
  {
    name: "wiped member counted as in sync",
    rules: [3, 6, 7],
    patches: [
      {
        file: LEADERSHIP,
        find: "return progress !== undefined && sameIdentity(progress.who, who) ? progress : undefined;",
        replace: "return progress;",
      },
    ],
    why: "a new incarnation acknowledges in the place of its dead one",
    wishes: { faults: ["lost disk", "slow link", "harsh network", "crash at a message"] },
  },
  {
    name: "old view acknowledged after the new one is known",
    rules: [3, 5, 7],
    patches: [
      {
        file: CORE,
        find: "  #following: Following | undefined;",
        replace: "  #following: Following | undefined;\n  #former: Following | undefined;",
      },
      {
        file: CORE,
        find: "this.#following = undefined;\n    this.output.happened",
        replace: "this.#former = this.#following;\n    this.#following = undefined;\n    this.output.happened",
      },
      {
        file: CORE,
        find: "this.#following?.acknowledgeIfMoved();",
        replace: "this.#former?.acknowledgeIfMoved();\n    this.#following?.acknowledgeIfMoved();",
      },
      {
        file: CORE,
        find: "if (this.#isOfThisView(from, message.vid, now)) this.#onViewMessage(from, message, now);",
        replace: `if (message.type === "invoke" && this.#former?.view.vid === message.vid) this.#former.onInvoke(message);
        else if (this.#isOfThisView(from, message.vid, now)) this.#onViewMessage(from, message, now);`,
      },
    ],
  },
  {
    name: "what is said in an older view is taken as said in this one",
    rules: [2, 3, 5, 7],
    patches: [{ file: CORE, find: "return vid === own;", replace: "return vid <= own;" }],
  },
  {
    name: "old disk completion counted for a new entry",
    rules: [2, 7],
    patches: [
      {
        file: "src/rsm/durability.ts",
        find: "for (const append of this.#pending) append.seqno = Math.min(append.seqno, seqno);",
        replace: "",
      },
    ],
  },
  {
    name: "a log's common part found by length alone",
    rules: [15],
    patches: [
      {
        file: LOG,
        find: "if (seqno >= first && this.vidAt(seqno) === run.vid) return { vid: run.vid, seqno };",
        replace: `const shorter = Math.min(run.lastSeqno, this.end);
      if (shorter >= first && shorter > this.#base.seqno) return this.viewstampAt(shorter);`,
      },
    ],
    why: "the primary and a backup whose tail differs say no to each other for ever",
  },
  {
    name: "the primary drops what it answered BUSY",
    rules: [3, 4, 7],
    patches: [
      {
        file: "src/rsm/serving.ts",
        find: "if (blocked && !this.#blocked) this.#refuseStamped();",
        replace: `if (blocked && !this.#blocked) {
      this.#refuseStamped();
      const keep = Math.max(this.#replica.commit, this.#leadership.start);
      if (this.#replica.log.end > keep) this.#replica.truncate(keep);
    }`,
      },
    ],
    why: "it stamps other requests in the same places",
  },
];
