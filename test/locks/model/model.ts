/**
 * What the lock service should do, told as plainly as possible: lines of requests, and who is at their heads. It knows
 * nothing of machines, messages, sessions or caches.
 * @module
 */
import type { LockMode } from "../../../src/locks/client-types.ts";

/** What somebody asks for. */
export interface Wish {
  readonly client: number;
  readonly name: string;
  readonly mode: LockMode;
  readonly how: "wait" | "ifAvailable" | "steal";
  /** With `acquire`, with `request` and a callback, or as a candidate in an election. */
  readonly by: "acquire" | "request" | "elect";
  /** It is a semaphore's, of which so many may be held at a time; a lock's otherwise. */
  readonly permits: number | undefined;
  /** It can be taken back. */
  readonly hasSignal: boolean;
  /** Of the time at which it is asked. */
  readonly timeoutMs: number | undefined;
}

export type State =
  | "waits"
  | "held"
  | "released"
  /** `ifAvailable`, and it was not. */
  | "declined"
  | "aborted"
  | "timed out"
  /** It waited when its client was closed. */
  | "closed"
  /** It was held when its session was lost, its client closed, or somebody stole it. */
  | "lost: session"
  | "lost: closed"
  | "lost: stolen"
  /** Its client is dead: nobody looks any more. */
  | "nobody's";

type Moment = readonly [least: number, most: number];

/** One request, from when it is made to its end. */
export interface Ask {
  readonly id: number;
  readonly wish: Wish;
  readonly at: number;
  /** When it was asked for, and when it was granted: not before, not after. Told by who sees it. */
  asked: Moment;
  granted: Moment | undefined;
  state: State;
  /** Of a candidate: the request of the term before, if there was one. */
  readonly before: Ask | undefined;
}

/** Something claimed to be run once; it is over at the earliest and at the latest at these moments. */
interface Claimed {
  readonly ttlMs: number;
  readonly least: number;
  most: number;
}

/** Replicated time is told by the primary's clock, which is not quite right. */
const MOST_DRIFT = 0.05;

export class Model {
  readonly asks: Ask[] = [];
  /** In what order requests of one client for these are granted among those of others is not foretold, only judged. */
  readonly #isJudged: (name: string) => boolean;
  readonly #lines: Map<string, Ask[]> = new Map();
  readonly #holders: Map<string, Ask[]> = new Map();
  readonly #claimed: Map<string, Claimed> = new Map();
  now = 0;
  /** When the command that is under way began. */
  began = 0;

  constructor(isJudged: (name: string) => boolean) {
    this.#isJudged = isJudged;
  }

  isJudged(name: string): boolean {
    return this.#isJudged(name);
  }

  lineOf(name: string): readonly Ask[] {
    return this.#lines.get(name) ?? [];
  }

  holdersOf(name: string): readonly Ask[] {
    return this.#holders.get(name) ?? [];
  }

  /** Those that wait or hold. */
  get open(): Ask[] {
    return this.asks.filter(({ state }) => state === "waits" || state === "held");
  }

  ask(wish: Wish, before?: Ask): Ask {
    const ask = this.#made(wish, "waits", before);
    const { name, how } = wish;
    if (how === "steal") {
      const robbed = this.holdersOf(name);
      for (const holder of robbed) this.#remove(holder, "lost: stolen");
      this.grant(ask);
      for (const holder of robbed) this.#standAgain(holder);
    } else if (how === "ifAvailable" && !this.#isAvailable(wish)) ask.state = "declined";
    else this.#standInLine(ask);
    return ask;
  }

  /** One that was taken back in the turn in which it was made is never granted. */
  askInVain(wish: Wish): Ask {
    return this.#made(wish, "aborted");
  }

  release(ask: Ask): void {
    this.#remove(ask, "released");
    this.#letIn(ask.wish.name);
    this.#standAgain(ask);
  }

  abort(ask: Ask): void {
    if (ask.state !== "waits") return;
    this.#remove(ask, "aborted");
    this.#letIn(ask.wish.name);
  }

  /** A candidacy is over, waiting or in office. */
  stand(ask: Ask): void {
    this.#remove(ask, "released");
    this.#letIn(ask.wish.name);
  }

  /** The session is over: what it held is lost, what waited stands in line anew, in its order, behind all others. */
  loseSession(client: number): void {
    const its = this.#of(client);
    for (const ask of its) this.#remove(ask, ask.state === "held" ? "lost: session" : "waits");
    for (const name of new Set(its.map(({ wish }) => wish.name))) this.#letIn(name);
    for (const ask of its) if (ask.state === "waits") this.#standInLine(ask);
    for (const ask of its) this.#standAgain(ask);
  }

  close(client: number): void {
    this.#end(client, (ask) => (ask.state === "held" ? "lost: closed" : "closed"));
  }

  /** The client dies without a word, and its session runs out. */
  die(client: number): void {
    this.#end(client, () => "nobody's");
  }

  /** Whether it runs; `undefined`: its time may be up or not. */
  mayRun(key: string): boolean | undefined {
    const claimed = this.#claimed.get(key);
    if (claimed === undefined || this.began >= claimed.most) return true;
    return this.now < claimed.least ? false : undefined;
  }

  ran(key: string, ttlMs: number): void {
    const least = this.began + ttlMs * (1 - MOST_DRIFT);
    this.#claimed.set(key, { ttlMs, least, most: this.now + ttlMs * (1 + MOST_DRIFT) });
  }

  /** Another primary goes on from the time of the last entry, so a claim may last for all its time from now on. */
  failedOver(): void {
    for (const claimed of this.#claimed.values())
      claimed.most = Math.max(claimed.most, this.now + claimed.ttlMs * (1 + MOST_DRIFT));
  }

  /** Time has passed. */
  pass(now: number): void {
    this.now = now;
    for (let due = this.nextDeadline; due <= now; due = this.nextDeadline) {
      const over = this.open.filter((ask) => ask.state === "waits" && deadlineOf(ask) === due);
      for (const ask of over) this.#remove(ask, "timed out");
      for (const { wish } of over) this.#letIn(wish.name);
    }
  }

  /** When the first of those that wait gives up. */
  get nextDeadline(): number {
    return Math.min(...this.open.filter(({ state }) => state === "waits").map(deadlineOf));
  }

  /** Whether a judged request may be granted now, by the rules that hold in any case. */
  mayBeGranted({ wish, id }: Ask): boolean {
    const isBefore = (other: Ask): boolean => other.wish.client === wish.client && other.id < id;
    return this.#fits(wish) && !this.lineOf(wish.name).some(isBefore);
  }

  /** A lock that nobody has, and somebody waits for; or that all who have it and wait for it could share. */
  isStuck(name: string): boolean {
    const line = this.lineOf(name);
    return line.length > 0 && (line.every(({ wish }) => this.#fits(wish)) || this.holdersOf(name).length === 0);
  }

  grant(ask: Ask): void {
    const { name } = ask.wish;
    ask.state = "held";
    this.#lines.set(
      name,
      this.lineOf(name).filter((one) => one !== ask),
    );
    this.#holders.set(name, [...this.holdersOf(name), ask]);
  }

  #made(wish: Wish, state: State, before?: Ask): Ask {
    const ask: Ask = {
      id: this.asks.length,
      wish,
      at: this.now,
      asked: [this.began, this.now],
      granted: undefined,
      state,
      before,
    };
    this.asks.push(ask);
    return ask;
  }

  #isAvailable(wish: Wish): boolean {
    return this.lineOf(wish.name).length === 0 && this.#fits(wish);
  }

  #fits({ name, mode, permits }: Wish): boolean {
    if (permits !== undefined) return this.holdersOf(name).length < permits;
    return this.holdersOf(name).every(({ wish }) => wish.mode === "shared" && mode === "shared");
  }

  #standInLine(ask: Ask): void {
    const { name } = ask.wish;
    this.#lines.set(name, [...this.lineOf(name), ask]);
    if (ask.wish.how === "ifAvailable") this.grant(ask);
    else this.#letIn(name);
  }

  /** First come, first served. */
  #letIn(name: string): void {
    if (this.isJudged(name)) return;
    for (let [head] = this.lineOf(name); head !== undefined && this.#fits(head.wish); [head] = this.lineOf(name))
      this.grant(head);
  }

  /** A candidate whose term is over stands for election again, behind all others. */
  #standAgain(ask: Ask): void {
    const isOver = ask.state === "released" || ask.state.startsWith("lost");
    if (ask.wish.by === "elect" && isOver) this.ask(ask.wish, ask);
  }

  #end(client: number, how: (ask: Ask) => State): void {
    const its = this.#of(client);
    for (const ask of its) this.#remove(ask, how(ask));
    for (const name of new Set(its.map(({ wish }) => wish.name))) this.#letIn(name);
  }

  #of(client: number): Ask[] {
    return this.open.filter(({ wish }) => wish.client === client);
  }

  #remove(ask: Ask, state: State): void {
    const { name } = ask.wish;
    const isOther = (one: Ask): boolean => one !== ask;
    this.#lines.set(name, this.lineOf(name).filter(isOther));
    this.#holders.set(name, this.holdersOf(name).filter(isOther));
    ask.state = state;
  }
}

function deadlineOf({ at, wish }: Ask): number {
  return wish.timeoutMs === undefined ? Number.POSITIVE_INFINITY : at + wish.timeoutMs;
}
