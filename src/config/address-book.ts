/**
 * Which nodes belong to the cluster or may join it, and where they are reached.
 * @module
 */
import {
  compareIds,
  findById,
  type Invitation,
  type Member,
  type NodeId,
  sameIdentity,
  type View,
} from "../protocol/view.ts";
import type { NewestView } from "./newest-view.ts";
import type { Suspicions } from "./suspicions.ts";

export class AddressBook {
  readonly #newest: NewestView;
  /** Every node's `cluster` option. */
  readonly #cluster: readonly Invitation[];
  /** As last advertised. */
  readonly #urls: Map<NodeId, string> = new Map();
  /** Whose connection to this node is open: one that does not belong, or no longer, must be told so. */
  readonly #callers: Set<NodeId> = new Set();

  constructor(newest: NewestView, cluster: readonly Invitation[]) {
    this.#newest = newest;
    this.#cluster = cluster;
    this.#urls.set(newest.self.id, newest.self.url);
  }

  get urls(): ReadonlyMap<NodeId, string> {
    return this.#urls;
  }

  /** Whether a node of this id may become a member: a mistyped id must not enlarge the quorum for ever. */
  mayJoin(id: NodeId): "yes" | "barred" | "unknown" {
    const { view } = this.#newest;
    if (view === undefined) return "unknown";
    if (view.barred.includes(id)) return "barred";
    const known = findById(this.#cluster, id) ?? findById(view.acceptors, id) ?? findById(view.invited, id);
    return known === undefined ? "unknown" : "yes";
  }

  /** Every node this one should keep a link to, with the newest address known. */
  peers(): Invitation[] {
    const { view, self } = this.#newest;
    const found = new Map<NodeId, Invitation>();
    for (const { id, url } of [...this.#cluster, ...(view?.invited ?? []), ...(view?.acceptors ?? [])]) {
      if (id !== self.id) found.set(id, { id, url: this.#urls.get(id) ?? url });
    }
    for (const id of this.#callers) {
      const url = this.#urls.get(id);
      if (url !== undefined && !found.has(id) && id !== self.id) found.set(id, { id, url });
    }
    return [...found.values()].sort((a, b) => compareIds(a.id, b.id));
  }

  /** The address a node advertises now, written in the next view; whether that changes whom to keep a link to. */
  learn(peer: Member): boolean {
    const before = findById(this.peers(), peer.id)?.url;
    this.#urls.set(peer.id, peer.url);
    this.#callers.add(peer.id);
    return before !== peer.url;
  }

  /** Its connection to this node is closed; whether that changes whom to keep a link to. */
  forgetCaller(id: NodeId): boolean {
    const before = this.peers().length;
    this.#callers.delete(id);
    return this.peers().length !== before;
  }

  /** Acceptors of the view that have come back as another incarnation. */
  returned(view: View, suspicions: Suspicions): Map<NodeId, Member> {
    const returned = new Map<NodeId, Member>();
    for (const acceptor of view.acceptors) {
      const incarnation = suspicions.liveness.incarnationOf(acceptor.id);
      if (incarnation === undefined || sameIdentity(acceptor, this.#newest.self)) continue;
      if (!suspicions.liveness.hasReturned(acceptor)) continue;
      returned.set(acceptor.id, { id: acceptor.id, incarnation, url: this.#urls.get(acceptor.id) ?? acceptor.url });
    }
    return returned;
  }
}
