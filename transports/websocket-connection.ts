/**
 * One end of a WebSocket as a connection of the transport contract, the same for dialer and listener. It knows no
 * runtime: `ws` and a browser's WebSocket both fit.
 * @module
 */
import type WebSocket from "ws";
import type { Closed, Connection, ConnectionHandler } from "../src/protocol/transport.ts";

export interface Limits {
  readonly maxFrameBytes: number;
  /** A dial that has not opened by then has failed. */
  readonly dialTimeoutMs: number;
  /** A close in good order that is not answered by then becomes an abrupt one. */
  readonly closeTimeoutMs: number;
}

const normalClosure = 1000;
const unsupportedData = 1003;
const maxReasonBytes = 123;

/** Names for the close codes that carry no reason of the peer's. */
const meanings: Readonly<Record<number, string>> = {
  1000: "closed by the peer",
  1001: "the peer went away",
  1003: "the peer takes no such frame",
  1005: "closed by the peer",
  1006: "connection lost",
  1009: "the frame was too large for the peer",
};

export class WebSocketConnection implements Connection {
  readonly #limits: Limits;
  readonly #handler: ConnectionHandler;
  readonly #ended: () => void;
  #socket: WebSocket | undefined;
  /** `closing`: what was sent is still delivered, nothing more is received. */
  #phase: "opening" | "open" | "closing" | "ended" = "opening";
  #reason = "";
  #refused = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(limits: Limits, handlerOf: (connection: Connection) => ConnectionHandler, ended: () => void = () => {}) {
    this.#limits = limits;
    this.#ended = ended;
    this.#handler = handlerOf(this);
  }

  /** Waits for the socket that `connect` makes; what it throws ends the connection. */
  dial(connect: () => WebSocket): void {
    const { dialTimeoutMs } = this.#limits;
    this.#timer = setTimeout(() => this.#abort(`no answer within ${dialTimeoutMs} ms`), dialTimeoutMs);
    try {
      this.#attach(connect());
    } catch (error) {
      this.#end(error instanceof Error ? error.message : String(error));
    }
  }

  /** Takes over a socket that is open already. */
  take(socket: WebSocket): void {
    this.#attach(socket);
    if (this.#phase === "ended") discard(socket);
    else this.#open();
  }

  get queuedBytes(): number {
    return this.#phase === "ended" ? 0 : (this.#socket?.bufferedAmount ?? 0);
  }

  send(frame: Uint8Array): void {
    if (this.#phase !== "open") return;
    if (frame.byteLength > this.#limits.maxFrameBytes) this.#abort(this.#tooLarge(frame.byteLength));
    else this.#socket?.send(frame);
  }

  close(reason: string, abrupt = false): void {
    if (this.#phase === "ended") return;
    if (abrupt || this.#phase === "opening") this.#abort(reason);
    else this.#leave(normalClosure, reason);
  }

  #attach(socket: WebSocket): void {
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#open();
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onerror = ({ error, message }) => this.#fail(error, message);
    socket.onclose = ({ code, reason }) =>
      this.#end(this.#reason || reason || (meanings[code] ?? `closed with code ${code}`));
  }

  #open(): void {
    if (this.#phase !== "opening") return;
    clearTimeout(this.#timer);
    this.#phase = "open";
    this.#handler.opened();
  }

  #receive(data: WebSocket.Data): void {
    if (this.#phase !== "open") return;
    if (!(data instanceof ArrayBuffer)) this.#leave(unsupportedData, "text frames are not spoken here");
    else if (data.byteLength > this.#limits.maxFrameBytes) this.#abort(this.#tooLarge(data.byteLength));
    else this.#handler.received(new Uint8Array(data));
  }

  /** The socket closes itself after an error; if it opened once, it first tells the peer why. */
  #fail(error: unknown, message: string | undefined): void {
    this.#reason ||= message || "connection failed";
    if (this.#phase === "opening") this.#refused = isRefusal(error);
    if (this.#phase === "open") this.#wait();
  }

  #leave(code: number, reason: string): void {
    if (this.#phase === "closing") return;
    this.#reason = reason;
    this.#wait();
    this.#socket?.close(code, fit(reason));
  }

  #wait(): void {
    this.#phase = "closing";
    this.#timer = setTimeout(() => this.#abort(this.#reason), this.#limits.closeTimeoutMs);
  }

  #abort(reason: string): void {
    const socket = this.#socket;
    this.#refused = false;
    this.#end(reason);
    if (socket !== undefined) discard(socket);
  }

  #end(reason: string): void {
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    clearTimeout(this.#timer);
    const closed: Closed = { refused: this.#refused, reason };
    // Some runtimes close a socket from inside the call that asked for it.
    queueMicrotask(() => {
      this.#ended();
      this.#handler.closed(closed);
    });
  }

  #tooLarge(bytes: number): string {
    return `a frame has at most ${this.#limits.maxFrameBytes} bytes, not ${bytes}`;
  }
}

/** A browser's WebSocket can't be terminated: it closes in good order, and nobody listens to it any more. */
function discard(socket: WebSocket): void {
  if ("terminate" in socket) socket.terminate();
  else (socket as WebSocket).close();
}

/**
 * Node, Bun and Deno say `ECONNREFUSED`, for a name with several addresses once per address. A browser does not tell:
 * there no dial is ever known to be refused.
 */
function isRefusal(error: unknown): boolean {
  if (typeof error !== "object" || error === null) return false;
  if ("code" in error && error.code === "ECONNREFUSED") return true;
  return "errors" in error && Array.isArray(error.errors) && error.errors.some(isRefusal);
}

/** A close frame has room for this much of the reason, in whole characters. */
function fit(reason: string): string {
  return reason.slice(0, new TextEncoder().encodeInto(reason, new Uint8Array(maxReasonBytes)).read);
}
