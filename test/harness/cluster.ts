// A cluster of real processes, told as a story: `await cluster.kill("p2"); await cluster.view("p0", "p1");`.
// p0 has the smallest id, so it founds the group and is its first primary.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CoreOptions } from "../../src/protocol/options.ts";
import { getRuntime, type RuntimeName } from "../runtimes.ts";
import type { NodeOptions, Trap } from "./control.ts";
import { NodeProcess, type Standing } from "./node-process.ts";
import { freePorts } from "./ports.ts";
import { PROCESS_START_MS, STEP_MS, within } from "./within.ts";

export interface ClusterOptions {
  readonly nodes: number;
  /** Of p0, p1, … in turn. */
  readonly runtimes?: readonly RuntimeName[];
  /** `memory`: a node that is restarted comes back empty. Default `file`. */
  readonly storage?: "file" | "memory";
  readonly core?: Partial<CoreOptions>;
  /** How long a view may take to become active. Default 2 s. */
  readonly viewMs?: number;
}

/** All three by default, so that every scenario is one of a mixed cluster; `VIEWSTAMP_RUNTIMES=node` chooses others. */
const usualRuntimes = (process.env["VIEWSTAMP_RUNTIMES"] ?? "node,bun,deno").split(",") as RuntimeName[];

export class Cluster {
  /** Node id to address. */
  readonly addresses: Readonly<Record<string, string>>;
  readonly folder: string;
  readonly #nodes: ReadonlyMap<string, NodeProcess>;
  readonly #viewMs: number;
  readonly #programs: Map<string, number> = new Map();

  private constructor(addresses: Readonly<Record<string, string>>, options: ClusterOptions) {
    this.addresses = addresses;
    this.folder = mkdtempSync(join(tmpdir(), "viewstamp-cluster-"));
    const { runtimes = usualRuntimes, storage = "file", core = {}, viewMs = STEP_MS } = options;
    this.#viewMs = viewMs;
    this.#nodes = new Map(
      Object.entries(addresses).map(([id, listen], index) => {
        const runtime = getRuntime(runtimes[index % runtimes.length]!);
        const data = storage === "file" ? this.dataOf(id) : undefined;
        const program = (): number => this.#programs.get(id) ?? 1;
        const options = (): NodeOptions => ({ id, cluster: addresses, listen, data, core, program: program() });
        return [id, new NodeProcess(id, runtime, options)];
      }),
    );
  }

  static async make(options: ClusterOptions): Promise<Cluster> {
    const ports = await freePorts(options.nodes);
    const addresses = Object.fromEntries(ports.map((port, index) => [`p${index}`, `ws://127.0.0.1:${port}`]));
    return new Cluster(addresses, options);
  }

  get ids(): string[] {
    return [...this.#nodes.keys()];
  }

  get urls(): string[] {
    return Object.values(this.addresses);
  }

  dataOf(id: string): string {
    return join(this.folder, id);
  }

  node(id: string): NodeProcess {
    const node = this.#nodes.get(id);
    if (node === undefined) throw new Error(`there is no ${id}`);
    return node;
  }

  /** Starts all nodes; they have the usual 2 s to found the group. */
  async start(): Promise<Standing> {
    await this.warmUp(...this.ids);
    await this.#each(this.ids, (node) => node.start());
    return this.view(...this.ids);
  }

  /** Loads processes that `restart` can use at once. */
  warmUp(...ids: string[]): Promise<void> {
    return this.#each(ids, (node) => node.warmUp());
  }

  kill(...ids: string[]): Promise<void> {
    return this.#each(ids, (node) => node.kill());
  }

  /** Starts nodes that are down, with the data they left. Resolves when they take connections. */
  restart(...ids: string[]): Promise<void> {
    return this.#each(ids, (node) => node.start());
  }

  /** Starts a node that is down with another program: the newest version of `basket` that it can run. */
  async restartWith(id: string, program: number): Promise<void> {
    this.#programs.set(id, program);
    await this.restart(id);
  }

  /** Takes a node's data away, as if its disk had been changed. */
  wipe(id: string): void {
    if (this.node(id).isUp) throw new Error(`${id} is up: its data is in use`);
    rmSync(this.dataOf(id), { recursive: true, force: true });
  }

  /** Cuts the link between two nodes, both ways, without either noticing. */
  async cut(a: string, b: string): Promise<void> {
    await Promise.all([this.#cutAt(a, b), this.#cutAt(b, a)]);
  }

  async heal(a: string, b: string): Promise<void> {
    await Promise.all([this.#healAt(a, b), this.#healAt(b, a)]);
  }

  /** Cuts a node off from all other nodes; clients still reach it. */
  async isolate(id: string): Promise<void> {
    await Promise.all(this.#others(id).map((other) => this.cut(id, other)));
  }

  async rejoin(id: string): Promise<void> {
    await Promise.all(this.#others(id).map((other) => this.heal(id, other)));
  }

  trap(id: string, trap: Trap): Promise<void> {
    return this.node(id).trap(trap);
  }

  /** Waits until a trap with `kill` has ended its node. */
  async died(id: string, trap: string, limitMs?: number): Promise<void> {
    await this.node(id).trapped(trap, limitMs);
    await this.node(id).ended();
  }

  /**
   * Waits until exactly these nodes are the members of a view that is active, and all of them say so: the primary takes
   * requests, the others follow it.
   */
  async view(...members: string[]): Promise<Standing> {
    return within(this.#viewMs, `view {${members.join(" ")}} is active`, this.#viewOf(members));
  }

  async #viewOf(members: readonly string[]): Promise<Standing> {
    const wanted = [...members].sort().join();
    const isIn = ({ standing }: NodeProcess): boolean =>
      standing?.settled === true && standing.members.join() === wanted;
    for (;;) {
      await Promise.all(members.map((id) => this.node(id).until(isIn)));
      const standings = members.map((id) => this.node(id).standing!);
      const newest = standings.reduce((a, b) => (b.vid > a.vid ? b : a));
      const behind = members.filter((id) => this.node(id).standing!.vid < newest.vid);
      if (behind.length === 0 && members.every((id) => isIn(this.node(id)))) return newest;
      await Promise.all(behind.map((id) => this.node(id).until(({ standing }) => standing!.vid >= newest.vid)));
    }
  }

  /** Every view that a living node has told of in this life. */
  viewsSeen(): Standing[] {
    return [...this.#nodes.values()].flatMap((node) => node.views);
  }

  /** Everything the nodes said. */
  story(): string {
    return [...this.#nodes.values()].map((node) => node.story()).join("\n");
  }

  /** Ends every process, whatever state it is in, and removes the data. */
  async dispose(): Promise<void> {
    const gone = Promise.all([...this.#nodes.values()].map((node) => node.dispose()));
    await within(PROCESS_START_MS, "all processes end", gone);
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #each(ids: readonly string[], act: (node: NodeProcess) => Promise<void>): Promise<void> {
    await Promise.all(ids.map((id) => act(this.node(id))));
  }

  #others(id: string): string[] {
    return this.ids.filter((other) => other !== id);
  }

  #cutAt(id: string, peer: string): Promise<void> | undefined {
    return this.node(id).isUp ? this.node(id).cut(peer) : undefined;
  }

  #healAt(id: string, peer: string): Promise<void> | undefined {
    return this.node(id).isUp ? this.node(id).heal(peer) : undefined;
  }
}
