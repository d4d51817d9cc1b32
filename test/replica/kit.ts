// A world for the hands: virtual time, a network that can be cut, a disk that is slow on purpose, a scripted core.
import type { News } from "../../src/protocol/client-messages.ts";
import type { Environment, Timer } from "../../src/protocol/environment.ts";
import { ViewstampError } from "../../src/protocol/errors.ts";
import type { MachineAbility, ReplicatedMachine } from "../../src/protocol/machine.ts";
import { CORE_DEFAULTS, type CoreOptions } from "../../src/protocol/options.ts";
import type { Done, DurableState, SnapshotWriter, Storage, StorageRecord } from "../../src/protocol/storage.ts";
import type { Connection, ConnectionHandler, Listener, Transport } from "../../src/protocol/transport.ts";
import { ORIGIN, type Viewstamp } from "../../src/protocol/view.ts";
import type {
  CoreLike,
  CoreStart,
  HandLimits,
  MakeBrain,
  ReplicaEvent,
  ReplicaSetup,
} from "../../src/replica/contract.ts";
import { HAND_LIMITS } from "../../src/replica/contract.ts";
import { Replica } from "../../src/replica/replica.ts";
import type { CoreEvent, Effect } from "../../src/rsm/events.ts";

export class World {
  now = 0;
  #planned: { at: number; order: number; action: () => void }[] = [];
  #order = 0;
  #random = 1;
  #ids = 0;
  readonly #soon: (() => void)[] = [];

  /** In this turn, but not from inside this call. */
  soon(action: () => void): void {
    this.#soon.push(action);
  }

  plan(ms: number, action: () => void): Timer {
    const planned = { at: this.now + ms, order: this.#order++, action };
    this.#planned.push(planned);
    return {
      cancel: () => {
        this.#planned = this.#planned.filter((other) => other !== planned);
      },
    };
  }

  /** Lets `ms` pass; promises come to rest after each event. */
  async run(ms: number): Promise<void> {
    const until = this.now + ms;
    for (;;) {
      for (let i = 0; i < 6; i++) await undefined;
      const soon = this.#soon.shift();
      if (soon !== undefined) {
        soon();
        continue;
      }
      this.#planned.sort((a, b) => a.at - b.at || a.order - b.order);
      const next = this.#planned[0];
      if (next === undefined || next.at > until) break;
      this.#planned.shift();
      this.now = Math.max(this.now, next.at);
      next.action();
    }
    this.now = Math.max(this.now, until);
  }

  environment(): Environment {
    return {
      now: () => this.now,
      wallNow: () => this.now,
      setTimer: (ms, callback) => this.plan(ms, callback),
      endOfTurn: (callback) => void this.plan(0, callback),
      random: () => {
        this.#random = (this.#random * 48271) % 2147483647;
        return this.#random / 2147483647;
      },
      randomId: () => `id${this.#ids++}`,
    };
  }
}

/** One end of a connection in the world. */
export class End implements Connection {
  queuedBytes = 0;
  readonly sent: Uint8Array[] = [];
  handler: ConnectionHandler | undefined;
  other: End | undefined;
  /** Frames vanish, and nobody is told. */
  silent = false;
  closedWith: string | undefined;
  readonly #world: World;
  #gone = false;

  constructor(world: World) {
    this.#world = world;
  }

  send(frame: Uint8Array): void {
    if (this.#gone) return;
    this.sent.push(frame);
    if (this.silent) return;
    const other = this.other;
    this.#world.plan(1, () => {
      if (other !== undefined && !other.#gone) other.handler?.received(frame);
    });
  }

  close(reason: string): void {
    if (this.#gone) return;
    this.closedWith = reason;
    this.lose(reason);
    if (!this.silent) this.#world.plan(1, () => this.other?.lose(reason));
  }

  lose(reason: string): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#world.plan(0, () => this.handler?.closed({ refused: false, reason }));
  }
}

export interface Dial {
  readonly url: string;
  readonly at: number;
  readonly near: End;
  readonly far: End;
}

export class Net implements Transport {
  readonly dials: Dial[] = [];
  readonly #world: World;
  readonly #accepts: Map<string, (connection: Connection) => ConnectionHandler> = new Map();
  /** Dials to these addresses are never answered. */
  readonly mute: Set<string> = new Set();

  constructor(world: World) {
    this.#world = world;
  }

  dial(url: string, handler: ConnectionHandler): End {
    const near = new End(this.#world);
    const far = new End(this.#world);
    near.other = far;
    far.other = near;
    near.handler = handler;
    this.dials.push({ url, at: this.#world.now, near, far });
    this.#world.plan(1, () => this.#arrive(url, near, far));
    return near;
  }

  #arrive(url: string, near: End, far: End): void {
    if (this.mute.has(url)) return;
    const accept = this.#accepts.get(url);
    if (accept === undefined) {
      near.handler?.closed({ refused: true, reason: "refused" });
      return;
    }
    far.handler = accept(far);
    far.handler.opened();
    near.handler?.opened();
  }

  listen(url: string, accept: (connection: Connection) => ConnectionHandler): Promise<Listener> {
    if (this.#accepts.has(url)) return Promise.reject(new ViewstampError("AddressInUse", `${url} is taken`));
    this.#accepts.set(url, accept);
    return Promise.resolve({
      url,
      close: () => {
        this.#accepts.delete(url);
        return Promise.resolve();
      },
    });
  }

  /** The newest dial to `url`. */
  last(url: string): Dial {
    const dial = this.dials.filter((one) => one.url === url).at(-1);
    if (dial === undefined) throw new Error(`nobody has dialed ${url}`);
    return dial;
  }

  dialsTo(url: string): Dial[] {
    return this.dials.filter((one) => one.url === url);
  }
}

/** A far end that a test plays by hand. */
export class Puppet implements ConnectionHandler {
  readonly frames: Uint8Array[] = [];
  open = false;
  lost = false;
  onFrame: (frame: Uint8Array) => void = () => {};

  opened(): void {
    this.open = true;
  }

  received(frame: Uint8Array): void {
    this.frames.push(frame);
    this.onFrame(frame);
  }

  closed(): void {
    this.lost = true;
  }
}

export const NOTHING_DURABLE: DurableState = {
  identity: { incarnation: "a1", clusterId: "c1" },
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

/** Takes `writeMs` for everything; `hold` lets writes wait until `release`. */
export class Disk implements Storage {
  readonly writes: (readonly StorageRecord[])[] = [];
  readonly calls: string[] = [];
  state: DurableState = NOTHING_DURABLE;
  place = "the disk of the test";
  openError: Error | undefined;
  writeError: Error | undefined;
  hold = false;
  chunks: Uint8Array[] = [];
  writeMs = 1;
  /** Says that the data is another's. */
  lose: (error: Error) => void = () => {};
  readonly #world: World;
  #held: (() => void)[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  open(
    done: (error: Error | undefined, state: DurableState | undefined) => void,
    failed: (error: Error) => void = () => {},
  ): void {
    this.lose = failed;
    this.calls.push("open");
    this.#world.plan(1, () => done(this.openError, this.openError === undefined ? this.state : undefined));
  }

  write(records: readonly StorageRecord[], done: Done): void {
    this.calls.push("write");
    this.writes.push(records);
    const error = this.writeError;
    const finish = (): void => void this.#world.plan(this.writeMs, () => done(error));
    if (this.hold) this.#held.push(finish);
    else finish();
  }

  release(count: number = this.#held.length): void {
    for (const finish of this.#held.splice(0, count)) finish();
  }

  writeSnapshot(): SnapshotWriter {
    this.calls.push("writeSnapshot");
    const chunks: Uint8Array[] = [];
    return {
      write: (chunk, done) => {
        chunks.push(chunk);
        this.#world.soon(() => done(this.writeError));
      },
      commit: (done) => {
        this.calls.push("commit");
        this.chunks = chunks;
        this.#world.plan(1, () => done(this.writeError));
      },
      abort: () => this.calls.push("abort"),
    };
  }

  readSnapshotChunk(
    _at: Viewstamp,
    index: number,
    done: (error: Error | undefined, chunk: Uint8Array | undefined) => void,
  ): void {
    const chunk = this.chunks[index];
    this.#world.plan(1, () => done(chunk === undefined ? new Error("gone") : undefined, chunk));
  }

  setAside(reason: string, clusterId: string | undefined, done: Done): void {
    this.calls.push("setAside");
    this.state = { ...NOTHING_DURABLE, identity: undefined, setAside: { reason, clusterId } };
    this.#world.plan(1, () => done(undefined));
  }

  close(done: Done): void {
    this.calls.push("close");
    this.#world.plan(1, () => done(undefined));
  }
}

export const NEWS: News = { type: "news", vid: 0, primary: "", primaryUrl: "", active: false, urls: [] };

/** Does what the test says. */
export class Script implements CoreLike {
  readonly tickMs = 50;
  awaitsTurn = true;
  readonly seen: CoreEvent[] = [];
  start: CoreStart | undefined;
  id: string | undefined = "c1";
  /** Known, and not durable yet. */
  newId: string | undefined;
  answer: (event: CoreEvent) => readonly Effect[] = () => [];

  step(event: CoreEvent): readonly Effect[] {
    this.seen.push(event);
    return this.answer(event);
  }

  clusterId(mustBeDurable: boolean): string | undefined {
    return mustBeDurable ? this.id : (this.newId ?? this.id);
  }

  news(): News {
    return NEWS;
  }

  /** What it has seen of one type, in order. */
  of<T extends CoreEvent["type"]>(type: T): Extract<CoreEvent, { type: T }>[] {
    return this.seen.filter((event): event is Extract<CoreEvent, { type: T }> => event.type === type);
  }
}

export const ABLE: readonly MachineAbility[] = [{ name: "kv", versions: [1] }];

const machine: ReplicatedMachine = {
  versions: [{ name: "kv", version: 1 }],
  able: ABLE,
  begin: () => {},
  upgrade: () => true,
  apply: () => ({ reply: new Uint8Array(0), notices: [] }),
  query: () => new Uint8Array(0),
  endSession: () => [],
  tick: () => [],
  nextDeadline: () => undefined,
  outstanding: () => [],
  snapshot: () => [][Symbol.iterator](),
  restore: () => ({ chunk: () => {}, finish: () => {} }),
};

/** A replica "a" at fake://a with a scripted core, in a world of its own or a shared one. */
export class Stage {
  readonly world: World;
  readonly net: Net;
  readonly disk: Disk;
  readonly core: Script = new Script();
  readonly events: ReplicaEvent[] = [];
  readonly restored: Uint8Array[] = [];
  /** What restoring a chunk takes. */
  restoreMs = 0;
  readonly lives: CoreStart[] = [];
  setup: ReplicaSetup;

  constructor(world: World = new World(), net: Net = new Net(world), id = "a") {
    this.world = world;
    this.net = net;
    this.disk = new Disk(world);
    const makeBrain: MakeBrain = () => ({
      restore: () => ({ chunk: (bytes) => this.#restore(bytes), finish: () => {} }),
      wake: (start) => {
        this.core.start = start;
        this.lives.push(start);
        return this.core;
      },
    });
    this.setup = {
      id,
      cluster: ["a", "b"].map((one) => ({ id: one, url: `fake://${one}` })),
      listen: `fake://${id}`,
      advertise: `fake://${id}`,
      storage: this.disk,
      transport: net,
      machine: () => machine,
      options: CORE_DEFAULTS,
      limits: HAND_LIMITS,
      environment: world.environment(),
      runtime: "test",
      makeBrain,
      observer: (event) => void this.events.push(event),
      tap: undefined,
    };
  }

  #restore(bytes: Uint8Array): void {
    this.world.now += this.restoreMs;
    this.restored.push(bytes);
  }

  /** Starts it, and gives it 20 ms. */
  async start(options: Partial<CoreOptions> = {}, limits: Partial<HandLimits> = {}): Promise<Replica> {
    this.setup = {
      ...this.setup,
      options: { ...this.setup.options, ...options },
      limits: { ...this.setup.limits, ...limits },
    };
    let failure: ViewstampError | undefined;
    const replica = new Replica(this.setup, (error) => {
      failure = error;
    });
    await this.world.run(20);
    if (failure !== undefined) throw failure;
    return replica;
  }

  of<E extends ReplicaEvent["event"]>(event: E): Extract<ReplicaEvent, { event: E }>[] {
    return this.events.filter((one): one is Extract<ReplicaEvent, { event: E }> => one.event === event);
  }
}
