/**
 * The rooms of a node whose core is awake, and how they are connected.
 * @module
 */
import type { ServerMessage } from "../protocol/client-messages.ts";
import type { MachineAbility } from "../protocol/machine.ts";
import type { PeerMessage } from "../protocol/messages.ts";
import type { ClusterId, Member } from "../protocol/view.ts";
import { encodePeerFrames } from "../protocol/wire.ts";
import type { CoreEvent } from "../rsm/events.ts";
import { Clients } from "./clients.ts";
import type { CoreLike, ReplicaEvent, ReplicaSetup, Tap } from "./contract.ts";
import { Door } from "./door.ts";
import { Durability } from "./durability.ts";
import { brokenInvariant, storageFailure } from "./failures.ts";
import type { Credentials } from "./hellos.ts";
import { Mesh } from "./mesh.ts";
import { Outgoing, type Sink } from "./outbox.ts";
import { type LastEffect, performWith } from "./performer.ts";
import { Snapshots } from "./snapshots.ts";
import { Stepper } from "./stepper.ts";

/** What leaves the rooms other than by transport and storage. */
export interface RoomsOwner {
  tell(event: ReplicaEvent): void;
  /** The core has said its last word. */
  last(effect: LastEffect): void;
  failed(error: unknown): void;
  /** Takes the answers to what this process itself has asked. */
  readonly own: Sink<ServerMessage>;
}

export class Rooms {
  readonly core: CoreLike;
  readonly mesh: Mesh;
  readonly door: Door;
  readonly #stepper: Stepper;
  readonly #outgoing: Outgoing;
  readonly #durability: Durability;
  readonly #snapshots: Snapshots;

  constructor(
    setup: ReplicaSetup,
    core: CoreLike,
    self: Member,
    machines: readonly MachineAbility[],
    owner: RoomsOwner,
  ) {
    const { environment, storage, limits } = setup;
    const credentials = credentialsOf(setup, core, self, machines);
    const tell = (event: ReplicaEvent): void => owner.tell(event);
    const accept = (event: CoreEvent): void => this.#stepper.accept(event);
    const failed = (error: unknown): void => owner.failed(brokenInvariant(error));
    const diskFailed = (error: unknown): void => owner.failed(storageFailure(error));
    this.core = core;
    this.#outgoing = new Outgoing(limits.maxQueuedBytes, () => this.#stepper.plan());
    this.#durability = new Durability({
      storage,
      durable: (write) => accept({ type: "durable", write }),
      failed: diskFailed,
    });
    const { sliceMs } = limits;
    this.#snapshots = new Snapshots({ storage, environment, sliceMs, accept, failed: diskFailed });
    this.mesh = makeMesh(setup, credentials, this.#outgoing, accept, tell);
    const clients = makeClients(setup, core, this.#outgoing, accept, owner.own);
    this.door = makeDoor(setup, credentials, this.mesh, clients, tell);
    const perform = performWith({
      environment,
      mesh: this.mesh,
      clients,
      durability: this.#durability,
      snapshots: this.#snapshots,
      tell,
      restored: (ms) => accept({ type: "restoringTook", ms }),
      goOn: () => this.#stepper.goOn(),
      end: (effect) => owner.last(effect),
    });
    const { tap } = setup;
    this.#stepper = new Stepper({ core, environment, sliceMs, tap, perform, flush: () => this.#flush(), failed });
  }

  accept(event: CoreEvent): void {
    this.#stepper.accept(event);
  }

  /** `abrupt`: not even what has been said leaves. `deserted`: nobody is connected any more. */
  close(reason: string, abrupt: boolean, deserted: () => void): void {
    this.#stepper.end();
    if (!abrupt) this.#flush();
    this.#snapshots.abandon();
    this.mesh.close(reason, abrupt);
    this.door.close(reason, abrupt, deserted);
  }

  #flush(): void {
    // The way over the network and another disk is longer than the one over the own disk: it begins first.
    this.#outgoing.flush();
    this.#durability.flush();
  }
}

function credentialsOf(
  { options }: ReplicaSetup,
  core: CoreLike,
  self: Member,
  machines: readonly MachineAbility[],
): Credentials {
  const { minCopies, maxBodyBytes, driftPercent } = options;
  const clusterId = (mustBeDurable: boolean): ClusterId | undefined => core.clusterId(mustBeDurable);
  return { self, machines, options: { minCopies, maxBodyBytes, driftPercent }, clusterId };
}

type Accept = (event: CoreEvent) => void;
type Tell = (event: ReplicaEvent) => void;

function makeMesh(setup: ReplicaSetup, credentials: Credentials, outgoing: Outgoing, accept: Accept, tell: Tell): Mesh {
  const { environment, transport, limits, options, id, cluster, tap } = setup;
  const { helloMs } = limits;
  const encode = tap?.framed === undefined ? encodePeerFrames : tapped(tap);
  const link = { environment, transport, outgoing, encode, credentials, helloMs, probeMs: options.suspectMs };
  return new Mesh({ self: id, listed: cluster, link, accept, tell });
}

function tapped(tap: Tap): (messages: readonly PeerMessage[]) => readonly Uint8Array[] {
  return (messages) => {
    const frames = encodePeerFrames(messages);
    const [only] = frames;
    if (only !== undefined && frames.length === 1) tap.framed?.(only, messages);
    return frames;
  };
}

function makeClients(
  { limits, options }: ReplicaSetup,
  core: CoreLike,
  outgoing: Outgoing,
  accept: Accept,
  own: Sink<ServerMessage>,
): Clients {
  const { maxClients, maxFrameMessages, maxQueuedBytes } = limits;
  const { maxBodyBytes } = options;
  const bounds = { maxClients, maxBodyBytes, maxFrameMessages, maxQueuedBytes };
  return new Clients({ outgoing, ...bounds, news: core.news(), accept }, own);
}

function makeDoor(setup: ReplicaSetup, credentials: Credentials, mesh: Mesh, clients: Clients, tell: Tell): Door {
  const { environment, limits } = setup;
  return new Door({
    environment,
    credentials,
    helloMs: limits.helloMs,
    maxStrangers: limits.maxStrangers,
    admitPeer: (hello, connection, seat) => mesh.admit(hello, connection, seat),
    admitClient: (connection, seat) => clients.admit(connection, seat),
    roomForClient: () => clients.full(),
    rejected: (who, { code, text }) => tell({ event: "rejected", by: "us", who, code, text }),
    cutOff: (who, reason) => tell({ event: "cutOff", who, reason }),
  });
}
