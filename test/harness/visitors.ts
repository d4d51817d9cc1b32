// Clients of a cluster under test, all gone at the end. They live in the test's process; one that must die without a
// word gets a transport that can.
import { clusterStatus } from "../../src/client/admin.ts";
import { connect, type MachinesClient } from "../../src/entry/client.ts";
import { systemEnvironment } from "../../src/entry/environment.ts";
import { type ClusterLocks, type ConnectLocksOptions, connectLocks } from "../../src/entry/locks.ts";
import type { CacheOptions } from "../../src/locks/client-options.ts";
import { kv } from "../../src/machine/kv.ts";
import type { NodeStatus } from "../../src/protocol/client-messages.ts";
import { webSocket } from "../../transports/websocket.ts";
import { MortalTransport } from "./mortal-transport.ts";
import { tally } from "./tally.ts";
import { HANG_MS, STEP_MS, within } from "./within.ts";

export type TestClient = MachinesClient<readonly [typeof kv, typeof tally]>;

interface Closable {
  close(): Promise<void>;
}

export class Visitors {
  /** Of lock clients. */
  readonly cache: CacheOptions | false;
  readonly #cluster: readonly string[];
  readonly #present: Closable[] = [];
  readonly #mortals: MortalTransport[] = [];

  constructor(cluster: readonly string[], cache: CacheOptions | false = {}) {
    this.#cluster = cluster;
    this.cache = cache;
  }

  /** A client of `kv` and `tally`. */
  async client(): Promise<TestClient> {
    return this.#welcome(await connect({ cluster: this.#cluster, machines: [kv, tally], transport: webSocket() }));
  }

  async locks(options: Partial<ConnectLocksOptions> = {}): Promise<ClusterLocks> {
    return this.#welcome(await this.strangerWithLocks(options));
  }

  /** Who asked for it closes it. */
  strangerWithLocks(options: Partial<ConnectLocksOptions> = {}): Promise<ClusterLocks> {
    return connectLocks({ cluster: this.#cluster, cache: this.cache, ...options });
  }

  /** A client that can die: call the second of the pair. */
  async mortal(): Promise<readonly [client: TestClient, die: () => void]> {
    const transport = new MortalTransport(webSocket());
    this.#mortals.push(transport);
    const client = this.#welcome(await connect({ cluster: this.#cluster, machines: [kv, tally], transport }));
    return [client, () => transport.die()];
  }

  /** The same with locks. */
  async mortalWithLocks(
    options: Partial<ConnectLocksOptions>,
  ): Promise<readonly [locks: ClusterLocks, die: () => void]> {
    const transport = new MortalTransport(webSocket());
    this.#mortals.push(transport);
    return [await this.locks({ ...options, transport }), () => transport.die()];
  }

  /** What the nodes say of themselves, by id; those that are silent are left out. */
  async statuses(): Promise<ReadonlyMap<string, NodeStatus>> {
    const answers = await clusterStatus(this.#cluster, systemEnvironment, webSocket(), STEP_MS);
    return new Map(answers.flatMap(({ status }) => (status === undefined ? [] : [[status.id, status]])));
  }

  /** Waits until these nodes have applied the same requests, and says how many entries that were. */
  agree(...ids: string[]): Promise<number> {
    return within(STEP_MS, `${ids.join(", ")} have equal state`, this.#agreement(ids));
  }

  async #agreement(ids: readonly string[]): Promise<number> {
    for (;;) {
      const statuses = await this.statuses();
      const states = new Set(ids.map((id) => `${statuses.get(id)?.applied} ${statuses.get(id)?.hash}`));
      const log = new Set(ids.map((id) => statuses.get(id)?.viewstamp.seqno));
      const applied = statuses.get(ids[0]!)?.applied;
      if (applied !== undefined && states.size === 1 && log.size === 1 && log.has(applied)) return applied;
    }
  }

  /** Closes all clients. */
  async leave(): Promise<void> {
    for (const transport of this.#mortals) transport.die();
    await within(HANG_MS, "all clients close", Promise.all(this.#present.map((one) => one.close())));
  }

  #welcome<Visitor extends Closable>(visitor: Visitor): Visitor {
    this.#present.push(visitor);
    return visitor;
  }
}
