/**
 * The network: what stands between hosts. Links have a delay, a rate and may be cut in one direction; connections over
 * them keep the order of their frames, as TCP does, and hold them while the link is cut.
 * @module
 */

import { ViewstampError } from "../protocol/errors.ts";
import type { Listener, Transport } from "../protocol/transport.ts";
import { type Accept, dial, type SimConnection } from "./connection.ts";
import type { Host, Life } from "./process.ts";
import type { Random } from "./random.ts";
import type { World } from "./world.ts";

/** One direction between two hosts. */
export interface Link {
  /** Milliseconds: each frame takes from `least` to `most`, and now and then up to `rare`. */
  delay: { least: number; most: number; rare: number };
  /** Bytes per millisecond; a slow link makes frames queue up. */
  rate: number;
  cut: boolean;
}

/** Faults inside a connection that TCP would never show; the protocol claims to bear them. Probabilities per frame. */
export interface Harshness {
  readonly drop: number;
  readonly repeat: number;
  readonly reorder: number;
}

export const GENTLE: Harshness = { drop: 0, repeat: 0, reorder: 0 };

const FAST: Link = { delay: { least: 0.1, most: 1, rare: 10 }, rate: 100_000, cut: false };
const RARE = 0.01;

interface Listening {
  readonly life: Life;
  readonly accept: Accept;
}

export class Network {
  readonly world: World;
  readonly random: Random;
  /** Applies to frames after the first of a connection (the hello), between hosts for which `harshly` holds. */
  harshness: Harshness = GENTLE;
  harshly: (from: Host, to: Host) => boolean = () => true;
  /** Asked about every frame before it leaves: if false it never does, nor if its process dies of the question. */
  mayLeave: ((from: Host, to: Host, frame: Uint8Array) => boolean) | undefined;
  /** What is left of a frame that loses some of its messages; `undefined` if nothing is. */
  lessen: ((from: Host, to: Host, frame: Uint8Array) => Uint8Array | undefined) | undefined;
  /** Sees every frame that leaves. */
  watch: ((from: Host, to: Host, frame: Uint8Array) => void) | undefined;
  readonly #links: Map<string, Link> = new Map();
  readonly #hosts: Map<string, Host> = new Map();
  readonly #listening: Map<string, Listening> = new Map();
  readonly #open: Set<SimConnection> = new Set();
  readonly #healed: Map<Link, (() => void)[]> = new Map();
  /** Hosts that dial and have no address. */
  readonly #guests: Map<string, Host> = new Map();
  #usual: Link = FAST;
  #connections = 0;

  constructor(world: World) {
    this.world = world;
    this.random = world.random.fork("network");
  }

  /** What links are like that nothing else is said about. */
  setUsual(link: Omit<Link, "cut">): void {
    this.#usual = { ...link, cut: false };
    for (const one of this.#links.values()) Object.assign(one, { delay: { ...link.delay }, rate: link.rate });
  }

  get usual(): Link {
    return this.#usual;
  }

  /** The address at which a host can be dialed. */
  register(host: Host): string {
    const url = `memory://${host.name}`;
    this.#hosts.set(url, host);
    return url;
  }

  hostAt(url: string): Host | undefined {
    return this.#hosts.get(url);
  }

  link(from: Host, to: Host): Link {
    const key = `${from.name}>${to.name}`;
    let link = this.#links.get(key);
    if (link === undefined) {
      link = { delay: { ...this.#usual.delay }, rate: this.#usual.rate, cut: false };
      this.#links.set(key, link);
    }
    return link;
  }

  /** Cuts one direction: what is sent waits. */
  cut(from: Host, to: Host): void {
    const link = this.link(from, to);
    if (!link.cut) this.world.story.tell(from.name, `-/> ${to.name} is cut`);
    link.cut = true;
  }

  heal(from: Host, to: Host): void {
    const link = this.link(from, to);
    if (!link.cut) return;
    link.cut = false;
    this.world.story.tell(from.name, `-> ${to.name} is whole again`);
    const waiting = this.#healed.get(link) ?? [];
    this.#healed.delete(link);
    for (const go of waiting) go();
  }

  /** No harshness any more; what lost a frame by it is reset, as TCP would have done. */
  calm(): void {
    this.harshness = GENTLE;
    for (const connection of this.connections()) if (connection.damaged) connection.reset();
  }

  /** Every link as it usually is, and no harshness. */
  healAll(): void {
    this.calm();
    for (const link of this.#links.values())
      Object.assign(link, { delay: { ...this.#usual.delay }, rate: this.#usual.rate });
    const hosts = [...this.#hosts.values(), ...this.#guests.values()];
    for (const from of hosts) for (const to of hosts) this.heal(from, to);
  }

  /** Calls back when the link is whole: at once if it is. */
  whenWhole(link: Link, go: () => void): void {
    if (!link.cut) return go();
    const waiting = this.#healed.get(link);
    if (waiting === undefined) this.#healed.set(link, [go]);
    else waiting.push(go);
  }

  delay(link: Link): number {
    const { least, most, rare } = link.delay;
    return this.random.between(least, this.random.chance(RARE) ? rare : most);
  }

  /** The open connections, in the order they were made. */
  connections(): SimConnection[] {
    return [...this.#open];
  }

  nextConnection(): number {
    return ++this.#connections;
  }

  track(connection: SimConnection, open: boolean): void {
    if (open) this.#open.add(connection);
    else this.#open.delete(connection);
  }

  listeningAt(url: string): Listening | undefined {
    const listening = this.#listening.get(url);
    return listening?.life.alive ? listening : undefined;
  }

  /** The transport of one process. */
  transport(life: Life): Transport {
    this.#guests.set(life.host.name, life.host);
    return {
      dial: (url, handler) => dial(this, life, url, handler),
      listen: (url, accept) => this.#listen(life, url, accept),
    };
  }

  #listen(life: Life, url: string, accept: Accept): Promise<Listener> {
    if (this.listeningAt(url) !== undefined)
      return Promise.reject(new ViewstampError("AddressInUse", `${url} is taken by another process`));
    this.#listening.set(url, { life, accept });
    this.world.touch();
    return Promise.resolve({ url, close: () => this.#unlisten(life, url) });
  }

  #unlisten(life: Life, url: string): Promise<void> {
    this.world.touch();
    if (this.#listening.get(url)?.life === life) this.#listening.delete(url);
    for (const connection of this.connections())
      if (connection.acceptedBy(life)) connection.closeBy(life, "the listener is closed");
    return Promise.resolve();
  }
}
