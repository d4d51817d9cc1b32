/**
 * Every node dials every other: the links that carry messages out, and the peers' own connections, which carry
 * theirs in.
 * @module
 */
import type { Hello, Rejection } from "../protocol/hello.ts";
import type { PeerMessage } from "../protocol/messages.ts";
import type { Connection } from "../protocol/transport.ts";
import { findById, type Identity, type Member, type NodeId } from "../protocol/view.ts";
import { decodePeerFrame } from "../protocol/wire.ts";
import type { CoreEvent } from "../rsm/events.ts";
import type { Address, ReplicaEvent } from "./contract.ts";
import type { Guest, Seat } from "./door.ts";
import { Link, type LinkOwner, type LinkSetup } from "./link.ts";
import type { Sink } from "./outbox.ts";

export interface MeshOptions {
  readonly self: NodeId;
  /** As the operator names the nodes. */
  readonly listed: readonly Address[];
  readonly link: LinkSetup;
  readonly accept: (event: CoreEvent) => void;
  readonly tell: (event: ReplicaEvent) => void;
}

export class Mesh implements LinkOwner {
  readonly #options: MeshOptions;
  readonly #links: Map<NodeId, Link> = new Map();
  /** The newest connection that each peer dialed. */
  readonly #heard: Map<NodeId, HeardPeer> = new Map();

  constructor(options: MeshOptions) {
    this.#options = options;
  }

  /** Keeps a link to exactly these nodes, this one left out. */
  setPeers(peers: readonly Address[]): void {
    const wanted = new Map(peers.map(({ id, url }) => [id, url]));
    wanted.delete(this.#options.self);
    for (const link of [...this.#links.values()]) {
      if (wanted.get(link.id) === link.url) wanted.delete(link.id);
      else this.#close(link);
    }
    for (const [id, url] of wanted) this.#links.set(id, this.#linkTo({ id, url }));
  }

  sinkTo(id: NodeId): Sink<PeerMessage> | undefined {
    return this.#links.get(id)?.sink;
  }

  /** A peer has dialed this node. A newer connection replaces an older one, whatever that still says. */
  admit(hello: Hello, connection: Connection, seat: Seat): Guest {
    const { id, incarnation, url } = hello.node as Member;
    const peer = new HeardPeer(this, { id, incarnation }, connection, seat);
    const older = this.#heard.get(id);
    this.#heard.set(id, peer);
    older?.replace();
    this.#options.accept({ type: "heardUp", peer: { id, incarnation, url } });
    return peer;
  }

  hear(peer: HeardPeer, message: PeerMessage): void {
    if (this.#heard.get(peer.identity.id) !== peer) return;
    this.#options.accept({ type: "message", from: peer.identity, message });
  }

  lost(peer: HeardPeer): void {
    const { id } = peer.identity;
    if (this.#heard.get(id) !== peer) return;
    this.#heard.delete(id);
    this.#options.accept({ type: "heardDown", id });
  }

  close(reason: string, abrupt: boolean): void {
    for (const link of this.#links.values()) link.close(reason, abrupt);
    this.#links.clear();
  }

  linkUp(peer: Identity): void {
    this.#options.accept({ type: "linkUp", peer });
  }

  linkDown(id: NodeId, refused: boolean): void {
    this.#options.accept({ type: "linkDown", id, refused });
  }

  linkRejected(link: Link, by: "us" | "them", { code, text }: Rejection): void {
    this.#options.tell({ event: "rejected", by, who: nameOf(link), code, text });
  }

  linkCutOff(link: Link, reason: string): void {
    this.#options.tell({ event: "cutOff", who: nameOf(link), reason });
  }

  #linkTo(address: Address): Link {
    const { listed, link } = this.#options;
    return new Link(address, findById(listed, address.id)?.url ?? address.url, link, this);
  }

  #close(link: Link): void {
    this.#links.delete(link.id);
    link.close("no longer a peer", false);
  }
}

function nameOf({ id, url }: Address): string {
  return `node "${id}" at ${url}`;
}

/** A connection that a peer dialed. */
class HeardPeer implements Guest {
  readonly name: string;
  readonly identity: Identity;
  readonly #mesh: Mesh;
  readonly #connection: Connection;
  readonly #seat: Seat;

  constructor(mesh: Mesh, identity: Identity, connection: Connection, seat: Seat) {
    this.name = `node "${identity.id}"`;
    this.identity = identity;
    this.#mesh = mesh;
    this.#connection = connection;
    this.#seat = seat;
  }

  received(frame: Uint8Array): void {
    // A life probe goes back as it came.
    if (frame.length === 0) this.#connection.send(frame);
    else for (const message of decodePeerFrame(frame)) this.#mesh.hear(this, message);
  }

  left(): void {
    this.#mesh.lost(this);
  }

  replace(): void {
    this.#seat.end("replaced by a newer connection", true);
  }
}
