/**
 * The claims of one client, by number, and those of them that the cluster has not answered.
 * @module
 */
import type { Claim } from "./client-claim.ts";

export class ClaimBook {
  /** All but those that are back, or on their way and of no interest. By xid. */
  readonly #claims: Map<number, Claim> = new Map();
  /** Those whose request the cluster has not answered, in the order they were made. */
  readonly #unanswered: Set<Claim> = new Set();
  #xids = 0;

  /** The newest claim ever made. */
  get newest(): number {
    return this.#xids;
  }

  /** How many there are. */
  get size(): number {
    return this.#claims.size;
  }

  get hasUnanswered(): boolean {
    return this.#unanswered.size > 0;
  }

  /** Whether a claim up to this one is not answered yet. */
  hasUnansweredUpTo(xid: number): boolean {
    for (const first of this.#unanswered) return first.xid <= xid;
    return false;
  }

  nextXid(): number {
    return ++this.#xids;
  }

  add(claim: Claim): void {
    this.#claims.set(claim.xid, claim);
  }

  /** Adds one that waits for the cluster's answer. */
  ask(claim: Claim): void {
    this.add(claim);
    this.#unanswered.add(claim);
  }

  /** Says whether it was waited for. */
  answered(claim: Claim): boolean {
    return this.#unanswered.delete(claim);
  }

  get(xid: number): Claim | undefined {
    return this.#claims.get(xid);
  }

  has(claim: Claim): boolean {
    return this.#claims.get(claim.xid) === claim;
  }

  all(): Claim[] {
    return [...this.#claims.values()];
  }

  forget(claim: Claim): void {
    this.#claims.delete(claim.xid);
    claim.state = "none";
    claim.waiter = undefined;
  }
}
