/**
 * One node of the simulated cluster: its machine, its disk, and the real replica that runs on it, life after life.
 * @module
 */
import type { ReplicatedMachine } from "../protocol/machine.ts";
import type { PeerMessage } from "../protocol/messages.ts";
import type { CoreOptions } from "../protocol/options.ts";
import type { Storage } from "../protocol/storage.ts";
import type { NodeId } from "../protocol/view.ts";
import type { Address, HandLimits, MakeBrain, ReplicaEvent } from "../replica/contract.ts";
import { Replica } from "../replica/replica.ts";
import { logStorage } from "../storage/log-storage.ts";
import { SimDisk } from "./disk.ts";
import { DataFacts } from "./ledger/facts.ts";
import type { Ledger } from "./ledger/ledger.ts";
import type { CoreEye } from "./ledger/observer.ts";
import type { Network } from "./network.ts";
import { type Death, Host, type HostOptions, type Life } from "./process.ts";
import { observed } from "./storage-tap.ts";

/** What all nodes of a cluster have in common. */
export interface NodeSetup {
  readonly network: Network;
  readonly ledger: Ledger;
  readonly cluster: readonly Address[];
  /** `program`: the newest machine version that it can run. */
  readonly machine: (node: NodeId, program: number) => ReplicatedMachine;
  readonly makeBrain: MakeBrain;
  readonly options: CoreOptions;
  readonly limits: HandLimits;
  readonly segmentBytes: number;
  /** What the frame says that a node is about to send to another. */
  readonly framed: (frame: Uint8Array, messages: readonly PeerMessage[]) => void;
  /** The replica broke one of its own invariants, or found that it had diverged. */
  readonly broken: (node: SimNode, code: string, text: string) => void;
}

export class SimNode {
  readonly id: NodeId;
  readonly url: string;
  readonly host: Host;
  readonly disk: SimDisk;
  /** Whether it is started again whenever it ends by itself. */
  keptUp = false;
  /** The newest machine version that the program can run which is started next, or runs. */
  program = 1;
  /** The program that was started last. */
  started = 0;
  /** The newest program that has ever run on its data: an older one may be refused by what that has promised. */
  #newestRun = 1;
  /** Sees what this node tells of itself, as long as it lives. */
  watch: ((event: ReplicaEvent) => void) | undefined;
  readonly #setup: NodeSetup;
  #replica: Replica | undefined;
  #core: CoreEye | undefined;
  #why = "";
  /**
   * The power went, and nobody has opened the storage since: the mark of the last batch may be lost, and rot of a batch
   * without its mark cannot be told from a torn write (design.md 4.5).
   */
  #marksLost = false;
  /** It was told to stop in this life: it is about to leave, however long that takes. */
  isStopping = false;

  constructor(id: NodeId, setup: NodeSetup, host: Host) {
    this.id = id;
    this.#setup = setup;
    this.host = host;
    this.url = setup.network.register(host);
    this.disk = new SimDisk(host);
  }

  static hostOf(network: Network, id: NodeId, options: HostOptions): Host {
    return new Host(network.world, id, options);
  }

  get up(): boolean {
    return this.host.life !== undefined;
  }

  /** The core of the present life, once it has taken a step. */
  get core(): CoreEye | undefined {
    return this.up ? this.#core : undefined;
  }

  get replica(): Replica | undefined {
    return this.up ? this.#replica : undefined;
  }

  start(): void {
    if (this.up) return;
    const { ledger, network } = this.#setup;
    network.world.story.tell(this.id, `starts program ${this.program}`);
    this.started = this.program;
    this.#newestRun = Math.max(this.#newestRun, this.program);
    this.#why = "";
    this.isStopping = false;
    this.host.start((life) => {
      ledger.started(this.id, life.number);
      life.onEnd((death) => {
        if (death === "power") this.#marksLost = true;
        ledger.died(this.id);
        this.#core = undefined;
      });
      this.#replica = this.#run(life);
    });
  }

  die(death: Death): void {
    if (!this.up) return;
    this.host.world.story.tell(this.id, death === "kill" ? "is killed" : "loses power");
    this.host.die(death);
  }

  /** Hands over, then ends. */
  stop(): void {
    if (!this.up || this.#replica === undefined) return;
    this.host.world.story.tell(this.id, "is told to stop");
    this.isStopping = true;
    this.host.life?.enter(() => void this.#replica?.stop());
    this.host.world.touch();
  }

  /** A new, empty disk; the node must be down. */
  wipe(): void {
    this.swapDisk();
  }

  /** An empty disk takes the place of its own; gives what puts that one back. The node must be down, both times. */
  swapDisk(): () => void {
    const { ledger } = this.#setup;
    const { data } = ledger.facts.node(this.id);
    this.#replaced(new DataFacts(), "gets an empty disk");
    const putBack = this.disk.takeOut();
    return () => {
      this.#replaced(data, "gets its old disk back");
      putBack();
      data.ruined = undefined;
    };
  }

  #replaced(data: DataFacts, what: string): void {
    if (this.up) throw new Error(`${this.id} is running`);
    this.host.world.story.tell(this.id, what);
    this.#setup.ledger.newData(this.id, data, `it ${what}`);
  }

  /**
   * A bit on its disk flips; the node must be down. False if nothing is there to rot, or if it has rotted already and no start
   * has looked at it since: the last batch and its mark may both rot then, which nobody can tell from a torn write.
   */
  rot(): boolean {
    const { data } = this.#setup.ledger.facts.node(this.id);
    if (this.#marksLost || data.ruined !== undefined || !this.disk.rot()) return false;
    this.host.world.story.tell(this.id, "has a bit flipped on its disk");
    data.ruined = "a bit of its disk was flipped";
    return true;
  }

  #run(life: Life): Replica {
    const { network, ledger, cluster, machine, makeBrain, options, limits, framed } = this.#setup;
    const { story } = network.world;
    return new Replica(
      {
        id: this.id,
        cluster,
        listen: this.url,
        advertise: undefined,
        storage: observed(this.#storage(life), ledger, this.id, life),
        transport: network.transport(life),
        machine: () => machine(this.id, this.program),
        options,
        limits,
        environment: life,
        runtime: "simulated",
        makeBrain,
        observer: (event) => this.#observe(life, event),
        tap: {
          stepped: (core, event, effects) => {
            for (const effect of effects) if (effect.type === "halt") this.#why = whyOf(effect.error);
            if (!life.alive) return;
            const eye = core as unknown as CoreEye;
            this.#core = eye;
            if (story.told && event.type !== "turn" && event.type !== "tick")
              story.tell(this.id, `takes ${said(event)}`);
            ledger.stepped(this.id, eye, event, effects);
          },
          framed,
        },
      },
      () => {},
    );
  }

  #storage(life: Life): Storage {
    return logStorage({
      disk: this.disk.for(life),
      randomId: () => life.randomId(),
      defer: (callback) => {
        this.host.world.after(0, () => life.enter(callback));
      },
      segmentBytes: this.#setup.segmentBytes,
    });
  }

  #observe(life: Life, event: ReplicaEvent): void {
    const { story } = this.host.world;
    if (event.event === "path") story.count(`path ${event.name}`);
    if (!life.alive) return;
    if (story.told) story.tell(this.id, `** ${said(event)}`);
    this.watch?.(event);
    if (event.event === "listening") this.#marksLost = false;
    if (event.event !== "stopped") return;
    const { error } = event;
    const wasPart = this.#core?.view !== undefined;
    if (error?.code === "WrongMachine" && !wasPart && this.started < this.#newestRun) this.#refused();
    else if (error !== undefined && BUGS.includes(error.code))
      this.host.world.after(0, () => this.#setup.broken(this, error.code, `${error.text}${this.#why}`));
    // The program ends when its replica does; whoever keeps it running starts it again.
    if (this.host.life === life) this.host.die("kill");
    if (this.keptUp) this.host.world.after(RESTART_MS, () => this.start());
  }

  /** Its data, or its cluster, does not let an older program become a part: the newer one comes back. */
  #refused(): void {
    const { world } = this.host;
    world.story.count("old program refused");
    this.program = this.#newestRun;
    world.after(REFUSED_MS, () => this.start());
  }
}

const RESTART_MS = 100;

/** Until its operator has read why the old program does not start. */
const REFUSED_MS = 500;

/** Errors that only a bug can bring about here, where programs fit together and all bytes are whole. */
const BUGS: readonly string[] = ["Internal", "Diverged", "BadMessage", "WrongCluster", "WrongMachine", "WrongProtocol"];

function whyOf(error: Error): string {
  const { cause } = error;
  return cause instanceof Error ? ` (${cause.stack ?? cause.message})` : ` (${error.stack ?? ""})`;
}

function said(event: { readonly type?: string; readonly event?: string }): string {
  const { type, event: name, ...rest } = event;
  return `${type ?? name} ${JSON.stringify(rest, (_key, value: unknown) => (value instanceof Uint8Array ? `${value.length} bytes` : value))}`;
}
