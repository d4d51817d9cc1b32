/**
 * The WebSocket transport: binary frames between Node, Bun, Deno and browsers. Any of them dials; Node, Bun and Deno
 * listen.
 *
 * @example
 * ```ts
 * import { webSocket } from "viewstamp/transports/websocket";
 *
 * const transport = webSocket();
 * const listener = await transport.listen("ws://127.0.0.1:0", () => handler);
 * const connection = transport.dial(listener.url, handler);
 * ```
 * @module
 */
import WebSocket from "isomorphic-ws";
import { ViewstampError } from "../src/protocol/errors.ts";
import {
  type Connection,
  type ConnectionHandler,
  type Listener,
  MAX_FRAME_BYTES,
  type Transport,
} from "../src/protocol/transport.ts";

export type { Closed, Connection, ConnectionHandler, Listener, Transport } from "../src/protocol/transport.ts";

import { parseAddress } from "./websocket-address.ts";
import { type Limits, WebSocketConnection } from "./websocket-connection.ts";

/** Options of {@link webSocket}. */
export interface WebSocketOptions {
  /**
   * The largest frame sent or taken, in bytes; a larger one ends its connection. The same on all nodes and clients.
   * @default 1_048_576
   */
  readonly maxFrameBytes?: number;
  /**
   * A dial that has not opened after this many milliseconds has failed.
   * @default 2_000
   */
  readonly dialTimeoutMs?: number;
  /**
   * How long, in milliseconds, a connection that is being closed may take to deliver what is queued.
   * @default 2_000
   */
  readonly closeTimeoutMs?: number;
}

/**
 * A transport over WebSockets. Addresses are `ws://host:port`, optionally with a path; IPv6 addresses are written in
 * brackets. Port 0 listens on any free port.
 *
 * @example
 * ```ts
 * const transport = webSocket({ dialTimeoutMs: 500 });
 * ```
 * @throws {ViewstampError} `InvalidOptions`
 */
export function webSocket(options: WebSocketOptions = {}): Transport {
  return new WebSocketTransport(limitsFrom(options));
}

const defaults: Limits = { maxFrameBytes: MAX_FRAME_BYTES, dialTimeoutMs: 2_000, closeTimeoutMs: 2_000 };

/** Larger delays overflow the timers of every runtime, which then fire at once. */
const longestTimeoutMs = 2 ** 31 - 1;

const bounds: Readonly<Record<keyof Limits, readonly [least: number, most: number]>> = {
  maxFrameBytes: [1_024, 2 ** 30],
  dialTimeoutMs: [1, longestTimeoutMs],
  closeTimeoutMs: [1, longestTimeoutMs],
};

function limitsFrom(options: WebSocketOptions): Limits {
  const limits = { ...defaults };
  for (const [name, value] of Object.entries(options)) {
    if (!isLimit(name)) throw invalid(`webSocket has no option ${name}; it has ${Object.keys(bounds).join(", ")}`);
    if (value === undefined) continue;
    const [least, most] = bounds[name];
    if (!Number.isInteger(value) || value < least || value > most) {
      throw invalid(`${name} must be a whole number from ${least} to ${most}, not ${String(value)}`);
    }
    limits[name] = value;
  }
  return limits;
}

function isLimit(name: string): name is keyof Limits {
  return Object.hasOwn(bounds, name);
}

function invalid(message: string): ViewstampError {
  return new ViewstampError("InvalidOptions", message);
}

class WebSocketTransport implements Transport {
  readonly #limits: Limits;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  dial(url: string, handler: ConnectionHandler): Connection {
    const connection = new WebSocketConnection(this.#limits, () => handler);
    connection.dial(() => {
      const refusal = this.refusal(url);
      if (refusal !== undefined) throw invalid(refusal);
      return connect(url, this.#limits.maxFrameBytes);
    });
    return connection;
  }

  refusal(url: string): string | undefined {
    const address = parseAddress(url);
    if (address !== undefined && address.port !== 0) return undefined;
    const tls = /^wss:/i.test(url) ? "; webSocket() speaks no TLS" : "";
    return `not an address of the form ws://host:port${tls}: ${url}`;
  }

  async listen(url: string, accept: (connection: Connection) => ConnectionHandler): Promise<Listener> {
    const address = parseAddress(url);
    if (address === undefined) throw invalid(`listen at an address of the form ws://host:port, not at ${url}`);
    // Loaded when needed: a client's bundle has no use for a server.
    const { listen } = await import("./websocket-listener.ts");
    return listen(address, accept, this.#limits);
  }
}

function connect(url: string, maxPayload: number): WebSocket {
  // A browser's WebSocket takes no options; it never compresses unless the listener asks for it.
  return "terminate" in WebSocket.prototype
    ? new WebSocket(url, { perMessageDeflate: false, maxPayload })
    : new WebSocket(url);
}
