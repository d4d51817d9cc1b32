// The clients of a stage: the real library on simulated machines. They do nothing by themselves.
import type { ClientCore } from "../../../src/client/contract.ts";
import { startCore } from "../../../src/client/core.ts";
import type { ClientOptions } from "../../../src/client/options.ts";
import { LockClient } from "../../../src/locks/client.ts";
import type { CacheOptions } from "../../../src/locks/client-options.ts";
import { type KvValue, kv } from "../../../src/machine/kv.ts";
import { replicated } from "../../../src/machine/replicated.ts";
import { realBrain } from "../../../src/replica/brain.ts";
import type { ClusterParts } from "../../../src/simulator/cluster.ts";
import type { Host } from "../../../src/simulator/process.ts";
import type { SimClient } from "../../../src/simulator/sim-client.ts";
import type { Workload } from "../../../src/simulator/workload/contract.ts";
import { watchedLocks } from "../../../src/simulator/workload/lock-checks.ts";
import { tally } from "../../harness/tally.ts";

/** The default of the client library. */
export const TTL_MS = 10_000;

export const VERSIONS: ClientOptions["machines"] = replicated([kv, tally, watchedLocks(() => {})]).versions;

const NOTHING: Workload = {
  answered: 0,
  isDone: true,
  begin: () => [],
  died: () => {},
  open: () => "nothing",
  judge: () => {},
};

export const PARTS: ClusterParts = {
  machine: (violated) => replicated([kv, tally, watchedLocks(violated)]),
  makeBrain: realBrain,
  connect: (transport, life, urls) => startCore({ cluster: urls, transport, environment: life, machines: VERSIONS }),
  workload: () => NOTHING,
};

export class Visitor {
  readonly core: ClientCore;
  readonly #client: SimClient;
  readonly #cache: CacheOptions | false;
  #locks: LockClient | undefined;

  constructor(client: SimClient, core: ClientCore, cache: CacheOptions | false) {
    this.#cache = cache;
    this.#client = client;
    this.core = core;
  }

  get host(): Host {
    return this.#client.host;
  }

  get locks(): LockClient {
    this.#locks ??= new LockClient(this.core, { cache: this.#cache });
    return this.#locks;
  }

  add(name: string, by: number): Promise<unknown> {
    return this.core.execute("tally", "add", { name, by });
  }

  sum(name: string): Promise<unknown> {
    return this.core.ask("tally", "sum", name);
  }

  put(key: string, value: KvValue): Promise<unknown> {
    return this.core.execute("kv", "put", { key, value });
  }

  async get(key: string): Promise<unknown> {
    const found = (await this.core.ask("kv", "get", key)) as { readonly value: unknown } | undefined;
    return found?.value;
  }

  die(): void {
    this.#client.die();
  }
}
