/**
 * Who was heard when: life signs, counted per incarnation.
 * @module
 */
import { findById, type Identity, type Incarnation, type NodeId, sameIdentity } from "../protocol/view.ts";

interface Peer {
  /** The incarnation last met, on either connection. */
  incarnation: Incarnation | undefined;
  /** When this incarnation last gave a life sign. */
  heardAt: number | undefined;
  /** Silence before this moment is not held against it. */
  graceFrom: number;
  /** The connection it dialed, over which it is heard, is open. */
  listening: boolean;
  /** The connection to it is open. */
  linked: boolean;
  /** Nobody listens at its address any more: its process is gone. */
  refused: boolean;
  /** It said that it cannot do a primary's work: nothing from it is a life sign. */
  impaired: boolean;
}

export class Liveness {
  readonly #peers: Map<NodeId, Peer> = new Map();
  /** Incarnations whose place others have taken in a view. */
  readonly #replaced: Map<NodeId, Incarnation> = new Map();
  readonly #startedAt: number;

  constructor(now: number) {
    this.#startedAt = now;
  }

  linkUp(peer: Identity): void {
    if (this.#isReplaced(peer)) return;
    const state = this.#meet(peer);
    state.linked = true;
    state.refused = false;
  }

  linkDown(id: NodeId, refused: boolean): void {
    const state = this.#peer(id);
    state.linked = false;
    state.refused ||= refused;
  }

  heardUp(peer: Identity): void {
    if (!this.#isReplaced(peer)) this.#meet(peer).listening = true;
  }

  heardDown(id: NodeId): void {
    this.#peer(id).listening = false;
  }

  heard(from: Identity, now: number): void {
    if (this.#isReplaced(from)) return;
    const state = this.#meet(from);
    if (!state.impaired) state.heardAt = now;
  }

  setImpaired(from: Identity, impaired: boolean): void {
    if (!this.#isReplaced(from)) this.#meet(from).impaired = impaired;
  }

  /**
   * A newer view. Only its primary's word on being impaired counts from now on. And whoever was met as another incarnation
   * than the view counts may be the older one, which the view has replaced: it is not known to have returned until it
   * is heard again.
   */
  newView(previous: readonly Identity[], acceptors: readonly Identity[]): void {
    for (const peer of this.#peers.values()) peer.impaired = false;
    for (const acceptor of acceptors) {
      const before = findById(previous, acceptor.id)?.incarnation;
      if (before !== undefined && before !== acceptor.incarnation) this.#replaced.set(acceptor.id, before);
      if (!this.hasReturned(acceptor)) continue;
      const state = this.#peer(acceptor.id);
      state.incarnation = undefined;
      state.heardAt = undefined;
    }
  }

  /** Counts its silence from now at the earliest. */
  grace(id: NodeId, now: number): void {
    const state = this.#peer(id);
    state.graceFrom = Math.max(state.graceFrom, now);
  }

  /** Milliseconds since its last life sign, or since its grace. */
  silence(who: Identity, now: number): number {
    const state = this.#peer(who.id);
    const heardAt = state.incarnation === who.incarnation ? state.heardAt : undefined;
    return now - Math.max(heardAt ?? this.#startedAt, state.graceFrom);
  }

  /** When this very incarnation gave its last life sign to this life of the node. */
  heardAt(who: Identity): number | undefined {
    const state = this.#peer(who.id);
    return state.incarnation === who.incarnation ? state.heardAt : undefined;
  }

  isLinked(id: NodeId): boolean {
    return this.#peer(id).linked;
  }

  isListening(who: Identity): boolean {
    const state = this.#peer(who.id);
    return state.listening && state.incarnation === who.incarnation;
  }

  /** Its process is known to be gone: nobody listens, or another incarnation lives. */
  isGone(who: Identity): boolean {
    const state = this.#peer(who.id);
    return state.refused || this.hasReturned(who);
  }

  /** Another incarnation of this id was met last: this one is dead. */
  hasReturned(who: Identity): boolean {
    const { incarnation } = this.#peer(who.id);
    return incarnation !== undefined && !sameIdentity(who, { id: who.id, incarnation });
  }

  incarnationOf(id: NodeId): Incarnation | undefined {
    return this.#peer(id).incarnation;
  }

  /** What it had sent before it died may arrive long after. */
  #isReplaced({ id, incarnation }: Identity): boolean {
    return this.#replaced.get(id) === incarnation;
  }

  #meet(peer: Identity): Peer {
    const state = this.#peer(peer.id);
    if (state.incarnation !== peer.incarnation) {
      state.incarnation = peer.incarnation;
      state.heardAt = undefined;
      state.refused = false;
      state.impaired = false;
    }
    return state;
  }

  #peer(id: NodeId): Peer {
    let state = this.#peers.get(id);
    if (state === undefined) {
      state = {
        incarnation: undefined,
        heardAt: undefined,
        graceFrom: this.#startedAt,
        listening: false,
        linked: false,
        refused: false,
        impaired: false,
      };
      this.#peers.set(id, state);
    }
    return state;
  }
}
