/**
 * Ballots: the order in which proposals of one Paxos instance outrank each other.
 * @module
 */
import { compareIds, type NodeId, type View } from "./view.ts";

/** A proposer's ballot: ordered by round, then by node id. */
export interface Ballot {
  /** From 1; a proposer goes above every round it has seen. */
  readonly round: number;
  /** The proposer, which makes ballots of one round distinct. */
  readonly node: NodeId;
}

/** A value accepted under a ballot. */
export interface AcceptedValue {
  /** The ballot it was proposed under. */
  readonly ballot: Ballot;
  /** The view proposed as the next one. */
  readonly value: View;
}

export function compareBallots(a: Ballot, b: Ballot): number {
  return a.round - b.round || compareIds(a.node, b.node);
}
