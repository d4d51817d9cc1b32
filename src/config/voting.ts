/**
 * This node as an acceptor: what it promises, accepts and refuses; all of it is durable before the answer leaves.
 * @module
 */
import type { Ballot } from "../protocol/ballot.ts";
import { assert } from "../protocol/errors.ts";
import type { Accept, Accepted, Confirm, Confirmed, Prepare, Promised } from "../protocol/messages.ts";
import type { CoreOptions } from "../protocol/options.ts";
import { type Identity, primaryOf, sameIdentity, type View } from "../protocol/view.ts";
import type { NewestView } from "./newest-view.ts";
import type { ConfigOutput } from "./output.ts";
import type { Suspicions } from "./suspicions.ts";

export class Voting {
  readonly #newest: NewestView;
  readonly #suspicions: Suspicions;
  readonly #options: CoreOptions;
  readonly #output: ConfigOutput;

  constructor(newest: NewestView, suspicions: Suspicions, options: CoreOptions, output: ConfigOutput) {
    this.#newest = newest;
    this.#suspicions = suspicions;
    this.#options = options;
    this.#output = output;
  }

  /** For the instance after the newest view; whether it promised. */
  onPrepare(from: Identity, message: Prepare, isStopping: boolean, now: number): boolean {
    if (!this.#isProposer(from, message.ballot)) return false;
    const { acceptor } = this.#newest;
    const sticky = this.#sticksToPrimary(from, isStopping, now);
    if (sticky || !acceptor.prepare(message.ballot)) {
      if (sticky) this.#output.path("stickyRefusal");
      this.#refuse(from, message.ballot, sticky);
      return false;
    }
    const { instance, accepted } = acceptor;
    const after = this.#output.persist({ kind: "promised", instance, ballot: message.ballot });
    const promise: Promised = { type: "promise", instance, ballot: message.ballot, accepted };
    this.#output.send(from.id, promise, after);
    return true;
  }

  /** For the instance after the newest view; whether it accepted. */
  onAccept(from: Identity, message: Accept): boolean {
    if (!this.#isProposer(from, message.ballot) || message.value.vid !== message.instance) return false;
    const { acceptor } = this.#newest;
    if (!acceptor.accept(message.ballot, message.value)) {
      this.#refuse(from, message.ballot, false);
      return false;
    }
    const { instance, accepted } = acceptor;
    assert(accepted !== undefined, "an acceptor holds what it accepted");
    const after = this.#output.persist({ kind: "accepted", instance, accepted });
    const answer: Accepted = { type: "accepted", instance, ballot: message.ballot };
    this.#output.send(from.id, answer, after);
    return true;
  }

  /** Says whether it has accepted a value for the instance after the asker's view, which is not older than its own. */
  confirm({ vid, round }: Confirm): Confirmed {
    const accepted = this.#newest.vid === vid && this.#newest.acceptor.accepted !== undefined;
    return { type: "confirmed", vid, round, accepted };
  }

  /** Members of the newest view propose the next one, to its acceptors; and these finish what they have accepted. */
  #isProposer(from: Identity, ballot: Ballot): boolean {
    return this.#newest.isAcceptor(from) && this.#newest.isAcceptor() && ballot.node === from.id;
  }

  /** An acceptor that still hears its primary does not help to replace it. */
  #sticksToPrimary(from: Identity, isStopping: boolean, now: number): boolean {
    const primary = primaryOf(this.#newest.view as View);
    if (from.id === primary.id || this.#newest.isFromDisk) return false;
    if (sameIdentity(primary, this.#newest.self)) return this.#suspicions.hearsMajority(now) && !isStopping;
    const { liveness } = this.#suspicions;
    const heardAt = liveness.heardAt(primary);
    return heardAt !== undefined && now - heardAt <= this.#options.suspectMs && liveness.isListening(primary);
  }

  #refuse(to: Identity, ballot: Ballot, sticky: boolean): void {
    const { instance, round } = this.#newest.acceptor;
    this.#output.send(to.id, { type: "refused", instance, ballot, round, sticky }, this.#newest.write);
  }
}
