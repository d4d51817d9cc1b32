/**
 * @module
 */
import { compareIds, type NodeId, type View } from "./view.ts";

/** A proposer's ballot: ordered by round, then by node id. */
export interface Ballot {
  readonly round: number;
  readonly node: NodeId;
}

/** A value accepted under a ballot. */
export interface AcceptedValue {
  readonly ballot: Ballot;
  readonly value: View;
}

export function compareBallots(a: Ballot, b: Ballot): number {
  return a.round - b.round || compareIds(a.node, b.node);
}
