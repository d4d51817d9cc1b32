/**
 * One acceptor of single-decree Paxos (Lamport, "Paxos Made Simple", 2001), for one instance at a time. The caller
 * makes each change durable before the answer leaves.
 * @module
 */
import { type AcceptedValue, type Ballot, compareBallots } from "../protocol/ballot.ts";
import type { View } from "../protocol/view.ts";

export class Acceptor {
  /** State is never mixed with that of another instance. */
  readonly instance: number;
  #promised: Ballot | undefined;
  #accepted: AcceptedValue | undefined;

  constructor(instance: number, promised?: Ballot, accepted?: AcceptedValue) {
    this.instance = instance;
    this.#promised = promised;
    this.#accepted = accepted;
  }

  get promised(): Ballot | undefined {
    return this.#promised;
  }

  get accepted(): AcceptedValue | undefined {
    return this.#accepted;
  }

  /** The highest round promised, 0 before the first: a proposer goes above it. */
  get round(): number {
    return this.#promised?.round ?? 0;
  }

  /** Promises to accept nothing below `ballot`; `false` if a higher one is promised already. */
  prepare(ballot: Ballot): boolean {
    if (this.#isBelowPromise(ballot)) return false;
    this.#promised = ballot;
    return true;
  }

  /** Accepts `value` under `ballot`, which implies its promise; `false` if a higher one is promised. */
  accept(ballot: Ballot, value: View): boolean {
    if (this.#isBelowPromise(ballot)) return false;
    this.#promised = ballot;
    // One ballot has one value: the first one stands, a repeated accept changes nothing.
    if (this.#accepted === undefined || compareBallots(this.#accepted.ballot, ballot) !== 0) {
      this.#accepted = { ballot, value };
    }
    return true;
  }

  #isBelowPromise(ballot: Ballot): boolean {
    return this.#promised !== undefined && compareBallots(ballot, this.#promised) < 0;
  }
}
