/**
 * One attempt to have a value chosen for one instance: a single ballot, from prepare to decision or abandonment.
 * @module
 */
import { type AcceptedValue, type Ballot, compareBallots } from "../protocol/ballot.ts";
import { assert } from "../protocol/errors.ts";
import { type Identity, includesIdentity, type NodeId, quorumOf, type View } from "../protocol/view.ts";

export class Proposer {
  readonly base: View;
  readonly instance: number;
  readonly ballot: Ballot;
  /** Ids whose promise of this ballot is held, with the incarnation of the view: the roll call. */
  readonly promised: Set<NodeId> = new Set();
  readonly accepted: Set<NodeId> = new Set();
  #highest: AcceptedValue | undefined;
  #value: View | undefined;

  constructor(base: View, ballot: Ballot) {
    this.base = base;
    this.instance = base.vid + 1;
    this.ballot = ballot;
  }

  /** The one value of this ballot, once phase 2 has begun. */
  get value(): View | undefined {
    return this.#value;
  }

  /** The value of the highest ballot any promise reported: it must be proposed unchanged. */
  get adopted(): View | undefined {
    return this.#highest?.value;
  }

  onPromise(from: Identity, accepted: AcceptedValue | undefined): void {
    if (!includesIdentity(this.base.acceptors, from)) return;
    this.promised.add(from.id);
    if (accepted === undefined) return;
    if (this.#highest === undefined || compareBallots(accepted.ballot, this.#highest.ballot) > 0) {
      this.#highest = accepted;
    }
  }

  hasPromiseQuorum(): boolean {
    return this.promised.size >= quorumOf(this.base);
  }

  /** Begins phase 2. */
  propose(value: View): void {
    assert(this.hasPromiseQuorum(), "a value is proposed only after a majority has promised");
    assert(this.#value === undefined, "one ballot has one value");
    assert(value.vid === this.instance, "the value is a view of this instance");
    this.#value = this.adopted ?? value;
  }

  /** Whether this answer makes the value chosen. */
  onAccepted(from: Identity): boolean {
    if (this.#value === undefined || !includesIdentity(this.base.acceptors, from)) return false;
    this.accepted.add(from.id);
    return this.accepted.size >= quorumOf(this.base);
  }
}
