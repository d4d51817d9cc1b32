/**
 * What the clients of a run rely on at a moment, by their own clocks: asked when the cluster ends a session or gives a lock
 * away.
 * @module
 */
import type { ClientCore } from "../../client/contract.ts";
import type { ClientsEye } from "../ledger/observer.ts";
import { Life } from "../process.ts";

/** Lets a client look at its own clock; `false` if it is dead or stands still, and so cannot look. */
export type Inside = (client: number, look: () => boolean) => boolean;

export class Believers implements ClientsEye {
  /** Who is asked about locks, if the workload takes any. */
  holds: ((name: string, inside: Inside) => readonly bigint[]) | undefined;
  readonly #cores: Map<number, ClientCore> = new Map();

  began(client: number, core: ClientCore): void {
    this.#cores.set(client, core);
  }

  died(client: number): void {
    this.#cores.delete(client);
  }

  trusting(session: string): number | undefined {
    for (const [client, core] of this.#cores)
      if (this.#inside(client, () => core.session?.id === session)) return client;
    return undefined;
  }

  believed(name: string): readonly bigint[] {
    return this.holds?.(name, (client, look) => this.#inside(client, look)) ?? [];
  }

  #inside(client: number, look: () => boolean): boolean {
    const environment = this.#cores.get(client)?.environment;
    // A process that stands still looks at its clock before it does anything else.
    if (!(environment instanceof Life) || environment.paused) return false;
    let result = false;
    environment.enter(() => {
      result = look();
    });
    return result;
  }
}
