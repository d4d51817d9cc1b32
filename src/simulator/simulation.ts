/**
 * One run from one seed: a cluster and its clients in a world in which anything may fail, then one in which all is well and
 * everything must come to a good end.
 * @module
 */
import type { ClientCore } from "../client/contract.ts";
import { LockClient } from "../locks/client.ts";
import type { ReplicatedMachine } from "../protocol/machine.ts";
import type { PeerMessage } from "../protocol/messages.ts";
import type { Transport } from "../protocol/transport.ts";
import { decodePeerFrame } from "../protocol/wire.ts";
import { HAND_LIMITS, type MakeBrain } from "../replica/contract.ts";
import { checkRegisters } from "./checkers/linearizability.ts";
import { heal, type Stage, Trouble } from "./faults.ts";
import { identityKey } from "./ledger/disk-model.ts";
import { Ledger, type Violation } from "./ledger/ledger.ts";
import { Network } from "./network.ts";
import { SimNode } from "./node.ts";
import type { Plan } from "./plan.ts";
import { Host, type Life } from "./process.ts";
import { SimClient, sleeper } from "./sim-client.ts";
import type { Violated } from "./workload/lock-checks.ts";
import { Locking } from "./workload/locking.ts";
import { Load } from "./workload/registers.ts";
import { Spinning, World } from "./world.ts";

/** The real parts that a run is about. */
export interface Parts {
  /** The machine of one life of a node; it may see violations of its own rules. */
  readonly machine: (violated: Violated) => ReplicatedMachine;
  readonly makeBrain: MakeBrain;
  readonly connect: (transport: Transport, life: Life, urls: readonly string[], plan: Plan) => ClientCore;
}

export interface Outcome {
  readonly seed: number;
  readonly violation: Violation | undefined;
  readonly hash: string;
  readonly steps: number;
  readonly simulatedMs: number;
  readonly calls: number;
  readonly counts: ReadonlyMap<string, number>;
  readonly story: readonly string[];
}

const LEAST_STEP_MS = 50;
/** After everything has healed, all calls end within this time. */
const FINISH_MS = 60_000;
/** After all calls have ended, all nodes are members and equal within this time. */
const CONVERGE_MS = 60_000;
const QUIET_MS = 1_000;

export async function simulateSeed(seed: number, plan: Plan, parts: Parts, tell: boolean = false): Promise<Outcome> {
  const run = new Run(seed, plan, parts, tell);
  await run.go();
  const { world, load } = run;
  return {
    seed,
    violation: run.violation,
    hash: world.story.hash(),
    steps: world.steps,
    simulatedMs: world.now,
    calls: load.answered,
    counts: world.story.counts(),
    story: world.story.lines,
  };
}

class Run {
  readonly world: World;
  readonly load: Load;
  readonly locking: Locking;
  violation: Violation | undefined;
  readonly #plan: Plan;
  readonly #parts: Parts;
  readonly #ledger: Ledger;
  readonly #network: Network;
  readonly #nodes: SimNode[];
  readonly #clients: SimClient[];
  readonly #stage: Stage;
  readonly #cores: Map<SimClient, ClientCore> = new Map();
  #lanes = 0;

  constructor(seed: number, plan: Plan, parts: Parts, tell: boolean) {
    this.#plan = plan;
    this.#parts = parts;
    this.world = new World(seed, { tell });
    this.#network = new Network(this.world);
    this.#ledger = new Ledger((violation) => this.#found(violation));
    const violated: Violated = (rule, text) => this.#ledger.violated(rule, text);
    this.load = new Load(plan.load, () => this.world.now, violated);
    this.locking = new Locking(plan.locking, violated);
    this.#nodes = this.#makeNodes();
    this.#clients = this.#makeClients();
    this.#stage = {
      world: this.world,
      network: this.#network,
      nodes: this.#nodes,
      clients: this.#clients,
      maySpare: (node) => this.#maySpare(node),
      healed: false,
    };
    this.#watchFrames();
  }

  async go(): Promise<void> {
    const { world } = this;
    try {
      await this.#trouble();
      if (this.violation === undefined) await this.#recovery();
      if (this.violation === undefined) this.#judge();
    } catch (error) {
      if (error instanceof Spinning)
        this.#found({ rule: 15, statement: "Never a client waiting for ever", text: error.message });
      else throw error;
    }
    world.story.fold(world.steps);
  }

  #makeNodes(): SimNode[] {
    const { nodes, options, turnMs } = this.#plan;
    const random = this.world.random.fork("hosts");
    const ids = Array.from({ length: nodes }, (_, i) => String.fromCharCode(97 + i));
    const cluster = ids.map((id) => ({ id, url: `memory://${id}` }));
    const setup = {
      network: this.#network,
      ledger: this.#ledger,
      cluster,
      machine: () => this.#parts.machine((rule, text) => this.#ledger.violated(rule, text)),
      makeBrain: this.#parts.makeBrain,
      options,
      limits: HAND_LIMITS,
      segmentBytes: this.#plan.segmentBytes,
      broken: (node: SimNode, code: string, text: string) =>
        this.#found({
          rule: code === "Diverged" ? 10 : 0,
          statement: "Never a broken invariant of the code itself.",
          text: `${node.id} stops: ${code}: ${text}`,
        }),
    };
    return ids.map(
      (id) =>
        new SimNode(id, setup, new Host(this.world, id, { clockRate: 1 + random.between(-0.0045, 0.0045), turnMs })),
    );
  }

  #makeClients(): SimClient[] {
    const { clients } = this.#plan;
    const urls = this.#nodes.map(({ url }) => url);
    return Array.from(
      { length: clients },
      (_, i) =>
        new SimClient(
          i + 1,
          {
            network: this.#network,
            connect: (transport, life) => this.#parts.connect(transport, life, urls, this.#plan),
            died: (client) => {
              this.load.died(client.number);
              this.locking.died(client.number);
            },
            work: (client, core, life) => this.#work(client, core, life),
          },
          {},
        ),
    );
  }

  #work(client: SimClient, core: ClientCore, life: Life): void {
    this.#cores.set(client, core);
    const random = this.world.random.fork(`client ${client.number} life ${life.number}`);
    const locks = new LockClient(core);
    const sleep = sleeper(life);
    for (let lane = 0; lane < this.#plan.lanes; lane++) {
      const own = random.fork(`lane ${lane}`);
      this.#lane(life, () => this.load.lane(client.number, core, own, sleep));
      if (lane < 2) this.#lane(life, () => this.locking.lane(client.number, locks, own.fork("locks"), sleep));
    }
  }

  #lane(life: Life, work: () => Promise<void>): void {
    let over = false;
    const end = (): void => {
      if (!over) this.#lanes--;
      over = true;
    };
    this.#lanes++;
    life.onEnd(end);
    work().then(end, (error: unknown) => {
      end();
      this.#found({ rule: 0, statement: "Never an unexpected error.", text: stackOf(error) });
    });
  }

  #watchFrames(): void {
    const nodes = new Map(this.#nodes.map(({ host, id }) => [host, id]));
    const { story } = this.world;
    this.#network.harshly = (from, to) => nodes.has(from) && nodes.has(to);
    this.#network.watch = (from, to, frame) => {
      const [a, b] = [nodes.get(from), nodes.get(to)];
      // A probe is empty, a hello begins with a letter, every other frame with its version.
      if (a === undefined || b === undefined || frame.length === 0 || frame[0] === 0x76) return;
      for (const message of this.#decoded(a, frame)) {
        if (story.told) story.tell(a, `-> ${b} ${short(message)}`);
        this.#ledger.sent(a, b, message);
      }
    };
  }

  #decoded(from: string, frame: Uint8Array): PeerMessage[] {
    try {
      return decodePeerFrame(frame);
    } catch (error) {
      this.#found({ rule: 0, statement: "Never bytes that are no message.", text: `${from} sends ${stackOf(error)}` });
      return [];
    }
  }

  #found(violation: Violation): void {
    if (this.violation !== undefined) return;
    this.violation = violation;
    this.world.story.tell("", `!! rule ${violation.rule}: ${violation.text}`);
    this.world.stop();
  }

  /** Anything may fail. */
  async #trouble(): Promise<void> {
    const { faults, faultEveryMs, troubleMs, startMs } = this.#plan;
    const random = this.world.random.fork("faults");
    for (const node of this.#nodes) this.world.after(random.between(0, startMs), () => node.start());
    for (const client of this.#clients) this.world.after(random.between(0, startMs), () => client.start());
    const trouble = new Trouble(this.#stage, random, faults, faultEveryMs);
    await this.#until(troubleMs, () => this.#isIdle());
    trouble.stop();
  }

  /** All is well: calls end, nodes become equal, nothing grows. */
  async #recovery(): Promise<void> {
    heal(this.#stage);
    if (!(await this.#until(FINISH_MS, () => this.#isIdle())))
      return this.#stuck(`${this.load.under} calls are still waiting, ${this.load.left} not made: ${this.#views()}`);
    for (const [client, core] of this.#cores) if (client.up) client.host.life?.enter(() => void core.close());
    if (!(await this.#until(CONVERGE_MS, () => this.#converged())))
      return this.#stuck(`nodes differ: ${this.#views()}`);
    // Sessions that nobody closed come to their end first.
    await this.#run(this.world.now + 1.2 * this.#plan.sessionTtlMs + QUIET_MS);
    const before = this.#size();
    await this.#run(this.world.now + QUIET_MS);
    const after = this.#size();
    if (after.planned > before.planned + 20 || after.committed !== before.committed)
      this.#stuck(`something grows while nothing is asked: ${JSON.stringify(before)}, then ${JSON.stringify(after)}`);
    this.#ledger.ended();
  }

  #judge(): void {
    const { verdict, key } = checkRegisters(this.load.histories);
    if (verdict !== "linearizable") this.#ledger.violated(8, `the history of register ${key} is ${verdict}`);
  }

  #isIdle(): boolean {
    return this.load.left === 0 && this.locking.left === 0 && this.#lanes === 0 && this.world.now > this.#plan.startMs;
  }

  /** All are members of one view and equal. (A newer view may have been chosen without anybody knowing: then it waits.) */
  #converged(): boolean {
    const { facts } = this.#ledger;
    const vid = this.#nodes[0]?.core?.view?.vid;
    return this.#nodes.every(({ core }) => {
      if (core?.view === undefined || core.view.vid !== vid || core.view.members.length !== this.#nodes.length)
        return false;
      return core.applied === facts.committedThrough && core.commit === core.applied;
    });
  }

  #size(): { planned: number; committed: number } {
    return { planned: this.world.planned, committed: this.#ledger.facts.committedThrough };
  }

  #stuck(text: string): void {
    this.#ledger.violated(15, text);
  }

  #views(): string {
    const said = this.#nodes.map(({ id, core, up }) => {
      const view = core?.view;
      const members = view?.members.map((member) => member.id).join("");
      return up
        ? `${id}: ${core?.role} view ${view?.vid} {${members}} of ${view?.primary} applied ${core?.applied}`
        : `${id}: down`;
    });
    return `${said.join("; ")} (committed ${this.#ledger.facts.committedThrough})`;
  }

  /** Lets time pass until it is so, for at most so long; whether it is so. */
  async #until(ms: number, isSo: () => boolean): Promise<boolean> {
    const end = this.world.now + ms;
    while (this.world.now < end && this.violation === undefined) {
      if (isSo()) return true;
      await this.#run(Math.min(end, this.world.now + LEAST_STEP_MS));
    }
    return this.violation !== undefined || isSo();
  }

  async #run(until: number): Promise<void> {
    if (this.violation === undefined) await this.world.run(until);
  }

  /** The protocol bears the loss of one disk at a time: all others that count must be whole and in use. */
  #maySpare(node: SimNode): boolean {
    const { facts } = this.#ledger;
    const newest = facts.chosen.get(facts.newestChosen);
    if (newest === undefined || newest.acceptors.length < 3) return false;
    const others = newest.acceptors.filter(({ id }) => id !== node.id);
    const whole = others.every((acceptor) => {
      const { data } = facts.node(acceptor.id);
      return data.ruined === undefined && facts.dataOf.get(identityKey(acceptor)) === data;
    });
    return whole && newest.members.some(({ id }) => id !== node.id) && this.#allInUse(newest.vid);
  }

  /** Every node's data is counted in the newest view, and knows it: else one loss more could be one too many. */
  #allInUse(vid: number): boolean {
    const { facts } = this.#ledger;
    const view = facts.chosen.get(vid);
    return this.#nodes.every(({ id }) => {
      const { identity, data } = facts.node(id);
      return (
        identity !== undefined &&
        data.durable.view?.vid === vid &&
        view?.acceptors.some((one) => identityKey(one) === identityKey(identity))
      );
    });
  }
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
