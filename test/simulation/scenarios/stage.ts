// One stage: a simulated cluster from one seed, and what a script can do to it. Time passes only while the script waits.

import type { CacheOptions } from "../../../src/locks/client-options.ts";
import { CORE_DEFAULTS, type CoreOptions } from "../../../src/protocol/options.ts";
import type { View } from "../../../src/protocol/view.ts";
import { type ClusterParts, SimCluster } from "../../../src/simulator/cluster.ts";
import { MOST_DRIFT } from "../../../src/simulator/faults.ts";
import type { SimNode } from "../../../src/simulator/node.ts";
import { Random } from "../../../src/simulator/random.ts";
import type { World } from "../../../src/simulator/world.ts";
import { LockTesterLoad } from "./lock-tester-load.ts";
import { Moments } from "./moments.ts";
import { SteadyLoad, type SteadyOptions } from "./steady-load.ts";
import { PARTS, Visitor } from "./visitor.ts";

/** What scenarios.md allows for one step with default options. */
export const STEP_MS = 2_000;
const START_GAP_MS = 50;
const MOST_CLIENTS = 12;

export interface StageOptions {
  readonly nodes: number;
  readonly core?: Partial<CoreOptions>;
  /** Bytes per millisecond of every link; default: 100 MB in a second. */
  readonly rate?: number;
  /** Of lock clients; default: with a cache or without one, as the seed has it. */
  readonly cache?: CacheOptions | false;
}

/** Something that goes on beside the script. */
export interface Load {
  /** Waits until it has been served for a while from now on. */
  goesOn(): Promise<void>;
  /** Lets it come to its end, and judges it. */
  ends(): Promise<void>;
}

export interface ViewWish {
  readonly primary?: string;
  readonly withinMs?: number;
}

export class Stage {
  readonly cluster: SimCluster;
  readonly world: World;
  readonly random: Random;
  readonly moments: Moments;
  readonly #cache: CacheOptions | false;
  readonly #loads: Load[] = [];
  readonly #failures: string[] = [];
  #visitors = 0;
  #awaited: () => boolean = () => false;
  #probe: Visitor | undefined;
  #probes = 0;

  constructor(seed: number, options: StageOptions, tell: boolean, parts: ClusterParts = PARTS) {
    this.random = new Random(seed).fork("script");
    this.cluster = new SimCluster(seed, drawn(this.random, options), parts, tell);
    this.world = this.cluster.world;
    this.#cache = options.cache ?? (this.random.fork("cache").chance(0.5) ? {} : false);
    this.moments = new Moments(this.cluster);
    const { network } = this.cluster;
    const delay = this.random.pick([network.usual.delay, { least: 0.5, most: 3, rare: 20 }]);
    network.setUsual({ delay, rate: options.rate ?? network.usual.rate });
    this.world.afterEach(() => {
      if (this.#awaited() || this.#failures.length > 0) this.world.stop();
    });
  }

  get ids(): string {
    return this.cluster.nodes.map(({ id }) => id).join("");
  }

  node(id: string): SimNode {
    return this.cluster.node(id);
  }

  /** All nodes but these. */
  others(ids: string): string {
    return [...this.ids].filter((id) => !ids.includes(id)).join("");
  }

  /** Starts the nodes one after the other; they have the usual time to found the group. */
  async begin(): Promise<void> {
    for (const id of this.ids) {
      this.node(id).start();
      await this.passes(this.random.between(0, START_GAP_MS));
    }
    await this.writableView(this.ids, { primary: "a" });
  }

  /** What was begun beside the script ends well, and all nodes that run are equal. */
  async finish(): Promise<void> {
    for (const load of this.#loads) await load.ends();
    await this.agree();
    const lone = [...this.cluster.ledger.facts.chosen.values()].find(({ members }) => members.length < 2);
    if (lone !== undefined) throw new Error(`view ${lone.vid} has one copy only`);
  }

  // Time.

  async passes(ms: number): Promise<void> {
    this.#awaited = () => false;
    const end = this.world.now + ms;
    while (this.world.now < end) await this.#run(end);
  }

  /** Waits until it is so, and fails if it is not within so many milliseconds. */
  async until(what: string, isSo: () => boolean, withinMs: number = STEP_MS): Promise<void> {
    const end = this.world.now + withinMs;
    this.#awaited = isSo;
    this.world.touch();
    while (!isSo()) {
      if (this.world.now >= end) throw new Error(`not within ${withinMs} ms: ${what}; ${this.cluster.views()}`);
      await this.#run(end);
    }
    this.#awaited = () => false;
  }

  /** What a promise comes to, within so many milliseconds. */
  async within<T>(what: string, promise: Promise<T>, withinMs: number = STEP_MS): Promise<T> {
    const fate: { value?: T; error?: unknown; isSettled: boolean } = { isSettled: false };
    promise.then(
      (value) => Object.assign(fate, { value, isSettled: true }),
      (error: unknown) => Object.assign(fate, { error, isSettled: true }),
    );
    await this.until(what, () => fate.isSettled, withinMs);
    if ("error" in fate) throw new Error(`${what}: ${String(fate.error)}`, { cause: fate.error });
    return fate.value as T;
  }

  /** A promise for code beside the script. */
  sleep(ms: number): Promise<void> {
    return new Promise((wake) => {
      this.world.after(ms, () => {
        this.world.touch();
        wake();
      });
    });
  }

  /** Something beside the script has gone wrong. */
  fail(text: string): void {
    this.#failures.push(text);
  }

  // Nodes.

  kill(ids: string): void {
    for (const id of ids) this.node(id).die("kill");
  }

  /** The machines are off, and what their disks had not synced may be lost. */
  cutPower(ids: string): void {
    for (const id of ids) this.node(id).die("power");
  }

  restart(ids: string): void {
    for (const id of ids) this.node(id).start();
  }

  /** Stops a node in good order, and waits until its process has ended. */
  async stop(id: string): Promise<void> {
    this.node(id).stop();
    await this.until(`${id} has stopped`, () => !this.node(id).up);
  }

  pause(ids: string): void {
    for (const id of ids) this.node(id).host.pause();
  }

  resume(ids: string): void {
    for (const id of ids) this.node(id).host.resume();
  }

  /** Cuts a node off from all other nodes; clients still reach it. */
  isolate(id: string): void {
    this.#links(id, (from, to) => this.cluster.network.cut(from, to));
  }

  rejoin(id: string): void {
    this.#links(id, (from, to) => this.cluster.network.heal(from, to));
  }

  // What must hold.

  /** The newest view that was ever chosen. */
  get newest(): View {
    const { facts } = this.cluster.ledger;
    return facts.chosen.get(facts.newestChosen)!;
  }

  /** Waits until exactly these are the members of a view, all of them know it, and a write is answered in it. */
  async writableView(members: string, { primary, withinMs = STEP_MS }: ViewWish = {}): Promise<View> {
    const end = this.world.now + withinMs;
    const isActive = (): boolean => {
      const cores = [...members].map((id) => this.node(id).core);
      const { vid } = this.newest ?? { vid: 0 };
      return (
        cores.every((core) => core?.view?.vid === vid && membersOf(core.view) === members) &&
        cores.some((core) => core?.activeVid === vid)
      );
    };
    await this.until(`view {${members}} is active`, isActive, withinMs);
    const view = this.newest;
    if (primary !== undefined && view.primary !== primary)
      throw new Error(`the primary of view ${view.vid} {${members}} is ${view.primary}, not ${primary}`);
    this.#probe ??= this.visitor();
    await this.within(`a write in view {${members}}`, this.#write(this.#probe), end - this.world.now);
    return view;
  }

  /** No view is chosen for so long. */
  async noNewView(forMs: number): Promise<void> {
    const before = this.newest.vid;
    await this.passes(forMs);
    if (this.newest.vid !== before)
      throw new Error(`view ${this.newest.vid} {${membersOf(this.newest)}} was chosen, and must not be`);
  }

  /** All nodes that run are members, have applied the same, and are equal. (That equal places are equal the ledger sees.) */
  async agree(): Promise<void> {
    const { ledger, nodes } = this.cluster;
    await this.until("all nodes that run are equal", () =>
      nodes.every(({ up, core }) => !up || (core !== undefined && core.applied === ledger.facts.committedThrough)),
    );
    const hashes = new Set(nodes.flatMap(({ core }) => (core === undefined ? [] : [core.state.hash])));
    if (hashes.size !== 1) throw new Error(`the states differ: ${this.cluster.views()}`);
  }

  // Clients and loads.

  /** Another client, from its start. */
  visitor(): Visitor {
    const client = this.cluster.clients[this.#visitors++]!;
    client.start();
    return new Visitor(client, this.cluster.coreOf(client)!, this.#cache);
  }

  /** The lock tester, from now to the end of the script. */
  underLoad(): LockTesterLoad {
    return this.#begin(new LockTesterLoad(this));
  }

  /** One client that never stops asking, from now to the end of the script. */
  steadily(options?: SteadyOptions): SteadyLoad {
    return this.#begin(new SteadyLoad(this, options));
  }

  #begin<L extends Load>(load: L): L {
    this.#loads.push(load);
    return load;
  }

  async #run(until: number): Promise<void> {
    await this.world.run(until);
    const { violation } = this.cluster;
    if (violation !== undefined) throw new Error(`rule ${violation.rule} (${violation.statement}): ${violation.text}`);
    if (this.#failures.length > 0) throw new Error(this.#failures.join("; "));
  }

  async #write({ core }: Visitor): Promise<void> {
    const sum = await core.execute("tally", "add", { name: "probe", by: 1 });
    if (sum !== ++this.#probes) throw new Error(`write ${this.#probes} was answered ${sum}`);
  }

  #links(id: string, act: (from: SimNode["host"], to: SimNode["host"]) => void): void {
    const { host } = this.node(id);
    for (const other of this.others(id)) {
      act(host, this.node(other).host);
      act(this.node(other).host, host);
    }
  }
}

export function membersOf(view: View): string {
  return view.members.map(({ id }) => id).join("");
}

/** What a seed varies, beside delays and moments. */
function drawn(random: Random, { nodes, core }: StageOptions): ConstructorParameters<typeof SimCluster>[1] {
  const snapshotEveryBytes = random.pick([3_000, CORE_DEFAULTS.snapshotEveryBytes]);
  return {
    nodes,
    clients: MOST_CLIENTS,
    options: { ...CORE_DEFAULTS, snapshotEveryBytes, ...core },
    turnMs: random.pick([0, 0.2, 1]),
    segmentBytes: random.pick([4_000, 1 << 20]),
    drift: MOST_DRIFT,
  };
}
