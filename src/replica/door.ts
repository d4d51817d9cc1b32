/**
 * Connections that others dialed: who they are is said first, then each is a peer's or a client's.
 * @module
 */
import type { Environment, Timer } from "../protocol/environment.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { Hello, Rejection } from "../protocol/hello.ts";
import { decodeHello, encodeHelloReply } from "../protocol/hello-codec.ts";
import type { Connection, ConnectionHandler } from "../protocol/transport.ts";
import type { ClusterId } from "../protocol/view.ts";
import { type Credentials, refuseClient, refuseCluster, refusePeer, welcome } from "./hellos.ts";

/** A connection that has said who it is. */
export interface Guest {
  /** For people. */
  readonly name: string;
  /** @throws {ViewstampError} `BadMessage`: the connection is then ended */
  received(frame: Uint8Array): void;
  /** The connection is closed; nothing comes any more. */
  left(): void;
}

/** How a guest ends its own connection. */
export interface Seat {
  end(reason: string, abrupt: boolean): void;
  /** It misbehaves: at once, and said to people. */
  cutOff(reason: string): void;
}

export interface DoorOptions {
  readonly environment: Environment;
  readonly credentials: Credentials;
  readonly helloMs: number;
  readonly maxStrangers: number;
  readonly admitPeer: (hello: Hello, connection: Connection, seat: Seat) => Guest;
  readonly admitClient: (connection: Connection, seat: Seat) => Guest;
  readonly roomForClient: () => Rejection | undefined;
  readonly rejected: (who: string, rejection: Rejection) => void;
  readonly cutOff: (who: string, reason: string) => void;
}

export class Door {
  readonly options: DoorOptions;
  /** Those whose connections have not ended. */
  readonly #visits: Set<Visit> = new Set();
  #deserted: (() => void) | undefined;
  strangers = 0;

  constructor(options: DoorOptions) {
    this.options = options;
  }

  accept(connection: Connection): ConnectionHandler {
    const visit = new Visit(this, connection);
    this.#visits.add(visit);
    if (this.strangers > this.options.maxStrangers) visit.end("too many connections that say nothing", true);
    return visit;
  }

  forget(visit: Visit): void {
    this.#visits.delete(visit);
    if (this.#visits.size === 0) this.#deserted?.();
  }

  /** Ends every connection; `deserted` when the last one has ended, with all that was said on it delivered. */
  close(reason: string, abrupt: boolean, deserted: () => void): void {
    this.#deserted = deserted;
    for (const visit of this.#visits) visit.end(reason, abrupt);
    if (this.#visits.size === 0) deserted();
  }
}

class Visit implements ConnectionHandler, Seat {
  readonly #door: Door;
  readonly #connection: Connection;
  readonly #deadline: Timer;
  #guest: Guest | undefined;
  /** The guest's, as it said in its hello. */
  #clusterId: ClusterId | undefined;
  #stranger = true;
  #over = false;

  constructor(door: Door, connection: Connection) {
    this.#door = door;
    this.#connection = connection;
    const { environment, helloMs } = door.options;
    this.#deadline = environment.setTimer(helloMs, () => this.end(`no hello within ${helloMs} ms`, true));
    door.strangers++;
  }

  opened(): void {}

  received(frame: Uint8Array): void {
    if (this.#over) return;
    try {
      if (this.#guest === undefined) this.#greet(decodeHello(frame));
      else this.#hear(this.#guest, frame);
    } catch (error) {
      if (!(error instanceof ViewstampError) || error.code !== "BadMessage") throw error;
      this.cutOff(error.message);
    }
  }

  closed(): void {
    this.#leave();
    this.#door.forget(this);
  }

  end(reason: string, abrupt: boolean): void {
    if (this.#over) return;
    this.#connection.close(reason, abrupt);
    this.#leave();
  }

  cutOff(reason: string): void {
    if (this.#over) return;
    this.#door.options.cutOff(this.#guest?.name ?? "a stranger", reason);
    this.end(reason, true);
  }

  /** Since its hello this node may have become one of another cluster than the guest's. */
  #hear(guest: Guest, frame: Uint8Array): void {
    const refusal = refuseCluster(this.#door.options.credentials, this.#clusterId);
    if (refusal === undefined) guest.received(frame);
    else this.cutOff(refusal.text);
  }

  #greet(hello: Hello): void {
    const { credentials, roomForClient } = this.#door.options;
    const refusal =
      hello.role === "peer" ? refusePeer(credentials, hello) : (refuseClient(credentials, hello) ?? roomForClient());
    if (refusal === undefined) this.#welcome(hello);
    else this.#reject(hello, refusal);
  }

  #welcome(hello: Hello): void {
    const { credentials, admitPeer, admitClient } = this.#door.options;
    this.#known();
    this.#clusterId = hello.clusterId;
    this.#connection.send(encodeHelloReply(welcome(credentials, hello)));
    this.#guest =
      hello.role === "peer" ? admitPeer(hello, this.#connection, this) : admitClient(this.#connection, this);
  }

  #reject(hello: Hello, rejection: Rejection): void {
    this.#connection.send(encodeHelloReply(rejection));
    this.#door.options.rejected(hello.node === undefined ? "a client" : `node "${hello.node.id}"`, rejection);
    this.end(rejection.text, false);
  }

  #leave(): void {
    if (this.#over) return;
    this.#over = true;
    this.#known();
    this.#guest?.left();
  }

  #known(): void {
    if (!this.#stranger) return;
    this.#stranger = false;
    this.#door.strangers--;
    this.#deadline.cancel();
  }
}
