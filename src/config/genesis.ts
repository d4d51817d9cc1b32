/**
 * How the first view comes to be (design.md 4.5): fresh nodes tell the one with the smallest id; once all have, it
 * makes view 1 and the cluster id.
 * @module
 */
import { ViewstampError } from "../protocol/errors.ts";
import type { MachineAbility, MachineVersion } from "../protocol/machine.ts";
import { abilitiesText, newestCommon } from "../protocol/machine-versions.ts";
import type { Genesis } from "../protocol/messages.ts";
import {
  compareIds,
  type Identity,
  type Incarnation,
  type Invitation,
  includesIdentity,
  type Member,
  type NodeId,
  sortById,
  type View,
} from "../protocol/view.ts";

export class Founding {
  readonly #self: Member;
  readonly #cluster: readonly Invitation[];
  readonly founder: NodeId;
  /** Fresh incarnations heard over connections that are still open. */
  readonly #fresh: Map<NodeId, { readonly incarnation: Incarnation; readonly able: readonly MachineAbility[] }> =
    new Map();
  /** The founder's incarnation at the other end of the link, while that is up. What is heard may be of an earlier one. */
  #linked: Incarnation | undefined;
  /** The incarnation of the founder that this node last said fresh to. */
  #saidFreshTo: Incarnation | undefined;

  constructor(self: Member, cluster: readonly Invitation[]) {
    this.#self = self;
    this.#cluster = cluster;
    this.founder = cluster.map((node) => node.id).sort(compareIds)[0] ?? self.id;
  }

  get isFounder(): boolean {
    return this.founder === this.#self.id;
  }

  linkUp({ id, incarnation }: Identity): void {
    if (id === this.founder) this.#linked = incarnation;
  }

  linkDown(id: NodeId): void {
    if (id === this.founder) this.#linked = undefined;
    this.forget(id);
  }

  /** Whether the founder can be told anything. */
  get isLinked(): boolean {
    return this.#linked !== undefined;
  }

  /** Whoever is at the other end of the link has been told. */
  saidFresh(): void {
    this.#saidFreshTo = this.#linked;
  }

  onFresh(from: Identity, able: readonly MachineAbility[]): void {
    this.#fresh.set(from.id, { incarnation: from.incarnation, able });
  }

  /** A node that is no longer connected may come back with other data. */
  forget(id: NodeId): void {
    this.#fresh.delete(id);
  }

  /** View 1, once every node of the cluster has said that it is fresh. */
  firstView(): View | undefined {
    const members: Member[] = [];
    for (const { id, url } of this.#cluster) {
      const incarnation = id === this.#self.id ? this.#self.incarnation : this.#fresh.get(id)?.incarnation;
      if (incarnation === undefined) return undefined;
      members.push({ id, incarnation, url: id === this.#self.id ? this.#self.url : url });
    }
    const sorted = sortById(members);
    return { vid: 1, members: sorted, acceptors: sorted, barred: [], invited: [], primary: this.founder };
  }

  /**
   * The versions in which a cluster of all these nodes begins: the newest that all can run.
   * @throws {ViewstampError} `WrongMachine` if there are none
   */
  origin(own: readonly MachineAbility[]): MachineVersion[] {
    const others = this.#cluster.flatMap(({ id }) => (id === this.#self.id ? [] : [this.#fresh.get(id)?.able ?? []]));
    const common = newestCommon([own, ...others]);
    if (common !== undefined) return common;
    const theirs = others.map(abilitiesText).join("; ");
    const text = `no version is common to all nodes: this one can run ${abilitiesText(own)}, the others ${theirs}`;
    throw new ViewstampError("WrongMachine", `${text}: start all nodes with the same machines`);
  }

  /** Whether a fresh node may believe this news of a cluster: nobody may be counted in a view 1 that was given up. */
  mayTake(genesis: Genesis, from: Identity): boolean {
    const { view } = genesis;
    if (view.vid > 1) return true;
    if (!includesIdentity(view.members, this.#self)) return false;
    const toldByFounder = from.id === this.founder && from.incarnation === this.#saidFreshTo;
    return toldByFounder || (from.id !== this.founder && includesIdentity(view.members, from));
  }
}
