/**
 * The rig of many runs: real clients and the real machine, with a world of one replica in between (`world.ts`).
 * @module
 */
import * as assert from "uvu/assert";
import { ClusterLocks } from "../../../src/locks/cluster-locks.ts";
import { inTime, seen } from "../support.ts";
import { FakeCore, World } from "../world.ts";
import type { Rig, RigOptions } from "./rig.ts";

const LATE_MS = 5;

interface Client {
  readonly core: FakeCore;
  readonly locks: ClusterLocks;
}

export class WorldRig implements Rig {
  readonly restMs = 80;
  readonly troubleMs = 11_000;
  readonly #world: World;
  readonly #clients: Client[];
  readonly #dead: ClusterLocks[] = [];
  readonly #cache: RigOptions["cache"];

  /** `tokens`: of a kept lock, at most. */
  constructor({ seed, clients, cache }: RigOptions, tokens: number) {
    this.#world = new World({ seed, cache });
    this.#world.delays = { request: LATE_MS, reply: LATE_MS, notice: LATE_MS };
    this.#world.repeats = 0.2;
    this.#world.tokens = tokens;
    this.#cache = cache;
    this.#clients = Array.from({ length: clients }, (_, client) => this.#connect(client));
  }

  now(): number {
    return this.#world.clock.now();
  }

  locks(client: number): ClusterLocks {
    return this.#clients[client]!.locks;
  }

  session(client: number): string | undefined {
    return this.#clients[client]!.core.session?.id;
  }

  advance(ms: number): Promise<void> {
    return this.#world.clock.advance(ms);
  }

  settle<T>(promise: Promise<T>): Promise<T> {
    return inTime(this.#world, promise);
  }

  lapse(client: number, isOver: () => void): Promise<void> {
    const { core } = this.#clients[client]!;
    core.trustUntil(this.now());
    isOver();
    // Whoever asks for the session has its clock looked at.
    void core.session;
    return this.advance(this.restMs);
  }

  async die(client: number): Promise<void> {
    const { core, locks } = this.#clients[client]!;
    this.#dead.push(locks);
    core.die();
    await this.advance(core.ttlMs + this.restMs);
    this.renew(client);
  }

  renew(client: number): void {
    this.#clients[client] = this.#connect(client);
  }

  crash(): void {
    this.#world.failOver();
  }

  recover(): Promise<void> {
    return this.advance(this.restMs);
  }

  async finish(): Promise<void> {
    const world = this.#world;
    await inTime(world, Promise.all(this.#clients.map(({ locks }) => locks.close())));
    // Their timers end with their processes.
    for (const locks of this.#dead) void locks.close();
    await this.advance(15_000);
    assert.equal(await seen(world), { held: [], pending: [] });
    assert.is(world.clock.timers, 0, "timers that nobody needs");
  }

  #connect(client: number): Client {
    const core = new FakeCore(this.#world, `${client + 1}`);
    core.checksItself = true;
    this.#world.cores.push(core);
    const cache = this.#cache === undefined ? {} : { cache: this.#cache };
    return { core, locks: new ClusterLocks(core, { owner: `client ${client}`, ...cache }) };
  }
}
