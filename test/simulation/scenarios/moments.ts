// Exact moments: what a node is about to say, or says of itself. Scripts wait for them, and let nodes die in them.
import type { ServerMessage } from "../../../src/protocol/client-messages.ts";
import type { PeerMessage } from "../../../src/protocol/messages.ts";
import { decodePeerFrame, decodeServerFrame } from "../../../src/protocol/wire.ts";
import type { ReplicaEvent } from "../../../src/replica/contract.ts";
import type { SimCluster } from "../../../src/simulator/cluster.ts";
import type { Host } from "../../../src/simulator/process.ts";

/** Whether this is the moment. */
export type Saying = (message: PeerMessage) => boolean;

/** Who has a new entry, and who does not. */
export interface Reach {
  readonly primary: string;
  readonly has: string;
  readonly misses: string;
}

/** Looks at what is about to leave; `true`: it was the moment. What a host that dies of it was to say never leaves. */
type Look<M> = (message: M, from: string, to: Host) => boolean;

export class Moments {
  readonly #cluster: SimCluster;
  readonly #peerLooks = new Set<Look<PeerMessage>>();
  readonly #clientLooks = new Set<Look<ServerMessage>>();
  readonly #speakers = new Map<Host, () => void>();

  constructor(cluster: SimCluster) {
    this.#cluster = cluster;
    cluster.network.mayLeave = (from, to, frame) => this.#mayLeave(from, to, frame);
  }

  /** The node dies when it is about to say this to another, and never says it. */
  diesBefore(id: string, saying: Saying): void {
    this.#peerLooks.add((message, from) => {
      if (from !== id || !saying(message)) return false;
      this.#cluster.node(id).die("kill");
      return true;
    });
  }

  /** The same for what it is about to say to a client. */
  diesBeforeTelling(id: string, saying: (message: ServerMessage, client: Host) => boolean): void {
    this.#clientLooks.add((message, from, to) => {
      if (from !== id || !saying(message, to)) return false;
      this.#cluster.node(id).die("kill");
      return true;
    });
  }

  /** Calls back once, when this host is about to say anything to anybody. */
  beforeSpeaking(host: Host, speaking: () => void): void {
    this.#speakers.set(host, speaking);
  }

  /** The node dies when it tells this of itself. */
  diesOn(id: string, telling: (event: ReplicaEvent) => boolean): void {
    const node = this.#cluster.node(id);
    node.watch = (event) => {
      if (!telling(event)) return;
      node.watch = undefined;
      node.die("kill");
    };
  }

  /** A backup dies when it has an entry durably that is not committed, before its OK. */
  diesBeforeItsOk(id: string): void {
    this.diesBefore(id, (message) => message.type === "invoked" && message.seqno > this.#committed);
  }

  /**
   * Calls back when exactly one backup has an entry durably, and is about to say so. What the primary has to say to the other
   * one, from that entry on, waits until the link between them is healed; if the primary dies of this it is lost.
   */
  whenOnlyOneHas({ primary, has, misses }: Reach, reached: () => void): void {
    const { network } = this.#cluster;
    const [from, to] = [this.#cluster.node(primary).host, this.#cluster.node(misses).host];
    let mark = 0;
    this.#peerLooks.add((message, sender, receiver) => {
      if (sender === primary && receiver === to && mark === 0 && message.type === "invoke") {
        mark = this.#newEntry(message.entries);
        if (mark > 0) network.cut(from, to);
      }
      if (mark === 0 || sender !== has || message.type !== "invoked" || message.seqno < mark) return false;
      reached();
      return true;
    });
  }

  get #committed(): number {
    return this.#cluster.ledger.facts.committedThrough;
  }

  /** The last of these entries if it is not committed, else 0. */
  #newEntry(entries: readonly { readonly seqno: number }[]): number {
    const last = entries.at(-1)?.seqno ?? 0;
    return last > this.#committed ? last : 0;
  }

  #mayLeave(from: Host, to: Host, frame: Uint8Array): boolean {
    this.#speakers.get(from)?.();
    this.#speakers.delete(from);
    // A probe is empty, a hello begins with a letter.
    if (frame.length === 0 || frame[0] === 0x76 || !this.#isNode(from)) return true;
    if (this.#isNode(to)) lookAt(this.#peerLooks, from, to, () => decodePeerFrame(frame));
    else lookAt(this.#clientLooks, from, to, () => decodeServerFrame(frame));
    return true;
  }

  #isNode(host: Host): boolean {
    return this.#cluster.nodes.some((node) => node.host === host);
  }
}

/** A look that has seen its moment looks no more. */
function lookAt<M>(looks: Set<Look<M>>, from: Host, to: Host, decode: () => readonly M[]): void {
  if (looks.size === 0) return;
  const messages = decode();
  for (const look of looks) if (messages.some((message) => look(message, from.name, to))) looks.delete(look);
}
