/**
 * A cluster and its clients in one world: real nodes on simulated machines, watched by the ledger.
 * @module
 */
import type { ClientCore } from "../client/contract.ts";
import type { ReplicatedMachine } from "../protocol/machine.ts";
import type { PeerMessage } from "../protocol/messages.ts";
import type { CoreOptions } from "../protocol/options.ts";
import type { Transport } from "../protocol/transport.ts";
import { findById, type Identity, type NodeId, sameIdentity } from "../protocol/view.ts";
import { decodeClientFrame, decodePeerFrame, decodeServerFrame, encodePeerFrame } from "../protocol/wire.ts";
import { HAND_LIMITS, type MakeBrain } from "../replica/contract.ts";
import { Aims } from "./aims.ts";
import type { Stage } from "./fault.ts";
import { identityKey } from "./ledger/disk-model.ts";
import { Ledger, type Violation } from "./ledger/ledger.ts";
import { Network } from "./network.ts";
import { SimNode } from "./node.ts";
import { Host, type Life } from "./process.ts";
import { SimClient, sleeper } from "./sim-client.ts";
import { Believers } from "./workload/believers.ts";
import type { Witness, Workload } from "./workload/contract.ts";
import type { Violated } from "./workload/lock-checks.ts";
import { World } from "./world.ts";

export interface ClusterOptions {
  readonly nodes: number;
  readonly clients: number;
  readonly options: CoreOptions;
  /** How long a turn of a node lasts, in milliseconds. */
  readonly turnMs: number;
  /** A segment of the log on disk ends at about this size. */
  readonly segmentBytes: number;
  /** The clocks of nodes run fast or slow by up to this share. */
  readonly drift: number;
  /** The newest machine version that each node's first program can run, in order; 1 by default. */
  readonly programs?: readonly number[];
  /** The newest machine version that there is. */
  readonly newestProgram?: number;
}

/** In one seed of so many the ledger reads the bytes themselves, as their receivers always do. */
const READ_EVERY = 8;

/** The real parts that a cluster is made of. */
export interface ClusterParts {
  /** The machine of one life of a node; it may see violations of its own rules. */
  readonly machine: (violated: Violated, node: NodeId, program: number) => ReplicatedMachine;
  /** Like the machine of a node: for the ledger, which executes the log once itself; none if the machine has its own witness. */
  readonly replay?: () => ReplicatedMachine;
  readonly makeBrain: MakeBrain;
  readonly connect: (transport: Transport, life: Life, urls: readonly string[]) => ClientCore;
  readonly workload: (now: () => number, violated: Violated, witness: Witness) => Workload;
}

export class SimCluster {
  readonly world: World;
  readonly network: Network;
  readonly ledger: Ledger;
  readonly nodes: readonly SimNode[];
  readonly clients: readonly SimClient[];
  readonly stage: Stage;
  readonly workload: Workload;
  /** The first rule that was broken: the world stands still from then on. */
  violation: Violation | undefined;
  readonly #options: ClusterOptions;
  readonly #parts: ClusterParts;
  readonly #cores: Map<SimClient, ClientCore> = new Map();
  readonly #believers: Believers = new Believers();
  readonly #aims: Aims = new Aims();
  #lanes = 0;
  /** What a node has just made a frame of: the ledger need not decode it. */
  #framed: { readonly frame: Uint8Array; readonly messages: readonly PeerMessage[] } | undefined;

  constructor(seed: number, options: ClusterOptions, parts: ClusterParts, tell: boolean) {
    this.#options = options;
    this.#parts = parts;
    this.world = new World(seed, { tell });
    this.network = new Network(this.world);
    this.ledger = new Ledger((violation) => this.found(violation), {
      options: options.options,
      clients: this.#believers,
      ...(parts.replay && { machine: parts.replay }),
    });
    this.workload = parts.workload(() => this.world.now, this.violated, this.ledger);
    this.#believers.holds = (name, inside) => this.workload.believed?.(name, inside) ?? [];
    this.nodes = this.#makeNodes();
    this.clients = this.#makeClients();
    this.stage = {
      world: this.world,
      network: this.network,
      nodes: this.nodes,
      clients: this.clients,
      maySpare: (node) => this.#maySpare(node),
      aims: this.#aims,
      newestProgram: options.newestProgram ?? 1,
      removesUntil: 0,
      healed: false,
    };
    this.#watchFrames();
  }

  readonly violated: Violated = (rule, text) => this.ledger.violated(rule, text);

  found(violation: Violation): void {
    if (this.violation !== undefined) return;
    this.violation = violation;
    this.world.story.tell("", `!! rule ${violation.rule}: ${violation.text}`);
    this.world.stop();
  }

  node(id: NodeId): SimNode {
    const node = this.nodes.find((one) => one.id === id);
    if (node === undefined) throw new Error(`there is no node ${id}`);
    return node;
  }

  /** The client of this process's present life. */
  coreOf(client: SimClient): ClientCore | undefined {
    return client.up ? this.#cores.get(client) : undefined;
  }

  /** Whether the clients have ended all they had to do. */
  get isIdle(): boolean {
    return this.workload.isDone && this.#lanes === 0;
  }

  /** Every client calls; gives whether each has had its answer. */
  probe(): () => boolean {
    let waiting = 0;
    for (const client of this.clients) {
      const { life } = client.host;
      const core = this.coreOf(client);
      if (life === undefined || core === undefined) continue;
      waiting++;
      const random = this.world.random.fork(`probe ${client.number}`);
      life.enter(() => {
        const call = this.workload.probe?.({ number: client.number, core, random, sleep: sleeper(life) });
        this.#follow(
          life,
          (call ?? Promise.resolve()).then(() => void waiting--),
        );
      });
    }
    return () => waiting === 0;
  }

  /**
   * Whether all others can go on without this node: they are whole, have joined and know it, and one is a member of the newest
   * view. Whether they know of that does not matter: they can find it out.
   */
  canDoWithout(node: SimNode): boolean {
    const { facts } = this.ledger;
    if (this.nodes.length < 3 || !this.isLetBack) return false;
    const others = this.nodes.filter((other) => other !== node).map(({ id }) => facts.node(id));
    const known = Math.max(...others.map(({ data }) => data.durable.view?.vid ?? 0));
    const isWhole = others.every(
      ({ identity, data }) => data.ruined === undefined && identity !== undefined && this.#hasJoined(identity, known),
    );
    const newest = facts.chosen.get(facts.newestChosen);
    const isMember = (identity: Identity): boolean => newest?.members.some((m) => sameIdentity(m, identity)) === true;
    return isWhole && others.some(({ identity }) => identity !== undefined && isMember(identity));
  }

  /** Whoever an operator has removed is back, and no value is under way that would remove anybody after all. */
  get isLetBack(): boolean {
    const { facts } = this.ledger;
    const { removesUntil } = this.stage;
    if (removesUntil === 0) return true;
    if (this.world.now < removesUntil) return false;
    const next = facts.newestChosen + 1;
    return this.nodes.every(({ id, core }) => {
      const view = core?.view;
      const isWhole = view?.vid === facts.newestChosen && view.members.length === this.nodes.length;
      return isWhole && facts.node(id).data.written.acceptedIn(next) === undefined;
    });
  }

  /** All clients end their sessions. */
  closeClients(): void {
    for (const [client, core] of this.#cores) if (client.up) client.host.life?.enter(() => void core.close());
  }

  /**
   * All are members of one view, equal, run the newest of what they can, and are here to stay. (A newer view may have been
   * chosen without anybody knowing: then it waits.)
   */
  get isConverged(): boolean {
    const { committedThrough } = this.ledger.facts;
    const vid = this.nodes[0]?.core?.view?.vid;
    return this.nodes.every(({ core, isStopping }) => {
      if (
        isStopping ||
        core?.view === undefined ||
        core.view.vid !== vid ||
        core.view.members.length !== this.nodes.length
      )
        return false;
      const isUpgraded = core.state.machine.able.every(
        ({ versions }, at) => core.state.machine.versions[at]?.version === versions.at(-1),
      );
      return isUpgraded && core.applied === committedThrough && core.commit === core.applied;
    });
  }

  /** Every node has a connection to each of the others. */
  get isMeshed(): boolean {
    const { length } = this.nodes;
    return this.network.connections().length >= length * (length - 1);
  }

  get hasNoSessions(): boolean {
    return this.nodes.every(({ core }) => core?.state.sessions.size === 0);
  }

  /** No machine waits for a moment to act by itself. */
  get hasNoDeadlines(): boolean {
    return this.nodes.every(({ core }) => core?.state.machine.nextDeadline() === undefined);
  }

  /** What each node takes for the present. */
  views(): string {
    const said = this.nodes.map(({ id, core, up }) => {
      const view = core?.view;
      const members = view?.members.map((member) => member.id).join("");
      return up
        ? `${id}: ${core?.role} view ${view?.vid} {${members}} of ${view?.primary} applied ${core?.applied}`
        : `${id}: down`;
    });
    return `${said.join("; ")} (committed ${this.ledger.facts.committedThrough})`;
  }

  #makeNodes(): SimNode[] {
    const { nodes, options, turnMs, segmentBytes, drift } = this.#options;
    const random = this.world.random.fork("hosts");
    const ids = Array.from({ length: nodes }, (_, i) => String.fromCharCode(97 + i));
    const cluster = ids.map((id) => ({ id, url: `memory://${id}` }));
    const setup = {
      network: this.network,
      ledger: this.ledger,
      cluster,
      machine: (node: NodeId, program: number) => this.#parts.machine(this.violated, node, program),
      makeBrain: this.#parts.makeBrain,
      options,
      // Time does not pass within a turn: whatever is done in slices has a turn for each.
      limits: { ...HAND_LIMITS, sliceMs: 0, sliceEntries: this.world.random.fork("slices").pick([1, 2, 16]) },
      segmentBytes,
      framed: (frame: Uint8Array, messages: readonly PeerMessage[]) => {
        if (this.world.seed % READ_EVERY !== 0) this.#framed = { frame, messages };
      },
      broken: (node: SimNode, code: string, text: string) =>
        this.found({
          rule: code === "Diverged" ? 10 : 0,
          statement: "Never a broken invariant of the code itself.",
          text: `${node.id} stops: ${code}: ${text}`,
        }),
    };
    return ids.map((id, index) => {
      const host = new Host(this.world, id, { clockRate: 1 + random.between(-drift, drift), turnMs });
      const node = new SimNode(id, setup, host);
      node.program = this.#options.programs?.[index] ?? 1;
      return node;
    });
  }

  #makeClients(): SimClient[] {
    const urls = this.nodes.map(({ url }) => url);
    const setup = {
      network: this.network,
      connect: (transport: Transport, life: Life) => this.#parts.connect(transport, life, urls),
      died: ({ number }: SimClient) => {
        this.#believers.died(number);
        this.workload.died(number);
      },
      work: (client: SimClient, core: ClientCore, life: Life) => this.#work(client, core, life),
    };
    return Array.from({ length: this.#options.clients }, (_, i) => new SimClient(i + 1, setup, {}));
  }

  #work(client: SimClient, core: ClientCore, life: Life): void {
    this.#cores.set(client, core);
    this.#believers.began(client.number, core);
    const random = this.world.random.fork(`client ${client.number} life ${life.number}`);
    for (const lane of this.workload.begin({ number: client.number, core, random, sleep: sleeper(life) }))
      this.#follow(life, lane);
  }

  #follow(life: Life, lane: Promise<void>): void {
    let over = false;
    const end = (): void => {
      if (!over) this.#lanes--;
      over = true;
    };
    this.#lanes++;
    life.onEnd(end);
    lane.then(end, (error: unknown) => {
      end();
      this.found({ rule: 0, statement: "Never an unexpected error.", text: stackOf(error) });
    });
  }

  #watchFrames(): void {
    const nodes = new Map(this.nodes.map((node) => [node.host, node]));
    const { story } = this.world;
    this.network.harshly = (from, to) => nodes.has(from) && nodes.has(to);
    // A probe is empty, a hello begins with a letter, every other frame with its version.
    const isTalk = (frame: Uint8Array): boolean => frame.length > 0 && frame[0] !== 0x76;
    this.network.mayLeave = (from, to, frame) => {
      if (this.#aims.isEmpty || !isTalk(frame)) return true;
      const [a, b] = [nodes.get(from), nodes.get(to)];
      if (a === undefined || b === undefined) return true;
      return this.#decoded(a.id, frame).every((message) => this.#aims.mayLeave({ from: a, to: b, message }));
    };
    this.network.lessen = (from, to, frame) => {
      if (this.#aims.losesNothing || !isTalk(frame)) return frame;
      const [a, b] = [nodes.get(from), nodes.get(to)];
      if (a === undefined || b === undefined) return frame;
      const all = this.#decoded(a.id, frame);
      const left = all.filter((message) => !this.#aims.isLost({ from: a, to: b, message }));
      if (left.length === all.length) return frame;
      story.count("message lost");
      return left.length === 0 ? undefined : encodePeerFrame(left);
    };
    this.network.watch = (from, to, frame) => {
      if (this.#aims.keepAlive.awaits(from) && isTalk(frame) && isKeepAlive(frame)) this.#aims.keepAlive.met(from);
      if (this.#aims.notice.awaits(to) && isTalk(frame) && isNotice(frame)) this.#aims.notice.met(to);
      const [a, b] = [nodes.get(from), nodes.get(to)];
      if (!isTalk(frame)) return;
      if (a === undefined || b === undefined) {
        if (story.told) for (const message of talk(frame, a)) story.tell(from.name, `-> ${to.name} ${short(message)}`);
        return;
      }
      for (const message of this.#decoded(a.id, frame)) {
        if (story.told) story.tell(a.id, `-> ${b.id} ${short(message)}`);
        this.ledger.sent(a.id, b.id, message);
      }
    };
  }

  #decoded(from: string, frame: Uint8Array): readonly PeerMessage[] {
    if (this.#framed?.frame === frame) return this.#framed.messages;
    try {
      return decodePeerFrame(frame);
    } catch (error) {
      this.found({ rule: 0, statement: "Never bytes that are no message.", text: `${from} sends ${stackOf(error)}` });
      return [];
    }
  }

  /**
   * The protocol bears the loss of one disk at a time: all nodes' data must be in use, in the newest view, and none be
   * taken out of it by an operator.
   */
  #maySpare(node: SimNode): boolean {
    const { facts } = this.ledger;
    if (this.stage.removesUntil > 0) return false;
    const isInUse = ({ id }: SimNode): boolean => {
      const { identity, data } = facts.node(id);
      const vid = data.durable.view?.vid;
      return vid === facts.newestChosen && identity !== undefined && this.#hasJoined(identity, vid);
    };
    return this.canDoWithout(node) && this.nodes.every(isInUse);
  }

  /**
   * Whether a view up to this one counts this data: then every later one must, until other data takes its place or an
   * operator removes the node. (One view is not asked alone: a mutant may leave out an acceptor.)
   */
  #hasJoined(identity: Identity, through: number): boolean {
    const key = identityKey(identity);
    let hasJoined = false;
    for (const view of this.ledger.facts.chosen.values()) {
      if (view.vid > through) continue;
      if (view.acceptors.some((one) => identityKey(one) === key)) hasJoined = true;
      else if (view.barred.includes(identity.id) || findById(view.acceptors, identity.id) !== undefined)
        hasJoined = false;
    }
    return hasJoined;
  }
}

/** What a node and a client say to each other. */
function talk(frame: Uint8Array, node: SimNode | undefined): readonly { readonly type: string }[] {
  return node === undefined ? decodeClientFrame(frame) : decodeServerFrame(frame);
}

function isKeepAlive(frame: Uint8Array): boolean {
  return decodeClientFrame(frame).some(({ type }) => type === "keepAlive");
}

function isNotice(frame: Uint8Array): boolean {
  return decodeServerFrame(frame).some(({ type }) => type === "notice");
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function short(message: { readonly type: string }): string {
  const { type, ...rest } = message;
  return `${type} ${JSON.stringify(rest, (key, value: unknown) => {
    if (value instanceof Uint8Array) return `${value.length} bytes`;
    if (key === "entries")
      return (value as { vid: number; seqno: number }[]).map(({ vid, seqno }) => `${vid}.${seqno}`);
    return value;
  })}`;
}
