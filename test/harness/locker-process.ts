// A lock client in a process of its own, as the tests hold it: it can be killed, and stood still.
import { join } from "node:path";
import type { CacheOptions } from "../../src/locks/client-options.ts";
import { getRuntime, type RuntimeName, root } from "../runtimes.ts";
import { Child } from "./child.ts";
import type { Fact } from "./control.ts";
import { HANG_MS, PROCESS_START_MS, within } from "./within.ts";

export type LockerOrder =
  | {
      readonly do: "connect";
      readonly cluster: readonly string[];
      readonly cache: CacheOptions | false;
      readonly sessionTtlMs: number;
    }
  /** From then on it works under the lock, and says so. */
  | { readonly do: "acquire"; readonly name: string }
  | { readonly do: "release" };

export type NumberedLockerOrder = LockerOrder & { readonly order: number };

export class LockerProcess {
  readonly #child: Child;
  #orders = 0;
  #factsBeforePause = 0;

  constructor(runtime: RuntimeName) {
    this.#child = new Child(`locker on ${runtime}`, getRuntime(runtime), join(root, "test/harness/locker.ts"));
  }

  async connect(cluster: readonly string[], cache: CacheOptions | false, sessionTtlMs: number): Promise<void> {
    const ready = this.#child.waitFor(({ event }) => event === "ready");
    await within(PROCESS_START_MS, `${this.#child.name} loads`, ready);
    await this.#order({ do: "connect", cluster, cache, sessionTtlMs });
  }

  /** Gives the token. */
  async acquire(name: string): Promise<bigint> {
    const { token } = await this.#order({ do: "acquire", name });
    return BigInt(token as string);
  }

  async release(): Promise<void> {
    await this.#order({ do: "release" });
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    this.#child.signal("SIGKILL");
    await within(HANG_MS, `${this.#child.name} ends`, this.#child.exited);
  }

  /** SIGSTOP: it stands still, its connections stay open. */
  pause(): void {
    this.#factsBeforePause = this.#child.facts.length;
    this.#child.signal("SIGSTOP");
  }

  resume(): void {
    this.#child.signal("SIGCONT");
  }

  /** The first thing that happens in it after the last pause. */
  woke(): Promise<Fact> {
    const woke = this.#child.waitFor(({ event }) => event === "woke", this.#factsBeforePause);
    return within(HANG_MS, `${this.#child.name} wakes`, woke);
  }

  /** How often it has worked under its lock. */
  get works(): number {
    return this.#child.facts.filter(({ event }) => event === "works").length;
  }

  async #order(order: LockerOrder): Promise<Fact> {
    const number = ++this.#orders;
    this.#child.say({ ...order, order: number });
    const answer = this.#child.waitFor((fact) => fact["order"] === number);
    const fact = await within(PROCESS_START_MS, `${this.#child.name} obeys ${order.do}`, answer);
    if (fact.event !== "obeyed") throw new Error(`${this.#child.name} cannot ${order.do}: ${String(fact["text"])}`);
    return fact;
  }
}
