/**
 * A replica: one node of a cluster in this process, over the lives that it may have.
 * @module
 */
import type { NodeStatus } from "../protocol/client-messages.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { NodeId } from "../protocol/view.ts";
import type { ReplicaEvent, ReplicaSetup } from "./contract.ts";
import { type Ending, Life, type LifeOwner } from "./life.ts";

/**
 * Starts a replica; resolves when it listens.
 * @throws {ViewstampError} `DataInUse`, `StorageFailed`, `WrongMachine`, `AddressInUse`, `InvalidOptions`
 */
export function launch(setup: ReplicaSetup): Promise<Replica> {
  return new Promise((resolve, reject) => {
    const replica: Replica = new Replica(setup, (error) => {
      if (error === undefined) resolve(replica);
      else reject(error);
    });
  });
}

export class Replica implements LifeOwner {
  readonly id: NodeId;
  /** Resolves once it has stopped: with the error that stopped it, or `undefined`. Never rejects. */
  readonly stopped: Promise<ViewstampError | undefined>;
  readonly #setup: ReplicaSetup;
  #started: ((error: ViewstampError | undefined) => void) | undefined;
  #resolveStopped: (error: ViewstampError | undefined) => void = () => {};
  #life: Life;
  #url: string;
  #stopping = false;

  /** `started`: it listens, or why it cannot; called once, not from inside this call. */
  constructor(setup: ReplicaSetup, started: (error: ViewstampError | undefined) => void) {
    this.id = setup.id;
    this.#setup = setup;
    this.#started = started;
    this.#url = setup.listen;
    this.stopped = new Promise((resolve) => {
      this.#resolveStopped = resolve;
    });
    this.#life = new Life(setup, setup.listen, this);
  }

  /** Where it listens, with the real port. */
  get url(): string {
    return this.#url;
  }

  /** Hands over, says goodbye and closes everything. */
  stop(): Promise<void> {
    this.#stopping = true;
    this.#life.stop();
    return this.stopped.then(() => {});
  }

  /** Closes everything without a word to anyone, as a crash would. */
  kill(): Promise<void> {
    this.#stopping = true;
    this.#life.kill();
    return this.stopped.then(() => {});
  }

  /** @throws {ViewstampError} `Closed` if it has stopped or stops before it can answer */
  status(): Promise<NodeStatus> {
    return new Promise((resolve, reject) => {
      this.#life.askStatus((status) => {
        if (status !== undefined) resolve(status);
        else reject(new ViewstampError("Closed", `replica "${this.id}" does not run: start it again`));
      });
    });
  }

  listening(url: string): void {
    this.#url = url;
    this.tell({ event: "listening", url });
    this.#start(undefined);
  }

  ended(ending: Ending): void {
    // The next life tells of data set aside when it finds that. It listens where the others know it, though the first
    // one may have been given any free port.
    if (ending.kind === "setAside" && !this.#stopping) this.#life = new Life(this.#setup, this.#url, this);
    else this.#stop(ending.kind === "failed" ? ending.error : undefined);
  }

  tell(event: ReplicaEvent): void {
    try {
      this.#setup.observer?.(event);
    } catch {
      // An observer only looks on; whatever happens to it must not stop a replica.
    }
  }

  #start(error: ViewstampError | undefined): void {
    const started = this.#started;
    this.#started = undefined;
    started?.(error);
  }

  #stop(error: ViewstampError | undefined): void {
    this.tell({ event: "stopped", error: error && { code: error.code, text: error.message } });
    this.#start(error ?? new ViewstampError("Closed", `replica "${this.id}" was stopped before it had started`));
    this.#resolveStopped(error);
  }
}
