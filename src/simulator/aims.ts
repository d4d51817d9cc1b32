/**
 * Faults that wait for a message: at the moment in which a node is about to send one of a kind, something happens to it.
 * What is rare by chance, such as a proposer that dies between its promises and its accept, is made common so.
 * @module
 */
import type { PeerMessage } from "../protocol/messages.ts";
import type { SimNode } from "./node.ts";

export type MessageType = PeerMessage["type"];

export interface Aim {
  readonly node: SimNode;
  readonly type: MessageType;
  /** So many such messages leave before it strikes. */
  readonly spared: number;
  /** Whether the message that it waited for still leaves (if the node lives). */
  readonly strike: (to: SimNode) => boolean;
}

export class Aims {
  #armed: { readonly aim: Aim; spared: number }[] = [];

  get isEmpty(): boolean {
    return this.#armed.length === 0;
  }

  arm(aim: Aim): void {
    this.#armed.push({ aim, spared: aim.spared });
  }

  disarm(): void {
    this.#armed = [];
  }

  /** Whether the message leaves. */
  mayLeave(from: SimNode, to: SimNode, message: PeerMessage): boolean {
    const next = this.#armed.find(({ aim }) => aim.node === from && aim.type === message.type);
    if (next === undefined || next.spared-- > 0) return true;
    this.#armed = this.#armed.filter((one) => one !== next);
    return next.aim.strike(to);
  }
}
