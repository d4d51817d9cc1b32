/**
 * Sees everything that the nodes of a run do, keeps the facts, and asks every rule after every step.
 * @module
 */
import type { AcceptedValue } from "../../protocol/ballot.ts";
import type { Entry } from "../../protocol/entry.ts";
import type { MachineVersion, ReplicatedMachine } from "../../protocol/machine.ts";
import { sameVersions } from "../../protocol/machine-versions.ts";
import type { PeerMessage } from "../../protocol/messages.ts";
import type { DurableState, SnapshotInfo, StorageRecord } from "../../protocol/storage.ts";
import type { NodeId, View, Viewstamp } from "../../protocol/view.ts";
import type { CoreEvent, Effect } from "../../rsm/events.ts";
import { type AppliedEntry, ReplicatedState } from "../../rsm/state.ts";
import { digestOf } from "./chain.ts";
import { identityKey, viewKey } from "./disk-model.ts";
import { DataFacts, entryIn, Facts, type NodeFacts, type ViewOptions } from "./facts.ts";
import { type Moments, momentsOf } from "./moments.ts";
import type { ClientsEye, CoreEye, Rule, StateEye } from "./observer.ts";
import { follow, recoveryOf } from "./recovery.ts";
import { Replay } from "./replay.ts";
import { RULES } from "./rules.ts";

/** A rule that was broken. */
export interface Violation {
  readonly rule: number;
  readonly statement: string;
  readonly text: string;
}

/** All of it may be left out; what then cannot be seen is not looked at. */
export interface LedgerOptions {
  /** @default all fifteen */
  readonly rules?: readonly Rule[];
  /** A new machine like those of the nodes: the ledger executes what is committed, and compares. */
  readonly machine?: () => ReplicatedMachine;
  /** The options that all nodes share. */
  readonly options?: ViewOptions;
  readonly clients?: ClientsEye;
}

/** A copy of the state, as it was taken. */
export interface CopiedBytes {
  readonly at: Viewstamp;
  readonly machines: readonly MachineVersion[];
  readonly chunks: readonly Uint8Array[];
}

export class Ledger {
  readonly facts: Facts;
  readonly #moments: Moments;
  readonly #found: (violation: Violation) => void;
  readonly #rules: readonly Rule[];
  readonly #machine: (() => ReplicatedMachine) | undefined;

  constructor(found: (violation: Violation) => void, options: LedgerOptions = {}) {
    const { rules = RULES, machine, clients } = options;
    this.#found = found;
    this.#rules = rules;
    this.#machine = machine;
    this.facts = new Facts(options.options, clients);
    this.#moments = momentsOf(rules.map((rule) => rule.watch(this.facts, (text) => this.violated(rule.number, text))));
  }

  /** Also for checkers that see clients instead of nodes. */
  violated(number: number, text: string): void {
    const statement = this.#rules.find((rule) => rule.number === number)?.statement ?? "";
    this.#found({ rule: number, statement, text });
  }

  /** Asks the state after all that is committed. */
  ask(machine: string, query: string, input: unknown): unknown {
    return this.#replay()?.ask(machine, query, input);
  }

  started(id: NodeId, life: number): void {
    const node = this.facts.node(id);
    node.life = life;
    node.alive = true;
    node.core = undefined;
    node.position = undefined;
    for (const look of this.#moments.started) look(node);
  }

  died(id: NodeId): void {
    const node = this.facts.node(id);
    node.alive = false;
    node.core = undefined;
  }

  recovered(id: NodeId, state: DurableState): void {
    const node = this.facts.node(id);
    const recovery = recoveryOf(this.facts, node, state);
    for (const look of this.#moments.recovering) look(node, state, recovery);
    follow(node, recovery);
    this.#learnIdentity(node);
    for (const look of this.#moments.recovered) look(node, state);
    // A write that was never called done may have reached the disk all the same.
    const { view, accepted } = state;
    if (view !== undefined) this.#viewDurable(view);
    if (accepted !== undefined) this.#accepted(node, (view?.vid ?? 0) + 1, accepted);
  }

  written(id: NodeId, records: readonly StorageRecord[]): void {
    const node = this.facts.node(id);
    for (const record of records) {
      for (const look of this.#moments.writing) look(node, record);
      if (record.kind === "accepted") this.#proposed(record.instance, record.accepted);
      node.data.written.apply(record, this.facts.chainOf);
      if (record.kind === "identity") this.#learnIdentity(node);
    }
    node.data.pending.push(records);
  }

  durable(id: NodeId): void {
    const node = this.facts.node(id);
    const records = node.data.pending.shift();
    if (records === undefined) throw new Error("a write is done that nobody began");
    for (const record of records) node.data.durable.apply(record, this.facts.chainOf);
    for (const look of this.#moments.durable) look(node, records);
    for (const record of records) {
      if (record.kind === "view") this.#viewDurable(record.view);
      if (record.kind === "accepted") this.#accepted(node, record.instance, record.accepted);
    }
  }

  /** All chunks have been given to the storage; `digest` is of them. */
  snapshotBegun(id: NodeId, snapshot: SnapshotInfo, digest?: number): void {
    const node = this.facts.node(id);
    node.data.pendingSnapshot = snapshot;
    for (const look of this.#moments.snapshot) look(node, snapshot, digest);
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
    this.#giveUpFirstView();
  }

  /** A running node sets its data aside because it lacks what it must hold. */
  setAside(id: NodeId, reason: string): void {
    for (const look of this.#moments.settingAside) look(this.facts.node(id), reason);
    this.newData(id, new DataFacts(), `set aside: ${reason}`);
  }

  /** A core has taken a step; its effects are performed next. */
  stepped(id: NodeId, core: CoreEye, event: CoreEvent, effects: readonly Effect[]): void {
    const node = this.facts.node(id);
    node.core = core;
    if (event.type === "client" && event.message.type === "change")
      this.facts.changesAsked.add(`${event.message.action} ${event.message.id}`);
    if (event.type === "client") for (const look of this.#moments.asked) look(node, core, event.client, event.message);
    else if (event.type === "clientGone") for (const look of this.#moments.gone) look(node, event.client);
    this.#commits(node, core);
    this.#moves(node, core, event);
    if (effects.length > 0) this.#effects(node, core, effects);
  }

  sent(from: NodeId, to: NodeId, message: PeerMessage): void {
    const { facts } = this;
    const node = facts.node(from);
    if (message.type === "invoke" || message.type === "heartbeat") facts.lead(node, message.vid, message.start);
    else if (message.type === "promise") facts.promised(node, message);
    else if (message.type === "accept") this.#proposed(message.instance, message);
    else if (message.type === "confirm") facts.confirmations.asked(from, message.vid, message.round);
    else if (message.type === "confirmed" && !message.accepted)
      facts.confirmations.confirmed(node, to, message.vid, message.round);
    for (const look of this.#moments.sent) look(node, to, message);
  }

  /** A client acts under a lock, and believes that it may. */
  acts(client: number, lock: string, token: bigint): void {
    for (const look of this.#moments.acts) look(client, lock, token);
  }

  /** A client makes a call, and takes its session for alive. */
  relies(client: number, session: string): void {
    for (const look of this.#moments.relies) look(client, session);
  }

  /** Somebody has a whole copy of the state, asked for when so much was committed; gives the state that it restores to. */
  copied({ at, machines, chunks }: CopiedBytes, askedThrough: number): StateEye | undefined {
    if (this.#machine === undefined) return undefined;
    const state = new ReplicatedState(this.#machine());
    try {
      const restoration = state.restore(at);
      for (const chunk of chunks) restoration.chunk(chunk);
      restoration.finish();
    } catch (error) {
      this.violated(10, `a copy of the state at ${at.seqno} is none: ${String(error)}`);
      return undefined;
    }
    if (!sameVersions(machines, state.versions))
      this.violated(10, `a copy at ${at.seqno} is said to be of other machine versions than it is`);
    const copy = { at, askedThrough, digest: digestOf(chunks.values()), state };
    for (const look of this.#moments.copied) look(copy);
    return state;
  }

  ended(): void {
    for (const look of this.#moments.ended) look();
  }

  /** The proposer is the one whom the ballot names, whoever shows it first. */
  #proposed(instance: number, { ballot, value }: AcceptedValue): void {
    const proposal = this.facts.propose(instance, ballot, value);
    if (proposal === undefined) return;
    for (const look of this.#moments.proposed) look(this.facts.node(ballot.node), proposal);
  }

  #learnIdentity(node: NodeFacts): void {
    const { identity } = node;
    if (identity !== undefined) this.facts.dataOf.set(identityKey(identity), node.data);
  }

  /** View 1 is made, not chosen. */
  #viewDurable(view: View): void {
    if (view.vid === 1) this.#chosen(view);
  }

  /** A view 1 that nobody has heard of is gone with its founder's data: another is made. */
  #giveUpFirstView(): void {
    const { facts } = this;
    const isKnown = [...facts.nodes.values()].some(({ data }) => data.written.view !== undefined);
    if (facts.newestChosen === 1 && !isKnown) facts.unfound();
  }

  #accepted(node: NodeFacts, instance: number, { ballot, value }: AcceptedValue): void {
    const view = this.facts.accept(node, instance, ballot, value);
    if (view !== undefined) this.#chosen(view);
  }

  #chosen(view: View): void {
    const known = this.facts.chosen.get(view.vid);
    if (known === undefined) {
      this.facts.choose(view);
      for (const look of this.#moments.chosen) look(view);
    } else if (viewKey(known) !== viewKey(view)) {
      for (const look of this.#moments.alsoChosen) look(view);
    }
  }

  #activated(node: NodeFacts, core: CoreEye, view: View): void {
    for (const look of this.#moments.activated) look(node, core, view);
    const { activations, newestActive } = this.facts;
    if (!activations.has(view.vid)) activations.set(view.vid, { id: node.id, life: node.life, through: core.commit });
    this.facts.newestActive = Math.max(newestActive, view.vid);
  }

  /** Only a primary commits first. */
  #commits(node: NodeFacts, core: CoreEye): void {
    const { facts } = this;
    const from = facts.committedThrough;
    if (core.commit <= from || core.role !== "primary" || core.view === undefined) return;
    for (let seqno = from + 1; seqno <= core.commit; seqno++) {
      const entry = entryIn(core, seqno);
      if (entry === undefined) return this.violated(7, `${node.id} commits ${seqno}, which its log does not have`);
      facts.commit(entry, core.view.vid);
    }
    for (const look of this.#moments.committed) look(node, core.view, from, core.commit);
    for (let seqno = from + 1; seqno <= core.commit; seqno++) {
      const place = facts.committed(seqno);
      if (place !== undefined) this.#execute(place.entry);
    }
  }

  #execute(entry: Entry): void {
    const result = this.#replayed(entry);
    if (result === undefined) return;
    const locks = this.facts.locks.take(entry, result);
    for (const look of this.#moments.applied) look(entry, result, locks);
  }

  #replayed(entry: Entry): AppliedEntry | undefined {
    const replay = this.#replay();
    if (replay?.applied !== entry.seqno - 1) return undefined;
    try {
      return replay.apply(entry);
    } catch (error) {
      this.violated(10, `a full replay fails at ${entry.seqno}: ${String(error)}`);
      return undefined;
    }
  }

  #replay(): Replay | undefined {
    if (this.#machine === undefined) return undefined;
    this.facts.replay ??= new Replay(this.#machine(), this.#origin());
    return this.facts.replay;
  }

  /** The machine versions in which the log begins: all that know a view were told the same. */
  #origin(): readonly MachineVersion[] {
    const founded = [...this.facts.nodes.values()].find(({ data }) => data.durable.view !== undefined);
    return founded?.data.durable.machines?.origin ?? [];
  }

  #moves(node: NodeFacts, core: CoreEye, event: CoreEvent): void {
    const { view, activeVid, commit, applied, log } = core;
    const { end } = log;
    const base = log.base.seqno;
    const before = node.position;
    if (
      before !== undefined &&
      before.end === end &&
      before.commit === commit &&
      before.applied === applied &&
      before.view === view &&
      before.activeVid === activeVid &&
      before.base === base
    )
      return;
    node.position = { view, activeVid, commit, applied, base, end };
    for (const look of this.#moments.moved) look(node, core, before, event);
  }

  #effects(node: NodeFacts, core: CoreEye, effects: readonly Effect[]): void {
    let answers = 0;
    for (const effect of effects) {
      if (effect.type === "answer") {
        answers++;
        for (const look of this.#moments.answered) look(node, core, effect.client, effect.message);
      } else if (effect.type === "send") {
        const { message, to } = effect;
        if (message.type !== "invoked" && message.type !== "confirmed") continue;
        for (const look of this.#moments.says) look(node, core, to, message);
      } else if (effect.type === "write") {
        for (const record of effect.records) for (const look of this.#moments.records) look(node, core, record);
      } else if (effect.type === "saveSnapshot") {
        for (const look of this.#moments.saves) look(node, core, effect.at);
      } else if (effect.type === "happened" && effect.what.event === "active" && core.view !== undefined) {
        this.#activated(node, core, core.view);
      }
    }
    if (answers > 0) for (const look of this.#moments.answeredAll) look(node, core);
  }
}
