/**
 * The listening side of the WebSocket transport, for Node, Bun and Deno: an HTTP server whose upgrades become
 * connections. Plain HTTP goes to `respond`, so that peers, clients and HTTP share one port.
 * @module
 */
import type { IncomingMessage, RequestListener, Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { ViewstampError } from "../src/protocol/errors.ts";
import type { Connection, ConnectionHandler, Listener } from "../src/protocol/transport.ts";
import { type Address, formatAddress } from "./websocket-address.ts";
import { type Limits, WebSocketConnection } from "./websocket-connection.ts";

/** Named outside the import, where bundlers for browsers don't try to resolve it. */
const httpModule: string = "node:http";

/** @throws {ViewstampError} `AddressInUse`, or `InvalidOptions` for an address that can't be listened on here */
export async function listen(
  address: Address,
  accept: (connection: Connection) => ConnectionHandler,
  limits: Limits,
  respond: RequestListener = upgradeRequired,
): Promise<Listener> {
  const http: typeof import("node:http") = await import(httpModule);
  const server = http.createServer(respond);
  await bind(server, address);
  return new WebSocketListener(server, address, accept, limits);
}

class WebSocketListener implements Listener {
  readonly url: string;
  readonly #server: Server;
  readonly #path: string;
  readonly #accept: (connection: Connection) => ConnectionHandler;
  readonly #limits: Limits;
  readonly #webSockets: WebSocketServer;
  readonly #connections = new Set<WebSocketConnection>();
  #closed: Promise<void> | undefined;

  constructor(server: Server, address: Address, accept: (connection: Connection) => ConnectionHandler, limits: Limits) {
    this.url = formatAddress({ ...address, port: (server.address() as AddressInfo).port });
    this.#server = server;
    this.#path = address.path;
    this.#accept = accept;
    this.#limits = limits;
    this.#webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: limits.maxFrameBytes,
    });
    server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    // A connection that could not be taken is the dialer's trouble; the listener lives on.
    server.on("error", () => {});
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const connection of this.#connections) connection.close("the listener was closed", true);
      // Those that are no WebSocket, or not yet.
      this.#server.closeAllConnections();
    });
    return this.#closed;
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    if (this.#closed !== undefined) socket.destroy();
    else if (pathOf(request) !== this.#path) socket.once("finish", () => socket.destroy()).end(notFound);
    else this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => this.#take(webSocket));
  }

  #take(webSocket: import("ws").WebSocket): void {
    const connection = new WebSocketConnection(this.#limits, this.#accept, () => this.#connections.delete(connection));
    this.#connections.add(connection);
    connection.take(webSocket);
  }
}

const notFound = "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

function pathOf(request: IncomingMessage): string {
  return (request.url ?? "/").split("?", 1)[0]!;
}

const upgradeRequired: RequestListener = (_request, response) => {
  response.writeHead(426, { Connection: "close", Upgrade: "websocket", "Content-Type": "text/plain" });
  response.end("A viewstamp node: it speaks WebSocket here.\n");
};

function bind(server: Server, address: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => reject(whyNot(formatAddress(address), error));
    server.once("error", fail);
    server.listen({ host: address.host, port: address.port }, () => {
      server.off("error", fail);
      resolve();
    });
  });
}

function whyNot(url: string, cause: NodeJS.ErrnoException): ViewstampError {
  const details = { cause, data: { url } };
  if (cause.code === "EADDRINUSE") {
    const hint = "stop the process that listens there, or choose another port";
    return new ViewstampError("AddressInUse", `${url} is in use: ${hint}`, details);
  }
  const hint = "use an address of this machine and a port that this user may open";
  return new ViewstampError(
    "InvalidOptions",
    `can't listen at ${url} (${cause.code ?? cause.message}): ${hint}`,
    details,
  );
}
