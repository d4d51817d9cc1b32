// A transport whose links can be cut, one direction at a time, and whose messages spring traps. A cut is silent, like a
// broken cable: frames wait and arrive late, in order, when it heals; ends of connections are not noticed meanwhile.
import { decodeHello } from "../../src/protocol/hello-codec.ts";
import type { Closed, Connection, ConnectionHandler, Listener, Transport } from "../../src/protocol/transport.ts";
import type { NodeId } from "../../src/protocol/view.ts";
import { decodeClientFrame, decodePeerFrame, decodeServerFrame } from "../../src/protocol/wire.ts";
import type { Direction } from "./control.ts";
import type { Sighting } from "./traps.ts";

/** A dial over a cut link ends after this: nobody answers, and nobody refuses. */
const deadDialMs = 500;

export interface Watch {
  readonly any: boolean;
  see(sighting: Sighting): void;
}

export class FaultyTransport implements Transport {
  readonly #inner: Transport;
  readonly #watch: Watch;
  readonly #idByUrl: ReadonlyMap<string, NodeId>;
  readonly #cutOut = new Set<NodeId>();
  readonly #cutIn = new Set<NodeId>();
  readonly #pipes = new Set<Pipe>();

  constructor(inner: Transport, cluster: Readonly<Record<NodeId, string>>, watch: Watch) {
    this.#inner = inner;
    this.#watch = watch;
    this.#idByUrl = new Map(Object.entries(cluster).map(([id, url]) => [url, id]));
  }

  cut(peer: NodeId | "all", direction: Direction): void {
    for (const id of this.#named(peer)) {
      if (direction !== "in") this.#cutOut.add(id);
      if (direction !== "out") this.#cutIn.add(id);
    }
  }

  heal(peer: NodeId | "all"): void {
    for (const id of this.#named(peer)) {
      this.#cutOut.delete(id);
      this.#cutIn.delete(id);
    }
    for (const pipe of [...this.#pipes]) pipe.flush();
  }

  dial(url: string, handler: ConnectionHandler): Connection {
    const peer = this.#idByUrl.get(url);
    if (peer !== undefined && (this.#cutOut.has(peer) || this.#cutIn.has(peer))) return deadDial(handler);
    const pipe = this.#pipe(handler, "dialed", peer);
    pipe.connection = this.#inner.dial(url, pipe);
    return pipe;
  }

  listen(url: string, accept: (connection: Connection) => ConnectionHandler): Promise<Listener> {
    return this.#inner.listen(url, (connection) => {
      const pipe = this.#pipe(undefined, "accepted", undefined);
      pipe.connection = connection;
      pipe.handler = accept(pipe);
      return pipe;
    });
  }

  #pipe(handler: ConnectionHandler | undefined, side: Side, peer: NodeId | undefined): Pipe {
    const pipe = new Pipe(side, {
      watch: this.#watch,
      isCut: (id, way) => (way === "out" ? this.#cutOut : this.#cutIn).has(id),
      ended: (one) => this.#pipes.delete(one),
    });
    pipe.handler = handler;
    pipe.peer = peer;
    this.#pipes.add(pipe);
    return pipe;
  }

  #named(peer: NodeId | "all"): NodeId[] {
    return peer === "all" ? [...this.#idByUrl.values()] : [peer];
  }
}

type Side = "dialed" | "accepted";

interface PipeOwner {
  readonly watch: Watch;
  isCut(peer: NodeId, way: "out" | "in"): boolean;
  ended(pipe: Pipe): void;
}

/** One connection: what comes and goes waits here while its link is cut. */
class Pipe implements Connection, ConnectionHandler {
  connection: Connection | undefined;
  handler: ConnectionHandler | undefined;
  peer: NodeId | undefined;
  readonly #side: Side;
  readonly #owner: PipeOwner;
  #role: "peer" | "client" | undefined;
  /** The hellos have passed: one frame each way. */
  #framesOut = 0;
  #framesIn = 0;
  readonly #heldOut: Uint8Array[] = [];
  readonly #heldIn: (() => void)[] = [];
  #heldBytes = 0;

  constructor(side: Side, owner: PipeOwner) {
    this.#side = side;
    this.#owner = owner;
    if (side === "dialed") this.#role = "peer";
  }

  get queuedBytes(): number {
    return this.#heldBytes + (this.connection?.queuedBytes ?? 0);
  }

  send(frame: Uint8Array): void {
    const messages = this.#framesOut++ > 0 ? this.#messagesIn(frame, "out") : [];
    if (!this.#cut("out")) this.#see("before-send", messages);
    if (this.#cut("out")) {
      this.#heldOut.push(frame);
      this.#heldBytes += frame.length;
      return;
    }
    this.connection?.send(frame);
    this.#see("sent", messages);
  }

  close(reason: string, abrupt?: boolean): void {
    this.connection?.close(reason, abrupt);
    // Our own end is no news that a cut could keep from us.
    this.#heldIn.length = 0;
    this.peer = undefined;
  }

  opened(): void {
    this.#arrive(() => this.handler?.opened());
  }

  received(frame: Uint8Array): void {
    if (this.#framesIn === 0 && this.#side === "accepted") this.#learnPeer(frame);
    const messages = this.#framesIn++ > 0 ? this.#messagesIn(frame, "in") : [];
    if (!this.#cut("in")) this.#see("received", messages);
    this.#arrive(() => this.handler?.received(frame));
  }

  closed(closed: Closed): void {
    this.#arrive(() => {
      this.#owner.ended(this);
      this.handler?.closed(closed);
    });
  }

  /** The link may be whole again: what waited goes on its way. */
  flush(): void {
    while (this.#heldIn.length > 0 && !this.#cut("in")) this.#heldIn.shift()!();
    while (this.#heldOut.length > 0 && !this.#cut("out")) {
      const frame = this.#heldOut.shift()!;
      this.#heldBytes -= frame.length;
      this.connection?.send(frame);
    }
  }

  #arrive(happen: () => void): void {
    if (this.#cut("in") || this.#heldIn.length > 0) this.#heldIn.push(happen);
    else happen();
  }

  #cut(way: "out" | "in"): boolean {
    return this.peer !== undefined && this.#owner.isCut(this.peer, way);
  }

  #learnPeer(frame: Uint8Array): void {
    try {
      const hello = decodeHello(frame);
      this.#role = hello.role;
      this.peer = hello.node?.id;
    } catch {
      // No hello: the replica will say so.
    }
  }

  #see(at: Sighting["at"], messages: readonly { readonly type: string }[]): void {
    for (const message of messages) this.#owner.watch.see({ at, peer: this.peer, what: { ...message } });
  }

  #messagesIn(frame: Uint8Array, way: "out" | "in"): readonly { readonly type: string }[] {
    if (!this.#owner.watch.any || frame.length === 0) return [];
    if (this.#role === "client") return way === "in" ? decodeClientFrame(frame) : decodeServerFrame(frame);
    const carriesMessages = way === (this.#side === "dialed" ? "out" : "in");
    return this.#role === "peer" && carriesMessages ? decodePeerFrame(frame) : [];
  }
}

function deadDial(handler: ConnectionHandler): Connection {
  let over = false;
  const end = (reason: string): void => {
    if (over) return;
    over = true;
    clearTimeout(timer);
    handler.closed({ refused: false, reason });
  };
  const timer = setTimeout(() => end("no answer"), deadDialMs);
  return {
    queuedBytes: 0,
    send: () => {},
    close: (reason) => queueMicrotask(() => end(reason)),
  };
}
