/**
 * One run from one seed: a cluster and its clients in a world in which anything may fail, then one in which all is well and
 * everything must come to a good end.
 * @module
 */
import { Afterlife, type KnownCopy } from "./afterlife.ts";
import type { Planned } from "./agenda.ts";
import { type ClusterParts, SimCluster } from "./cluster.ts";
import { Copier } from "./copier.ts";
import { heal, Trouble } from "./faults.ts";
import { FOUNDING_FAULTS } from "./instants.ts";
import { LASTING_FAULTS } from "./lasting.ts";
import type { Violation } from "./ledger/ledger.ts";
import { grown, type Sizes, sizesOf } from "./ledger/rules/good-end.ts";
import type { SimNode } from "./node.ts";
import type { Plan } from "./plan.ts";
import type { Random } from "./random.ts";
import { Registrar } from "./registrar.ts";
import { Spinning } from "./world.ts";

/** The real parts that a run is about, as its plan wants them. */
export type Parts = (plan: Plan) => ClusterParts;

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
/** After everything has healed, all calls end within this time, and so much more for each round of the lock tester. */
const FINISH_MS = 60_000;
const FINISH_MS_PER_ROUND = 400;
/** After all calls have ended, all nodes are members and equal within this time. */
const CONVERGE_MS = 60_000;
const SETTLE_MS = 1000;
/**
 * A view that was all but chosen in the trouble may be run to its end when all are equal, and another lets back whom it leaves
 * out; after that none is made any more.
 */
const LATE_VIEWS = 2;
/** Of the faults that last, so many come as another node is about to be restarted, most often in good order. */
const RESTARTED = 0.5;
const IN_GOOD_ORDER = 0.7;
const RESTART_MS = 100;
const QUIET_MS = 200;
/** Timers, frames under way and redials differ from moment to moment by so much. */
const SLACK: Sizes = { planned: 20, connections: 3 };

export async function simulateSeed(seed: number, plan: Plan, parts: Parts, tell: boolean = false): Promise<Outcome> {
  const clusterParts = parts(plan);
  const cluster = new SimCluster(seed, plan, clusterParts, tell);
  await new Run(cluster, plan, clusterParts).go();
  const { world, workload, violation } = cluster;
  return {
    seed,
    violation,
    hash: world.story.hash(),
    steps: world.steps,
    simulatedMs: world.now,
    calls: workload.answered,
    counts: new Map([...world.story.counts(), ...cluster.ledger.facts.locks.counts]),
    story: world.story.lines,
  };
}

class Run {
  readonly #cluster: SimCluster;
  readonly #plan: Plan;
  readonly #random: Random;
  /** Whom the fault that lasts has befallen, and how it ends. */
  #victim: SimNode | undefined;
  readonly #restarts: Random;
  /** The restart of another node, and whether that is over. */
  #restart: Planned | undefined;
  #isBack: () => boolean = () => true;
  #next: SimNode | undefined;
  #lifted: (() => void) | undefined;
  readonly #parts: ClusterParts;
  readonly #copies: KnownCopy[] = [];
  readonly #copier: Copier | undefined;
  readonly #registrar: Registrar | undefined;

  constructor(cluster: SimCluster, plan: Plan, parts: ClusterParts) {
    this.#cluster = cluster;
    this.#plan = plan;
    this.#parts = parts;
    if (plan.copies > 0 && cluster.workload.questions !== undefined) this.#copier = this.#makeCopier();
    if (plan.changes > 0) this.#registrar = this.#makeRegistrar();
    this.#random = cluster.world.random.fork("lasting");
    this.#restarts = cluster.world.random.fork("restarts");
  }

  async go(): Promise<void> {
    const { world } = this.#cluster;
    try {
      await this.#trouble();
      if (!this.#isBroken) await this.#recovery();
      if (!this.#isBroken) this.#cluster.workload.judge((...question) => this.#cluster.ledger.ask(...question));
      if (!this.#isBroken) await this.#conclusion();
      if (!this.#isBroken && this.#copies.length > 0)
        await new Afterlife(this.#cluster, this.#plan, this.#parts).begin(this.#copies);
    } catch (error) {
      if (!(error instanceof Spinning)) throw error;
      this.#stuck(error.message);
    }
    world.story.fold(world.steps);
  }

  get #isBroken(): boolean {
    return this.#cluster.violation !== undefined;
  }

  /** Anything may fail. */
  async #trouble(): Promise<void> {
    const { world, nodes, clients, stage } = this.#cluster;
    const { faults, faultEveryMs, troubleMs, startMs } = this.#plan;
    const random = world.random.fork("faults");
    this.#befallFounding();
    for (const node of nodes) world.after(random.between(0, startMs), () => node.start());
    for (const client of clients) world.after(random.between(0, startMs), () => client.start());
    this.#copier?.begin(this.#plan.copies, startMs, troubleMs);
    this.#registrar?.begin(this.#plan.changes, startMs, troubleMs);
    const trouble = new Trouble(stage, random, faults, faultEveryMs);
    await this.#until(troubleMs, () => this.#cluster.isIdle && world.now > startMs);
    trouble.stop();
  }

  #befallFounding(): void {
    const { world, stage } = this.#cluster;
    const { founding } = this.#plan;
    if (founding === undefined) return;
    const isBegun = FOUNDING_FAULTS[founding]?.(stage, world.random.fork("founding"));
    if (isBegun === true) world.story.count(founding);
  }

  /** All is well: calls end, nodes become equal, nothing grows. */
  async #recovery(): Promise<void> {
    const cluster = this.#cluster;
    const { world } = cluster;
    heal(cluster.stage);
    this.#registrar?.insist();
    // A primary tries for so long to have a change decided.
    const { stage } = this.#cluster;
    if (stage.removesUntil > 0) stage.removesUntil = world.now + 5 * this.#plan.options.suspectMs;
    for (const kind of this.#plan.lasting) if (!this.#isBroken) await this.#without(kind);
    this.#lift();
    await this.#finish();
    await this.#lastCopy();
    if (this.#isBroken) return;
    cluster.closeClients();
    if (!(await this.#until(CONVERGE_MS, () => this.#isBack() && cluster.isLetBack && cluster.isConverged)))
      return this.#stuck(`nodes differ: ${cluster.views()}`);
    this.#registrar?.end();
    const { newestChosen } = cluster.ledger.facts;
    // Sessions that nobody closed come to their end first, and connections that are being made anew are made.
    await this.#until(1.2 * this.#plan.sessionTtlMs, () => cluster.hasNoSessions);
    if (!(await this.#until(CONVERGE_MS, () => cluster.isMeshed)))
      return this.#stuck("some nodes have no connection to each other");
    // What was claimed to be run once is forgotten by itself, in a last entry.
    if (cluster.workload.ticks !== true) await this.#until(CONVERGE_MS, () => cluster.hasNoDeadlines);
    await this.#run(world.now + SETTLE_MS);
    const before = this.#sizes();
    await this.#run(world.now + QUIET_MS);
    const growth = grown(before, this.#sizes(), SLACK);
    // Machines that act by themselves never rest: they are looked at between two ticks.
    if (cluster.workload.ticks === true) await this.#until(CONVERGE_MS, () => cluster.isConverged);
    else if (growth !== undefined) this.#stuck(growth);
    const views = cluster.ledger.facts.newestChosen - newestChosen;
    if (views > LATE_VIEWS) this.#stuck(`${views} views are made while all is well: ${cluster.views()}`);
    cluster.workload.rested?.();
    cluster.ledger.ended();
  }

  /** One client more looks at how it all ended. */
  async #conclusion(): Promise<void> {
    const { workload, clients } = this.#cluster;
    if (workload.conclude?.() !== true || this.#isBroken) return;
    clients[0]?.die();
    clients[0]?.start();
    if (!(await this.#until(FINISH_MS, () => this.#cluster.isIdle))) this.#stuck(workload.open());
  }

  /** All goes on without a victim; what befell the last one ends in the moment in which it befalls this one. */
  async #without(kind: string): Promise<void> {
    const { world, stage, nodes } = this.#cluster;
    const candidates = this.#random.shuffle(nodes.filter((node) => node !== this.#victim));
    const isFound = (): boolean => {
      this.#next = candidates.find((node) => node.up && this.#cluster.canDoWithout(node));
      return this.#next !== undefined;
    };
    // The last victim may itself have to join before another can be missed.
    if (!isFound()) this.#lift();
    if (!(await this.#until(CONVERGE_MS, isFound)))
      return this.#stuck(`no node can be missed: ${this.#cluster.views()}`);
    // A rule may have been broken meanwhile: then nobody was looked for any more.
    if (this.#isBroken) return;
    const victim = this.#next as SimNode;
    world.story.tell(victim.id, kind);
    world.story.count(kind);
    this.#lift();
    this.#lifted = (LASTING_FAULTS[kind] as (typeof LASTING_FAULTS)[string])(victim, stage);
    this.#victim = victim;
    if (this.#plan.restarts && this.#restarts.chance(RESTARTED)) this.#restartBeside(victim);
    await this.#finish();
  }

  /** Some other node is restarted in the moment in which nobody may have noticed yet that the victim is away. */
  #restartBeside(victim: SimNode): void {
    const { world, nodes } = this.#cluster;
    const random = this.#restarts;
    const other = random.pick(nodes.filter((node) => node !== victim));
    this.#restart = world.after(random.between(0, this.#plan.options.suspectMs), () => {
      if (!other.up || !other.keptUp) return;
      const { life } = other.host;
      this.#isBack = () => other.up && other.host.life !== life;
      world.story.count("restarted beside");
      if (random.chance(IN_GOOD_ORDER)) return other.stop();
      other.die("kill");
      world.after(RESTART_MS, () => other.start());
    });
  }

  #makeCopier(): Copier {
    const { network, nodes, ledger } = this.#cluster;
    return new Copier({
      network,
      urls: nodes.map(({ url }) => url),
      committedThrough: () => ledger.facts.committedThrough,
      taken: (copy, askedThrough) => {
        const state = ledger.copied(copy, askedThrough);
        if (state !== undefined) this.#copies.push({ copy, state });
      },
      unexpected: (error) => this.#cluster.violated(8, `somebody who asks for a copy is given ${String(error)}`),
    });
  }

  #makeRegistrar(): Registrar {
    const { network, nodes, ledger, stage } = this.#cluster;
    return new Registrar({
      network,
      nodes,
      barred: () => ledger.facts.chosen.get(ledger.facts.newestChosen)?.barred ?? [],
      asks: () => {
        stage.removesUntil = Number.POSITIVE_INFINITY;
      },
      unexpected: (error) =>
        this.#cluster.violated(3, `an operator who changes the membership is given ${String(error)}`),
    });
  }

  /** Whoever asks has a copy now. */
  async #lastCopy(): Promise<void> {
    if (this.#copier === undefined || this.#isBroken) return;
    if (!(await this.#until(FINISH_MS, this.#copier.insist()))) this.#stuck("nobody gets a copy of the state");
    this.#copier.end();
  }

  #lift(): void {
    this.#lifted?.();
    this.#lifted = undefined;
    this.#restart?.cancel();
  }

  /** Every client ends what it has to do, and has an answer to a call that it makes now. */
  async #finish(): Promise<void> {
    const cluster = this.#cluster;
    if (this.#isBroken) return;
    const isAnswered = cluster.probe();
    const { startMs, locking, leading } = this.#plan;
    const isOver = (): boolean => isAnswered() && cluster.isIdle && cluster.world.now > startMs;
    const finishMs = FINISH_MS + FINISH_MS_PER_ROUND * (locking.rounds + leading.rounds);
    if (!(await this.#until(finishMs, isOver))) this.#stuck(`${cluster.workload.open()}: ${cluster.views()}`);
  }

  #sizes(): Sizes {
    const { world, ledger, network, nodes } = this.#cluster;
    const sizes: Record<string, number> = {
      planned: world.planned,
      connections: network.connections().length,
      committed: ledger.facts.committedThrough,
    };
    for (const { id, core } of nodes) {
      if (core === undefined) continue;
      for (const [name, size] of Object.entries(sizesOf(core))) sizes[`${name} of ${id}`] = size;
    }
    return sizes;
  }

  #stuck(text: string): void {
    this.#cluster.violated(15, text);
  }

  /** Lets time pass until it is so, for at most so long; whether it is so. */
  async #until(ms: number, isSo: () => boolean): Promise<boolean> {
    const { world } = this.#cluster;
    const end = world.now + ms;
    while (world.now < end && !this.#isBroken) {
      if (isSo()) return true;
      await this.#run(Math.min(end, world.now + LEAST_STEP_MS));
    }
    return this.#isBroken || isSo();
  }

  async #run(until: number): Promise<void> {
    if (!this.#isBroken) await this.#cluster.world.run(until);
  }
}
