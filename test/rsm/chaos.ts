/**
 * One seeded run of trouble: crashes with torn writes, one lost disk, cut and adverse links, pauses, graceful stops, with
 * a client that retries. What must hold is looked at after every step; in the end all faults end and the cluster must heal.
 * @module
 */
import { SeededRandom } from "../../src/protocol/random.ts";
import type { Viewstamp } from "../../src/protocol/view.ts";
import type { CoreEvent } from "../../src/rsm/events.ts";
import { bytes, text } from "./kit.ts";
import { type SimNode, World } from "./world.ts";

const SIZES = [3, 3, 3, 4, 4, 5, 5, 2, 1] as const;
const STEPS = 120;
/** A session that lives longer than any run: if it is said to be over, something committed was lost. */
const TTL_MS = 600_000;

interface Asked {
  /** How many commands were acknowledged when the query was asked. */
  readonly acknowledged: number;
}

export class Chaos {
  readonly story: string[] = [];
  /** How often each rare path was taken. */
  readonly paths: Map<string, number> = new Map();
  readonly #random: SeededRandom;
  readonly #ids: readonly string[];
  readonly #world: World;
  readonly #cut: Set<string> = new Set();
  readonly #paused: Map<SimNode, CoreEvent[]> = new Map();
  readonly #views: Map<number, string> = new Map();
  readonly #committed: Map<number, string> = new Map();
  readonly #checked: Map<SimNode, number> = new Map();
  readonly #hashes: Map<number, number> = new Map();
  readonly #replies: Map<number, string> = new Map();
  readonly #asked: Map<number, Asked> = new Map();
  #session: Viewstamp | undefined;
  #next = 1;
  #xid = 100;
  #wipes = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed * 7919 + 13);
    this.#ids = [..."abcde"].slice(0, this.#pick(SIZES));
    const snapshotEveryBytes = this.#chance(0.5) ? 500 : 1e9;
    this.#world = new World(this.#ids, { snapshotEveryBytes }, seed);
    this.#world.trouble = { random: this.#random, loss: 0, duplicate: 0, delayMs: 0, diskMs: 0, batching: 0 };
    this.#world.drop = (from, to) => this.#cut.has(from + to);
    this.#world.intercept = (id, event) => this.#hold(id, event);
    this.#tell(`${this.#ids.length} nodes, a snapshot every ${snapshotEveryBytes} bytes`);
  }

  /** @throws at the first thing that must not happen */
  run(): void {
    for (let step = 0; step < STEPS; step++) {
      this.#trouble();
      this.#speak();
      this.#world.run(this.#chance(0.3) ? this.#random.next() * 1500 : this.#random.next() * 60);
      this.#look();
    }
    this.#heal();
  }

  /** Where each node is, in one line. */
  get situation(): string {
    const lines = [...this.#world.nodes.values()].map(({ member, up, core }) => {
      const { view } = core;
      const ids = (list: readonly { incarnation: string }[] = []): string =>
        list.map((one) => one.incarnation).join(" ");
      const place = `end ${core.log.end} commit ${core.commit}`;
      const shape = `v${view?.vid ?? 0} [${ids(view?.members)} | ${ids(view?.acceptors)}] by ${view?.primary}`;
      return `${member.incarnation}${up ? "" : " down"} ${core.role}${core.isTaking ? " taking" : ""} ${shape} ${place}`;
    });
    return lines.join("; ");
  }

  #trouble(): void {
    const id = this.#pick(this.#ids);
    const node = this.#world.node(id);
    const dice = this.#random.next();
    if (dice < 0.08) this.#kill(node);
    else if (dice < 0.2) this.#restart(node);
    else if (dice < 0.24) {
      this.#kill(node);
      this.#restart(node);
    } else if (dice < 0.26) this.#wipe(node);
    else if (dice < 0.31) this.#disturb();
    else if (dice < 0.36) this.#cutLink(id, this.#pick(this.#ids));
    else if (dice < 0.44) this.#reconnect();
    else if (dice < 0.46) this.#redial(node);
    else if (dice < 0.49) this.#pause(node);
    else if (dice < 0.53) this.#resumeAll();
    else if (dice < 0.54) this.#stop(node);
  }

  #kill(node: SimNode): void {
    if (!node.up) return;
    this.#tell(`kill ${node.member.id}`);
    this.#paused.delete(node);
    this.#world.kill(node.member.id);
  }

  #restart(node: SimNode): void {
    if (node.up) return;
    this.#tell(`restart ${node.member.id}`);
    this.#world.restart(node.member.id);
  }

  /** One disk in a run, of a node that is down while all others live and know of the cluster. */
  #wipe(node: SimNode): void {
    const others = [...this.#world.nodes.values()].filter((other) => other !== node);
    const isSafe = others.every(({ up, core }) => up && (core.view?.vid ?? 0) > 1);
    if (node.up || this.#wipes > 0 || others.length < 2 || !isSafe || node.core.view === undefined) return;
    this.#wipes++;
    this.#tell(`wipe ${node.member.id}`);
    this.#world.wipe(node.member.id, `${node.member.id}2`);
  }

  #disturb(): void {
    const { trouble } = this.#world;
    if (trouble === undefined) return;
    const isQuiet = this.#chance(0.4);
    const upTo = (most: number): number => (isQuiet ? 0 : this.#random.next() * most);
    trouble.loss = upTo(0.3);
    trouble.duplicate = upTo(0.3);
    trouble.delayMs = upTo(this.#chance(0.2) ? 300 : 40);
    trouble.diskMs = upTo(30);
    trouble.batching = upTo(0.6);
    const { loss, duplicate, delayMs, diskMs, batching } = trouble;
    const levels = [loss, duplicate, delayMs, diskMs, batching].map((level) => level.toFixed(2));
    this.#tell(`loss, duplicate, delayMs, diskMs, batching: ${levels.join(", ")}`);
  }

  #cutLink(from: string, to: string): void {
    if (from === to) return;
    const isBoth = this.#chance(0.7);
    this.#cut.add(from + to);
    if (isBoth) this.#cut.add(to + from);
    this.#tell(`cut ${from}${isBoth ? "-" : ">"}${to}`);
  }

  #reconnect(): void {
    if (this.#cut.size > 0) this.#tell("all links carry again");
    this.#cut.clear();
  }

  #redial(node: SimNode): void {
    const { id } = node.member;
    const peer = this.#world.node(this.#ids[(this.#ids.indexOf(id) + 1) % this.#ids.length] as string);
    if (peer === node || !peer.up) return;
    this.#tell(`${id} dials ${peer.member.id} anew`);
    this.#world.step(id, { type: "linkUp", peer: peer.member });
  }

  #pause(node: SimNode): void {
    if (!node.up || this.#paused.has(node)) return;
    this.#tell(`pause ${node.member.id}`);
    this.#paused.set(node, []);
  }

  #resumeAll(): void {
    for (const [node, held] of [...this.#paused]) {
      this.#tell(`${node.member.id} goes on`);
      this.#paused.delete(node);
      for (const event of held) this.#world.step(node.member.id, event);
    }
  }

  #hold(id: string, event: CoreEvent): boolean {
    const held = this.#paused.get(this.#world.node(id));
    if (held === undefined) return false;
    if (event.type !== "tick") held.push(event);
    return true;
  }

  #stop(node: SimNode): void {
    if (!node.up || this.#paused.has(node)) return;
    this.#tell(`stop ${node.member.id}`);
    this.#world.step(node.member.id, { type: "stop" });
    this.#world.run(700);
    if (!node.stopped && node.halted === undefined) throw new Error(`${node.member.id} did not stop within 700 ms`);
    this.#kill(node);
  }

  /** The client does not know who is primary: it tells everyone, again and again. */
  #speak(): void {
    for (const id of this.#ids) {
      const node = this.#world.node(id);
      if (!node.up || this.#paused.has(node)) continue;
      const session = this.#session;
      if (session === undefined) {
        if (node.core.isTaking) this.#world.client(id, { type: "open", xid: this.#xid++, ttlMs: TTL_MS });
        continue;
      }
      const acknowledgedThrough = this.#next - 1;
      for (let number = this.#next; number < this.#next + 3; number++) {
        const body = bytes(`c${number}`);
        this.#world.client(id, { type: "request", session, number, acknowledgedThrough, skip: false, body });
      }
      this.#world.client(id, { type: "keepAlive", xid: this.#xid++, session });
      this.#asked.set(this.#xid, { acknowledged: acknowledgedThrough });
      this.#world.client(id, { type: "query", xid: this.#xid++, consistency: "linearizable", body: bytes("") });
    }
  }

  #look(): void {
    for (const node of this.#world.nodes.values()) {
      if (node.halted !== undefined) throw new Error(`${node.member.id} halted: ${node.halted.stack}`, node.halted);
      this.#checkView(node);
      this.#checkCommitted(node);
      this.#checkState(node);
      this.#listen(node);
      for (const what of node.happened.splice(0)) {
        if (what.event === "path") this.paths.set(what.name, (this.paths.get(what.name) ?? 0) + 1);
      }
    }
  }

  /** One value for each instance; and what a primary knows to be committed is on the disks of all its view's members. */
  #checkView({ core, member }: SimNode): void {
    const { view, commit, log } = core;
    if (view === undefined) return;
    const what = JSON.stringify(view);
    const before = this.#views.get(view.vid) ?? what;
    if (before !== what) throw new Error(`view ${view.vid} is ${before} and, at ${member.id}, ${what}`);
    this.#views.set(view.vid, what);
    if (core.role !== "primary") return;
    const at = log.viewstampAt(commit);
    for (const { id, incarnation } of view.members) {
      const node = this.#world.node(id);
      if (node.member.incarnation !== incarnation || node.disk.covers(at)) continue;
      throw new Error(
        `${member.id}, primary of ${view.vid}, has committed ${at.vid}.${commit}, which ${id} does not hold`,
      );
    }
  }

  #checkCommitted(node: SimNode): void {
    const { log, commit } = node.core;
    for (let seqno = Math.max(this.#checked.get(node) ?? 0, log.base.seqno) + 1; seqno <= commit; seqno++) {
      const entry = log.entry(seqno);
      const what = `${entry.vid}.${seqno} ${entry.kind} ${entry.number} ${text(entry.body)}`;
      const before = this.#committed.get(seqno);
      if (before !== undefined && before !== what) {
        throw new Error(`committed as ${before} and, at ${node.member.id}, as ${what}`);
      }
      this.#committed.set(seqno, what);
    }
    this.#checked.set(node, commit);
  }

  #checkState({ member, core, machine }: SimNode): void {
    const before = this.#hashes.get(core.applied);
    if (before !== undefined && before !== core.state.hash) {
      throw new Error(`two states at place ${core.applied}, one of them ${member.id}'s`);
    }
    this.#hashes.set(core.applied, core.state.hash);
    if (new Set(machine.commands).size < machine.commands.length) {
      throw new Error(`a command was executed twice at ${member.id}: ${machine.commands.join(" ")}`);
    }
  }

  #listen(node: SimNode): void {
    for (const message of node.answers.splice(0)) {
      if (message.type === "opened") this.#session ??= message.session;
      else if (message.type === "reply") this.#hearReply(message.number, text(message.body));
      else if (message.type === "answer") this.#hearAnswer(message.xid, text(message.body));
      else if (message.type === "requestRefused" && message.code === "SESSION_EXPIRED") {
        throw new Error(`${node.member.id} says that a living session is over`);
      }
    }
  }

  #hearReply(number: number, reply: string): void {
    const before = this.#replies.get(number);
    if (before !== undefined && before !== reply)
      throw new Error(`request ${number} was answered ${before} and ${reply}`);
    this.#replies.set(number, reply);
    while (this.#replies.has(this.#next)) this.#next++;
  }

  #hearAnswer(xid: number, commands: string): void {
    const found = commands === "" ? 0 : commands.split(",").length;
    const { acknowledged } = this.#asked.get(xid) ?? { acknowledged: 0 };
    if (found < acknowledged)
      throw new Error(`a query was answered with ${found} commands, ${acknowledged} were known`);
  }

  #heal(): void {
    this.#tell("all faults end");
    Object.assign(this.#world.trouble ?? {}, { loss: 0, duplicate: 0, delayMs: 0, diskMs: 0, batching: 0 });
    this.#reconnect();
    this.#resumeAll();
    for (const id of this.#ids) this.#restart(this.#world.node(id));
    const wanted = this.#next + 3;
    for (let round = 0; round < 60 && this.#next < wanted; round++) {
      this.#speak();
      this.#world.run(200);
      this.#look();
    }
    if (this.#next < wanted) throw new Error("no progress within 12 s after all faults ended");
    // A learner asks again with back-off, an admission in vain is tried again with back-off: seconds, not minutes.
    for (let round = 0; round < 100 && !this.#hasConverged(); round++) {
      this.#world.run(200);
      this.#look();
    }
    if (!this.#hasConverged()) throw new Error("20 s after that not all nodes are members in one state");
  }

  #hasConverged(): boolean {
    const nodes = [...this.#world.nodes.values()];
    const isWhole = nodes.every(({ core }) => core.view?.members.length === nodes.length);
    return (
      isWhole && new Set(nodes.map(({ core }) => `${core.view?.vid} ${core.applied} ${core.state.hash}`)).size === 1
    );
  }

  #chance(probability: number): boolean {
    return this.#random.next() < probability;
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random.next() * list.length)] as T;
  }

  #tell(what: string): void {
    this.story.push(`${Math.floor(this.#world?.now ?? 0)} ${what}`);
  }
}
