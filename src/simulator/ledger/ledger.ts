/**
 * Sees everything that the nodes of a run do, keeps the facts, and asks every rule after every step.
 * @module
 */
import type { AcceptedValue } from "../../protocol/ballot.ts";
import type { ServerMessage } from "../../protocol/client-messages.ts";
import type { PeerMessage } from "../../protocol/messages.ts";
import type { DurableState, SnapshotInfo, StorageRecord } from "../../protocol/storage.ts";
import type { NodeId, View } from "../../protocol/view.ts";
import type { CoreEvent, Effect } from "../../rsm/events.ts";
import { identityKey } from "./disk-model.ts";
import { DataFacts, Facts, type NodeFacts } from "./facts.ts";
import type { CoreEye, Rule, Watcher } from "./observer.ts";
import { recover } from "./recovery.ts";
import { RULES } from "./rules.ts";

/** A rule that was broken. */
export interface Violation {
  readonly rule: number;
  readonly statement: string;
  readonly text: string;
}

export class Ledger {
  readonly facts: Facts = new Facts();
  readonly #watchers: readonly Watcher[];
  readonly #found: (violation: Violation) => void;
  readonly #rules: readonly Rule[];

  constructor(found: (violation: Violation) => void, rules: readonly Rule[] = RULES) {
    this.#found = found;
    this.#rules = rules;
    this.#watchers = rules.map((rule) => rule.watch(this.facts, (text) => this.violated(rule.number, text)));
  }

  /** Also for checkers that see clients instead of nodes. */
  violated(number: number, text: string): void {
    const statement = this.#rules.find((rule) => rule.number === number)?.statement ?? "";
    this.#found({ rule: number, statement, text });
  }

  started(id: NodeId, life: number): void {
    const node = this.facts.node(id);
    node.life = life;
    node.alive = true;
    node.core = undefined;
    for (const watcher of this.#watchers) watcher.started?.(node);
  }

  died(id: NodeId): void {
    const node = this.facts.node(id);
    node.alive = false;
    node.core = undefined;
  }

  recovered(id: NodeId, state: DurableState): void {
    const node = this.facts.node(id);
    const mismatch = recover(this.facts, node, state);
    if (mismatch !== undefined) this.violated(11, mismatch);
    this.#learnIdentity(node);
    for (const watcher of this.#watchers) watcher.recovered?.(node, state);
    // A write that was never called done may have reached the disk all the same.
    const { view, accepted } = state;
    if (view !== undefined) this.#viewDurable(view);
    if (accepted !== undefined) this.#accepted(node, (view?.vid ?? 0) + 1, accepted);
  }

  written(id: NodeId, records: readonly StorageRecord[]): void {
    const node = this.facts.node(id);
    for (const record of records) node.data.written.apply(record, this.facts.chainOf);
    node.data.pending.push(records);
    this.#learnIdentity(node);
    for (const watcher of this.#watchers) watcher.written?.(node, records);
  }

  durable(id: NodeId): void {
    const node = this.facts.node(id);
    const records = node.data.pending.shift();
    if (records === undefined) throw new Error("a write is done that nobody began");
    for (const record of records) node.data.durable.apply(record, this.facts.chainOf);
    for (const watcher of this.#watchers) watcher.durable?.(node, records);
    for (const record of records) {
      if (record.kind === "view") this.#viewDurable(record.view);
      if (record.kind === "accepted") this.#accepted(node, record.instance, record.accepted);
    }
  }

  snapshotBegun(id: NodeId, snapshot: SnapshotInfo): void {
    this.facts.node(id).data.pendingSnapshot = snapshot;
  }

  snapshotDurable(id: NodeId, snapshot: SnapshotInfo): void {
    const { data } = this.facts.node(id);
    data.pendingSnapshot = undefined;
    data.durable.installed(snapshot, this.facts.chainOf);
    data.written.installed(snapshot, this.facts.chainOf);
  }

  /** The node has no data any more: a fault took it, or it set it aside. */
  newData(id: NodeId, data: DataFacts, reason: string): void {
    const node = this.facts.node(id);
    node.data.ruined ??= reason;
    node.data = data;
  }

  /** A running node sets its data aside because it lacks what it must hold: only a fault can have taken that. */
  setAside(id: NodeId, reason: string): void {
    if (this.facts.node(id).data.ruined === undefined)
      this.violated(11, `${id} sets its data aside without need: ${reason}`);
    this.newData(id, new DataFacts(), `set aside: ${reason}`);
  }

  stepped(id: NodeId, core: CoreEye, event: CoreEvent, effects: readonly Effect[]): void {
    const node = this.facts.node(id);
    node.core = core;
    this.#activations(node, core, effects);
    this.#commits(node, core);
    for (const watcher of this.#watchers) watcher.stepped?.(node, core, event, effects);
    for (const effect of effects)
      if (effect.type === "answer") this.#answered(node, core, effect.client, effect.message);
  }

  sent(from: NodeId, to: NodeId, message: PeerMessage): void {
    const node = this.facts.node(from);
    for (const watcher of this.#watchers) watcher.sent?.(node, to, message);
  }

  ended(): void {
    for (const watcher of this.#watchers) watcher.ended?.();
  }

  #answered(node: NodeFacts, core: CoreEye, client: number, message: ServerMessage): void {
    for (const watcher of this.#watchers) watcher.answered?.(node, core, client, message);
  }

  #learnIdentity(node: NodeFacts): void {
    const identity = node.identity;
    if (identity !== undefined) this.facts.dataOf.set(identityKey(identity), node.data);
  }

  /** View 1 is made, not chosen. */
  #viewDurable(view: View): void {
    if (view.vid === 1) this.#chosen(view);
  }

  #accepted(node: NodeFacts, instance: number, { ballot, value }: AcceptedValue): void {
    const view = this.facts.accept(node, instance, ballot, value);
    if (view !== undefined) this.#chosen(view);
  }

  #chosen(view: View): void {
    if (!this.facts.choose(view)) return;
    for (const watcher of this.#watchers) watcher.chosen?.(view);
  }

  #activations(node: NodeFacts, core: CoreEye, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type !== "happened" || effect.what.event !== "active" || core.view === undefined) continue;
      for (const watcher of this.#watchers) watcher.activated?.(node, core.view);
      const { vid } = effect.what;
      if (!this.facts.activations.has(vid))
        this.facts.activations.set(vid, { id: node.id, life: node.life, through: core.commit });
      this.facts.newestActive = Math.max(this.facts.newestActive, vid);
    }
  }

  /** Only a primary commits first. */
  #commits(node: NodeFacts, core: CoreEye): void {
    const from = this.facts.committedThrough;
    if (core.commit <= from || core.role !== "primary" || core.view === undefined) return;
    for (let seqno = from + 1; seqno <= core.commit; seqno++) {
      const entry = core.log.entry(seqno);
      if (entry === undefined) throw new Error(`${node.id} commits ${seqno}, which its log does not have`);
      this.facts.commit(entry, core.view.vid);
    }
    for (const watcher of this.#watchers) watcher.committed?.(node, core.view, from, core.commit);
  }
}
