/**
 * A small deterministic world for the core alone: nodes, a network that keeps order unless it is told to make trouble,
 * disks that complete after a moment, and a virtual clock. The published simulator is the adversarial one; this one is
 * for stories.
 * @module
 */
import type { ClientMessage, ServerMessage } from "../../src/protocol/client-messages.ts";
import type { PeerMessage } from "../../src/protocol/messages.ts";
import { CORE_DEFAULTS, type CoreOptions } from "../../src/protocol/options.ts";
import type { SeededRandom } from "../../src/protocol/random.ts";
import type { StorageRecord } from "../../src/protocol/storage.ts";
import { type Identity, type Member, sameViewstamp, type Viewstamp } from "../../src/protocol/view.ts";
import { refuseData } from "../../src/replica/data-versions.ts";
import { Core } from "../../src/rsm/core.ts";
import type { CoreEvent, Effect, Happening } from "../../src/rsm/events.ts";
import { ReplicatedState } from "../../src/rsm/state.ts";
import { Disk } from "./disk.ts";
import { Promises } from "./promises.ts";
import { type Tally, tally } from "./tally.ts";

export { Disk, tally };

export interface SimNode {
  readonly member: Member;
  readonly disk: Disk;
  core: Core;
  machine: Tally;
  up: boolean;
  life: number;
  written: number;
  pending: { effect: Effect; after: number }[];
  /** Given to the disk and not yet on it, oldest first. */
  readonly writing: { write: number; records: readonly StorageRecord[] }[];
  writtenAt: number;
  saving: Viewstamp | undefined;
  receiving: Uint8Array[];
  readonly happened: Happening[];
  readonly answers: ServerMessage[];
  halted: Error | undefined;
  stopped: boolean;
}

interface Event {
  readonly at: number;
  readonly run: () => void;
}

/** By node: the versions that its program can run. */
export type Programs = Readonly<Record<string, readonly number[]>>;

export type Drop = (from: string, to: string, message: PeerMessage) => boolean;

/** Called before each event: it may `feed` the node others first, or say `true` to keep this one from it. */
export type Intercept = (id: string, event: CoreEvent) => boolean;

/** What the world does to everything beyond `drop`; chances are in [0, 1). */
export interface Trouble {
  readonly random: SeededRandom;
  /** A message is lost. */
  loss: number;
  /** A message comes twice. */
  duplicate: number;
  /** A message takes up to this much longer, so that later ones overtake it. */
  delayMs: number;
  /** A write takes up to this much longer. */
  diskMs: number;
  /** A turn does not end with its event but takes in others. */
  batching: number;
}

export class World {
  now = 1000;
  readonly nodes: Map<string, SimNode> = new Map();
  /** Messages for which this says true are lost. */
  drop: Drop = () => false;
  intercept: Intercept = () => false;
  /** Called around each step. */
  watch: (id: string, core: Core, step: () => readonly Effect[]) => void = (_id, _core, step) => step();
  /** How long until a node that has more to execute goes on. */
  sliceMs = 0.1;
  /** The versions that a node's program can run from its next start on; version 1 if it is not here. */
  readonly programs: Map<string, readonly number[]> = new Map();
  /** Migrations to versions above this one fail. */
  broken: number = Number.POSITIVE_INFINITY;
  /** With it a killed node's last write may also be torn between two records. */
  trouble: Trouble | undefined;
  readonly sent: { from: string; to: string; message: PeerMessage }[] = [];
  readonly #promises: Promises = new Promises();
  readonly #options: CoreOptions;
  readonly #cluster: readonly { id: string; url: string }[];
  /** In the order of their times; of those at one time, as they were made. */
  readonly #queue: Event[] = [];

  readonly #seed: number;

  constructor(ids: readonly string[], options: Partial<CoreOptions> = {}, seed = 7, programs: Programs = {}) {
    this.#seed = seed;
    for (const [id, versions] of Object.entries(programs)) this.programs.set(id, versions);
    this.#options = { ...CORE_DEFAULTS, minCopies: Math.min(2, ids.length), ...options };
    this.#cluster = ids.map((id) => ({ id, url: `memory://${id}` }));
    for (const id of ids) this.add(id);
  }

  add(id: string, incarnation = `${id}1`): SimNode {
    const disk = new Disk();
    disk.write({ kind: "identity", incarnation, clusterId: undefined });
    return this.#boot({ id, incarnation, url: `memory://${id}` }, disk, true);
  }

  node(id: string): SimNode {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  kill(id: string): void {
    const node = this.node(id);
    node.up = false;
    node.life++;
    this.#tear(node);
    for (const other of this.nodes.values()) {
      if (other === node || !other.up) continue;
      this.#step(other, { type: "heardDown", id });
      this.#step(other, { type: "linkDown", id, refused: true });
    }
  }

  restart(id: string): void {
    const { member, disk } = this.node(id);
    this.#boot(member, disk, disk.view === undefined);
  }

  wipe(id: string, incarnation: string): void {
    this.nodes.delete(id);
    this.add(id, incarnation);
  }

  client(id: string, message: ClientMessage, client = 1): void {
    this.#step(this.node(id), { type: "client", client, message });
  }

  /** One event and the end of its turn. */
  step(id: string, event: CoreEvent): void {
    this.#step(this.node(id), event);
  }

  /** One event of a turn that goes on: the next `step`, or a `turn` given here, ends it. */
  feed(id: string, event: CoreEvent): void {
    this.#feed(this.node(id), event);
  }

  run(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const next = this.#queue[0];
      if (next === undefined || next.at > end) break;
      this.#queue.shift();
      this.now = Math.max(this.now, next.at);
      next.run();
    }
    this.now = end;
  }

  /** Runs until the condition holds, or fails after `ms`. */
  until(what: string, condition: () => boolean, ms = 2000): void {
    const end = this.now + ms;
    while (!condition()) {
      if (this.now >= end) throw new Error(`not within ${ms} ms: ${what}`);
      this.run(5);
    }
  }

  members(id: string): string {
    const { view } = this.node(id).core;
    return view === undefined ? "" : view.members.map((member) => member.id).join("");
  }

  #boot(member: Member, disk: Disk, mayFound: boolean): SimNode {
    const machine = tally(this.programs.get(member.id), this.broken);
    const refusal = refuseData(
      machine.able,
      disk.state(),
      disk.state().entries.filter(({ kind }) => kind === "upgrade"),
    );
    if (refusal !== undefined) throw refusal;
    const state = new ReplicatedState(machine);
    if (disk.snapshot !== undefined) {
      const restoration = state.restore(disk.snapshot.at);
      for (const chunk of disk.snapshot.chunks) restoration.chunk(chunk);
      restoration.finish();
    }
    const before = this.nodes.get(member.id);
    const core = new Core({
      self: member,
      cluster: this.#cluster,
      options: this.#options,
      durable: disk.state(),
      state,
      seed: this.nodes.size + this.#seed,
      now: this.now,
      runtime: "test",
      mayFound,
      sliceEntries: 16,
    });
    const node: SimNode = {
      member,
      disk,
      core,
      machine,
      up: true,
      life: (before?.life ?? 0) + 1,
      written: 0,
      pending: [],
      writing: [],
      writtenAt: 0,
      saving: undefined,
      receiving: [],
      happened: [],
      answers: [],
      halted: undefined,
      stopped: false,
    };
    this.nodes.set(member.id, node);
    for (const other of this.nodes.values()) if (other !== node && other.up) this.#connect(node, other);
    this.#tick(node, node.life);
    return node;
  }

  #connect(a: SimNode, b: SimNode): void {
    for (const [one, two] of [
      [a, b],
      [b, a],
    ] as const) {
      this.#later(1, () => this.#step(one, { type: "heardUp", peer: two.member }), one);
      this.#later(1, () => this.#step(one, { type: "linkUp", peer: two.member }), one);
    }
  }

  #tick(node: SimNode, life: number): void {
    this.#later(node.core.tickMs, () => {
      if (node.life !== life || !node.up) return;
      this.#step(node, { type: "tick" });
      this.#tick(node, life);
    });
  }

  #step(node: SimNode, event: CoreEvent): void {
    if (!node.up || this.intercept(node.member.id, event)) return;
    this.#feed(node, event);
    if (event.type === "turn") return;
    const { trouble } = this;
    if (trouble === undefined || trouble.random.next() >= trouble.batching) this.#feed(node, { type: "turn" });
    else this.#later(trouble.random.next() * 2, () => this.#feed(node, { type: "turn" }), node);
  }

  #feed(node: SimNode, event: CoreEvent): void {
    if (!node.up) return;
    let effects: readonly Effect[] = [];
    this.watch(node.member.id, node.core, () => {
      effects = node.core.step(event, this.now);
      return effects;
    });
    for (const effect of effects) this.#perform(node, effect);
  }

  #perform(node: SimNode, effect: Effect): void {
    switch (effect.type) {
      case "write": {
        node.writing.push(effect);
        const ms = 2 + (this.trouble === undefined ? 0 : this.trouble.random.next() * this.trouble.diskMs);
        node.writtenAt = Math.max(node.writtenAt, this.now + ms);
        this.#later(node.writtenAt - this.now, () => this.#written(node), node);
        return;
      }
      case "send":
      case "answer":
        if (effect.after > node.written) node.pending.push({ effect, after: effect.after });
        else this.#deliver(node, effect);
        return;
      case "happened":
        node.happened.push(effect.what);
        return;
      case "halt":
        node.halted = effect.error;
        node.up = false;
        return;
      case "stopped":
        node.stopped = true;
        return;
      case "saveSnapshot": {
        node.saving = effect.at;
        this.#later(5, () => this.#save(node, effect.at, effect.chunks), node);
        return;
      }
      case "readChunk": {
        const { to, at, index } = effect;
        const { snapshot } = node.disk;
        const bytes = snapshot !== undefined && sameViewstamp(snapshot.at, at) ? snapshot.chunks[index] : undefined;
        this.#later(1, () => this.#step(node, { type: "chunkRead", to, at, index, bytes }), node);
        return;
      }
      case "receiveSnapshot":
        node.saving = undefined;
        node.receiving = [];
        return;
      case "storeChunk": {
        const { at, index, bytes } = effect;
        node.receiving[index] = bytes;
        this.#later(1, () => this.#step(node, { type: "chunkStored", at, index }), node);
        return;
      }
      case "installSnapshot": {
        const { at } = effect;
        const chunks = node.receiving;
        this.#later(
          1,
          () => {
            node.disk.snapshot = { at, chunks };
            this.#step(node, { type: "snapshotInstalled", snapshot: { at, chunks: chunks.length } });
          },
          node,
        );
        return;
      }
      case "continue":
        this.#later(this.sliceMs, () => this.#step(node, { type: "continue" }), node);
        return;
      case "announce":
      case "peers":
        return;
      case "setAside":
        node.halted = new Error(effect.reason);
        node.up = false;
    }
  }

  #written(node: SimNode): void {
    const done = node.writing.shift();
    if (done === undefined) return;
    for (const record of done.records) node.disk.write(record);
    node.written = done.write;
    this.#step(node, { type: "durable", write: done.write });
    const ready = node.pending.filter((held) => held.after <= node.written);
    node.pending = node.pending.filter((held) => held.after > node.written);
    for (const held of ready) this.#deliver(node, held.effect);
  }

  /** A crash leaves a prefix of the stream of records. */
  #tear(node: SimNode): void {
    const records = node.writing.splice(0).flatMap((write) => write.records);
    const kept = this.trouble === undefined ? 0 : Math.floor(this.trouble.random.next() * (records.length + 1));
    for (const record of records.slice(0, kept)) node.disk.write(record);
  }

  /** Only now is the iterator drained: what it gives must not have changed since it was made. */
  #save(node: SimNode, at: Viewstamp, from: Iterator<Uint8Array>): void {
    if (node.saving !== at) return;
    node.saving = undefined;
    const chunks: Uint8Array[] = [];
    for (let next = from.next(); next.done !== true; next = from.next()) chunks.push(next.value);
    node.disk.snapshot = { at, chunks };
    this.#step(node, { type: "snapshotSaved", snapshot: { at, chunks: chunks.length }, pauseMs: 0 });
  }

  #deliver(node: SimNode, effect: Effect): void {
    if (effect.type === "answer") node.answers.push(effect.message);
    if (effect.type !== "send") return;
    const { to, message } = effect;
    const target = this.nodes.get(to);
    const fault = this.#promises.fault(node.member, node.disk, message);
    if (fault !== undefined) throw new Error(`${node.member.id} sends ${message.type} to ${to}, but ${fault}`);
    this.sent.push({ from: node.member.id, to, message });
    if (target === undefined || !target.up || this.drop(node.member.id, to, message)) return;
    const { trouble } = this;
    if (trouble === undefined) return this.#carry(node, target, message, 1);
    if (trouble.random.next() < trouble.loss) return;
    const copies = trouble.random.next() < trouble.duplicate ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      this.#carry(node, target, message, 1 + trouble.random.next() * trouble.delayMs);
    }
  }

  #carry(node: SimNode, target: SimNode, message: PeerMessage, ms: number): void {
    const from: Identity = node.member;
    const deliver = (): void => {
      // Messages belong to a connection: what an older one still delivers is thrown away.
      if (this.nodes.get(from.id) === node) this.#step(target, { type: "message", from, message });
    };
    this.#later(ms, deliver, target);
  }

  #later(ms: number, run: () => void, owner?: SimNode): void {
    const life = owner?.life;
    const at = this.now + ms;
    let place = this.#queue.length;
    while (place > 0 && (this.#queue[place - 1] as Event).at > at) place--;
    this.#queue.splice(place, 0, {
      at,
      run: () => {
        if (owner === undefined || (owner.life === life && owner.up)) run();
      },
    });
  }
}
