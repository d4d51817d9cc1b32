/**
 * The transport contract: connections that carry whole binary frames in order, in both directions. Everything above
 * (hello, who is who, reconnecting, bounded queues) is the same for every transport.
 * @module
 */

/** Why a connection ended. */
export interface Closed {
  /** The dial never opened because nobody listens there: a killed process is noticed by this. */
  readonly refused: boolean;
  /** For people and traces. */
  readonly reason: string;
}

/** One end of a connection. */
export interface Connection {
  /**
   * Queues a frame; frames sent before `opened` or after `close` or `closed` are dropped. The sender must not change
   * the bytes any more, but may send them elsewhere too.
   */
  send(frame: Uint8Array): void;
  /** Bytes queued here and not yet handed to the network, as far as the transport can tell. */
  readonly queuedBytes: number;
  /**
   * Ends it: nothing more is received, and `closed` is called (once, not from inside this call). `abrupt` drops what is queued; otherwise it is
   * delivered first, within a bounded time.
   */
  close(reason: string, abrupt?: boolean): void;
}

/** What happens on a connection, in this order: `opened` at most once, `received` any number of times, `closed` once. */
export interface ConnectionHandler {
  /** Both ends can send from now on. */
  opened(): void;
  /** The frame is the receiver's: it is never changed or used again by the transport. */
  received(frame: Uint8Array): void;
  /** It is over, or never was; nothing comes after this. */
  closed(closed: Closed): void;
}

/** A place that takes connections. */
export interface Listener {
  /** The address that was bound, with the real port where port 0 was asked for. */
  readonly url: string;
  /** Ends it and every connection it took; the address is free when the promise resolves. */
  close(): Promise<void>;
}

/** One way for nodes and clients to reach each other. */
export interface Transport {
  /** Starts a connection to `url`; never throws, a bad or dead address ends in `closed`. */
  dial(url: string, handler: ConnectionHandler): Connection;
  /**
   * Why nobody can ever be reached at this address, `undefined` if it is one that can be dialed: so that a wrong one is found
   * out at once. A transport that does not say is given any.
   */
  refusal?(url: string): string | undefined;
  /**
   * Takes connections at `url`; `accept` is called for each, before anything is received on it, and `opened` is called
   * on its result.
   * @throws {ViewstampError} `AddressInUse` or `InvalidOptions`
   */
  listen(url: string, accept: (connection: Connection) => ConnectionHandler): Promise<Listener>;
}

/** No frame is larger than this, in bytes: 1 MiB by default. Larger ones end the connection. */
export const MAX_FRAME_BYTES: number = 1 << 20;
