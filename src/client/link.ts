/**
 * One connection to one node: hello, batches, and the two time limits after which a silent node is given up.
 * @module
 */
import type { ClientMessage, ServerMessage } from "../protocol/client-messages.ts";
import type { Environment, Timer } from "../protocol/environment.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { Hello, HelloReply, Welcome } from "../protocol/hello.ts";
import { decodeHelloReply, encodeHello } from "../protocol/hello-codec.ts";
import type { Closed, Connection, ConnectionHandler, Transport } from "../protocol/transport.ts";
import { decodeServerFrame, encodeClientFrames } from "../protocol/wire.ts";

/** Why a link came to its end. `rejection`: the node refuses this client for good. */
export interface LinkEnd {
  readonly kind: "refused" | "closed" | "silent" | "rejected" | "garbled";
  readonly reason: string;
  readonly rejection: ViewstampError | undefined;
}

export interface LinkOwner {
  /** The hello was accepted. */
  welcomed(link: Link, welcome: Welcome): void;
  received(link: Link, message: ServerMessage): void;
  /** All messages of one frame have been handed over. */
  frameDone(link: Link): void;
  /** Once, and nothing after it; never after `drop`. */
  ended(link: Link, end: LinkEnd): void;
  /** Whether something sent on this link has no answer yet. */
  isWaiting(link: Link): boolean;
}

export interface LinkOptions {
  readonly url: string;
  readonly hello: Hello;
  /** From the dial to the first news, or whatever else the owner waits for before it calls `settled`. */
  readonly helloMs: number;
  readonly silenceMs: number;
}

/** Refusals that pass: the node is only asked again later. */
const passing: ReadonlySet<string> = new Set(["Busy", "Overloaded", "Closed", "NoQuorum", "Timeout"]);

export class Link implements ConnectionHandler {
  readonly url: string;
  welcome: Welcome | undefined;
  readonly #environment: Environment;
  readonly #owner: LinkOwner;
  readonly #options: LinkOptions;
  readonly #connection: Connection;
  #outbox: ClientMessage[] = [];
  #flushing = false;
  #over = false;
  #helloTimer: Timer | undefined;
  #silenceTimer: Timer | undefined;
  /** Since when something sent waits and nothing at all has come; `undefined` while nothing waits. */
  #quietSince: number | undefined;

  constructor(transport: Transport, environment: Environment, options: LinkOptions, owner: LinkOwner) {
    this.url = options.url;
    this.#environment = environment;
    this.#owner = owner;
    this.#options = options;
    this.#helloTimer = environment.setTimer(options.helloMs, () => this.#silent(options.helloMs));
    this.#connection = transport.dial(options.url, this);
  }

  /** The first exchange is complete; from now on only unanswered questions make silence suspicious. */
  settled(): void {
    this.#helloTimer?.cancel();
    this.#helloTimer = undefined;
  }

  /** Leaves at the end of this turn, together with all others of the turn. */
  send(message: ClientMessage): void {
    if (this.#over) return;
    this.#outbox.push(message);
    if (this.#quietSince === undefined) {
      this.#quietSince = this.#environment.now();
      if (this.#silenceTimer === undefined) this.#watch(this.#options.silenceMs);
    }
    if (this.#flushing) return;
    this.#flushing = true;
    this.#environment.endOfTurn(() => this.#flush());
  }

  /** Ends it without a word to the owner. */
  drop(reason: string, abrupt = false): void {
    if (this.#over) return;
    this.#stop();
    this.#connection.close(reason, abrupt);
  }

  opened(): void {
    if (!this.#over) this.#connection.send(encodeHello(this.#options.hello));
  }

  received(frame: Uint8Array): void {
    if (this.#over) return;
    if (this.welcome === undefined) {
      const reply = this.#understand(frame, decodeHelloReply);
      if (reply !== undefined) this.#greeted(reply);
    } else {
      const messages = this.#understand(frame, decodeServerFrame);
      if (messages !== undefined) this.#deliver(messages);
    }
  }

  closed(closed: Closed): void {
    this.#end({ kind: closed.refused ? "refused" : "closed", reason: closed.reason, rejection: undefined });
  }

  #understand<T>(frame: Uint8Array, decode: (frame: Uint8Array) => T): T | undefined {
    try {
      return decode(frame);
    } catch (error) {
      if (!(error instanceof ViewstampError)) throw error;
      this.#end({ kind: "garbled", reason: error.message, rejection: undefined });
      return undefined;
    }
  }

  #greeted(reply: HelloReply): void {
    if (reply.accepted) {
      this.welcome = reply;
      this.#owner.welcomed(this, reply);
      return;
    }
    const reason = `refuses this client: ${reply.text}`;
    const error = new ViewstampError(reply.code, `${this.url} ${reason}`, { data: { url: this.url } });
    this.#end({ kind: "rejected", reason, rejection: passing.has(reply.code) ? undefined : error });
  }

  #deliver(messages: readonly ServerMessage[]): void {
    for (const message of messages) {
      if (this.#over) return;
      this.#owner.received(this, message);
    }
    if (this.#over) return;
    this.#owner.frameDone(this);
    this.#quietSince = this.#owner.isWaiting(this) || this.#outbox.length > 0 ? this.#environment.now() : undefined;
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#over) return;
    const messages = this.#outbox;
    if (messages.length === 0) return;
    this.#outbox = [];
    for (const frame of encodeClientFrames(messages)) this.#connection.send(frame);
  }

  #watch(ms: number): void {
    this.#silenceTimer = this.#environment.setTimer(ms, () => {
      this.#silenceTimer = undefined;
      if (this.#quietSince === undefined) return;
      const left = this.#options.silenceMs - (this.#environment.now() - this.#quietSince);
      if (left > 0) this.#watch(left);
      else if (this.#owner.isWaiting(this)) this.#silent(this.#options.silenceMs);
      else this.#quietSince = undefined;
    });
  }

  #silent(ms: number): void {
    this.#end({ kind: "silent", reason: `no answer within ${ms} ms`, rejection: undefined });
  }

  #end(end: LinkEnd): void {
    if (this.#over) return;
    this.#stop();
    this.#connection.close(end.reason, true);
    this.#owner.ended(this, end);
  }

  #stop(): void {
    this.#over = true;
    this.#outbox = [];
    this.settled();
    this.#silenceTimer?.cancel();
    this.#silenceTimer = undefined;
  }
}
