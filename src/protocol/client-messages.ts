/**
 * What clients and nodes say to each other: closed unions. `xid` numbers a client's questions on one connection.
 * @module
 */
import type { NodeId, Viewstamp } from "./view.ts";

/** A command. Retried with the same number it runs once and gets the same reply. */
export interface Request {
  readonly type: "request";
  readonly session: Viewstamp;
  /** Consecutive from 1 in its session: they are done in this order. */
  readonly number: number;
  /** The client has every reply through this number; the cluster may forget them. */
  readonly acknowledgedThrough: number;
  /** `true`: the client has given this number up; if it was never stamped it becomes a no-op. */
  readonly skip: boolean;
  readonly body: Uint8Array;
}

/** Opens a session; answered by `opened`. Retried, it may leave an empty orphan, which expires. */
export interface Open {
  readonly type: "open";
  readonly xid: number;
  readonly ttlMs: number;
}

/** Ends a session in good order; answered by `ended`. */
export interface End {
  readonly type: "end";
  readonly xid: number;
  readonly session: Viewstamp;
}

/** A query. `local` asks any replica for its applied state, without confirmation. */
export interface Query {
  readonly type: "query";
  readonly xid: number;
  readonly consistency: "linearizable" | "local";
  readonly body: Uint8Array;
}

/** Keeps a session alive, and attaches this connection to it: notices go here, outstanding ones at once. */
export interface KeepAlive {
  readonly type: "keepAlive";
  readonly xid: number;
  readonly session: Viewstamp;
}

/** Asks any node for what it knows; answered by `status` at once. */
export interface AskStatus {
  readonly type: "askStatus";
  readonly xid: number;
}

/** An operator's change of membership; answered by `changed` once a view with it is decided. */
export interface Change {
  readonly type: "change";
  readonly xid: number;
  readonly action: "add" | "remove" | "lift";
  readonly id: NodeId;
  /** The address of a node to add; empty otherwise. */
  readonly url: string;
}

/**
 * An operator's copy of the whole state, chunk by chunk. `next` 0 asks the primary to begin one: of the state after
 * everything that was acknowledged before this message came, confirmed like a linearizable query. Then `next` is the
 * chunk wanted of the copy that was begun on this connection. Answered by `copied`.
 */
export interface Copy {
  readonly type: "copy";
  readonly xid: number;
  readonly next: number;
}

export type ClientMessage = Request | Open | End | Query | KeepAlive | AskStatus | Change | Copy;

/** The reply of a committed and applied command (or the empty reply of a skipped number). */
export interface Reply {
  readonly type: "reply";
  readonly session: Viewstamp;
  readonly number: number;
  readonly body: Uint8Array;
}

/** Why a node does not do what it was asked; the client's reaction is in the comment. */
export type RefusalCode =
  /** A view change, an admission, a gap in numbers or a lack of copies: wait for `news`, then ask again. */
  | "BUSY"
  /** Ask the primary named beside it. */
  | "NOTPRIMARY"
  /** The session is unknown or over: never retried under this session. */
  | "SESSION_EXPIRED"
  /** A bound is reached: ask again later. */
  | "OVERLOADED"
  /** What was asked is not valid; the text says why. Never retried. */
  | "INVALID";

/** A request (`session` and `number`) was refused. `outcomeUnknown`: it was stamped and may still be done. */
export interface RequestRefused {
  readonly type: "requestRefused";
  readonly session: Viewstamp;
  readonly number: number;
  readonly code: RefusalCode;
  readonly outcomeUnknown: boolean;
  readonly text: string;
}

/** A question numbered `xid` (open, end, query, keep-alive, change) was refused. */
export interface Declined {
  readonly type: "declined";
  readonly xid: number;
  readonly code: RefusalCode;
  readonly outcomeUnknown: boolean;
  readonly text: string;
}

export interface Opened {
  readonly type: "opened";
  readonly xid: number;
  readonly session: Viewstamp;
  readonly ttlMs: number;
}

export interface Ended {
  readonly type: "ended";
  readonly xid: number;
}

/** A query's result. */
export interface Answer {
  readonly type: "answer";
  readonly xid: number;
  readonly body: Uint8Array;
}

/** A keep-alive, confirmed by a majority: the session lives for its TTL from when the client sent it. */
export interface KeptAlive {
  readonly type: "keptAlive";
  readonly xid: number;
}

export interface Changed {
  readonly type: "changed";
  readonly xid: number;
  readonly vid: number;
}

/** One chunk of a copy of the state at `at`. The last one is followed by an empty one with `isEnd`. */
export interface Copied {
  readonly type: "copied";
  readonly xid: number;
  readonly at: Viewstamp;
  readonly index: number;
  readonly isEnd: boolean;
  readonly body: Uint8Array;
}

/**
 * What a node knows of the cluster: sent in answer to the hello, and pushed whenever it changes. `active`: the
 * node's primary takes requests, as far as the node knows (only the primary itself knows for sure).
 */
export interface News {
  readonly type: "news";
  readonly vid: number;
  /** Empty while no view is known. */
  readonly primary: NodeId;
  readonly primaryUrl: string;
  readonly active: boolean;
  /** The addresses of all nodes of the view, so that a client knows more than it was told. */
  readonly urls: readonly string[];
}

/** From the machine to a session. Idempotent: it may come again after a fail-over or a new connection. */
export interface NoticeMessage {
  readonly type: "notice";
  readonly session: Viewstamp;
  readonly body: Uint8Array;
}

/** What one node says of itself; every field is plain data. */
export interface NodeStatus {
  /** The node's name. */
  readonly id: NodeId;
  /** The random id of its data. */
  readonly incarnation: string;
  /** The random id of its cluster; empty before genesis. */
  readonly clusterId: string;
  /** `"node 20.20.2"`, `"bun 1.4.5"`, `"deno 2.9.5"`. */
  readonly runtime: string;
  /** Its part in the newest view it knows: a `learner` is no member of it; `none` while it knows no view. */
  readonly role: "primary" | "backup" | "learner" | "none";
  /** Whether it is in a view and, as a backup, caught up; as a primary, taking requests. */
  readonly active: boolean;
  /** The number of the newest view it knows; 0 before the first. */
  readonly vid: number;
  /** The primary of that view; empty before the first. */
  readonly primary: NodeId;
  /** The replicas that log every request of that view, sorted by id. */
  readonly members: readonly { readonly id: NodeId; readonly incarnation: string; readonly url: string }[];
  /** The nodes whose majority chooses the next view, sorted by id; members among them. */
  readonly acceptors: readonly { readonly id: NodeId; readonly incarnation: string; readonly url: string }[];
  /** Ids that an operator has removed and not lifted, sorted. */
  readonly barred: readonly NodeId[];
  /** Nodes that an operator has added beyond those of the `cluster` option, sorted by id. */
  readonly invited: readonly { readonly id: NodeId; readonly url: string }[];
  /** The end of its log. */
  readonly viewstamp: Viewstamp;
  /** The `seqno` through which it knows its log to be committed. */
  readonly commit: number;
  /** The `seqno` through which its machine has executed. */
  readonly applied: number;
  /** The running hash over all replies through `applied`, as a safe integer; equal places have equal hashes. */
  readonly hash: number;
  /** How many sessions are open in its applied state. */
  readonly sessions: number;
  /** The longest pause that taking a snapshot has cost, in milliseconds; 0 before the first. */
  readonly snapshotPauseMs: number;
  /** The longest pause that restoring from a snapshot has cost, at its start or as a learner, in milliseconds. */
  readonly restorePauseMs: number;
  /** What its operator should know, such as that its data was set aside; empty if there is nothing. */
  readonly trouble: string;
  /** Its machines by name: the version that runs, and those that its program is able to run, oldest first. */
  readonly machines: readonly { readonly name: string; readonly version: number; readonly able: readonly number[] }[];
}

export interface StatusMessage {
  readonly type: "status";
  readonly xid: number;
  readonly status: NodeStatus;
}

export type ServerMessage =
  | Reply
  | RequestRefused
  | Declined
  | Opened
  | Ended
  | Answer
  | KeptAlive
  | Changed
  | Copied
  | News
  | NoticeMessage
  | StatusMessage;
