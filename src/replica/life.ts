/**
 * One life of a node: it opens its data, listens, wakes its core, and at its end closes everything.
 * @module
 */
import type { NodeStatus, ServerMessage } from "../protocol/client-messages.ts";
import type { Timer } from "../protocol/environment.ts";
import type { ViewstampError } from "../protocol/errors.ts";
import type { ReplicatedMachine } from "../protocol/machine.ts";
import type { Done } from "../protocol/storage.ts";
import type { Connection, ConnectionHandler, Listener } from "../protocol/transport.ts";
import type { Viewstamp } from "../protocol/view.ts";
import { type Booted, boot } from "./boot.ts";
import { OWN_CLIENT } from "./clients.ts";
import { closeDown } from "./closing.ts";
import type { Brain, CoreLike, ReplicaEvent, ReplicaSetup } from "./contract.ts";
import { brokenInvariant, haltReason, listenFailure, storageFailure } from "./failures.ts";
import type { LastEffect } from "./performer.ts";
import { Rooms } from "./rooms.ts";

/** Why a life is over. */
export type Ending =
  | { readonly kind: "stopped" }
  | { readonly kind: "failed"; readonly error: ViewstampError }
  /** The data has been set aside: another life begins, as a new incarnation. */
  | { readonly kind: "setAside"; readonly reason: string };

export interface LifeOwner {
  /** It takes connections at `url`. */
  listening(url: string): void;
  /** Everything is closed. */
  ended(ending: Ending): void;
  tell(event: ReplicaEvent): void;
}

export class Life {
  readonly #setup: ReplicaSetup;
  readonly #listenAt: string;
  readonly #owner: LifeOwner;
  readonly #machine: ReplicatedMachine;
  readonly #brain: Brain;
  readonly #asked: Map<number, (status: NodeStatus | undefined) => void> = new Map();
  #lastAsked = 0;
  #listener: Listener | undefined;
  #rooms: Rooms | undefined;
  #storage: "opening" | "open" | "refused" = "opening";
  #whenOpened: (() => void) | undefined;
  #tickTimer: Timer | undefined;
  #stopTimer: Timer | undefined;
  #vigil: Timer | undefined;
  #over = false;
  /** What is over waits no longer than it must. */
  #hurry: () => void = () => {};

  constructor(setup: ReplicaSetup, listenAt: string, owner: LifeOwner) {
    this.#setup = setup;
    this.#listenAt = listenAt;
    this.#owner = owner;
    this.#machine = setup.machine();
    this.#brain = setup.makeBrain(this.#machine);
    this.#open();
  }

  /** Gracefully: the node hands over first. */
  stop(): void {
    this.#hurry();
    const end = (): void => this.#end({ kind: "stopped" }, false);
    if (this.#rooms === undefined) end();
    if (this.#over || this.#stopTimer !== undefined) return;
    const { environment, options } = this.#setup;
    this.#stopTimer = environment.setTimer(2 * options.suspectMs, end);
    this.#rooms?.accept({ type: "stop" });
  }

  /** Without a word to anyone. */
  kill(): void {
    this.#hurry();
    this.#end({ kind: "stopped" }, true);
  }

  /** `undefined` if it ends before it can answer. */
  askStatus(answer: (status: NodeStatus | undefined) => void): void {
    if (this.#over || this.#rooms === undefined) {
      answer(undefined);
      return;
    }
    const xid = ++this.#lastAsked;
    this.#asked.set(xid, answer);
    this.#rooms.accept({ type: "client", client: OWN_CLIENT, message: { type: "askStatus", xid } });
  }

  #open(): void {
    const { id, storage, environment, limits } = this.#setup;
    const { sliceMs } = limits;
    const restore = (at: Viewstamp) => this.#brain.restore(at);
    const opened = (isOpen: boolean): void => {
      this.#storage = isOpen ? "open" : "refused";
      this.#whenOpened?.();
    };
    const { able } = this.#machine;
    const failed = (error: Error): void => this.#fail(storageFailure(error));
    boot({ id, storage, environment, able, restore, sliceMs, opened, failed }, (error, booted) => {
      if (this.#over) return;
      if (booted === undefined) this.#fail(storageFailure(error));
      else this.#listen(booted);
    });
  }

  #listen(booted: Booted): void {
    const accept = (connection: Connection): ConnectionHandler => this.#accept(connection);
    this.#setup.transport.listen(this.#listenAt, accept).then(
      (listener) => this.#wake(booted, listener),
      (error) => this.#fail(listenFailure(error)),
    );
  }

  #accept(connection: Connection): ConnectionHandler {
    if (this.#rooms !== undefined && !this.#over) return this.#rooms.door.accept(connection);
    connection.close("this node is not awake", true);
    return { opened: () => {}, received: () => {}, closed: () => {} };
  }

  #wake(booted: Booted, listener: Listener): void {
    if (this.#over) {
      listener.close().catch(() => {});
      return;
    }
    this.#listener = listener;
    try {
      this.#rooms = this.#makeRooms(booted, listener.url);
      this.#owner.listening(listener.url);
      this.#waitForCopy(booted);
      this.#rooms.mesh.setPeers(this.#setup.cluster);
      this.#tick();
    } catch (error) {
      this.#fail(brokenInvariant(error));
    }
  }

  #makeRooms({ durable, upgrades, incarnation, mayFound, restorePauseMs }: Booted, boundUrl: string): Rooms {
    const { id, cluster, advertise, options, limits, environment, runtime } = this.#setup;
    const { sliceEntries } = limits;
    const self = { id, incarnation, url: advertise ?? boundUrl };
    const seed = Math.floor(environment.random() * 2 ** 32);
    const now = environment.now();
    const found = { durable, upgrades, mayFound, restorePauseMs };
    const start = { self, cluster, options, seed, now, runtime, sliceEntries, ...found };
    const core: CoreLike = this.#brain.wake(start);
    return new Rooms(this.#setup, core, self, this.#machine.able, {
      tell: (event) => this.#owner.tell(event),
      last: (effect) => this.#last(effect),
      failed: (error) => this.#fail(brokenInvariant(error)),
      own: { push: (message) => this.#answered(message) },
    });
  }

  #tick(): void {
    if (this.#over || this.#rooms === undefined) return;
    this.#tickTimer = this.#setup.environment.setTimer(this.#rooms.core.tickMs, () => this.#tick());
    this.#rooms.accept({ type: "tick" });
  }

  /** A node whose data was set aside waits for one that has a copy: if none comes, its operator has to know. */
  #waitForCopy({ durable, isNew }: Booted): void {
    const { environment, options, storage } = this.#setup;
    const { setAside } = durable;
    if (setAside === undefined) return;
    const { reason } = setAside;
    if (isNew) this.#owner.tell({ event: "setAside", reason });
    this.#vigil = environment.setTimer(WAITS * options.suspectMs, () => {
      this.askStatus((status) => {
        if (status === undefined || status.trouble === "") return;
        this.#owner.tell({ event: "warning", text: noCopy(reason, status.vid, storage.place) });
      });
    });
  }

  #answered(message: ServerMessage): void {
    if (message.type !== "status") return;
    const answer = this.#asked.get(message.xid);
    this.#asked.delete(message.xid);
    answer?.(message.status);
  }

  #last(effect: LastEffect): void {
    if (effect.type === "stopped") this.#end({ kind: "stopped" }, false);
    else if (effect.type === "halt") this.#fail(haltReason(effect.error));
    else this.#end({ kind: "setAside", reason: effect.reason }, true);
  }

  /** No more votes, no more replies. */
  #fail(error: ViewstampError): void {
    this.#end({ kind: "failed", error }, true);
  }

  #end(ending: Ending, abrupt: boolean): void {
    if (this.#over) return;
    this.#over = true;
    this.#tickTimer?.cancel();
    this.#stopTimer?.cancel();
    this.#vigil?.cancel();
    for (const answer of this.#asked.values()) answer(undefined);
    this.#asked.clear();
    const closing = {
      environment: this.#setup.environment,
      leave: (left: () => void) => this.#leave(reasonOf(ending), abrupt, left),
      listener: this.#listener,
      store: (done: Done) => this.#store(ending, done),
      waitsForStore: ending.kind === "setAside",
    };
    this.#hurry = closeDown(closing, (error) => {
      const lost = error !== undefined && ending.kind === "setAside";
      this.#owner.ended(lost ? { kind: "failed", error: storageFailure(error) } : ending);
    });
  }

  #leave(reason: string, abrupt: boolean, left: () => void): void {
    if (this.#rooms === undefined) left();
    else this.#rooms.close(reason, abrupt, left);
  }

  #store(ending: Ending, done: Done): void {
    const { storage } = this.#setup;
    if (ending.kind === "setAside") storage.setAside(ending.reason, this.#rooms?.core.clusterId(true), done);
    else if (this.#storage === "open") storage.close(done);
    else if (this.#storage === "refused") done(undefined);
    // Closed before it is open it would keep its lock.
    else this.#whenOpened = () => this.#store(ending, done);
  }
}

/** In `suspectMs`: others that start at the same time have found each other by then. */
const WAITS = 10;

function noCopy(reason: string, vid: number, place: string | undefined): string {
  const files = place === undefined ? "" : ` The files are kept as ${place}/aside-*.`;
  const where = place ?? "DIR";
  const missing =
    vid === 0
      ? "no node that it reaches has a copy: it waits for one, and the cluster does not start empty"
      : "it has not been caught up yet";
  return (
    `this node's data was set aside (${reason}), and ${missing}.${files} "viewstamp log verify ${where}" says what is damaged; if no node has ` +
    `healthy data any more, "viewstamp recover ${where}" says what is left, and with --force makes a new cluster of it`
  );
}

function reasonOf(ending: Ending): string {
  switch (ending.kind) {
    case "stopped":
      return "this node stops";
    case "failed":
      return `this node has failed: ${ending.error.code}`;
    case "setAside":
      return "this node sets its data aside";
  }
}
