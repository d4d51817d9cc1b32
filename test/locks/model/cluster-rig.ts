/**
 * The rig of few runs, and all that is real: clients and three nodes in a simulated world, where the primary dies for good
 * reason.
 * @module
 */
import * as assert from "uvu/assert";
import type { ClientCore } from "../../../src/client/contract.ts";
import { startCore } from "../../../src/client/core.ts";
import { ClusterLocks } from "../../../src/locks/cluster-locks.ts";
import { Stage } from "../../simulation/scenarios/stage.ts";
import { PARTS, VERSIONS } from "../../simulation/scenarios/visitor.ts";
import type { Rig, RigOptions } from "./rig.ts";

const TTL_MS = 1_000;
const IDS = "abc";

export class ClusterRig implements Rig {
  readonly restMs = 300;
  readonly troubleMs = 8_000;
  readonly #stage: Stage;
  readonly #cache: RigOptions["cache"];
  readonly #clients: { readonly core: ClientCore; readonly locks: ClusterLocks }[] = [];
  #victim = "";

  private constructor(stage: Stage, cache: RigOptions["cache"]) {
    this.#stage = stage;
    this.#cache = cache;
  }

  static async make({ seed, clients, cache }: RigOptions): Promise<ClusterRig> {
    const connect: typeof PARTS.connect = (transport, life, urls) =>
      startCore({ cluster: urls, transport, environment: life, machines: VERSIONS, sessionTtlMs: TTL_MS });
    const stage = new Stage(seed, { nodes: 3 }, false, { ...PARTS, connect });
    const rig = new ClusterRig(stage, cache);
    await stage.begin();
    for (let client = 0; client < clients; client++) rig.renew(client);
    return rig;
  }

  now(): number {
    return this.#stage.world.now;
  }

  locks(client: number): ClusterLocks {
    return this.#clients[client]!.locks;
  }

  session(client: number): string | undefined {
    return this.#clients[client]!.core.session?.id;
  }

  advance(ms: number): Promise<void> {
    this.#stage.world.touch();
    return this.#stage.passes(ms);
  }

  settle<T>(promise: Promise<T>): Promise<T> {
    return this.#stage.within("an answer", promise, this.troubleMs);
  }

  /** It stands still until its session is over. */
  async lapse(client: number, isOver: () => void): Promise<void> {
    const { host } = this.#machine(client);
    host.pause();
    await this.advance(2 * TTL_MS);
    isOver();
    host.resume();
    await this.advance(this.restMs);
  }

  async die(client: number): Promise<void> {
    this.#machine(client).die();
    await this.advance(2 * TTL_MS);
    this.renew(client);
  }

  renew(client: number): void {
    const machine = this.#machine(client);
    machine.die();
    machine.start();
    const core = this.#stage.cluster.coreOf(machine)!;
    const cache = this.#cache === undefined ? {} : { cache: this.#cache };
    this.#clients[client] = { core, locks: new ClusterLocks(core, { owner: `client ${client}`, ...cache }) };
  }

  crash(): void {
    this.#victim = this.#stage.newest.primary;
    this.#stage.kill(this.#victim);
  }

  async recover(): Promise<void> {
    const stage = this.#stage;
    await stage.writableView(stage.others(this.#victim));
    stage.restart(this.#victim);
    await stage.writableView(IDS);
    await this.advance(this.restMs);
  }

  async finish(): Promise<void> {
    await this.settle(Promise.all(this.#clients.map(({ locks }) => locks.close())));
    await this.advance(this.restMs);
    assert.equal(await this.settle(this.#stage.visitor().locks.query()), { held: [], pending: [] });
    await this.#stage.finish();
  }

  /** The last ones, for the stage takes the first. */
  #machine(client: number): Stage["cluster"]["clients"][number] {
    return this.#stage.cluster.clients.at(-1 - client)!;
  }
}
