/**
 * Three replicas as three processes, and waiting for what they say.
 * @module
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import type { Runtime } from "../../test/runtimes.ts";
import { type Fact, program, ReplicaProcess } from "./replica-process.ts";

const ids = ["a", "b", "c"];
/** Nothing here takes longer, even on a slow machine. */
const patienceMs = 30_000;

export class LockCluster {
  readonly replicas: readonly ReplicaProcess[];
  readonly urls: readonly string[];
  /** The replica that last said that it takes requests. */
  #primary: string | undefined;

  constructor(folder: string, ports: readonly number[], runtimes: readonly Runtime[]) {
    this.urls = ports.map((port) => `ws://127.0.0.1:${port}`);
    const cluster = ids.map((id, index) => `${id}=${this.urls[index]}`).join(",");
    this.replicas = ids.map((id, index) => {
      const place = { id, url: this.urls[index]!, data: join(folder, id), cluster };
      return new ReplicaProcess(place, runtimes[index]!);
    });
    this.onFact((id, { event }) => {
      if (event === "active") this.#primary = id;
      else if (event === "gone" && id === this.#primary) this.#primary = undefined;
    });
  }

  onFact(listener: (id: string, fact: Fact) => void): void {
    for (const replica of this.replicas) replica.onFact((fact) => listener(replica.id, fact));
  }

  /** Starts all replicas; gives the primary, once all of them are level. */
  async start(): Promise<string> {
    const level = this.replicas.map((replica) => replica.next(isLevel, patienceMs));
    for (const replica of this.replicas) replica.start();
    await Promise.all(level);
    return this.nextPrimary();
  }

  async kill(id: string): Promise<void> {
    await this.#replica(id).kill();
  }

  /** Starts a replica again, with its data; resolves when it is a level member. */
  async restart(id: string): Promise<void> {
    const replica = this.#replica(id);
    const level = replica.next(isLevel, patienceMs);
    replica.start();
    await level;
  }

  /** The primary, once there is one. */
  async nextPrimary(): Promise<string> {
    if (this.#primary === undefined) {
      await Promise.any(this.replicas.map((replica) => replica.next(({ event }) => event === "active", patienceMs)));
    }
    return this.#primary!;
  }

  /** Whether all replicas have executed the same, as `viewstamp status` says. */
  async replicasAgree(): Promise<boolean> {
    const deadline = performance.now() + patienceMs;
    do {
      const states = await this.#states();
      if (states.length === ids.length && new Set(states).size === 1) return true;
    } while (performance.now() < deadline);
    return false;
  }

  /** Ends all of them in good order; one that does not end is killed. */
  async stop(): Promise<void> {
    await Promise.all(this.replicas.map((replica) => replica.stop()));
  }

  async #states(): Promise<string[]> {
    const { nodes } = JSON.parse(await this.#status()) as {
      readonly nodes: readonly { readonly status?: { readonly applied: number; readonly hash: number } }[];
    };
    return nodes.flatMap(({ status }) => (status === undefined ? [] : [`${status.applied} ${status.hash}`]));
  }

  #status(): Promise<string> {
    const [file = "", ...before] = this.replicas[0]!.runtime.command;
    const args = [...before, program, "status", "--json", "--cluster", this.urls.join(",")];
    return new Promise((resolve, reject) => {
      const child = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
      let text = "";
      child.stdout.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      child.on("error", reject);
      child.on("close", () => resolve(text));
    });
  }

  #replica(id: string): ReplicaProcess {
    const replica = this.replicas.find((one) => one.id === id);
    if (replica === undefined) throw new Error(`there is no replica ${id}`);
    return replica;
  }
}

/** A primary that takes requests, or a backup that is level with it. */
function isLevel({ event }: Fact): boolean {
  return event === "active" || event === "following";
}
