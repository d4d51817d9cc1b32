/**
 * A small deterministic world for the core alone: nodes, a network that keeps order, disks that complete after a
 * moment, and a virtual clock. The published simulator is the adversarial one; this one is for stories.
 */
import type { ClientMessage, ServerMessage } from "../../src/protocol/client-messages.ts";
import type { Entry } from "../../src/protocol/entry.ts";
import type { Applied, ReplicatedMachine } from "../../src/protocol/machine.ts";
import type { PeerMessage } from "../../src/protocol/messages.ts";
import { CORE_DEFAULTS, type CoreOptions } from "../../src/protocol/options.ts";
import type { DurableState, StorageRecord } from "../../src/protocol/storage.ts";
import { type Identity, type Member, ORIGIN, type Viewstamp } from "../../src/protocol/view.ts";
import { Core } from "../../src/rsm/core.ts";
import type { CoreEvent, Effect, Happening } from "../../src/rsm/events.ts";
import { ReplicatedState } from "../../src/rsm/state.ts";

/** A machine whose state is the list of commands it was given; the reply is how many there are. */
export function tally(): ReplicatedMachine & { readonly commands: string[] } {
  let commands: string[] = [];
  const text = new TextDecoder();
  const encode = (value: string): Uint8Array => new TextEncoder().encode(value);
  return {
    get commands() {
      return commands;
    },
    versions: [{ name: "tally", version: 1 }],
    apply: (command): Applied => {
      commands.push(text.decode(command));
      return { reply: encode(String(commands.length)), notices: [] };
    },
    query: () => encode(commands.join(",")),
    endSession: () => [],
    tick: () => [],
    nextDeadline: () => undefined,
    outstanding: () => [],
    snapshot: () => [encode(JSON.stringify(commands))].values(),
    restore: () => {
      let restored: string[] = [];
      return {
        chunk: (bytes) => {
          restored = JSON.parse(text.decode(bytes));
        },
        finish: () => {
          commands = restored;
        },
      };
    },
  };
}

/** What a disk remembers: records folded as the storage contract says. */
export class Disk {
  identity: DurableState["identity"];
  view: DurableState["view"];
  promised: DurableState["promised"];
  accepted: DurableState["accepted"];
  level: DurableState["level"];
  base: Viewstamp = ORIGIN;
  entries: Entry[] = [];
  snapshot: { at: Viewstamp; chunks: Uint8Array[] } | undefined;

  write(record: StorageRecord): void {
    switch (record.kind) {
      case "identity":
        this.identity = record;
        return;
      case "view":
        this.view = record.view;
        this.promised = undefined;
        this.accepted = undefined;
        return;
      case "promised":
        this.promised = record.ballot;
        return;
      case "accepted":
        this.promised = record.accepted.ballot;
        this.accepted = record.accepted;
        return;
      case "level":
        this.level = record;
        return;
      case "append":
        this.entries.push(...record.entries);
        return;
      case "truncate":
        this.entries = this.entries.filter((entry) => entry.seqno <= record.seqno);
        return;
      case "base":
        this.entries = this.#holds(record.at) ? this.entries.filter((entry) => entry.seqno > record.at.seqno) : [];
        this.base = record.at;
    }
  }

  state(): DurableState {
    const { identity, view, promised, accepted, level, base } = this;
    const snapshot = this.snapshot && { at: this.snapshot.at, chunks: this.snapshot.chunks.length };
    return {
      identity,
      setAside: undefined,
      view,
      promised,
      accepted,
      level,
      snapshot,
      base,
      entries: [...this.entries],
    };
  }

  #holds(at: Viewstamp): boolean {
    if (at.seqno === this.base.seqno) return at.vid === this.base.vid;
    return this.entries.some((entry) => entry.seqno === at.seqno && entry.vid === at.vid);
  }
}

export interface SimNode {
  readonly member: Member;
  readonly disk: Disk;
  core: Core;
  machine: ReturnType<typeof tally>;
  up: boolean;
  life: number;
  written: number;
  pending: { effect: Effect; after: number }[];
  readonly happened: Happening[];
  readonly answers: ServerMessage[];
  halted: Error | undefined;
  stopped: boolean;
}

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export type Drop = (from: string, to: string, message: PeerMessage) => boolean;

export class World {
  now = 1000;
  readonly nodes: Map<string, SimNode> = new Map();
  /** Messages for which this says true are lost. */
  drop: Drop = () => false;
  readonly sent: { from: string; to: string; message: PeerMessage }[] = [];
  readonly #options: CoreOptions;
  readonly #cluster: readonly { id: string; url: string }[];
  #queue: Event[] = [];
  #order = 0;

  constructor(ids: readonly string[], options: Partial<CoreOptions> = {}) {
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

  client(id: string, message: ClientMessage): void {
    this.#step(this.node(id), { type: "client", client: 1, message });
  }

  step(id: string, event: CoreEvent): void {
    this.#step(this.node(id), event);
  }

  run(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      this.#queue.sort((a, b) => a.at - b.at || a.order - b.order);
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
    const machine = tally();
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
      seed: this.nodes.size + 7,
      now: this.now,
      runtime: "test",
      mayFound,
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
    if (!node.up) return;
    for (const effect of node.core.step(event, this.now)) this.#perform(node, effect);
    if (event.type !== "turn") {
      for (const effect of node.core.step({ type: "turn" }, this.now)) this.#perform(node, effect);
    }
  }

  #perform(node: SimNode, effect: Effect): void {
    switch (effect.type) {
      case "write":
        this.#later(
          2,
          () => {
            for (const record of effect.records) node.disk.write(record);
            node.written = effect.write;
            this.#step(node, { type: "durable", write: effect.write });
            const ready = node.pending.filter((held) => held.after <= node.written);
            node.pending = node.pending.filter((held) => held.after > node.written);
            for (const held of ready) this.#deliver(node, held.effect);
          },
          node,
        );
        return;
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
        const chunks: Uint8Array[] = [];
        for (let next = effect.chunks.next(); next.done !== true; next = effect.chunks.next()) chunks.push(next.value);
        this.#later(
          5,
          () => {
            node.disk.snapshot = { at: effect.at, chunks };
            const snapshot = { at: effect.at, chunks: chunks.length };
            this.#step(node, { type: "snapshotSaved", snapshot, pauseMs: 0 });
          },
          node,
        );
        return;
      }
      case "readChunk": {
        const { to, at, index } = effect;
        const bytes = node.disk.snapshot?.chunks[index];
        this.#later(1, () => this.#step(node, { type: "chunkRead", to, at, index, bytes }), node);
        return;
      }
      case "storeChunk": {
        const { at, index, bytes } = effect;
        const chunks = this.#receiving.get(node) ?? [];
        chunks[index] = bytes;
        this.#receiving.set(node, chunks);
        this.#later(1, () => this.#step(node, { type: "chunkStored", at, index }), node);
        return;
      }
      case "installSnapshot": {
        const { at } = effect;
        const chunks = this.#receiving.get(node) ?? [];
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
      case "announce":
      case "peers":
      case "receiveSnapshot":
        return;
      case "setAside":
        node.halted = new Error(effect.reason);
        node.up = false;
    }
  }

  readonly #receiving: Map<SimNode, Uint8Array[]> = new Map();

  #deliver(node: SimNode, effect: Effect): void {
    if (effect.type === "answer") node.answers.push(effect.message);
    if (effect.type !== "send") return;
    const { to, message } = effect;
    const target = this.nodes.get(to);
    this.sent.push({ from: node.member.id, to, message });
    if (target === undefined || !target.up || this.drop(node.member.id, to, message)) return;
    const from: Identity = node.member;
    this.#later(1, () => this.#step(target, { type: "message", from, message }), target);
  }

  #later(ms: number, run: () => void, owner?: SimNode): void {
    const life = owner?.life;
    this.#order++;
    this.#queue.push({
      at: this.now + ms,
      order: this.#order,
      run: () => {
        if (owner !== undefined && (owner.life !== life || !owner.up)) return;
        run();
      },
    });
  }
}
