/**
 * A new cluster from old data, in a small world of its own in which nothing fails: it becomes whole, gives the answers that
 * the old state would give, takes commands, and uses no place again.
 * @module
 */
import type { ClientCore } from "../client/contract.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { DurableState } from "../protocol/storage.ts";
import type { Member } from "../protocol/view.ts";
import { HAND_LIMITS } from "../replica/contract.ts";
import { type NewCluster, writeNewData } from "../replica/new-cluster.ts";
import { logStorage } from "../storage/log-storage.ts";
import type { ClusterOptions, ClusterParts } from "./cluster.ts";
import { Ledger } from "./ledger/ledger.ts";
import { Network } from "./network.ts";
import { SimNode } from "./node.ts";
import { Host, type Life } from "./process.ts";
import { sleeper } from "./sim-client.ts";
import type { Question } from "./workload/contract.ts";
import { World } from "./world.ts";

export interface Renewal {
  /** Its members are the first of `MEMBERS`; the others are new nodes. */
  readonly cluster: NewCluster;
  /** What is asked, and what the old state says. */
  readonly known: readonly (readonly [question: Question, answer: unknown])[];
  /** No place up to this one may be used again. */
  readonly usedThrough: number;
}

const IDS = ["a", "b", "c"];

/** The nodes of a new cluster, as far as they begin with the data. */
export const MEMBERS: readonly Member[] = IDS.map((id, index) => ({
  ...{ id, url: `memory://${id}` },
  incarnation: `${index}`.padStart(16, "0"),
}));

const STEP_MS = 50;
const LIMIT_MS = 60_000;
const AGAIN_MS = 50;

/** Knows nothing of a history that began elsewhere. */
class NoLedger extends Ledger {
  override recovered(): void {}
  override written(): void {}
  override durable(): void {}
  override snapshotBegun(): void {}
  override snapshotDurable(): void {}
  override setAside(): void {}
  override stepped(): void {}
  override sent(): void {}
}

export class RenewedCluster {
  readonly world: World;
  readonly #network: Network;
  readonly #nodes: readonly SimNode[];
  readonly #options: ClusterOptions;
  readonly #parts: ClusterParts;
  readonly #violated: (rule: number, text: string) => void;
  #isBroken = false;

  constructor(
    seed: number,
    options: ClusterOptions,
    parts: ClusterParts,
    tell: boolean,
    violated: (rule: number, text: string) => void,
  ) {
    this.world = new World(seed, { tell });
    this.#network = new Network(this.world);
    this.#options = options;
    this.#parts = parts;
    this.#violated = (rule, text) => {
      if (!this.#isBroken) violated(rule, `a new cluster from old data: ${text}`);
      this.#isBroken = true;
      this.world.stop();
    };
    this.#nodes = this.#makeNodes();
  }

  async live({ cluster, known, usedThrough }: Renewal): Promise<void> {
    for (const [index, { incarnation }] of cluster.view.members.entries())
      await this.#fill(this.#nodes[index] as SimNode, cluster, incarnation);
    if (this.#isBroken) return;
    for (const node of this.#nodes) {
      node.keptUp = true;
      node.start();
    }
    if (!(await this.#until(() => this.#isWhole))) return this.#violated(15, "its nodes do not become equal members");
    const applied = this.#nodes[0]?.core?.applied ?? 0;
    if (applied <= usedThrough)
      this.#violated(
        13,
        `it goes on at ${applied}: places through ${usedThrough} were used before, and tokens with them`,
      );
    if (!(await this.#isAnswered(known))) this.#violated(15, "a client has no answer");
  }

  get #isWhole(): boolean {
    const [first, ...others] = this.#nodes.map(({ core }) => core);
    if (first?.view?.members.length !== IDS.length || first.applied !== first.commit) return false;
    return others.every(
      (core) =>
        core?.view?.vid === first.view?.vid && core?.applied === first.applied && core.state.hash === first.state.hash,
    );
  }

  #makeNodes(): SimNode[] {
    const { options, turnMs, segmentBytes, newestProgram = 1 } = this.#options;
    const cluster = IDS.map((id) => ({ id, url: `memory://${id}` }));
    const setup = {
      network: this.#network,
      ledger: new NoLedger(() => {}, { rules: [] }),
      cluster,
      machine: (id: string, program: number) => this.#parts.machine(this.#violated, id, program),
      makeBrain: this.#parts.makeBrain,
      options: { ...options, minCopies: 2 },
      limits: { ...HAND_LIMITS, sliceMs: 0 },
      segmentBytes,
      framed: () => {},
      broken: (node: SimNode, code: string, text: string) => this.#violated(0, `${node.id} stops: ${code}: ${text}`),
    };
    return IDS.map((id) => {
      const node = new SimNode(id, setup, new Host(this.world, id, { turnMs }));
      node.program = newestProgram;
      return node;
    });
  }

  /** The operator's program writes the data, and says that it has; then the power goes. */
  async #fill({ id, host, disk }: SimNode, cluster: NewCluster, incarnation: string): Promise<void> {
    let isDone = false;
    const fail = (error: Error): void => this.#violated(0, `the data of ${id} cannot be made: ${String(error)}`);
    host.start((life) => {
      const storage = logStorage({
        disk: disk.for(life),
        randomId: () => life.randomId(),
        defer: (callback) => void this.world.after(0, () => life.enter(callback)),
        segmentBytes: this.#options.segmentBytes,
      });
      storage.open((error: Error | undefined, state: DurableState | undefined) => {
        if (state === undefined) return fail(error as Error);
        writeNewData(storage, cluster, incarnation, (failure) => {
          if (failure !== undefined) return fail(failure);
          storage.close(() => {
            isDone = true;
          });
        });
      });
    });
    if (!(await this.#until(() => isDone))) fail(new Error("it takes for ever"));
    host.die("power");
  }

  /** A client of the new cluster is told what the old state says, and has a command executed. */
  async #isAnswered(known: Renewal["known"]): Promise<boolean> {
    let isOver = false;
    const host = new Host(this.world, "client", { promises: true });
    host.start((life) => {
      const core = this.#parts.connect(
        this.#network.transport(life),
        life,
        this.#nodes.map(({ url }) => url),
      );
      this.#ask(core, life, known).then(
        () => {
          isOver = true;
        },
        (error: unknown) => this.#violated(0, `a client is given ${String(error)}`),
      );
    });
    return await this.#until(() => isOver);
  }

  async #ask(core: ClientCore, life: Life, known: Renewal["known"]): Promise<void> {
    const sleep = sleeper(life);
    for (const [[machine, query, input], answer] of known) {
      const said = await persistent(() => core.ask(machine, query, input), sleep);
      if (JSON.stringify(said) === JSON.stringify(answer)) continue;
      const asked = `${machine}.${query}(${JSON.stringify(input)})`;
      this.#violated(7, `${asked} is ${JSON.stringify(said)}, and was ${JSON.stringify(answer)}`);
    }
    await core.close();
  }

  async #until(isSo: () => boolean): Promise<boolean> {
    const end = this.world.now + LIMIT_MS;
    while (this.world.now < end && !this.#isBroken) {
      if (isSo()) return true;
      await this.world.run(Math.min(end, this.world.now + STEP_MS));
    }
    return this.#isBroken || isSo();
  }
}

/** A client that is newer than its cluster waits for the upgrade. */
async function persistent(ask: () => Promise<unknown>, sleep: (ms: number) => Promise<void>): Promise<unknown> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof ViewstampError)) throw error;
      await sleep(AGAIN_MS);
    }
  }
}
