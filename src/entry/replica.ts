/**
 * Starts one node of a cluster.
 *
 * @example
 * ```ts
 * import { startReplica } from "viewstamp";
 * import { fileStorage } from "viewstamp/storage/file";
 * import { webSocket } from "viewstamp/transports/websocket";
 *
 * const cluster = { a: "ws://10.0.0.1:7001", b: "ws://10.0.0.2:7001", c: "ws://10.0.0.3:7001" };
 * const replica = await startReplica({
 *   id: "a", cluster, machine: stock, storage: fileStorage("data/a"), transport: webSocket(),
 * });
 * ```
 * @module
 */
import type { NodeStatus } from "../protocol/client-messages.ts";
import type { ViewstampError } from "../protocol/errors.ts";
import type { NodeId } from "../protocol/view.ts";
import { launch } from "../replica/replica.ts";
import { type ReplicaOptions, setupOf } from "./replica-setup.ts";

/** A running node, as `startReplica` gives it. */
export interface Replica extends AsyncDisposable {
  /** Its name in the cluster. */
  readonly id: NodeId;
  /** Where it listens, with the real port where port 0 was asked for. */
  readonly url: string;
  /** Resolves once it has stopped: with the error that stopped it, or `undefined` after `stop`. Never rejects. */
  readonly stopped: Promise<ViewstampError | undefined>;
  /**
   * What the node says of itself.
   * @throws {ViewstampError} `Closed` once it has stopped
   */
  status(): Promise<NodeStatus>;
  /** Hands over to the others first, then closes everything; within about twice `suspectMs`. May be called again. */
  stop(): Promise<void>;
}

/**
 * Starts a node; resolves when it listens, before it knows the others. It keeps the process alive until it is stopped.
 *
 * @example
 * ```ts
 * await using replica = await startReplica({
 *   id: "a", cluster, machine: stock, storage: fileStorage("data/a"), transport: webSocket(),
 *   observer: (event) => console.log(event),
 * });
 * ```
 *
 * @throws {ViewstampError} `InvalidOptions`, `AddressInUse`, `DataInUse`, `StorageFailed`, `WrongMachine`
 */
export async function startReplica(options: ReplicaOptions): Promise<Replica> {
  const setup = setupOf(options);
  const replica = await launch(setup);
  if (setup.cluster.length === 2)
    replica.tell({
      event: "warning",
      text: "two nodes have no fault tolerance, the majority of two is two: use three",
    });
  const stop = (): Promise<void> => replica.stop();
  return {
    id: replica.id,
    get url() {
      return replica.url;
    },
    stopped: replica.stopped,
    status: () => replica.status(),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

export type { NodeStatus } from "../protocol/client-messages.ts";
export type { ReplicaEvent } from "../replica/contract.ts";
export type { ReplicaOptions } from "./replica-setup.ts";
