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
  /**
   * Incarnations whose place others have taken in a view. What one had sent before it died may arrive long after, so it does
   * not prove its successor dead. But its data may have been found again: then it comes as any other learner.
   */
  readonly #replaced: Map<NodeId, Peer> = new Map();
  readonly #startedAt: number;

  constructor(now: number) {
    this.#startedAt = now;
  }

  linkUp(peer: Identity): void {
    const state = this.#meet(peer);
    state.linked = true;
    state.refused = false;
  }

  linkDown(id: NodeId, refused: boolean): void {
    for (const state of this.#lives(id)) {
      state.linked = false;
      state.refused ||= refused;
    }
  }

  heardUp(peer: Identity): void {
    this.#meet(peer).listening = true;
  }

  heardDown(id: NodeId): void {
    for (const state of this.#lives(id)) state.listening = false;
  }

  heard(from: Identity, now: number): void {
    const state = this.#meet(from);
    if (!state.impaired) state.heardAt = now;
  }

  setImpaired(from: Identity, impaired: boolean): void {
    this.#meet(from).impaired = impaired;
  }

  /**
   * A newer view. Only its primary's word on being impaired counts from now on. And whoever was met as another incarnation
   * than the view counts may be the older one, which the view has replaced: it is not known to have returned until it
   * is heard again.
   */
  newView(previous: readonly Identity[], acceptors: readonly Identity[]): void {
    for (const peer of this.#peers.values()) peer.impaired = false;
    for (const acceptor of acceptors) {
      this.#count(acceptor, findById(previous, acceptor.id)?.incarnation);
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
    const state = this.#stateOf(who);
    const heardAt = state.incarnation === who.incarnation ? state.heardAt : undefined;
    return now - Math.max(heardAt ?? this.#startedAt, state.graceFrom);
  }

  /** When this very incarnation gave its last life sign to this life of the node. */
  heardAt(who: Identity): number | undefined {
    const state = this.#stateOf(who);
    return state.incarnation === who.incarnation ? state.heardAt : undefined;
  }

  /** To whichever incarnation. */
  isLinked(id: NodeId): boolean {
    return this.#lives(id).some((state) => state.linked);
  }

  isListening(who: Identity): boolean {
    const state = this.#stateOf(who);
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

  /** A view counts it; perhaps in the place of another, and perhaps it had lost that place before. */
  #count({ id, incarnation }: Identity, before: Incarnation | undefined): void {
    const found = this.#replaced.get(id);
    if (found?.incarnation === incarnation) {
      this.#peers.set(id, found);
      this.#replaced.delete(id);
    }
    if (before !== undefined && before !== incarnation) {
      this.#replaced.set(id, { ...this.#unmet(), incarnation: before });
    }
  }

  #meet(peer: Identity): Peer {
    const state = this.#stateOf(peer);
    if (state.incarnation !== peer.incarnation) {
      state.incarnation = peer.incarnation;
      state.heardAt = undefined;
      state.refused = false;
      state.impaired = false;
    }
    return state;
  }

  /** What is known of this incarnation if it has been replaced, else of the one met last. */
  #stateOf({ id, incarnation }: Identity): Peer {
    const replaced = this.#replaced.get(id);
    return replaced?.incarnation === incarnation ? replaced : this.#peer(id);
  }

  /** A connection is to one of them; which it was that is lost does not matter, for there is none to the other. */
  #lives(id: NodeId): readonly Peer[] {
    const replaced = this.#replaced.get(id);
    return replaced === undefined ? [this.#peer(id)] : [this.#peer(id), replaced];
  }

  #peer(id: NodeId): Peer {
    let state = this.#peers.get(id);
    if (state === undefined) {
      state = this.#unmet();
      this.#peers.set(id, state);
    }
    return state;
  }

  #unmet(): Peer {
    return {
      incarnation: undefined,
      heardAt: undefined,
      graceFrom: this.#startedAt,
      listening: false,
      linked: false,
      refused: false,
      impaired: false,
    };
  }
}
