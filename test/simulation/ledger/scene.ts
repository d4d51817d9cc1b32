/**
 * A ledger that is told a made-up story: nodes a, b, c … whose disks, messages and steps the test invents, and what the
 * ledger finds in it.
 */

import type { Ballot } from "../../../src/protocol/ballot.ts";
import type { ClientMessage, ServerMessage } from "../../../src/protocol/client-messages.ts";
import type { Entry } from "../../../src/protocol/entry.ts";
import { makeEntry } from "../../../src/protocol/entry-codec.ts";
import type { PeerMessage } from "../../../src/protocol/messages.ts";
import type { DurableState, StorageRecord } from "../../../src/protocol/storage.ts";
import { type NodeId, ORIGIN, type View, type Viewstamp } from "../../../src/protocol/view.ts";
import type { CoreEvent, Effect } from "../../../src/rsm/events.ts";
import { Ledger, type LedgerOptions } from "../../../src/simulator/ledger/ledger.ts";
import type { CoreEye, StateEye } from "../../../src/simulator/ledger/observer.ts";
import { viewOf } from "../../config/views.ts";

export const EMPTY_DISK: DurableState = {
  identity: undefined,
  machines: undefined,
  setAside: undefined,
  view: undefined,
  promised: undefined,
  accepted: undefined,
  level: undefined,
  snapshot: undefined,
  base: ORIGIN,
  entries: [],
};

const NO_BYTES = new Uint8Array(0);

/** A command of session 1.1 in these tests, unless they say otherwise. */
export function entry(vid: number, seqno: number, more: Partial<Entry> = {}): Entry {
  const session = { vid: 1, seqno: 1 };
  const fields = { kind: "command", time: 0, session, number: seqno, acknowledgedThrough: 0, body: NO_BYTES } as const;
  return makeEntry({ ...fields, vid, seqno, ...more });
}

export function ballot(round: number, node: NodeId): Ballot {
  return { round, node };
}

export class FakeCore implements CoreEye {
  view: View | undefined;
  role: CoreEye["role"] = "backup";
  activeVid: number | undefined;
  config: CoreEye["config"];
  commit = 0;
  applied = 0;
  base: Viewstamp = ORIGIN;
  entries: Entry[] = [];
  state: StateEye = stateOf(7);

  get log(): CoreEye["log"] {
    const { base, entries } = this;
    return {
      base,
      end: base.seqno + entries.length,
      entry: (seqno) => {
        const found = entries[seqno - base.seqno - 1];
        if (found === undefined) throw new Error(`the log holds no entry ${seqno}`);
        return found;
      },
    };
  }
}

/** A state of which only the hash is of interest, and what is outstanding for anybody. */
export function stateOf(hash: number, outstanding: readonly Uint8Array[] = [], bytes: Uint8Array = NO_BYTES): StateEye {
  return {
    hash,
    time: 0,
    sessions: Object.assign([], { size: 0 }),
    query: () => NO_BYTES,
    machine: { versions: [], able: [], nextDeadline: () => undefined, outstanding: () => outstanding },
    snapshot: () => [bytes][Symbol.iterator](),
  };
}

const TICK: CoreEvent = { type: "tick" };

export class Scene {
  readonly ledger: Ledger;
  readonly texts: string[] = [];
  readonly #rules: number[] = [];
  readonly #cores: Map<NodeId, FakeCore> = new Map();
  #lives = 0;
  #rounds = 0;

  constructor(options: LedgerOptions = {}) {
    this.ledger = new Ledger(({ rule, text }) => {
      this.#rules.push(rule);
      this.texts.push(`rule ${rule}: ${text}`);
    }, options);
  }

  /** The rules that were broken, each once, in order. */
  get broken(): number[] {
    return [...new Set(this.#rules)].sort((a, b) => a - b);
  }

  /** A cluster with view 1, in which the first is primary: `"a* b c"`. */
  static of(text: string, options: LedgerOptions = {}): Scene {
    const scene = new Scene(options);
    const view = viewOf(text, 1);
    const all = view.acceptors;
    for (const { id, incarnation } of all) {
      scene.start(id);
      scene.keep(id, { kind: "identity", incarnation, clusterId: "c" });
    }
    scene.adopt(all.map(({ id }) => id).join(""), view);
    scene.lead(view.primary);
    return scene;
  }

  start(id: NodeId, state: DurableState = EMPTY_DISK): void {
    this.#cores.delete(id);
    this.ledger.started(id, ++this.#lives);
    this.ledger.recovered(id, state);
  }

  /** The node is killed, and starts again with what its disk holds. */
  restart(id: NodeId, changes: Partial<DurableState> = {}): void {
    this.ledger.died(id);
    this.start(id, { ...this.disk(id), ...changes });
  }

  disk(id: NodeId): DurableState {
    const { durable } = this.ledger.facts.node(id).data;
    const instance = durable.vid + 1;
    return {
      ...EMPTY_DISK,
      identity: durable.identity,
      view: durable.view,
      promised: durable.promisedIn(instance),
      accepted: durable.acceptedIn(instance),
      level: durable.binding,
      snapshot: durable.snapshot,
      base: durable.log.base,
      entries: this.core(id).entries,
    };
  }

  core(id: NodeId): FakeCore {
    let core = this.#cores.get(id);
    if (core === undefined) this.#cores.set(id, (core = new FakeCore()));
    return core;
  }

  /** Gives records to the disk of a node. */
  write(id: NodeId, ...records: StorageRecord[]): void {
    this.ledger.written(id, records);
  }

  /** And they are durable. */
  keep(id: NodeId, ...records: StorageRecord[]): void {
    this.write(id, ...records);
    this.ledger.durable(id);
  }

  send(from: NodeId, to: NodeId, message: PeerMessage): void {
    this.ledger.sent(from, to, message);
  }

  step(id: NodeId, changes: Partial<FakeCore> = {}, event: CoreEvent = TICK, effects: readonly Effect[] = []): void {
    const core = this.core(id);
    Object.assign(core, changes);
    this.ledger.stepped(id, core, event, effects);
  }

  /** A client asks, and everybody confirms the primary's view afterwards. */
  ask(id: NodeId, message: ClientMessage): void {
    this.askOnly(id, message);
    this.confirm(id, this.nextRound());
  }

  askOnly(id: NodeId, message: ClientMessage): void {
    this.step(id, {}, { type: "client", client: 1, message });
  }

  nextRound(): number {
    return ++this.#rounds;
  }

  confirm(primary: NodeId, round: number): void {
    const { view } = this.core(primary);
    for (const { id } of view?.acceptors ?? []) {
      const vid = view?.vid ?? 0;
      if (id === primary) continue;
      this.send(primary, id, { type: "confirm", vid, round });
      this.send(id, primary, { type: "confirmed", vid, round, accepted: false });
    }
  }

  answer(id: NodeId, ...messages: ServerMessage[]): void {
    const effects = messages.map((message): Effect => ({ type: "answer", client: 1, message, after: 0 }));
    this.step(id, {}, TICK, effects);
  }

  /** The same entries, durable on each of these. */
  append(ids: string, ...entries: Entry[]): void {
    for (const id of ids) {
      this.keep(id, { kind: "append", entries });
      const core = this.core(id);
      core.entries = [...core.entries, ...entries];
    }
  }

  /** The primary commits, and says so. */
  commit(primary: NodeId, through: number): void {
    this.step(primary, { commit: through, applied: through });
  }

  /** A promise that is on the disk of its acceptor leaves for the proposer. */
  promise(from: NodeId, instance: number, to: Ballot, accepted?: Ballot): void {
    const held = this.ledger.facts.node(from).data.durable.acceptedIn(instance);
    const value = accepted === undefined ? undefined : (held?.value ?? viewOf("a*", instance));
    this.keep(from, { kind: "promised", instance, ballot: to });
    const report = accepted === undefined || value === undefined ? undefined : { ballot: accepted, value };
    if (from !== to.node) this.send(from, to.node, { type: "promise", instance, ballot: to, accepted: report });
  }

  accept(id: NodeId, under: Ballot, value: View): void {
    this.keep(id, { kind: "accepted", instance: value.vid, accepted: { ballot: under, value } });
  }

  /** A view is chosen in good order: the proposer is named by the ballot, the voters accept. */
  choose(value: View, under: Ballot, voters: string): void {
    this.promise(under.node, value.vid, under);
    for (const id of voters) if (id !== under.node) this.promise(id, value.vid, under);
    this.accept(under.node, under, value);
    for (const id of voters) if (id !== under.node) this.accept(id, under, value);
  }

  /** Nodes learn a decided view. */
  adopt(ids: string, view: View): void {
    for (const id of ids) {
      this.keep(id, { kind: "view", view });
      this.core(id).view = view;
      this.core(id).role = view.primary === id ? "primary" : "backup";
    }
  }

  /** The primary speaks for the first time in its view. */
  lead(id: NodeId, start: number = this.core(id).log.end): void {
    const vid = this.core(id).view?.vid ?? 0;
    const message = { type: "heartbeat", vid, start, commit: 0, applied: 0, hash: 0, active: false, impaired: false };
    this.send(id, "*", message as PeerMessage);
  }

  activate(id: NodeId): void {
    const { view } = this.core(id);
    const vid = view?.vid ?? 0;
    this.step(id, { activeVid: vid }, TICK, [{ type: "happened", what: { event: "active", vid } }]);
  }
}
