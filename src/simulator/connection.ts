/**
 * One simulated connection: two ends and a pipe each way. A pipe keeps order and holds frames while its link is cut; ends
 * learn of the other's end each in its own time, so one may be open while the other is long closed.
 * @module
 */
import type { Closed, Connection, ConnectionHandler } from "../protocol/transport.ts";
import type { Link, Network } from "./network.ts";
import type { Host, Life } from "./process.ts";

export type Accept = (connection: Connection) => ConnectionHandler;

/** When a dial that nobody answers tries again, in milliseconds after its start. */
const REDIALS: readonly number[] = [1000, 3000, 7000, 15_000];
const GIVE_UP_MS = 20_000;
/** A frame out of order arrives within this time. */
const MOST_LATE_MS = 40;

interface Pipe {
  readonly link: Link;
  readonly from: Host;
  readonly to: Host;
  /** When the last frame so far arrives, for order and for the rate. */
  busyUntil: number;
  parked: (() => void)[] | undefined;
  queuedBytes: number;
  frames: number;
  /** When the first frame arrives. */
  helloAt: number;
}

/** Starts a connection from a process to an address. */
export function dial(network: Network, life: Life, url: string, handler: ConnectionHandler): Connection {
  const connection = new SimConnection(network, life, url, handler);
  if (life.act()) connection.knock();
  return connection.dialer;
}

class End implements Connection {
  readonly life: Life;
  readonly pipe: Pipe;
  readonly connection: SimConnection;
  handler: ConnectionHandler | undefined;
  state: "new" | "open" | "closed" = "new";

  constructor(connection: SimConnection, life: Life, pipe: Pipe) {
    this.connection = connection;
    this.life = life;
    this.pipe = pipe;
  }

  get queuedBytes(): number {
    return this.pipe.queuedBytes;
  }

  send(frame: Uint8Array): void {
    if (this.state !== "open" || !this.life.act()) return;
    this.connection.carry(this, frame);
  }

  close(reason: string, abrupt: boolean = false): void {
    if (this.state === "closed" || !this.life.act()) return;
    const was = this.state;
    this.state = "closed";
    this.connection.network.world.after(0, () => this.#tell({ refused: false, reason }));
    if (was === "open") this.connection.farewell(this, reason, abrupt);
  }

  open(): void {
    if (this.state !== "new" || !this.life.alive) return;
    this.life.enter(() => {
      if (this.state !== "new") return;
      this.state = "open";
      this.handler?.opened();
    });
  }

  receive(frame: Uint8Array): void {
    this.life.enter(() => {
      if (this.state === "open") this.handler?.received(frame);
    });
  }

  /** The other side or the network ends it. */
  ended(closed: Closed): void {
    if (this.state === "closed") return;
    // In order with what was received before: a paused process reads all of it first.
    this.life.enter(() => {
      if (this.state === "closed") return;
      this.state = "closed";
      this.handler?.closed(closed);
    });
  }

  /** The process is gone. */
  vanish(): void {
    this.state = "closed";
  }

  #tell(closed: Closed): void {
    this.life.enter(() => this.handler?.closed(closed));
  }
}

export class SimConnection {
  readonly network: Network;
  readonly number: number;
  readonly url: string;
  readonly dialer: End;
  #listener: End | undefined;
  readonly #startedAt: number;
  #knocks = 0;
  #answered = false;
  #damaged = false;

  constructor(network: Network, life: Life, url: string, handler: ConnectionHandler) {
    this.network = network;
    this.number = network.nextConnection();
    this.url = url;
    this.#startedAt = network.world.now;
    const target = network.hostAt(url) ?? life.host;
    this.dialer = new End(this, life, pipeOf(network, life.host, target));
    this.dialer.handler = handler;
    life.onEnd((death) => this.#orphan(this.dialer, death === "kill"));
  }

  /** Tries to reach the other side; again later if nothing answers. */
  knock(): void {
    const { network, dialer } = this;
    const target = network.hostAt(this.url);
    if (target === undefined) {
      network.world.after(0, () => dialer.ended({ refused: true, reason: `no such address: ${this.url}` }));
      return;
    }
    const link = network.link(dialer.life.host, target);
    if (!link.cut) network.world.after(network.delay(link), () => this.#knocked(target));
    const next = REDIALS[this.#knocks++] ?? GIVE_UP_MS;
    network.world.at(this.#startedAt + next, () => {
      if (this.#answered || dialer.state !== "new" || !dialer.life.alive) return;
      if (next < GIVE_UP_MS) this.knock();
      else dialer.ended({ refused: false, reason: "nothing answers" });
    });
  }

  /** Whether it has lost a frame. */
  get damaged(): boolean {
    return this.#damaged;
  }

  acceptedBy(life: Life): boolean {
    return this.#listener?.life === life;
  }

  closeBy(life: Life, reason: string): void {
    for (const end of this.#ends()) if (end.life === life) end.close(reason);
  }

  get hosts(): readonly [Host, Host] {
    return [this.dialer.pipe.from, this.dialer.pipe.to];
  }

  /** The network breaks it: each end learns of it in its own time, what was under way may or may not arrive before. */
  reset(): void {
    const { world, random } = this.network;
    const [from, to] = this.hosts;
    world.story.tell(from.name, `-/- ${to.name}: a connection is reset`);
    for (const end of this.#ends())
      world.after(random.between(0, 20), () => end.ended({ refused: false, reason: "reset by the network" }));
    this.#forget();
  }

  carry(from: End, whole: Uint8Array): void {
    const { network } = this;
    const { pipe } = from;
    if (network.mayLeave?.(pipe.from, pipe.to, whole) === false || !from.life.alive) return;
    const frame = network.lessen === undefined ? whole : network.lessen(pipe.from, pipe.to, whole);
    if (frame === undefined) return;
    network.world.story.foldBytes(frame);
    network.watch?.(pipe.from, pipe.to, frame);
    pipe.frames++;
    const harsh = pipe.frames > 1 && network.harshly(pipe.from, pipe.to) ? network.harshness : undefined;
    if (harsh === undefined || (harsh.drop === 0 && harsh.repeat === 0 && harsh.reorder === 0))
      return this.#inOrder(from, frame.length, (to) => to.receive(frame));
    const fate = network.random.fraction();
    if (fate < harsh.drop) {
      this.#damaged = true;
      return network.world.story.count("frame dropped");
    }
    if (fate < harsh.drop + harsh.reorder) {
      network.world.story.count("frame reordered");
      return this.#outOfOrder(from, frame);
    }
    if (fate < harsh.drop + harsh.reorder + harsh.repeat) {
      network.world.story.count("frame repeated");
      this.#outOfOrder(from, frame.slice());
    }
    this.#inOrder(from, frame.length, (to) => to.receive(frame));
  }

  /** An end closes: the other hears of it after what was sent before, or at once if abrupt. */
  farewell(from: End, reason: string, abrupt: boolean): void {
    this.#forget();
    const say = (to: End): void => to.ended({ refused: false, reason: `closed by the other side: ${reason}` });
    if (!abrupt) return this.#inOrder(from, 0, say);
    from.pipe.parked?.splice(0);
    this.network.whenWhole(from.pipe.link, () =>
      this.network.world.after(this.network.delay(from.pipe.link), () => {
        const to = this.#other(from);
        if (to !== undefined) say(to);
      }),
    );
  }

  #knocked(target: Host): void {
    if (this.#answered) return;
    const { network, dialer } = this;
    if (!target.powered) return;
    this.#answered = true;
    const listening = network.listeningAt(this.url);
    if (listening === undefined) {
      this.#back(target, () => dialer.ended({ refused: true, reason: "nobody listens there" }));
      return;
    }
    // A process that stands still accepts nothing, so its dialer goes on waiting.
    listening.life.enter(() => {
      const end = new End(this, listening.life, pipeOf(network, target, dialer.life.host));
      this.#listener = end;
      network.track(this, true);
      listening.life.onEnd((death) => this.#orphan(end, death === "kill"));
      end.handler = listening.accept(end);
      end.open();
      this.#inOrder(end, 0, (to) => to.open());
    });
  }

  #back(from: Host, go: () => void): void {
    const link = this.network.link(from, this.dialer.life.host);
    this.network.whenWhole(link, () => this.network.world.after(this.network.delay(link), go));
  }

  /** At any time, but not before the hello. */
  #outOfOrder(from: End, frame: Uint8Array): void {
    const { random, world } = this.network;
    const arrival = Math.max(world.now + random.between(0, MOST_LATE_MS), from.pipe.helloAt);
    world.at(arrival, () => this.#other(from)?.receive(frame));
  }

  /** Sends something down the pipe, behind all before it. */
  #inOrder(from: End, bytes: number, arrive: (to: End) => void): void {
    const { pipe } = from;
    pipe.queuedBytes += bytes;
    const go = (): void => {
      const { world } = this.network;
      const start = Math.max(pipe.busyUntil, world.now);
      // The delay of a frame overlaps with those before it, its transmission does not.
      pipe.busyUntil = Math.max(start + bytes / pipe.link.rate, world.now + this.network.delay(pipe.link));
      if (pipe.frames <= 1) pipe.helloAt = pipe.busyUntil;
      world.at(pipe.busyUntil, () => {
        pipe.queuedBytes -= bytes;
        this.#arrive(from, arrive);
      });
    };
    if (pipe.parked !== undefined) pipe.parked.push(go);
    else if (pipe.link.cut) this.#park(pipe, go);
    else go();
  }

  #park(pipe: Pipe, go: () => void): void {
    const parked = [go];
    pipe.parked = parked;
    this.network.whenWhole(pipe.link, () => {
      pipe.parked = undefined;
      for (const one of parked) one();
    });
  }

  #arrive(from: End, arrive: (to: End) => void): void {
    const to = this.#other(from);
    if (to === undefined) return;
    if (to.life.alive && to.state !== "closed") return arrive(to);
    // Nobody is there any more: a machine that is on says so, one that is off says nothing.
    if (from.state !== "open" || !to.life.host.powered) return;
    this.network.whenWhole(to.pipe.link, () =>
      this.network.world.after(this.network.delay(to.pipe.link), () =>
        from.ended({ refused: false, reason: "reset: the process there is gone" }),
      ),
    );
  }

  /** The process of an end is gone: its kernel says so, unless the whole machine is off. */
  #orphan(end: End, kernelLives: boolean): void {
    if (end.state === "closed") return;
    const was = end.state;
    end.vanish();
    if (!kernelLives || was !== "open") return;
    this.farewell(end, "the process died", this.network.random.chance(0.5));
  }

  #ends(): End[] {
    return this.#listener === undefined ? [this.dialer] : [this.dialer, this.#listener];
  }

  #other(end: End): End | undefined {
    return end === this.dialer ? this.#listener : this.dialer;
  }

  #forget(): void {
    this.network.track(this, false);
  }
}

function pipeOf(network: Network, from: Host, to: Host): Pipe {
  return {
    link: network.link(from, to),
    from,
    to,
    busyUntil: 0,
    parked: undefined,
    queuedBytes: 0,
    frames: 0,
    helloAt: 0,
  };
}
