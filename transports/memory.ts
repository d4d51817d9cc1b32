/**
 * A network inside one process: whole clusters in a test or a demonstration, with no sockets.
 *
 * @example
 * ```ts
 * import { memory } from "viewstamp/transports/memory";
 *
 * const transport = memory();
 * const listener = await transport.listen("memory://a", () => handler);
 * const connection = transport.dial("memory://a", handler);
 * ```
 * @module
 */
import { ViewstampError } from "../src/protocol/errors.ts";
import {
  type Closed,
  type Connection,
  type ConnectionHandler,
  type Listener,
  MAX_FRAME_BYTES,
  type Transport,
} from "../src/protocol/transport.ts";

export type { Closed, Connection, ConnectionHandler, Listener, Transport } from "../src/protocol/transport.ts";

/** Those who share a network reach each other; two networks know nothing of each other. */
export interface MemoryNetwork {
  /** Another transport on this network. */
  transport(): Transport;
}

/**
 * Makes a network of its own.
 *
 * @example
 * ```ts
 * const network = memoryNetwork();
 * const [server, client] = [memory(network), memory(network)];
 * ```
 */
export function memoryNetwork(): MemoryNetwork {
  const turns = new Turns();
  const listeners = new Map<string, MemoryListener>();
  return { transport: () => new MemoryTransport(turns, listeners) };
}

/**
 * A transport on `network`, by default a new one. Addresses are `memory://` and a name.
 *
 * Frames are copied when sent and arrive in a later turn of the event loop, in the order in which they were sent, also
 * across connections.
 */
export function memory(network: MemoryNetwork = memoryNetwork()): Transport {
  return network.transport();
}

const addressShape = /^memory:\/\/[\w.:-]+$/;
const lost = "connection lost";

/** Timers and I/O get their share between two turns: microtasks alone would starve them under a steady load. */
const nextTurn: (task: () => void) => unknown =
  typeof setImmediate === "function" ? (task) => setImmediate(task) : (task) => setTimeout(task, 0);

/** What happens on a network, in one order: all that was asked for in one turn happens in the next. */
class Turns {
  #tasks: (() => void)[] = [];
  #scheduled = false;

  next(task: () => void): void {
    this.#tasks.push(task);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    nextTurn(() => this.#run());
  }

  #run(): void {
    const tasks = this.#tasks;
    let done = 0;
    this.#tasks = [];
    this.#scheduled = false;
    try {
      while (done < tasks.length) tasks[done++]!();
    } finally {
      // A handler that throws takes nothing with it: what is left comes next turn, ahead of what is new.
      if (done < tasks.length) {
        this.#tasks = [...tasks.slice(done), ...this.#tasks];
        this.#schedule();
      }
    }
  }
}

class End implements Connection {
  readonly #turns: Turns;
  readonly #handler: ConnectionHandler;
  readonly #ended: () => void;
  #peer: End | undefined;
  /** `closing`: what was sent is still delivered, nothing more is received. */
  #phase: "opening" | "open" | "closing" | "ended" = "opening";
  #queuedBytes = 0;

  constructor(turns: Turns, handlerOf: (connection: Connection) => ConnectionHandler, ended: () => void = () => {}) {
    this.#turns = turns;
    this.#ended = ended;
    this.#handler = handlerOf(this);
  }

  get queuedBytes(): number {
    return this.#phase === "ended" ? 0 : this.#queuedBytes;
  }

  join(peer: End): void {
    this.#peer = peer;
    peer.#peer = this;
  }

  open(): void {
    if (this.#phase !== "opening") return;
    this.#phase = "open";
    this.#handler.opened();
  }

  receive(frame: Uint8Array): void {
    if (this.#phase === "open") this.#handler.received(frame);
  }

  end(reason: string, refused = false): void {
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    this.#tell({ refused, reason });
  }

  send(frame: Uint8Array): void {
    if (this.#phase !== "open") return;
    if (frame.byteLength > MAX_FRAME_BYTES) {
      this.#cut(`a frame has at most ${MAX_FRAME_BYTES} bytes, not ${frame.byteLength}`);
      return;
    }
    const copy = new Uint8Array(frame);
    this.#queuedBytes += copy.byteLength;
    this.#turns.next(() => {
      this.#queuedBytes -= copy.byteLength;
      if (this.#phase !== "ended") this.#peer?.receive(copy);
    });
  }

  close(reason: string, abrupt = false): void {
    if (this.#phase === "ended") return;
    if (abrupt || this.#phase === "opening") {
      this.#cut(reason);
      return;
    }
    this.#phase = "closing";
    this.#turns.next(() => {
      this.#peer?.end(reason);
      this.end(reason);
    });
  }

  #cut(reason: string): void {
    this.#phase = "ended";
    this.#turns.next(() => {
      this.#tell({ refused: false, reason });
      this.#peer?.end(lost);
    });
  }

  #tell(closed: Closed): void {
    this.#ended();
    this.#handler.closed(closed);
  }
}

class MemoryListener implements Listener {
  readonly url: string;
  readonly #turns: Turns;
  readonly #listeners: Map<string, MemoryListener>;
  readonly #accept: (connection: Connection) => ConnectionHandler;
  readonly #ends = new Set<End>();

  constructor(
    url: string,
    turns: Turns,
    listeners: Map<string, MemoryListener>,
    accept: (connection: Connection) => ConnectionHandler,
  ) {
    this.url = url;
    this.#turns = turns;
    this.#listeners = listeners;
    this.#accept = accept;
    listeners.set(url, this);
  }

  take(client: End): void {
    const server = new End(this.#turns, this.#accept, () => this.#ends.delete(server));
    this.#ends.add(server);
    server.join(client);
    server.open();
    client.open();
  }

  close(): Promise<void> {
    if (this.#listeners.get(this.url) === this) this.#listeners.delete(this.url);
    for (const end of this.#ends) end.close("the listener was closed", true);
    return new Promise((resolve) => this.#turns.next(resolve));
  }
}

class MemoryTransport implements Transport {
  readonly #turns: Turns;
  readonly #listeners: Map<string, MemoryListener>;

  constructor(turns: Turns, listeners: Map<string, MemoryListener>) {
    this.#turns = turns;
    this.#listeners = listeners;
  }

  dial(url: string, handler: ConnectionHandler): Connection {
    const end = new End(this.#turns, () => handler);
    this.#turns.next(() => {
      const listener = this.#listeners.get(url);
      if (listener !== undefined) listener.take(end);
      else end.end(this.refusal(url) ?? `nobody listens at ${url}`, addressShape.test(url));
    });
    return end;
  }

  refusal(url: string): string | undefined {
    return addressShape.test(url) ? undefined : `not an address of the form memory://name: ${url}`;
  }

  async listen(url: string, accept: (connection: Connection) => ConnectionHandler): Promise<Listener> {
    if (!addressShape.test(url)) {
      throw new ViewstampError("InvalidOptions", `listen at an address of the form memory://name, not at ${url}`);
    }
    if (this.#listeners.has(url)) {
      throw new ViewstampError("AddressInUse", `${url} is in use: close its listener first, or choose another name`, {
        data: { url },
      });
    }
    return new MemoryListener(url, this.#turns, this.#listeners, accept);
  }
}
