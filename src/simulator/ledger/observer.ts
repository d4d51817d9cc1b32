/**
 * What the ledger sees, and what a rule is: a statement and a watcher.
 * @module
 */

import type { ServerMessage } from "../../protocol/client-messages.ts";
import type { Entry } from "../../protocol/entry.ts";
import type { PeerMessage } from "../../protocol/messages.ts";
import type { DurableState, StorageRecord } from "../../protocol/storage.ts";
import type { NodeId, View, Viewstamp } from "../../protocol/view.ts";
import type { CoreEvent, Effect } from "../../rsm/events.ts";
import type { Facts, NodeFacts } from "./facts.ts";

/** A core, to look at only. */
export interface CoreEye {
  readonly view: View | undefined;
  readonly role: "primary" | "backup" | "learner" | "none";
  readonly activeVid: number | undefined;
  readonly commit: number;
  readonly applied: number;
  readonly state: { readonly hash: number };
  readonly log: {
    readonly base: Viewstamp;
    /** The last seqno. */
    readonly end: number;
    entry(seqno: number): Entry | undefined;
  };
}

/** The moments that a rule may look at; the facts have taken them in before. */
export interface Watcher {
  /** A core has taken a step and its effects have been performed. */
  stepped?(node: NodeFacts, core: CoreEye, event: CoreEvent, effects: readonly Effect[]): void;
  /** A message has left for a peer. */
  sent?(node: NodeFacts, to: NodeId, message: PeerMessage): void;
  /** A core has answered a client (the answer may still wait for the disk). */
  answered?(node: NodeFacts, core: CoreEye, client: number, message: ServerMessage): void;
  /** Records were given to the storage. */
  written?(node: NodeFacts, records: readonly StorageRecord[]): void;
  /** The storage says that they are durable. */
  durable?(node: NodeFacts, records: readonly StorageRecord[]): void;
  /** A storage was opened. */
  recovered?(node: NodeFacts, state: DurableState): void;
  /** A view was chosen: a majority of its predecessor's acceptors has accepted it durably under one ballot. */
  chosen?(view: View): void;
  /** A view was activated by its primary. */
  activated?(node: NodeFacts, view: View): void;
  /** The entries `(from, through]` are committed, by a primary in its view. */
  committed?(node: NodeFacts, view: View, from: number, through: number): void;
  /** A process began a life. */
  started?(node: NodeFacts): void;
  /** The run is over and healed. */
  ended?(): void;
}

export type Violated = (text: string) => void;

/** One rule of design.md 5. */
export interface Rule {
  readonly number: number;
  readonly statement: string;
  watch(facts: Facts, violated: Violated): Watcher;
}
