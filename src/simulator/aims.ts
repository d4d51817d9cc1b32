/**
 * Faults that wait for a message: at the moment in which a node is about to send one of a kind, something happens to it.
 * What is rare by chance, such as a proposer that dies between its promises and its accept, is made common so. And messages
 * that are lost one by one, while all else gets through.
 * @module
 */
import type { PeerMessage } from "../protocol/messages.ts";
import type { SimNode } from "./node.ts";
import type { Host } from "./process.ts";

export type MessageType = PeerMessage["type"];

/** A message on its way. */
export interface Sending<Message extends PeerMessage = PeerMessage> {
  readonly from: SimNode;
  readonly to: SimNode;
  readonly message: Message;
}

export interface Aim {
  /** What it waits for. */
  readonly isIt: (sending: Sending) => boolean;
  /** So many such messages leave before it strikes. */
  readonly spared: number;
  /** Whether the frame with the message that it waited for still leaves (if the node lives). */
  readonly strike: (sending: Sending) => boolean;
}

type Losing = (sending: Sending) => boolean;

/** What follows, once, when something befalls a client. */
export class Ambush {
  readonly #strikes: Map<Host, () => void> = new Map();

  set(client: Host, strike: () => void): void {
    this.#strikes.set(client, strike);
  }

  awaits(client: Host): boolean {
    return this.#strikes.size > 0 && this.#strikes.has(client);
  }

  met(client: Host): void {
    const strike = this.#strikes.get(client);
    this.#strikes.delete(client);
    if (strike !== undefined) client.world.after(0, strike);
  }

  disarm(): void {
    this.#strikes.clear();
  }
}

export class Aims {
  #armed: { readonly aim: Aim; spared: number }[] = [];
  #losing: Losing[] = [];
  /** Upon the next keep-alive that a client sends: nothing that it sends after it. */
  readonly keepAlive: Ambush = new Ambush();
  /** When the next notice is on its way to a client: nobody knows when it will be heard. */
  readonly notice: Ambush = new Ambush();

  get isEmpty(): boolean {
    return this.#armed.length === 0;
  }

  get losesNothing(): boolean {
    return this.#losing.length === 0;
  }

  arm(aim: Aim): void {
    this.#armed.push({ aim, spared: aim.spared });
  }

  /** Such messages are lost until the function that it gives is called. */
  lose(isLost: Losing): () => void {
    this.#losing.push(isLost);
    return () => {
      this.#losing = this.#losing.filter((one) => one !== isLost);
    };
  }

  disarm(): void {
    this.#armed = [];
    this.#losing = [];
    this.keepAlive.disarm();
    this.notice.disarm();
  }

  /** Whether the message leaves. */
  mayLeave(sending: Sending): boolean {
    const next = this.#armed.find(({ aim }) => aim.isIt(sending));
    if (next === undefined || next.spared-- > 0) return true;
    this.#armed = this.#armed.filter((one) => one !== next);
    return next.aim.strike(sending);
  }

  isLost(sending: Sending): boolean {
    return this.#losing.some((isLost) => isLost(sending));
  }
}
