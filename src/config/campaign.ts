/**
 * One attempt of this node to have the next view decided: a ballot, what it is for, and which answers are due.
 * @module
 */
import type { Proposer } from "../paxos/proposer.ts";
import type { PeerMessage } from "../protocol/messages.ts";
import type { Intent } from "./next-view.ts";

export interface Campaign {
  readonly intent: Intent;
  readonly proposer: Proposer;
  /** The write that makes this node's own promise, then its own acceptance, durable; counted once it is. */
  ownWrite: number;
  /** What is sent again to those that have not answered. */
  message: PeerMessage;
  sentAt: number;
  /** When a majority had promised. */
  quorumAt: number | undefined;
}
