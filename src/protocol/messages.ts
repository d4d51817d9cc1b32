/**
 * What nodes say to each other: a closed union. A message belongs to the connection it came over, and the hello
 * of that connection says who sent it (id and incarnation), so no message repeats it.
 *
 * Unless a message says otherwise, it leaves only after the view it speaks of is durable at its sender.
 * @module
 */
import type { AcceptedValue, Ballot } from "./ballot.ts";
import type { Entry } from "./entry.ts";
import type { MachineAbility, MachineVersion } from "./machine.ts";
import type { ClusterId, View, Viewstamp } from "./view.ts";

/**
 * Proposer -> acceptors of `view`, to start a ballot for instance `view.vid + 1`; also the roll call.
 * Durable first: the proposer's own promise. The receiver learns `view` (decided) from it.
 */
export interface Prepare {
  readonly type: "prepare";
  readonly view: View;
  readonly ballot: Ballot;
}

/**
 * Acceptor -> proposer. Durable first: the promise. It will accept nothing below `ballot`; `accepted` is the
 * highest it has accepted in this instance.
 */
export interface Promised {
  readonly type: "promise";
  readonly instance: number;
  readonly ballot: Ballot;
  readonly accepted: AcceptedValue | undefined;
}

/** Proposer -> acceptors, once a majority has promised. One ballot, one value. */
export interface Accept {
  readonly type: "accept";
  readonly instance: number;
  readonly ballot: Ballot;
  readonly value: View;
}

/** Acceptor -> proposer. Durable first: the accepted ballot and value. */
export interface Accepted {
  readonly type: "accepted";
  readonly instance: number;
  readonly ballot: Ballot;
}

/**
 * Acceptor -> proposer: a prepare or accept of `ballot` is refused, because of a higher promise, or (`sticky`)
 * because the acceptor still hears its primary. `round` is the highest it has promised: propose above it.
 */
export interface Refused {
  readonly type: "refused";
  readonly instance: number;
  readonly ballot: Ballot;
  readonly round: number;
  readonly sticky: boolean;
}

/** Any node -> any node: the newest decided view it knows. The receiver makes it durable before acting on it. */
export interface Decided {
  readonly type: "decided";
  readonly view: View;
}

/** Any node -> any node: answer with your newest view if it is above `vid`. */
export interface Fetch {
  readonly type: "fetch";
  readonly vid: number;
}

/**
 * Fresh node -> node with the smallest id in `cluster`: this incarnation has no data and may found a cluster, and its
 * program can run these machines.
 */
export interface Fresh {
  readonly type: "fresh";
  readonly able: readonly MachineAbility[];
}

/**
 * Any node with a view -> node without one: the cluster exists, and this is its newest view. A fresh node takes view 1
 * only under the conditions of genesis. `origin`: the machine versions in which the cluster's log begins. Durable first: all
 * fields.
 */
export interface Genesis {
  readonly type: "genesis";
  readonly clusterId: ClusterId;
  readonly origin: readonly MachineVersion[];
  readonly view: View;
}

/** Node that is no member -> primary of view `vid`: catch me up and admit me. `url` is its advertised address. */
export interface Join {
  readonly type: "join";
  readonly vid: number;
  readonly url: string;
}

/**
 * Primary -> joiner: it will not be admitted, and why; it may ask again later with back-off. `version`: its program cannot
 * run what the cluster runs, which is `running` (empty for other reasons).
 */
export interface JoinRefused {
  readonly type: "joinRefused";
  readonly vid: number;
  readonly reason: "barred" | "unknown" | "version";
  readonly running: readonly MachineVersion[];
}

/** Backup that stops gracefully -> primary: go on without me. */
export interface Leaving {
  readonly type: "leaving";
  readonly vid: number;
}

/** Primary of `vid` -> member or learner: say where your log is. Sent when a view starts and at each new connection. */
export interface Locate {
  readonly type: "locate";
  readonly vid: number;
}

/** Entries `(through previous run, lastSeqno]` of a log were stamped in view `vid`. */
export interface Run {
  readonly vid: number;
  readonly lastSeqno: number;
}

/**
 * Member or learner -> primary of `vid`: the shape of its log. As `vid` never falls along a log, `runs` gives every
 * viewstamp after `base`, and the primary finds the last common one at once. Nothing need be durable: only
 * `invoked` promises. `snapshot` is the place and next chunk of a snapshot being received; `able` what its program can
 * run, for as long as this connection lasts.
 */
export interface Located {
  readonly type: "located";
  readonly vid: number;
  readonly base: Viewstamp;
  readonly runs: readonly Run[];
  readonly snapshot: { readonly at: Viewstamp; readonly next: number } | undefined;
  readonly able: readonly MachineAbility[];
}

/**
 * Primary of `vid` -> member or learner: `entries` follow `previous` in its log; everything through `commit` is
 * committed; `start` is where its log ended when the view began: entries of older views beyond it are void.
 */
export interface Invoke {
  readonly type: "invoke";
  readonly vid: number;
  readonly start: number;
  readonly commit: number;
  readonly previous: Viewstamp;
  readonly entries: readonly Entry[];
}

/**
 * Member or learner -> primary of `vid`. Durable first: the log through `seqno`, compared equal with this
 * primary's. Never just the log's end.
 */
export interface Invoked {
  readonly type: "invoked";
  readonly vid: number;
  readonly seqno: number;
}

/**
 * Primary of `vid` -> members, acceptors and learners, each `heartbeatMs`. `active`: the view is. `impaired`: it has not heard a majority
 * of the acceptors, or waits for its own disk, for `suspectMs`; then this is no life sign. `hash` is the running
 * hash at `applied`.
 */
export interface Heartbeat {
  readonly type: "heartbeat";
  readonly vid: number;
  readonly start: number;
  readonly commit: number;
  readonly applied: number;
  readonly hash: number;
  readonly active: boolean;
  readonly impaired: boolean;
}

/** Answer to a heartbeat. */
export interface Alive {
  readonly type: "alive";
  readonly vid: number;
}

/** Primary of `vid` -> acceptors: is my view still the newest? One numbered round serves all waiting queries. */
export interface Confirm {
  readonly type: "confirm";
  readonly vid: number;
  readonly round: number;
}

/** Acceptor -> primary: it knows no newer view; `accepted` says that it has accepted a value for instance `vid + 1`. */
export interface Confirmed {
  readonly type: "confirmed";
  readonly vid: number;
  readonly round: number;
  readonly accepted: boolean;
}

/** Primary of `vid` (no longer stamping) -> learner: do you durably hold my log through `through`? */
export interface Level {
  readonly type: "level";
  readonly vid: number;
  readonly through: Viewstamp;
}

/**
 * Learner -> primary of `vid`. Durable first: the log through `through` and this promise. Until it knows a decided
 * view above `vid` it drops nothing of that log, takes no snapshot that ends below it, follows no older view.
 */
export interface Leveled {
  readonly type: "leveled";
  readonly vid: number;
  readonly through: Viewstamp;
}

/** Primary of `vid` -> member: promise to be able to run these versions. Sent once every member has said that it can. */
export interface Ready {
  readonly type: "ready";
  readonly vid: number;
  readonly versions: readonly MachineVersion[];
}

/**
 * Member -> primary of `vid`. Durable first: that no program that cannot run these versions ever starts on this data. When
 * all members have said so the primary may stamp the `upgrade` entry.
 */
export interface Readied {
  readonly type: "readied";
  readonly vid: number;
  readonly versions: readonly MachineVersion[];
}

/** Primary of `vid` -> learner whose place is no longer in the log: a snapshot of the state at `at` in `chunks` chunks. */
export interface SnapshotOffer {
  readonly type: "snapshotOffer";
  readonly vid: number;
  readonly at: Viewstamp;
  readonly chunks: number;
}

/** Learner -> primary of `vid`: send chunks of the snapshot at `at` from `next` on. */
export interface SnapshotWant {
  readonly type: "snapshotWant";
  readonly vid: number;
  readonly at: Viewstamp;
  readonly next: number;
}

/** Primary of `vid` -> learner: chunk `index` of the snapshot at `at`. */
export interface SnapshotChunk {
  readonly type: "snapshotChunk";
  readonly vid: number;
  readonly at: Viewstamp;
  readonly index: number;
  readonly bytes: Uint8Array;
}

export type PeerMessage =
  | Prepare
  | Promised
  | Accept
  | Accepted
  | Refused
  | Decided
  | Fetch
  | Fresh
  | Genesis
  | Join
  | JoinRefused
  | Leaving
  | Locate
  | Located
  | Invoke
  | Invoked
  | Heartbeat
  | Alive
  | Confirm
  | Confirmed
  | Level
  | Leveled
  | Ready
  | Readied
  | SnapshotOffer
  | SnapshotWant
  | SnapshotChunk;
