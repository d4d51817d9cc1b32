/**
 * Clients of this node: their questions go to the core, its answers and news to them.
 * @module
 */
import type {
  Answer,
  ClientMessage,
  Declined,
  News,
  Query,
  Reply,
  RequestRefused,
  ServerMessage,
} from "../protocol/client-messages.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { Rejection } from "../protocol/hello.ts";
import type { Connection } from "../protocol/transport.ts";
import { decodeClientFrame, encodeServerFrames } from "../protocol/wire.ts";
import type { CoreEvent } from "../rsm/events.ts";
import type { Guest, Seat } from "./door.ts";
import { Outbox, type Outgoing, type Sink } from "./outbox.ts";

export interface ClientsOptions {
  readonly outgoing: Outgoing;
  readonly maxClients: number;
  readonly maxBodyBytes: number;
  readonly maxFrameMessages: number;
  readonly maxQueuedBytes: number;
  /** What is known when the core wakes. */
  readonly news: News;
  readonly accept: (event: CoreEvent) => void;
}

/** Shorter answers always find room: whoever asks for many at once is bounded in how many. */
const SHORT_BYTES = 4 * 1024;

/** This process itself asks as this client. */
export const OWN_CLIENT = 0;

export class Clients {
  readonly #options: ClientsOptions;
  readonly #sinks: Map<number, Sink<ServerMessage>> = new Map();
  readonly #connected: Set<Client> = new Set();
  #numbered = OWN_CLIENT;
  #news: News;

  constructor(options: ClientsOptions, own: Sink<ServerMessage>) {
    this.#options = options;
    this.#news = options.news;
    this.#sinks.set(OWN_CLIENT, own);
  }

  /** Every connected client, as one receiver of news. */
  readonly everyone: Sink<News> = {
    push: (news) => {
      this.#news = news;
      for (const client of this.#connected) client.outbox.push(news);
    },
  };

  sinkTo(client: number): Sink<ServerMessage> | undefined {
    return this.#sinks.get(client);
  }

  /** Why no more clients are taken, or `undefined`. */
  full(): Rejection | undefined {
    const { maxClients } = this.#options;
    if (this.#connected.size < maxClients) return undefined;
    return { accepted: false, code: "Overloaded", text: `this node has ${maxClients} clients: ask another one` };
  }

  admit(connection: Connection, seat: Seat): Guest {
    const client = new Client(++this.#numbered, connection, seat, this, this.#options);
    this.#sinks.set(client.number, client);
    this.#connected.add(client);
    client.outbox.push(this.#news);
    return client;
  }

  forget(client: Client): void {
    this.#sinks.delete(client.number);
    this.#connected.delete(client);
    this.#options.accept({ type: "clientGone", client: client.number });
  }
}

class Client implements Guest, Sink<ServerMessage> {
  readonly name: string;
  readonly number: number;
  readonly outbox: Outbox<ServerMessage>;
  readonly #clients: Clients;
  readonly #options: ClientsOptions;

  constructor(number: number, connection: Connection, seat: Seat, clients: Clients, options: ClientsOptions) {
    this.name = `client ${number}`;
    this.number = number;
    this.#clients = clients;
    this.#options = options;
    this.outbox = new Outbox({
      connection,
      outgoing: options.outgoing,
      encode: encodeServerFrames,
      overflowed: (bytes) => seat.cutOff(`it leaves ${bytes} bytes unread`),
    });
  }

  received(frame: Uint8Array): void {
    const { accept, maxBodyBytes, maxFrameMessages } = this.#options;
    const messages = decodeClientFrame(frame);
    if (messages.length > maxFrameMessages)
      throw new ViewstampError("BadMessage", `${messages.length} messages in one frame; at most ${maxFrameMessages}`);
    for (const message of messages) {
      const bytes = bodyBytesOf(message);
      if (bytes > maxBodyBytes) this.#refuse(message, `a body of ${bytes} bytes; at most ${maxBodyBytes}`);
      else if (message.type === "query" && !this.#hasRoom(0)) this.outbox.push(this.#overloaded(message));
      else accept({ type: "client", client: this.number, message });
    }
  }

  /**
   * Answers. A client that asks for more at once than it may leave unread must not be cut off for that: it would ask for the
   * same again. A long answer for which there is no room is refused, and given when it is asked for again.
   */
  push(message: ServerMessage): void {
    const bytes = message.type === "reply" || message.type === "answer" ? message.body.length : 0;
    if (bytes > SHORT_BYTES && !this.#hasRoom(bytes)) this.outbox.push(this.#overloaded(message as Reply | Answer));
    else this.outbox.push(message, bytes);
  }

  left(): void {
    this.outbox.close();
    this.#clients.forget(this);
  }

  /** Half of what makes it be cut off is for what cannot be refused. */
  #hasRoom(bytes: number): boolean {
    const { queuedBytes } = this.outbox;
    return queuedBytes === 0 || queuedBytes + bytes <= this.#options.maxQueuedBytes / 2;
  }

  #overloaded(of: Reply | Answer | Query): RequestRefused | Declined {
    const refusal = { code: "OVERLOADED", text: "too much is unread on this connection" } as const;
    if (of.type !== "reply") return { type: "declined", xid: of.xid, outcomeUnknown: false, ...refusal };
    const { session, number } = of;
    return { type: "requestRefused", session, number, outcomeUnknown: true, ...refusal };
  }

  #refuse(message: ClientMessage, text: string): void {
    const refusal = { code: "INVALID", outcomeUnknown: false, text } as const;
    this.outbox.push(
      message.type === "request"
        ? { type: "requestRefused", session: message.session, number: message.number, ...refusal }
        : { type: "declined", xid: message.xid, ...refusal },
    );
  }
}

function bodyBytesOf(message: ClientMessage): number {
  return message.type === "request" || message.type === "query" ? message.body.length : 0;
}
