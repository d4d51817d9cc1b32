/**
 * What comes after a run in which copies were taken: a new cluster, from one of the copies or by force from what one node has
 * on its disk.
 * @module
 */
import type { ReplicatedMachine } from "../protocol/machine.ts";
import type { Done } from "../protocol/storage.ts";
import type { Member } from "../protocol/view.ts";
import {
  type ChunkList,
  clusterOfCopy,
  clusterOfRemains,
  DEFAULT_SKIP,
  type NewCluster,
} from "../replica/new-cluster.ts";
import type { DiskReader, Got } from "../storage/disk.ts";
import { salvage } from "../storage/salvage.ts";
import { inTurn, type Step, then } from "../storage/steps.ts";
import type { ClusterParts, SimCluster } from "./cluster.ts";
import type { Copy } from "./copier.ts";
import type { StateEye } from "./ledger/observer.ts";
import { askState } from "./ledger/replay.ts";
import type { SimNode } from "./node.ts";
import type { Plan } from "./plan.ts";
import type { Random } from "./random.ts";
import { MEMBERS, type Renewal, RenewedCluster } from "./renewal.ts";
import type { Question } from "./workload/contract.ts";

/** A copy, and the state that it restores to. */
export interface KnownCopy {
  readonly copy: Copy;
  readonly state: StateEye;
}

const CLUSTER_ID = "cafecafecafecafe";
const READ_MS = 10_000;

export class Afterlife {
  readonly #cluster: SimCluster;
  readonly #plan: Plan;
  readonly #parts: ClusterParts;
  readonly #random: Random;
  readonly #questions: readonly Question[];

  constructor(cluster: SimCluster, plan: Plan, parts: ClusterParts) {
    this.#cluster = cluster;
    this.#plan = plan;
    this.#parts = parts;
    this.#random = cluster.world.random.fork("afterlife");
    this.#questions = cluster.workload.questions ?? [];
  }

  async begin(copies: readonly KnownCopy[]): Promise<void> {
    const { world } = this.#cluster;
    const { story } = world;
    const machine = this.#parts.replay?.();
    const renewal =
      machine === undefined || this.#random.chance(0.5)
        ? this.#fromCopy(this.#random.pick(copies))
        : await this.#fromNode(this.#random.pick(this.#cluster.nodes), machine);
    if (renewal === undefined) return;
    story.tell("", "-- a new cluster begins");
    const seed = this.#random.bits();
    const renewed = new RenewedCluster(seed, this.#plan, this.#parts, story.told, this.#cluster.violated);
    await renewed.live(renewal);
    story.lines.push(...renewed.world.story.lines);
    story.fold(renewed.world.steps);
  }

  #fromCopy({ copy, state }: KnownCopy): Renewal {
    const { at, machines, chunks } = copy;
    this.#cluster.world.story.count("restored from a copy");
    const members = MEMBERS.slice(0, this.#random.integer(1, 2));
    return {
      cluster: clusterOfCopy(CLUSTER_ID, { at, machines, ...inMemory(chunks) }, members, DEFAULT_SKIP),
      known: this.#questions.map((question) => [question, askState(state, ...question)]),
      usedThrough: this.#cluster.ledger.facts.committedThrough,
    };
  }

  /** All has healed, and every node is a member: what any of them has durably is all that was ever committed. */
  async #fromNode(node: SimNode, machine: ReplicatedMachine): Promise<Renewal | undefined> {
    const { ledger, world, violated } = this.#cluster;
    node.keptUp = false;
    node.die(this.#random.chance(0.5) ? "power" : "kill");
    let read: { readonly error: Error | undefined; readonly cluster: NewCluster | undefined } | undefined;
    node.host.start((life) =>
      readRemains(node.disk.for(life), machine, (error, cluster) => {
        read = { error, cluster };
      }),
    );
    await world.run(world.now + READ_MS);
    node.host.die("kill");
    if (read?.cluster === undefined) {
      violated(11, `the data of ${node.id} cannot be recovered by force: ${String(read?.error)}`);
      return undefined;
    }
    world.story.count("recovered by force");
    return {
      cluster: read.cluster,
      known: this.#questions.map((question) => [question, ledger.ask(...question)]),
      usedThrough: ledger.facts.committedThrough,
    };
  }
}

/** What `viewstamp recover --force` makes of a disk, on which nothing is damaged. */
function readRemains(disk: DiskReader, machine: ReplicatedMachine, done: Got<NewCluster>): void {
  const failed: Done = (error) => done(error, undefined);
  salvage(
    disk,
    then(failed, (found) => {
      if (found.damage !== undefined) return failed(new Error(found.damage));
      const remains = { clusterId: CLUSTER_ID, found, member: MEMBERS[0] as Member, skip: DEFAULT_SKIP, machine };
      clusterOfRemains(
        remains,
        then(failed, (cluster) => readAll(cluster, done)),
      );
    }),
  );
}

/** The disk is not there any more when the chunks are wanted. */
function readAll(cluster: NewCluster, done: Got<NewCluster>): void {
  const { snapshot } = cluster;
  if (snapshot === undefined) return done(undefined, cluster);
  const chunks: Uint8Array[] = [];
  const steps = Array.from({ length: snapshot.count }, (_, index): Step => {
    const keep = (chunk: Uint8Array, next: Done): void => {
      chunks.push(chunk);
      next(undefined);
    };
    return (next) =>
      snapshot.chunk(
        index,
        then(next, (chunk) => keep(chunk, next)),
      );
  });
  inTurn(steps, (error) => {
    done(error, error === undefined ? { ...cluster, snapshot: { at: snapshot.at, ...inMemory(chunks) } } : undefined);
  });
}

function inMemory(chunks: readonly Uint8Array[]): ChunkList {
  return { count: chunks.length, chunk: (index, done) => done(undefined, chunks[index]) };
}
