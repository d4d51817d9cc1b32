/**
 * Who has confirmed a primary's view, in which rounds: an answer that was confirmed needs a majority, in a round begun after
 * it was asked for.
 * @module
 */
import { type NodeId, quorumOf, type View } from "../../protocol/view.ts";
import { identityKey } from "./disk-model.ts";
import type { NodeFacts } from "./facts.ts";

export class Confirmations {
  #order = 0;
  /** By primary, view and round: when it began, at the latest. */
  readonly #begun: Map<string, number> = new Map();
  /** By primary and view: when the newest round began that each acceptor has confirmed. */
  readonly #confirmed: Map<string, Map<string, number>> = new Map();

  /** The moment of a question. */
  moment(): number {
    return ++this.#order;
  }

  /** A primary's question has left. */
  asked(from: NodeId, vid: number, round: number): void {
    const key = `${from} ${vid} ${round}`;
    if (!this.#begun.has(key)) this.#begun.set(key, ++this.#order);
  }

  /** An acceptor that has accepted nothing for the next view says so to a primary. */
  confirmed(acceptor: NodeFacts, to: NodeId, vid: number, round: number): void {
    const begun = this.#begun.get(`${to} ${vid} ${round}`);
    const { identity } = acceptor;
    if (begun === undefined || identity === undefined) return;
    const key = `${to} ${vid}`;
    let list = this.#confirmed.get(key);
    if (list === undefined) this.#confirmed.set(key, (list = new Map()));
    list.set(identityKey(identity), Math.max(begun, list.get(identityKey(identity)) ?? 0));
  }

  /** How many are missing to a majority that has confirmed this view of its primary since a moment. */
  missing(primary: NodeId, view: View, since: number): number {
    const list = this.#confirmed.get(`${primary} ${view.vid}`);
    const others = view.acceptors.filter(
      (acceptor) => acceptor.id !== primary && (list?.get(identityKey(acceptor)) ?? 0) > since,
    );
    return Math.max(0, quorumOf(view) - others.length - 1);
  }
}
