/**
 * What the ledger sees, and what a rule is: a statement and a watcher.
 * @module
 */
import type { Ballot } from "../../protocol/ballot.ts";
import type { ClientMessage, ServerMessage } from "../../protocol/client-messages.ts";
import type { Entry } from "../../protocol/entry.ts";
import type { MachineAbility, MachineVersion } from "../../protocol/machine.ts";
import type { PeerMessage } from "../../protocol/messages.ts";
import type { DurableState, SnapshotInfo, StorageRecord } from "../../protocol/storage.ts";
import type { NodeId, View, Viewstamp } from "../../protocol/view.ts";
import type { CoreEvent } from "../../rsm/events.ts";
import type { AppliedEntry } from "../../rsm/state.ts";
import type { Facts, NodeFacts } from "./facts.ts";
import type { LockStep } from "./lock-model.ts";
import type { Recovery } from "./recovery.ts";

/** A session in a replicated state, to look at only. */
export interface SessionEye {
  readonly opened: Viewstamp;
  readonly ttlMs: number;
  readonly lastNumber: number;
  readonly acknowledgedThrough: number;
  readonly replies: ReadonlyMap<number, Uint8Array>;
}

/** A replicated state, to look at only. */
export interface StateEye {
  readonly hash: number;
  /** Replicated time. */
  readonly time: number;
  readonly sessions: Iterable<SessionEye> & { readonly size: number };
  query(body: Uint8Array): Uint8Array;
  readonly machine: {
    readonly versions: readonly MachineVersion[];
    readonly able: readonly MachineAbility[];
    outstanding(session: string): readonly Uint8Array[];
    nextDeadline(): number | undefined;
  };
  /** The state now; it stays usable while the state changes, and must be drained. */
  snapshot(): Iterator<Uint8Array>;
}

/** A whole copy of the state, restored. */
export interface CopyEye {
  readonly at: Viewstamp;
  /** What was committed when it was asked for. */
  readonly askedThrough: number;
  /** Of its bytes. */
  readonly digest: number;
  readonly state: StateEye;
}

/** A core, to look at only. */
export interface CoreEye {
  readonly view: View | undefined;
  readonly role: "primary" | "backup" | "learner" | "none";
  readonly activeVid: number | undefined;
  /** What it remembers of the instance after its view. */
  readonly config?:
    | { readonly acceptor: { readonly instance: number; readonly promised: Ballot | undefined } }
    | undefined;
  readonly commit: number;
  readonly applied: number;
  readonly state: StateEye;
  readonly log: {
    readonly base: Viewstamp;
    /** The last seqno. */
    readonly end: number;
    /** @throws if it holds no such entry: ask by `entryIn` */
    entry(seqno: number): Entry | undefined;
  };
}

/** Where a node stood after a step. */
export interface Position {
  readonly view: View | undefined;
  readonly activeVid: number | undefined;
  readonly commit: number;
  readonly applied: number;
  readonly base: number;
  readonly end: number;
}

/** A view put forward under a ballot that nobody has seen before. */
export interface Proposal {
  readonly instance: number;
  readonly ballot: Ballot;
  readonly value: View;
  readonly key: string;
  /** No earlier ballot of this instance had this value: it was made, not adopted. */
  readonly isNew: boolean;
}

/**
 * The moments that a rule may look at. The facts have taken them in before, but for `writing` and `asked`. A step's effects
 * are performed after it was seen.
 */
export interface Watcher {
  /** A core's step has moved it: since its last position, which is `undefined` at the first step of a life. */
  moved?(node: NodeFacts, core: CoreEye, before: Position | undefined, event: CoreEvent): void;
  /** A core has decided to send this; it leaves when the disk allows. Only what it promises or confirms. */
  says?(node: NodeFacts, core: CoreEye, to: NodeId, message: Said): void;
  /** A core's step has made a record, which the storage is given at the end of the turn. */
  records?(node: NodeFacts, core: CoreEye, record: StorageRecord): void;
  /** A message has left for a peer. */
  sent?(node: NodeFacts, to: NodeId, message: PeerMessage): void;
  /** A client's message has been taken by a core. */
  asked?(node: NodeFacts, core: CoreEye, client: number, message: ClientMessage): void;
  /** A core has learned that a client's connection is gone. */
  gone?(node: NodeFacts, client: number): void;
  /** A core has answered a client (the answer may still wait for the disk). */
  answered?(node: NodeFacts, core: CoreEye, client: number, message: ServerMessage): void;
  /** All answers of a step have been seen. */
  answeredAll?(node: NodeFacts, core: CoreEye): void;
  /** A record is given to the storage: `node.data.written` is what was given before it. */
  writing?(node: NodeFacts, record: StorageRecord): void;
  /** The storage says that they are durable. */
  durable?(node: NodeFacts, records: readonly StorageRecord[]): void;
  /** A storage was opened, and this is what it says compared with what it was given. The facts follow it afterwards. */
  recovering?(node: NodeFacts, state: DurableState, recovery: Recovery): void;
  /** The facts have followed. */
  recovered?(node: NodeFacts, state: DurableState): void;
  /** A running node sets its data aside. */
  settingAside?(node: NodeFacts, reason: string): void;
  /** A core begins to save a snapshot of its state as it is. */
  saves?(node: NodeFacts, core: CoreEye, at: Viewstamp): void;
  /** All bytes of a snapshot have been given to the storage, its own or one that it received. */
  snapshot?(node: NodeFacts, snapshot: SnapshotInfo, digest: number | undefined): void;
  /** A value was put forward under a new ballot, by the node that the ballot names. */
  proposed?(node: NodeFacts, proposal: Proposal): void;
  /** A view was chosen: a majority of its predecessor's acceptors has accepted it durably under one ballot. */
  chosen?(view: View): void;
  /** A majority has accepted another view than the one chosen before. */
  alsoChosen?(view: View): void;
  /** A view was activated by its primary. */
  activated?(node: NodeFacts, core: CoreEye, view: View): void;
  /** The entries `(from, through]` are committed, by a primary in its view. */
  committed?(node: NodeFacts, view: View, from: number, through: number): void;
  /** The ledger has executed a committed entry itself; `locks` if it was about locks or ended a session. */
  applied?(entry: Entry, result: AppliedEntry, locks: LockStep | undefined): void;
  /** A client acts under a lock that it believes to hold. */
  acts?(client: number, lock: string, token: bigint): void;
  /** A client makes a call, and takes its session for alive. */
  relies?(client: number, session: string): void;
  /** A process began a life. */
  started?(node: NodeFacts): void;
  /** Somebody has a whole copy of the state. */
  copied?(copy: CopyEye): void;
  /** The run is over and healed. */
  ended?(): void;
}

/** What a core may say and must not, whether it leaves or not. */
export type Said = Extract<PeerMessage, { type: "invoked" | "confirmed" }>;

/** What clients rely on at this very moment, by their own clocks. Clients that are dead or paused rely on nothing. */
export interface ClientsEye {
  /** The number of a client that trusts the session. */
  trusting(session: string): number | undefined;
  /** The tokens under which anybody believes to hold the lock. */
  believed(name: string): readonly bigint[];
}

export type Violated = (text: string) => void;

/** One rule of design.md 5. */
export interface Rule {
  readonly number: number;
  readonly statement: string;
  watch(facts: Facts, violated: Violated): Watcher;
}
