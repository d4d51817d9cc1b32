/**
 * One client of the simulated cluster: a machine on which the real client runs, life after life.
 * @module
 */
import type { ClientCore } from "../client/contract.ts";
import type { Transport } from "../protocol/transport.ts";
import type { Network } from "./network.ts";
import { Host, type HostOptions, type Life } from "./process.ts";

export interface ClientSetup {
  readonly network: Network;
  /** Makes the real client. */
  readonly connect: (transport: Transport, life: Life) => ClientCore;
  /** What it does, from the beginning of each life. */
  readonly work: (client: SimClient, core: ClientCore, life: Life) => void;
  readonly died: (client: SimClient) => void;
}

export class SimClient {
  readonly number: number;
  readonly host: Host;
  readonly #setup: ClientSetup;

  constructor(number: number, setup: ClientSetup, options: HostOptions) {
    this.number = number;
    this.#setup = setup;
    this.host = new Host(setup.network.world, `client${number}`, { ...options, promises: true });
  }

  get up(): boolean {
    return this.host.life !== undefined;
  }

  start(): void {
    if (this.up) return;
    this.host.start((life) => {
      life.onEnd(() => this.#setup.died(this));
      const core = this.#setup.connect(this.#setup.network.transport(life), life);
      this.#setup.work(this, core, life);
    });
  }

  die(): void {
    if (!this.up) return;
    this.host.world.story.tell(this.host.name, "is killed");
    this.host.die("kill");
  }
}

/** A promise that is kept after so many of this process's milliseconds; never, if it is dead by then. */
export function sleeper(life: Life): (ms: number) => Promise<void> {
  return (ms) => new Promise((wake) => life.setTimer(ms, wake));
}
