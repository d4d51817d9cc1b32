/**
 * The connection this node dials to one peer: hello, back-off, life probes. It carries messages to the peer; what the
 * peer says comes over the connection that it dials itself.
 * @module
 */
import type { Environment, Timer } from "../protocol/environment.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { HelloReply, Rejection, Welcome } from "../protocol/hello.ts";
import { decodeHelloReply, encodeHello } from "../protocol/hello-codec.ts";
import type { PeerMessage } from "../protocol/messages.ts";
import type { Closed, Connection, ConnectionHandler, Transport } from "../protocol/transport.ts";
import type { ClusterId, Identity, NodeId } from "../protocol/view.ts";
import type { Address } from "./contract.ts";
import { type Credentials, peerHello, refuseCluster, refuseWelcome } from "./hellos.ts";
import { Outbox, type Outgoing, type Sink } from "./outbox.ts";

/** What happens to a link. */
export interface LinkOwner {
  linkUp(peer: Identity): void;
  linkDown(id: NodeId, refused: boolean): void;
  linkRejected(link: Link, by: "us" | "them", rejection: Rejection): void;
  linkCutOff(link: Link, reason: string): void;
}

export interface LinkSetup {
  readonly environment: Environment;
  readonly transport: Transport;
  readonly outgoing: Outgoing;
  readonly encode: (messages: readonly PeerMessage[]) => readonly Uint8Array[];
  readonly credentials: Credentials;
  readonly helloMs: number;
  readonly probeMs: number;
}

/**
 * An empty frame is a life probe; the other side sends it back. A connection whose other end is gone without a word
 * would else swallow messages for minutes.
 */
export const PROBE: Uint8Array = new Uint8Array(0);
const MAX_UNANSWERED_PROBES = 6;

const FIRST_RETRY_MS = 10;
const MAX_RETRY_MS = 500;
/** Rejected peers need their operator: asked again rarely. */
const FIRST_REJECTED_MS = 1_000;
const MAX_REJECTED_MS = 10_000;
/** Connections that lived for less count as failures from the second on, so that two who end each other's do not spin. */
const STEADY_MS = 1_000;

export class Link implements Address {
  readonly id: NodeId;
  /** Where the core knows the peer. */
  readonly url: string;
  /** Where the operator names it: if all nodes have moved at once, no address that the core knows is right any more. */
  readonly #listed: string;
  /** Of the newest dial. */
  #dialed: string;
  readonly #setup: LinkSetup;
  readonly #owner: LinkOwner;
  /** Of the dial under way or the open connection; what an older one still says is thrown away. */
  #handler: ConnectionHandler | undefined;
  #connection: Connection | undefined;
  /** The peer's, as it said in answer to the hello. */
  #clusterId: ClusterId | undefined;
  /** Made when the hellos agree. */
  #outbox: Outbox<PeerMessage> | undefined;
  /** The next dial, the deadline of the one under way, or the next probe. */
  #timer: Timer | undefined;
  #upSince = 0;
  #failures = 0;
  #shortLives = 0;
  #rejections = 0;
  #unansweredProbes = 0;
  /** What the core was told of this outage, or nothing yet. */
  #told: "up" | "down" | "refused" | undefined;
  /** Whether a refused dial proves that a process is gone that was there; and whether the address is known to be right. */
  #wasUp = false;

  constructor({ id, url }: Address, listed: string, setup: LinkSetup, owner: LinkOwner) {
    this.id = id;
    this.url = url;
    this.#listed = listed;
    this.#dialed = url;
    this.#setup = setup;
    this.#owner = owner;
    this.#dial();
  }

  /** Where messages for the peer go now; `undefined` without an open connection, or to a node of another cluster. */
  get sink(): Sink<PeerMessage> | undefined {
    return refuseCluster(this.#setup.credentials, this.#clusterId) === undefined ? this.#outbox : undefined;
  }

  /** For good; the core is told if it was up. */
  close(reason: string, abrupt: boolean): void {
    const connection = this.#connection;
    this.#release();
    connection?.close(reason, abrupt);
    if (this.#told === "up") this.#tell("down");
  }

  #dial(): void {
    const { environment, transport, helloMs } = this.#setup;
    const handler: ConnectionHandler = {
      opened: () => {
        if (this.#handler === handler) this.#connection?.send(encodeHello(peerHello(this.#setup.credentials)));
      },
      received: (frame) => {
        if (this.#handler === handler) this.#received(frame);
      },
      closed: (closed) => {
        if (this.#handler === handler) this.#lost(closed);
      },
    };
    this.#handler = handler;
    this.#connection = transport.dial(this.#dialed, handler);
    this.#timer = environment.setTimer(helloMs, () => this.#cut(`no answer within ${helloMs} ms`));
  }

  #received(frame: Uint8Array): void {
    if (this.#outbox === undefined) this.#greeted(frame);
    else if (frame.length === 0) this.#unansweredProbes = 0;
    else this.#misbehaved("only the hello's answer comes this way");
  }

  #greeted(frame: Uint8Array): void {
    let reply: HelloReply;
    try {
      reply = decodeHelloReply(frame);
    } catch (error) {
      if (!(error instanceof ViewstampError)) throw error;
      this.#misbehaved(error.message);
      return;
    }
    const refusal = reply.accepted ? refuseWelcome(this.#setup.credentials, this.id, reply) : reply;
    if (refusal !== undefined) this.#rejected(reply.accepted ? "us" : "them", refusal);
    else if (reply.accepted) this.#up(reply);
  }

  #up({ node, clusterId }: Welcome): void {
    const connection = this.#connection as Connection;
    this.#outbox = new Outbox({
      connection,
      outgoing: this.#setup.outgoing,
      encode: this.#setup.encode,
      overflowed: (bytes) => this.#misbehaved(`it lets ${bytes} bytes wait`),
    });
    this.#upSince = this.#setup.environment.now();
    this.#rejections = 0;
    this.#wasUp = true;
    this.#told = "up";
    this.#unansweredProbes = 0;
    this.#timer?.cancel();
    this.#probeLater();
    this.#clusterId = clusterId;
    this.#owner.linkUp(node);
  }

  #probeLater(): void {
    this.#timer = this.#setup.environment.setTimer(this.#setup.probeMs, () => {
      if (this.#unansweredProbes >= MAX_UNANSWERED_PROBES) {
        this.#cut("it has not answered for too long");
        return;
      }
      // Since the hello this node may have joined another cluster than the peer's.
      const refusal = refuseCluster(this.#setup.credentials, this.#clusterId);
      if (refusal !== undefined) {
        this.#rejected("us", refusal);
        return;
      }
      this.#unansweredProbes++;
      this.#connection?.send(PROBE);
      this.#probeLater();
    });
  }

  #misbehaved(reason: string): void {
    this.#owner.linkCutOff(this, reason);
    this.#cut(reason);
  }

  #cut(reason: string): void {
    this.#connection?.close(reason, true);
    this.#lost({ refused: false, reason });
  }

  #lost({ refused }: Closed): void {
    const wasOpen = this.#outbox !== undefined;
    if (wasOpen) {
      const steady = this.#setup.environment.now() - this.#upSince >= STEADY_MS;
      this.#failures = steady ? 0 : this.#shortLives;
      this.#shortLives = steady ? 0 : this.#shortLives + 1;
    }
    this.#release();
    if (refused && this.#wasUp) this.#tell("refused");
    else if (wasOpen || this.#told === undefined) this.#tell("down");
    this.#redial(this.#retryMs());
  }

  #tell(state: "down" | "refused"): void {
    if (this.#told === state) return;
    this.#told = state;
    this.#owner.linkDown(this.id, state === "refused");
  }

  #rejected(by: "us" | "them", rejection: Rejection): void {
    this.#connection?.close(rejection.text);
    this.#release();
    if (this.#told === "up") this.#tell("down");
    this.#owner.linkRejected(this, by, rejection);
    this.#redial(Math.min(MAX_REJECTED_MS, FIRST_REJECTED_MS * 2 ** this.#rejections++));
  }

  /** The first redial is immediate: it finds out whether the peer's process is gone. */
  #retryMs(): number {
    const failures = this.#failures++;
    if (failures === 0) return 0;
    const longest = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 10));
    return longest * (0.5 + this.#setup.environment.random() / 2);
  }

  #redial(ms: number): void {
    if (!this.#wasUp) this.#dialed = this.#dialed === this.url ? this.#listed : this.url;
    if (ms === 0) this.#dial();
    else this.#timer = this.#setup.environment.setTimer(ms, () => this.#dial());
  }

  /** Forgets the connection, which ends on its own or has been ended. */
  #release(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#outbox?.close();
    this.#outbox = undefined;
    this.#connection = undefined;
    this.#handler = undefined;
  }
}
