/**
 * A whole cluster in one process: for tests, and to try things out.
 * @module
 */
import { type MemoryNetwork, memory, memoryNetwork } from "../../transports/memory.ts";
import type { MachineClient, MachinesClient } from "../client/connect.ts";
import { type ClientTuning, refuseUnknown } from "../client/options.ts";
import type { AnyMachine } from "../machine/definition.ts";
import type { NodeStatus } from "../protocol/client-messages.ts";
import { ViewstampError } from "../protocol/errors.ts";
import { CORE_DEFAULTS, type CoreOptions } from "../protocol/options.ts";
import type { Storage } from "../protocol/storage.ts";
import type { Transport } from "../protocol/transport.ts";
import type { NodeId } from "../protocol/view.ts";
import type { ReplicaEvent } from "../replica/contract.ts";
import { launch, type Replica } from "../replica/replica.ts";
import { memoryStorage } from "../storage/memory.ts";
import { type ConnectManyOptions, connect } from "./client.ts";
import { setupOf } from "./replica-setup.ts";

/** Options of `startCluster`, beside those of every replica (`heartbeatMs`, `suspectMs` …). */
export interface LocalClusterOptions extends Partial<CoreOptions> {
  /** How many nodes, from 1 to 9; they are named `a`, `b`, `c` … Default 3. */
  readonly nodes?: number;
  /** Called for what happens to each node; what it throws is ignored. */
  readonly observer?: (id: NodeId, event: ReplicaEvent) => void;
}

/** Options of a cluster of one machine. */
export interface LocalMachineClusterOptions<Of extends AnyMachine> extends LocalClusterOptions {
  /** Clients call its commands directly: `client.add(…)`. */
  readonly machine: Of;
}

/** Options of a cluster of several machines. */
export interface LocalMachinesClusterOptions<Of extends readonly AnyMachine[]> extends LocalClusterOptions {
  /** Clients call each by its name: `client.stock.add(…)`. */
  readonly machines: Of;
}

/** A running cluster, as `startCluster` gives it. */
export interface LocalCluster<Client> extends AsyncDisposable {
  /** `a`, `b`, `c` … */
  readonly ids: readonly NodeId[];
  /** The nodes' addresses, for clients of any kind, together with `transport`. */
  readonly urls: readonly string[];
  /** The network inside this process that they are on. */
  readonly transport: Transport;
  /**
   * Connects a typed client; it is closed with the cluster at the latest.
   * @throws {ViewstampError} `InvalidOptions`, `Timeout`, `Closed` once the cluster is closed
   */
  connect(tuning?: ClientTuning): Promise<Client>;
  /**
   * What a node says of itself.
   * @throws {ViewstampError} `Closed` if the node does not run
   */
  status(id: NodeId): Promise<NodeStatus>;
  /** Ends a node as a crash would, without a word to anyone. Its data stays. */
  kill(id: NodeId): Promise<void>;
  /** Stops a node gracefully: it hands over first. */
  stop(id: NodeId): Promise<void>;
  /**
   * Starts a node that was killed or stopped, with its data. Resolves when it listens.
   * @throws {ViewstampError} `Closed` once the cluster is closed
   */
  restart(id: NodeId): Promise<void>;
  /** Ends all clients and nodes. */
  close(): Promise<void>;
}

type ClientClose = { close(): Promise<void> };

const MAX_NODES = 9;
const START_MS = 10_000;
const optionNames = ["nodes", "observer", "machine", "machines", ...Object.keys(CORE_DEFAULTS)];

/**
 * Starts a cluster in this process, over memory; resolves once it takes requests. The nodes are real replicas: kill one,
 * and the others go on.
 *
 * @example
 * ```ts
 * await using cluster = await startCluster({ nodes: 3, machine: stock });
 * const client = await cluster.connect();
 * await client.add({ sku: "bolt", by: 3 });
 * await cluster.kill("a");
 * await client.count("bolt"); // 3
 * ```
 *
 * @throws {ViewstampError} `InvalidOptions`; `NoQuorum` if it takes no requests within 10 seconds
 */
export function startCluster<Of extends AnyMachine>(
  options: LocalMachineClusterOptions<Of>,
): Promise<LocalCluster<MachineClient<Of>>>;
/** The same for several machines. */
export function startCluster<const Of extends readonly AnyMachine[]>(
  options: LocalMachinesClusterOptions<Of>,
): Promise<LocalCluster<MachinesClient<Of>>>;
export async function startCluster(options: AnyClusterOptions): Promise<LocalCluster<ClientClose>> {
  refuseUnknown(options, optionNames, "startCluster");
  const { nodes = 3 } = options;
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > MAX_NODES)
    throw new ViewstampError("InvalidOptions", `nodes must be a whole number from 1 to ${MAX_NODES}, not ${nodes}`);
  const cluster = new Cluster(options, nodes);
  try {
    await cluster.start();
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return cluster;
}

interface AnyClusterOptions extends LocalClusterOptions {
  readonly machine?: AnyMachine;
  readonly machines?: readonly AnyMachine[];
}

interface Node {
  readonly storage: Storage;
  replica: Replica | undefined;
}

class Cluster implements LocalCluster<ClientClose> {
  readonly ids: readonly NodeId[];
  readonly urls: readonly string[];
  readonly transport: Transport;
  readonly #options: AnyClusterOptions;
  readonly #network: MemoryNetwork = memoryNetwork();
  readonly #cluster: Readonly<Record<NodeId, string>>;
  readonly #nodes: Map<NodeId, Node>;
  readonly #clients: Set<ClientClose> = new Set();
  #becameActive: () => void = () => {};
  #closed = false;

  constructor(options: AnyClusterOptions, nodes: number) {
    this.#options = options;
    this.ids = Array.from({ length: nodes }, (_, index) => String.fromCharCode("a".charCodeAt(0) + index));
    this.#cluster = Object.fromEntries(this.ids.map((id) => [id, `memory://${id}`]));
    this.urls = Object.values(this.#cluster);
    this.transport = memory(this.#network);
    this.#nodes = new Map(this.ids.map((id) => [id, { storage: memoryStorage(), replica: undefined }]));
  }

  async start(): Promise<void> {
    const active = new Promise<void>((resolve) => {
      this.#becameActive = resolve;
    });
    await Promise.all(this.ids.map((id) => this.restart(id)));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      const text = `the cluster took no requests within ${START_MS} ms: see what its observer is told`;
      timer = setTimeout(() => reject(new ViewstampError("NoQuorum", text)), START_MS);
    });
    await Promise.race([active, late]).finally(() => clearTimeout(timer));
  }

  async connect(tuning: ClientTuning = {}): Promise<ClientClose> {
    const { machine, machines } = this.#options;
    const calls = machine === undefined ? { machines } : { machine };
    const options = { ...tuning, ...calls, cluster: this.#cluster, transport: this.transport };
    this.#refuseClosed();
    const client: ClientClose = await connect(options as ConnectManyOptions<readonly AnyMachine[]>);
    this.#clients.add(client);
    return client;
  }

  async status(id: NodeId): Promise<NodeStatus> {
    const { replica } = this.#node(id);
    if (replica === undefined) throw new ViewstampError("Closed", `node "${id}" does not run: restart it`);
    return replica.status();
  }

  async kill(id: NodeId): Promise<void> {
    const node = this.#node(id);
    await node.replica?.kill();
    node.replica = undefined;
  }

  async stop(id: NodeId): Promise<void> {
    const node = this.#node(id);
    await node.replica?.stop();
    node.replica = undefined;
  }

  async restart(id: NodeId): Promise<void> {
    const node = this.#node(id);
    this.#refuseClosed();
    if (node.replica !== undefined) throw new ViewstampError("InvalidOptions", `node "${id}" runs: kill or stop it`);
    const { nodes, observer, ...rest } = this.#options;
    const setup = setupOf({
      ...rest,
      id,
      cluster: this.#cluster,
      storage: node.storage,
      transport: memory(this.#network),
      observer: (event) => {
        if (event.event === "active") this.#becameActive();
        observer?.(id, event);
      },
    });
    node.replica = await launch(setup);
    if (this.#closed) await this.kill(id);
    this.#refuseClosed();
  }

  async close(): Promise<void> {
    this.#closed = true;
    const clients = [...this.#clients];
    this.#clients.clear();
    await Promise.all(clients.map((client) => client.close()));
    await Promise.all(this.ids.map((id) => this.kill(id)));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #refuseClosed(): void {
    if (this.#closed) throw new ViewstampError("Closed", "the cluster is closed: start another one");
  }

  #node(id: NodeId): Node {
    const node = this.#nodes.get(id);
    if (node !== undefined) return node;
    throw new ViewstampError("InvalidOptions", `the cluster has no node "${id}"; there are: ${this.ids.join(", ")}`);
  }
}
