/**
 * What the lock service should do, told as plainly as possible: lines of requests, and who is at their heads. It knows
 * nothing of machines, messages, sessions or caches.
 * @module
 */
import type { LockMode } from "../../../src/locks/client-types.ts";

/** What somebody asks for. */
export interface Wish {
  readonly client: number;
  /** Each once; several are granted together. */
  readonly names: readonly string[];
  /** With `acquireAll` or `requestAll`, also if it is one. */
  readonly isGroup: boolean;
  readonly mode: LockMode;
  readonly how: "wait" | "ifAvailable" | "steal";
  /** With `acquire`, and `release` or `await using`; with `request` and a callback; or as a candidate in an election. */
  readonly by: "acquire" | "using" | "request" | "elect";
  /** It is a semaphore's, of which so many may be held at a time; a lock's otherwise. */
  readonly permits: number | undefined;
  /** It can be taken back. */
  readonly hasSignal: boolean;
  /** Of the time at which it is asked. */
  readonly timeoutMs: number | undefined;
  /** Of the time at which it is granted. */
  readonly maxHoldMs: number | undefined;
  /** For so long nobody gets it if its client falls silent. */
  readonly lockDelayMs: number;
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
  | "lost: maxHoldMs"
  /** Its client is dead: nobody looks any more. */
  | "nobody's";

type Moment = readonly [least: number, most: number];

/** One request, from when it is made to its end. */
export interface Ask {
  readonly id: number;
  readonly wish: Wish;
  readonly at: number;
  /** When it was asked for, and when it was granted: not before, not after. */
  asked: Moment;
  granted: Moment | undefined;
  /** Counts grants. */
  place: number;
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

/** Nobody has the lock for a while, because its holder fell silent. */
export interface Bar {
  readonly lost: Ask;
  readonly delayMs: number;
  readonly least: number;
  most: number;
}

/** Something that ends by itself, between these moments, and lets in whoever waits for these names. */
interface Due {
  readonly least: number;
  readonly most: number;
  readonly names: readonly string[];
  readonly end: () => void;
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
  readonly #bars: Map<string, Bar> = new Map();
  #grants = 0;
  /** The earliest moment at which what is granted now may have been granted, if that is not when the command began. */
  #grantedFrom: number | undefined;
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

  /** Nobody has it for now, but one who is lost. */
  barOf(name: string): Bar | undefined {
    return this.#bars.get(name);
  }

  get names(): string[] {
    return [...new Set([...this.#lines.keys(), ...this.#holders.keys(), ...this.#bars.keys()])];
  }

  /** Those that wait or hold. */
  get open(): Ask[] {
    return this.asks.filter(({ state }) => state === "waits" || state === "held");
  }

  /** Those, and those that hold a rest. */
  get live(): Ask[] {
    return this.asks.filter((ask) => ask.state === "waits" || ask.state === "held" || this.hasRest(ask));
  }

  /** Of a group that was robbed of one lock, the others are its holder's until it lets go. */
  hasRest(ask: Ask): boolean {
    return ask.state.startsWith("lost") && ask.wish.names.some((name) => this.holdersOf(name).includes(ask));
  }

  ask(wish: Wish, before?: Ask): Ask {
    const ask = this.#made(wish, "waits", before);
    const { how } = wish;
    if (how === "steal") this.#steal(ask);
    else if (how === "ifAvailable" && !this.#isAvailable(wish)) ask.state = "declined";
    else this.#standInLine(ask);
    return ask;
  }

  /** One that was taken back in the turn in which it was made is never granted. */
  askInVain(wish: Wish): Ask {
    return this.#made(wish, "aborted");
  }

  #steal(ask: Ask): void {
    const [name] = ask.wish.names as [string];
    const robbed = this.holdersOf(name);
    this.#bars.delete(name);
    for (const holder of robbed) holder.state = "lost: stolen";
    this.#holders.set(name, []);
    this.grant(ask);
    for (const holder of robbed) this.#standAgain(holder);
  }

  release(ask: Ask): void {
    this.#remove(ask, ask.state === "held" ? "released" : ask.state);
    this.#letIn(ask.wish.names);
    this.#standAgain(ask);
  }

  abort(ask: Ask): void {
    if (ask.state !== "waits") return;
    this.#remove(ask, "aborted");
    this.#letIn(ask.wish.names);
  }

  /** A candidacy is over, waiting or in office. */
  stand(ask: Ask): void {
    this.#remove(ask, "released");
    this.#letIn(ask.wish.names);
  }

  /** The session is over: what it held is lost, what waited stands in line anew, in its order, behind all others. */
  loseSession(client: number): void {
    const its = this.#of(client);
    this.#bar(its);
    for (const ask of its) this.#remove(ask, ask.state === "held" ? "lost: session" : ask.state);
    this.#letIn(its.flatMap(({ wish }) => wish.names));
    for (const ask of its) if (ask.state === "waits") this.#standInLine(ask);
    for (const ask of its) this.#standAgain(ask);
  }

  close(client: number): void {
    const its = this.#of(client);
    this.#end(its, (ask) => (ask.state === "held" ? "lost: closed" : ask.state === "waits" ? "closed" : ask.state));
  }

  /** The client dies without a word, and its session runs out. */
  die(client: number): void {
    const its = this.#of(client);
    this.#bar(its);
    this.#end(its, () => "nobody's");
  }

  #bar(its: readonly Ask[]): void {
    for (const lost of its) {
      const { lockDelayMs: delayMs, names } = lost.wish;
      if (delayMs === 0) continue;
      const bar = { lost, delayMs, least: this.began + delayMs * (1 - MOST_DRIFT), most: Number.POSITIVE_INFINITY };
      for (const name of names) if (this.holdersOf(name).includes(lost)) this.#bars.set(name, { ...bar });
    }
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
    for (const bar of this.#bars.values()) bar.most = Number.POSITIVE_INFINITY;
  }

  /** Time has passed. */
  pass(now: number): void {
    this.now = now;
    // The client was lost, or another primary came, before this moment.
    for (const bar of this.#bars.values())
      if (bar.most === Number.POSITIVE_INFINITY) bar.most = now + bar.delayMs * (1 + MOST_DRIFT);
    this.#grantsAreOver();
    for (;;) {
      const dues = this.#dues.filter(({ most }) => most <= now);
      if (dues.length === 0) return;
      const first = Math.min(...dues.map(({ most }) => most));
      // Of those that give up in one moment, none is let in by another.
      const ended = dues.filter(({ most }) => most === first);
      for (const { end } of ended) end();
      // One end may follow another while a third is waited for.
      this.#grantedFrom = Math.min(this.began, ...ended.map(({ least }) => least));
      this.#letIn(ended.flatMap(({ names }) => names));
      this.#grantedFrom = undefined;
      this.#grantsAreOver();
    }
  }

  #grantsAreOver(): void {
    for (const ask of this.asks)
      if (ask.granted?.[1] === Number.POSITIVE_INFINITY) ask.granted = [ask.granted[0], this.now];
  }

  /** The moment when all has happened that may happen by itself until then; `undefined`: that is nothing. */
  whenOver(until: number): number | undefined {
    const mosts = this.#dues.filter(({ least }) => least <= until).map(({ most }) => most);
    return mosts.length === 0 ? undefined : Math.max(...mosts);
  }

  get #dues(): Due[] {
    const dues: Due[] = [];
    for (const ask of this.asks) {
      const { timeoutMs, maxHoldMs, names } = ask.wish;
      if (ask.state === "waits" && timeoutMs !== undefined) {
        const at = ask.at + timeoutMs;
        dues.push({ least: at, most: at, names, end: () => this.#remove(ask, "timed out") });
      }
      const isHeld = ask.state === "held" || this.hasRest(ask);
      if (!isHeld || maxHoldMs === undefined || ask.granted === undefined) continue;
      const [least, most] = ask.granted;
      const lost = ask.state === "held" ? "lost: maxHoldMs" : ask.state;
      const times = { least: least + maxHoldMs * (1 - MOST_DRIFT), most: most + maxHoldMs * (1 + MOST_DRIFT) };
      dues.push({ ...times, names, end: () => this.#remove(ask, lost) });
    }
    for (const [name, { least, most }] of this.#bars)
      dues.push({ least, most, names: [name], end: () => this.#bars.delete(name) });
    return dues;
  }

  /** Whether a judged request may be granted now, by the rules that hold in any case. */
  mayBeGranted({ wish, id }: Ask): boolean {
    const isBefore = (other: Ask): boolean => other.wish.client === wish.client && other.id < id;
    return wish.names.every((name) => this.#fits(name, wish) && !this.lineOf(name).some(isBefore));
  }

  /** A lock that nobody has, and somebody waits for; or that all who have it and wait for it could share. */
  isStuck(name: string): boolean {
    const line = this.lineOf(name);
    return line.length > 0 && (line.every(({ wish }) => this.#fits(name, wish)) || this.holdersOf(name).length === 0);
  }

  grant(ask: Ask): void {
    ask.state = "held";
    ask.place = ++this.#grants;
    ask.granted = [this.#grantedFrom ?? this.began, Number.POSITIVE_INFINITY];
    for (const name of ask.wish.names) {
      const others = this.lineOf(name).filter((one) => one !== ask);
      this.#lines.set(name, others);
      this.#holders.set(name, [...this.holdersOf(name), ask]);
    }
  }

  #made(wish: Wish, state: State, before?: Ask): Ask {
    const ask: Ask = {
      id: this.asks.length,
      wish,
      at: this.now,
      asked: [this.began, this.now],
      granted: undefined,
      place: 0,
      state,
      before,
    };
    this.asks.push(ask);
    return ask;
  }

  #isAvailable(wish: Wish): boolean {
    return wish.names.every((name) => this.lineOf(name).length === 0 && this.#fits(name, wish));
  }

  #fits(name: string, { mode, permits }: Wish): boolean {
    if (this.#bars.has(name)) return false;
    if (permits !== undefined) return this.holdersOf(name).length < permits;
    return this.holdersOf(name).every(({ wish }) => wish.mode === "shared" && mode === "shared");
  }

  #standInLine(ask: Ask): void {
    const { names, how } = ask.wish;
    for (const name of names) this.#lines.set(name, [...this.lineOf(name), ask]);
    if (how === "ifAvailable") this.grant(ask);
    else this.#letIn(names);
  }

  /** First come, first served; of a group all at once. */
  #letIn(changed: readonly string[]): void {
    const names = changed.filter((name) => !this.isJudged(name));
    for (let next = 0; next < names.length; next++) {
      const [head] = this.lineOf(names[next] as string);
      if (head === undefined || !this.#isFirst(head)) continue;
      this.grant(head);
      names.push(...head.wish.names);
    }
  }

  #isFirst(ask: Ask): boolean {
    return ask.wish.names.every((name) => this.lineOf(name)[0] === ask && this.#fits(name, ask.wish));
  }

  /** A candidate whose term is over stands for election again, behind all others. */
  #standAgain(ask: Ask): void {
    const isOver = ask.state === "released" || ask.state.startsWith("lost");
    if (ask.wish.by === "elect" && isOver) this.ask(ask.wish, ask);
  }

  #end(its: readonly Ask[], how: (ask: Ask) => State): void {
    for (const ask of its) this.#remove(ask, how(ask));
    this.#letIn(its.flatMap(({ wish }) => wish.names));
  }

  #of(client: number): Ask[] {
    return this.live.filter(({ wish }) => wish.client === client);
  }

  #remove(ask: Ask, state: State): void {
    const isOther = (one: Ask): boolean => one !== ask;
    for (const name of ask.wish.names) {
      this.#lines.set(name, this.lineOf(name).filter(isOther));
      this.#holders.set(name, this.holdersOf(name).filter(isOther));
    }
    ask.state = state;
  }
}
