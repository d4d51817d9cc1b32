// Peers and clients that a test plays by hand, against the replica on a stage.
import type { ClientMessage, ServerMessage, StatusMessage } from "../../src/protocol/client-messages.ts";
import type { AgreedOptions, Hello, HelloReply, Welcome } from "../../src/protocol/hello.ts";
import { decodeHello, decodeHelloReply, encodeHello, encodeHelloReply } from "../../src/protocol/hello-codec.ts";
import type { Fetch, PeerMessage } from "../../src/protocol/messages.ts";
import type { Connection } from "../../src/protocol/transport.ts";
import { decodePeerFrame, decodeServerFrame, encodeClientFrame, encodePeerFrame } from "../../src/protocol/wire.ts";
import { ABLE, type End, Puppet, Stage } from "./kit.ts";

export { decodeServerFrame, Stage };

export const AGREED: AgreedOptions = { minCopies: 2, maxBodyBytes: 256 * 1024, driftPercent: 1 };

export function fetchOf(vid: number): Fetch {
  return { type: "fetch", vid };
}

export function status(xid: number): StatusMessage {
  return {
    type: "status",
    xid,
    status: {
      id: "a",
      incarnation: "a1",
      clusterId: "c1",
      runtime: "test",
      role: "none",
      active: false,
      vid: 0,
      primary: "",
      members: [],
      acceptors: [],
      barred: [],
      invited: [],
      viewstamp: { vid: 0, seqno: 0 },
      commit: 0,
      applied: 0,
      hash: 0,
      sessions: 0,
      snapshotPauseMs: 0,
      restorePauseMs: 0,
      trouble: "",
      machines: [],
    },
  };
}

export function welcomeFrom(id: string, incarnation: string, clusterId: string | undefined = "c1"): Welcome {
  const node = { id, incarnation };
  const { maxBodyBytes, driftPercent } = AGREED;
  return { accepted: true, protocol: 1, clusterId, node, maxBodyBytes, driftPercent, authentication: undefined };
}

export function helloFrom(id: string, incarnation: string, changes: Partial<Hello> = {}): Hello {
  return {
    protocol: { least: 1, newest: 1 },
    role: "peer",
    clusterId: "c1",
    node: { id, incarnation, url: `fake://${id}` },
    machines: ABLE,
    options: AGREED,
    authentication: undefined,
    ...changes,
  };
}

export function helloOfClient(changes: Partial<Hello> = {}): Hello {
  return helloFrom("", "", { role: "client", node: undefined, options: undefined, clusterId: undefined, ...changes });
}

/** A listener at the address of another node, which answers hellos as it is told. */
export class FakePeer {
  readonly stage: Stage;
  readonly url: string;
  reply: (hello: Hello) => HelloReply | undefined;
  echoes = true;
  readonly connections: Puppet[] = [];
  #listener: { close(): Promise<void> } | undefined;

  constructor(stage: Stage, id: string, url: string = `fake://${id}`) {
    this.stage = stage;
    this.url = url;
    this.reply = () => welcomeFrom(id, `${id}1`);
  }

  async listen(): Promise<this> {
    this.#listener = await this.stage.net.listen(this.url, (connection) => this.#accept(connection));
    return this;
  }

  /** Its process is gone. */
  async die(): Promise<void> {
    await this.#listener?.close();
    this.drop();
  }

  /** The newest connection is lost. */
  drop(): void {
    this.#last.far.lose("dropped");
    this.#last.near.lose("dropped");
  }

  /** The newest connection swallows everything. */
  mute(): void {
    this.#last.near.silent = true;
    this.#last.far.silent = true;
  }

  /** What the replica has sent after its hello, on all connections, without life probes. */
  messageFrames(): Uint8Array[] {
    return this.connections.flatMap(({ frames }) => frames.slice(1).filter(({ length }) => length > 0));
  }

  messages(): PeerMessage[] {
    return this.messageFrames().flatMap((frame) => decodePeerFrame(frame));
  }

  hellos(): Hello[] {
    return this.connections.flatMap(({ frames }) => frames.slice(0, 1).map(decodeHello));
  }

  /** The replica's end of the newest connection. */
  get near(): End {
    return this.#last.near;
  }

  get #last(): { near: End; far: End } {
    return this.stage.net.last(this.url);
  }

  #accept(connection: Connection): Puppet {
    const puppet = new Puppet();
    puppet.onFrame = (frame) => {
      if (puppet.frames.length === 1) {
        const reply = this.reply(decodeHello(frame));
        if (reply !== undefined) connection.send(encodeHelloReply(reply));
      } else if (frame.length === 0 && this.echoes) {
        connection.send(frame);
      }
    };
    this.connections.push(puppet);
    return puppet;
  }
}

/** Node b listens, and the replica's link to it is up. */
export async function peerUp(stage: Stage, id = "b"): Promise<FakePeer> {
  const peer = await new FakePeer(stage, id).listen();
  await stage.world.run(600);
  return peer;
}

/** A far end that has dialed the replica. */
export class Visitor extends Puppet {
  readonly #connection: End;

  constructor(stage: Stage, url: string) {
    super();
    this.#connection = stage.net.dial(url, this);
  }

  get connection(): End {
    return this.#connection;
  }

  sendFrame(frame: Uint8Array): void {
    this.#connection.send(frame);
  }

  say(...messages: PeerMessage[]): void {
    this.sendFrame(encodePeerFrame(messages));
  }

  send(...messages: ClientMessage[]): void {
    this.sendFrame(encodeClientFrame(messages));
  }

  ask(xid: number): void {
    this.send({ type: "askStatus", xid });
  }

  leave(): void {
    this.#connection.close("bye");
  }

  reply(): HelloReply {
    return decodeHelloReply(this.frames[0] as Uint8Array);
  }

  said(): ServerMessage[] {
    return this.frames.slice(1).flatMap(decodeServerFrame);
  }
}

/** Dials the replica and says hello, by default as a client. */
export async function visit(stage: Stage, hello: Hello = helloOfClient()): Promise<Visitor> {
  const visitor = new Visitor(stage, stage.setup.listen);
  await stage.world.run(2);
  visitor.sendFrame(encodeHello(hello));
  await stage.world.run(4);
  return visitor;
}
