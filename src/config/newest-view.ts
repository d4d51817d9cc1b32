/**
 * The newest decided view this node knows, and its acceptor for the next instance: they change together.
 * @module
 */
import { Acceptor } from "../paxos/acceptor.ts";
import { assert } from "../protocol/errors.ts";
import type { DurableState } from "../protocol/storage.ts";
import { type Identity, includesIdentity, type Member, primaryOf, sameIdentity, type View } from "../protocol/view.ts";

export class NewestView {
  readonly self: Member;
  #view: View | undefined;
  #write = 0;
  #isFromDisk: boolean;
  #acceptor: Acceptor;

  constructor(self: Member, durable: DurableState) {
    this.self = self;
    this.#view = durable.view;
    this.#isFromDisk = durable.view !== undefined;
    this.#acceptor = new Acceptor((durable.view?.vid ?? 0) + 1, durable.promised, durable.accepted);
  }

  get view(): View | undefined {
    return this.#view;
  }

  get vid(): number {
    return this.#view?.vid ?? 0;
  }

  /** The write that makes it durable: nothing that speaks of it leaves before. */
  get write(): number {
    return this.#write;
  }

  /** Found on this node's own disk at start: it never leads this view. */
  get isFromDisk(): boolean {
    return this.#isFromDisk;
  }

  /** Of instance `vid + 1` only: what it promised and accepted goes with the view before. */
  get acceptor(): Acceptor {
    return this.#acceptor;
  }

  adopt(view: View, write: number): void {
    assert(view.vid > this.vid, "views only go forward");
    this.#view = view;
    this.#write = write;
    this.#isFromDisk = false;
    this.#acceptor = new Acceptor(view.vid + 1);
  }

  isMember(who: Identity = this.self): boolean {
    return this.#view !== undefined && includesIdentity(this.#view.members, who);
  }

  isAcceptor(who: Identity = this.self): boolean {
    return this.#view !== undefined && includesIdentity(this.#view.acceptors, who);
  }

  isPrimary(who: Identity = this.self): boolean {
    return this.#view !== undefined && sameIdentity(primaryOf(this.#view), who);
  }

  /** Whether this node, as primary, may stamp in the view. */
  get leads(): boolean {
    return this.isPrimary() && !this.#isFromDisk;
  }
}
