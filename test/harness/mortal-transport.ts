// A transport whose owner can die: from one moment on nothing leaves and nothing arrives, and the other side sees its
// connections end, as when a client's process is killed.
import type { Connection, ConnectionHandler, Listener, Transport } from "../../src/protocol/transport.ts";

export class MortalTransport implements Transport {
  readonly #inner: Transport;
  readonly #open = new Set<Connection>();
  #dead = false;

  constructor(inner: Transport) {
    this.#inner = inner;
  }

  die(): void {
    this.#dead = true;
    for (const connection of this.#open) connection.close("its process died", true);
    this.#open.clear();
  }

  dial(url: string, handler: ConnectionHandler): Connection {
    if (this.#dead) return { queuedBytes: 0, send: () => {}, close: () => {} };
    const alive = (act: () => void): void => {
      if (!this.#dead) act();
    };
    const connection = this.#inner.dial(url, {
      opened: () => alive(() => handler.opened()),
      received: (frame) => alive(() => handler.received(frame)),
      closed: (closed) => {
        this.#open.delete(connection);
        alive(() => handler.closed(closed));
      },
    });
    this.#open.add(connection);
    return connection;
  }

  listen(url: string, accept: (connection: Connection) => ConnectionHandler): Promise<Listener> {
    return this.#inner.listen(url, accept);
  }
}
