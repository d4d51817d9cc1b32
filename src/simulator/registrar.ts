/**
 * An operator who removes nodes while things go wrong, and lets each of them come back.
 * @module
 */
import { changeMembership } from "../client/admin.ts";
import type { Change } from "../protocol/client-messages.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { NodeId } from "../protocol/view.ts";
import type { Network } from "./network.ts";
import { Host } from "./process.ts";
import type { Random } from "./random.ts";

export interface RegistrarSetup {
  readonly network: Network;
  readonly nodes: readonly { readonly id: NodeId; readonly url: string }[];
  /** Whom the newest view bars. */
  readonly barred: () => readonly NodeId[];
  /** A removal is asked for: it may be decided at any time from then on. */
  readonly asks: () => void;
  /** An error that no operator may ever meet. */
  readonly unexpected: (error: unknown) => void;
}

const AGAIN_MS = 200;

/** What the cluster may say to one who changes its membership in such times. */
const EXPECTED: readonly string[] = ["ChangeRefused", "NoQuorum", "Timeout", "Busy"];

export class Registrar {
  readonly #setup: RegistrarSetup;
  readonly #host: Host;
  readonly #random: Random;
  #insists = false;
  #isOver = false;

  constructor(setup: RegistrarSetup) {
    this.#setup = setup;
    const { world } = setup.network;
    this.#host = new Host(world, "registrar", { promises: true });
    this.#random = world.random.fork("changes");
  }

  /** Asks for so many changes within this time. */
  begin(changes: number, startMs: number, troubleMs: number): void {
    const { world } = this.#setup.network;
    for (let change = 0; change < changes; change++)
      world.after(this.#random.between(startMs, troubleMs), () => {
        if (this.#host.life === undefined && !this.#insists) this.#changeSomething();
      });
  }

  /** From now on nobody is removed, and whoever is, or will be by an answer that comes late, is let back. */
  insist(): void {
    this.#insists = true;
    this.#host.die("kill");
    const look = (): void => {
      const [id] = this.#setup.barred();
      if (id !== undefined) this.#ask("lift", id, look);
      else if (!this.#isOver) this.#setup.network.world.after(AGAIN_MS, look);
    };
    look();
  }

  end(): void {
    this.#isOver = true;
    this.#host.die("kill");
  }

  #changeSomething(): void {
    const { nodes, barred } = this.#setup;
    const { id } = this.#random.pick(nodes);
    const action = barred().includes(id) ? this.#random.pick(["lift", "lift", "add"] as const) : "remove";
    this.#ask(action, id, () => {});
  }

  #ask(action: Change["action"], id: NodeId, done: () => void): void {
    const { network, nodes, asks, unexpected } = this.#setup;
    const { story } = network.world;
    if (action === "remove") asks();
    story.tell("registrar", `asks to ${action} ${id}`);
    this.#host.start((life) => {
      const cluster = nodes.map(({ url }) => url);
      const url = nodes.find((node) => node.id === id)?.url ?? "";
      const timeoutMs = this.#random.pick([500, 5000]);
      const change = { cluster, environment: life, transport: network.transport(life), action, id, timeoutMs };
      const end = (): void => {
        this.#host.die("kill");
        network.world.after(AGAIN_MS, done);
      };
      changeMembership(action === "add" ? { ...change, url } : change).then(
        (vid) => {
          story.count(`${action} decided`);
          story.tell("registrar", `has ${id} changed (${action}) in view ${vid}`);
          end();
        },
        (error: unknown) => {
          story.count("change refused");
          story.tell("registrar", `cannot ${action} ${id}: ${String(error)}`);
          if (!(error instanceof ViewstampError && EXPECTED.includes(error.code))) unexpected(error);
          end();
        },
      );
    });
  }
}
