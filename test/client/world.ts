// A clock that is turned by hand, a network without delay, and nodes that do as each test says.

import { type AdminCore, startCore } from "../../src/client/core.ts";
import type { ClientOptions } from "../../src/client/options.ts";
import { decodeCall, encodeReply } from "../../src/protocol/calls.ts";
import type { ClientMessage, News, Request, ServerMessage } from "../../src/protocol/client-messages.ts";
import type { Environment, Timer } from "../../src/protocol/environment.ts";
import type { Hello, HelloReply, Welcome } from "../../src/protocol/hello.ts";
import { decodeHello, encodeHelloReply } from "../../src/protocol/hello-codec.ts";
import type { Connection, ConnectionHandler, Listener, Transport } from "../../src/protocol/transport.ts";
import { decodeClientFrame, encodeServerFrame } from "../../src/protocol/wire.ts";

interface Due {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
  cancelled: boolean;
}

export class World {
  time: number = 1000;
  /** How much the wall clock is ahead of 1 000 000 + time. */
  wallAhead: number = 0;
  /** What `random()` gives, in turn; 0.5 afterwards. */
  dice: number[] = [];
  readonly nodes: Map<string, Node> = new Map();
  #timers: Due[] = [];
  #tasks: (() => void)[] = [];
  #ends: (() => void)[] = [];
  #order = 0;

  readonly environment: Environment = {
    now: () => this.time,
    wallNow: () => 1_000_000 + this.time + this.wallAhead,
    setTimer: (ms, callback) => this.#setTimer(ms, callback),
    endOfTurn: (callback) => {
      this.#ends.push(callback);
    },
    random: () => this.dice.shift() ?? 0.5,
    randomId: () => "0123456789abcdef",
  };

  readonly transport: Transport = {
    dial: (url, handler) => new ClientEnd(this, url, handler),
    listen: (): Promise<Listener> => Promise.reject(new Error("these nodes are no listeners")),
  };

  get timers(): number {
    return this.#timers.filter(({ cancelled }) => !cancelled).length;
  }

  later(task: () => void): void {
    this.#tasks.push(task);
  }

  /** Everything that happens without time passing. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      for (let microtasks = 0; microtasks < 5; microtasks++) await null;
      while (this.#tasks.length + this.#ends.length > 0) {
        quiet = 0;
        this.#turn();
      }
    }
  }

  /** As `settle`, but nothing waits for promises: callbacks only. */
  settleNow(): void {
    while (this.#tasks.length + this.#ends.length > 0) this.#turn();
  }

  async pass(ms: number): Promise<void> {
    const until = this.time + ms;
    await this.settle();
    for (let next = this.#next(until); next !== undefined; next = this.#next(until)) {
      this.time = Math.max(this.time, next.at);
      next.cancelled = true;
      next.callback();
      await this.settle();
    }
    this.time = until;
  }

  node(id: string, options: Partial<NodeOptions> = {}): Node {
    const node = new Node(this, id, options);
    this.nodes.set(node.url, node);
    return node;
  }

  client(options: Partial<ClientOptions> = {}): AdminCore {
    const cluster = [...this.nodes.keys()];
    const { environment, transport } = this;
    return startCore({ cluster, environment, transport, machines: [{ name: "m", version: 1 }], ...options });
  }

  #turn(): void {
    const tasks = this.#tasks;
    this.#tasks = [];
    for (const task of tasks) task();
    const ends = this.#ends;
    this.#ends = [];
    for (const end of ends) end();
  }

  #setTimer(ms: number, callback: () => void): Timer {
    if (!(ms >= 0 && ms < 2 ** 31)) throw new Error(`a timer of ${ms} ms`);
    const due: Due = { at: this.time + ms, order: this.#order++, callback, cancelled: false };
    this.#timers.push(due);
    return {
      cancel: () => {
        due.cancelled = true;
      },
    };
  }

  #next(until: number): Due | undefined {
    this.#timers = this.#timers.filter(({ cancelled }) => !cancelled);
    return this.#timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at || a.order - b.order)[0];
  }
}

export interface NodeOptions {
  readonly url: string;
  readonly welcome: Partial<Welcome>;
}

type Answer = (message: ClientMessage, end: NodeEnd) => ServerMessage[];

/** A node as clients see it. By default it is the primary of view 1 and does what it is asked. */
export class Node {
  readonly id: string;
  readonly url: string;
  readonly #world: World;
  /** Refuses connections. */
  down = false;
  /** Takes connections and says nothing. */
  mute = false;
  reply: HelloReply;
  news: News;
  answer: Answer = obey;
  readonly dials: number[] = [];
  readonly ends: NodeEnd[] = [];

  constructor(world: World, id: string, options: Partial<NodeOptions>) {
    this.#world = world;
    this.id = id;
    this.url = options.url ?? `memory://${id}`;
    this.reply = {
      accepted: true,
      protocol: 1,
      clusterId: "00000000000000cc",
      node: { id, incarnation: "00000000000000aa" },
      maxBodyBytes: 10_000,
      driftPercent: 1,
      authentication: undefined,
      ...options.welcome,
    };
    this.news = { type: "news", vid: 1, primary: id, primaryUrl: this.url, active: true, urls: [] };
  }

  /** Makes it follow `primary` in view `vid`, and says so to whoever is connected. */
  follow(primary: Node, vid: number, active = true): void {
    this.tell({ type: "news", vid, primary: primary.id, primaryUrl: primary.url, active, urls: this.news.urls });
  }

  tell(news: News): void {
    this.news = news;
    for (const end of this.open) end.send(news);
  }

  get open(): NodeEnd[] {
    return this.ends.filter(({ isOpen }) => isOpen);
  }

  /** The newest connection. */
  get end(): NodeEnd {
    const end = this.open.at(-1);
    if (end === undefined) throw new Error(`${this.id} has no connection`);
    return end;
  }

  /** All messages that came, on all connections, since the last call. */
  taken(): ClientMessage[] {
    return this.ends.flatMap((end) => end.messages.splice(0));
  }

  /** The same, only the commands. */
  requests(): Request[] {
    return this.taken().filter((message) => message.type === "request");
  }

  /** Kills it: connections end, new ones are refused. */
  kill(): void {
    this.down = true;
    for (const end of this.open) end.close();
  }

  dialed(client: ClientEnd): NodeEnd | undefined {
    this.dials.push(this.#world.time);
    if (this.down) return undefined;
    const end = new NodeEnd(this.#world, this, client);
    this.ends.push(end);
    return end;
  }
}

/** A node's end of a connection. */
export class NodeEnd {
  readonly messages: ClientMessage[] = [];
  readonly frames: number[] = [];
  hello: Hello | undefined;
  isOpen = true;
  readonly #world: World;
  readonly #node: Node;
  readonly #client: ClientEnd;

  constructor(world: World, node: Node, client: ClientEnd) {
    this.#world = world;
    this.#node = node;
    this.#client = client;
  }

  send(...messages: ServerMessage[]): void {
    if (this.isOpen) this.#client.deliver(encodeServerFrame(messages));
  }

  sendBytes(frame: Uint8Array): void {
    this.#client.deliver(frame);
  }

  close(): void {
    this.isOpen = false;
    this.#client.lost("the node closed it");
  }

  receive(frame: Uint8Array): void {
    if (this.hello === undefined) {
      this.hello = decodeHello(frame);
      if (this.#node.mute) return;
      this.#client.deliver(encodeHelloReply(this.#node.reply));
      if (this.#node.reply.accepted) this.send(this.#node.news);
      else this.close();
      return;
    }
    const messages = decodeClientFrame(frame);
    this.frames.push(frame.length);
    this.messages.push(...messages);
    if (this.#node.mute) return;
    const answers = messages.flatMap((message) => this.#node.answer(message, this));
    if (answers.length > 0) this.#world.later(() => this.send(...answers));
  }
}

class ClientEnd implements Connection {
  readonly queuedBytes = 0;
  readonly #world: World;
  readonly #handler: ConnectionHandler;
  #node: NodeEnd | undefined;
  #over = false;

  constructor(world: World, url: string, handler: ConnectionHandler) {
    this.#world = world;
    this.#handler = handler;
    world.later(() => {
      if (this.#over) return;
      const node = world.nodes.get(url);
      this.#node = node?.dialed(this);
      if (this.#node === undefined) this.#end(true, "connection refused");
      else handler.opened();
    });
  }

  send(frame: Uint8Array): void {
    const copy = new Uint8Array(frame);
    this.#world.later(() => {
      if (this.#node?.isOpen) this.#node.receive(copy);
    });
  }

  close(reason: string): void {
    this.#world.later(() => {
      if (this.#node !== undefined) this.#node.isOpen = false;
      this.#end(false, reason);
    });
  }

  deliver(frame: Uint8Array): void {
    const copy = new Uint8Array(frame);
    this.#world.later(() => {
      if (!this.#over) this.#handler.received(copy);
    });
  }

  lost(reason: string): void {
    this.#world.later(() => this.#end(false, reason));
  }

  #end(refused: boolean, reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#handler.closed({ refused, reason });
  }
}

export const SESSION = { vid: 1, seqno: 7 };

/** Does what it is asked at once; a command's reply is its input. */
export const obey: Answer = (message) => {
  switch (message.type) {
    case "open":
      return [{ type: "opened", xid: message.xid, session: SESSION, ttlMs: message.ttlMs }];
    case "keepAlive":
      return [{ type: "keptAlive", xid: message.xid }];
    case "end":
      return [{ type: "ended", xid: message.xid }];
    case "request":
      return [replyTo(message)];
    case "query":
      return [{ type: "answer", xid: message.xid, body: echo(message.body) }];
    case "change":
      return [{ type: "changed", xid: message.xid, vid: 9 }];
    case "askStatus":
    case "copy":
      return [];
  }
};

/** Obeys sessions, leaves everything else without an answer. */
export const onlySessions: Answer = (message, end) =>
  message.type === "open" || message.type === "keepAlive" || message.type === "end" ? obey(message, end) : [];

export function replyTo({ session, number, skip, body }: Request): ServerMessage {
  return { type: "reply", session, number, body: skip ? new Uint8Array(0) : echo(body) };
}

function echo(body: Uint8Array): Uint8Array {
  return encodeReply({ type: "ok", value: decodeCall(body).input });
}

export function refuse(
  { session, number }: Request,
  code: "BUSY" | "NOTPRIMARY" | "SESSION_EXPIRED" | "OVERLOADED" | "INVALID",
  outcomeUnknown = false,
): ServerMessage {
  return { type: "requestRefused", session, number, code, outcomeUnknown, text: "because" };
}

export function numbers(requests: readonly Request[]): string {
  return requests.map(({ number, skip }) => (skip ? `${number}s` : `${number}`)).join(" ");
}

/** What has become of a promise; nothing about it is ever unhandled. */
export interface Outcome {
  state: "waiting" | "resolved" | "rejected";
  value: unknown;
  /** The error's `code`, if it has one. */
  code: string | undefined;
  error: (Error & { readonly outcomeUnknown?: boolean; readonly data?: Readonly<Record<string, unknown>> }) | undefined;
}

export function watch(promise: Promise<unknown>): Outcome {
  const outcome: Outcome = { state: "waiting", value: undefined, code: undefined, error: undefined };
  promise.then(
    (value) => {
      outcome.state = "resolved";
      outcome.value = value;
    },
    (error) => {
      outcome.state = "rejected";
      outcome.error = error;
      outcome.code = error?.code;
    },
  );
  return outcome;
}

/** Three nodes of one view; the first one named is primary, and the client begins with `start`. */
export function cluster(start = 0): { world: World; a: Node; b: Node; c: Node } {
  const world = new World();
  const [a, b, c] = [world.node("a"), world.node("b"), world.node("c")];
  a.follow(a, 1);
  b.follow(a, 1);
  c.follow(a, 1);
  world.dice = [start / 3];
  return { world, a, b, c };
}
