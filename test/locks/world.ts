/**
 * Lock clients in one process, with the real machine behind them: a clock that is moved by hand, replies and notices that
 * come late, twice and in any order, sessions that end on demand.
 * @module
 */
import type { ClientCore, LiveSession, SessionChange } from "../../src/client/contract.ts";
import { LockClient } from "../../src/locks/client.ts";
import type { LockClientOptions } from "../../src/locks/client-options.ts";
import type { Environment, Timer } from "../../src/protocol/environment.ts";
import { type ErrorCode, ViewstampError } from "../../src/protocol/errors.ts";
import type { SessionId } from "../../src/protocol/session.ts";
import { LockLog } from "./lock-log.ts";

interface Due {
  readonly at: number;
  readonly number: number;
  readonly callback: () => void;
  /** It is the cluster's, not one of its clients'. */
  readonly isBehind: boolean;
}

/** Time that stands still until it is moved. */
export class ManualClock implements Environment {
  #now = 1000;
  #due: Due[] = [];
  #made = 0;
  #seed: number;

  constructor(seed: number) {
    this.#seed = seed >>> 0;
  }

  now(): number {
    return this.#now;
  }

  wallNow(): number {
    return this.#now;
  }

  setTimer(ms: number, callback: () => void): Timer {
    return this.#set(this.#now + ms, callback, false);
  }

  /** A timer of the cluster's. */
  behind(at: number, callback: () => void): Timer {
    return this.#set(at, callback, true);
  }

  #set(at: number, callback: () => void, isBehind: boolean): Timer {
    const due: Due = { at, number: this.#made++, callback, isBehind };
    this.#due.push(due);
    return {
      cancel: () => {
        this.#due = this.#due.filter((one) => one !== due);
      },
    };
  }

  endOfTurn(callback: () => void): void {
    this.setTimer(0, callback);
  }

  /** mulberry32. */
  random(): number {
    this.#seed = (this.#seed + 0x6d2b79f5) >>> 0;
    let t = this.#seed;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  randomId(): string {
    return Math.floor(this.random() * 2 ** 32)
      .toString(16)
      .padStart(16, "0");
  }

  /** Of clients. */
  get timers(): number {
    return this.#due.filter(({ isBehind }) => !isBehind).length;
  }

  /** Moves time on, calling back what is due on the way, and everything that follows from it in between. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settled();
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#now = Math.max(this.#now, next.at);
      this.#due = this.#due.filter((one) => one !== next);
      next.callback();
      await settled();
    }
    this.#now = Math.max(this.#now, end);
  }

  /** Lets time pass with nobody noticing: a process that was paused. */
  jump(ms: number): void {
    this.#now += ms;
  }

  #next(end: number): Due | undefined {
    let first: Due | undefined;
    for (const due of this.#due) {
      const isEarlier = first === undefined || due.at < first.at || (due.at === first.at && due.number < first.number);
      if (due.at <= end && isEarlier) first = due;
    }
    return first;
  }
}

/** All microtasks have run. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** How late things are, in milliseconds: drawn anew for each. */
export interface Delays {
  readonly request: number;
  readonly reply: number;
  readonly notice: number;
}

export class World {
  readonly clock: ManualClock;
  log: LockLog = new LockLog();
  readonly cores: FakeCore[] = [];
  delays: Delays = { request: 0, reply: 0, notice: 0 };
  /** The chance that a notice comes twice. */
  repeats = 0;
  readonly cache: LockClientOptions["cache"];
  /** A kept lock has no more tokens than this. */
  tokens: number = Number.POSITIVE_INFINITY;
  #sessions: Record<string, number> = {};
  #primaries = 0;
  #ticking: Timer | undefined;

  /** `cache`: of its clients. */
  constructor({ seed = 1, cache = false }: { seed?: number; cache?: LockClientOptions["cache"] } = {}) {
    this.clock = new ManualClock(seed);
    this.cache = cache;
  }

  client(owner = "", family = "1"): { locks: LockClient; core: FakeCore } {
    const core = new FakeCore(this, family);
    this.cores.push(core);
    return { core, locks: new LockClient(core, { owner, ...(this.cache !== undefined && { cache: this.cache }) }) };
  }

  /** Sessions are numbered by family, so that those who only look on change no numbers. */
  newSession(family: string): SessionId {
    const number = (this.#sessions[family] ?? 0) + 1;
    this.#sessions[family] = number;
    return `${family}.${number}`;
  }

  /** Somewhere between at once and `most`. */
  later(most: number, callback: () => void): void {
    this.clock.setTimer(most === 0 ? 0 : this.clock.random() * most, callback);
  }

  /** Executes on the replicas, and delivers what they tell. */
  execute<T>(entry: (log: LockLog) => T): T {
    this.log.now = this.clock.now();
    this.log.told = [];
    try {
      return entry(this.log);
    } finally {
      for (const { session, notice } of this.log.told) this.deliver(session, notice);
      this.#tickInTime();
    }
  }

  /** As the primary does: when the machine's deadline has come. */
  #tickInTime(): void {
    this.#ticking?.cancel();
    this.#ticking = undefined;
    const { deadline } = this.log;
    if (deadline === undefined) return;
    this.#ticking = this.clock.behind(deadline, () => this.execute((log) => log.tick()));
  }

  /** What the machine says, with fewer tokens in it. */
  sparing(said: unknown): unknown {
    const { keep } = (said ?? {}) as { keep?: number };
    return keep === undefined || keep <= this.tokens ? said : { ...(said as object), keep: this.tokens };
  }

  /** The primary dies with all notices that are on their way; another one tells again what is outstanding. */
  failOver(): void {
    this.#primaries++;
    this.log = this.log.restored(this.log.snapshot());
    for (const core of this.cores) core.tellAgain();
  }

  deliver(session: SessionId, given: unknown): void {
    const notice = this.sparing(given);
    const times = this.clock.random() < this.repeats ? 2 : 1;
    const primary = this.#primaries;
    for (let n = 0; n < times; n++) {
      this.later(this.delays.notice, () => {
        if (primary !== this.#primaries) return;
        for (const core of this.cores) core.noticed(session, notice);
      });
    }
  }
}

interface Pending {
  readonly session: SessionId;
  readonly reject: (error: unknown) => void;
}

/** A client's core without a network. */
export class FakeCore implements ClientCore {
  readonly environment: Environment;
  /** Commands as they were executed. */
  readonly done: string[] = [];
  /** The next commands fail so, each with one of these. */
  readonly failures: { code: ErrorCode; isExecuted: boolean; data?: { readonly url: string } }[] = [];
  /** Opening a session fails so, one after the other. */
  readonly openFailures: ErrorCode[] = [];
  readonly ttlMs = 10_000;
  /** Whoever asks for the session has its time checked, as in the real core: so a question can end it. */
  checksItself = false;
  /** The session ends when it is asked for so many times more: time passes within a turn, too. */
  looksLeft: number = Number.POSITIVE_INFINITY;
  /** No answers or notices get through. */
  isCutOff = false;
  /** What it says is wrong with the cluster. */
  trouble: ViewstampError | undefined;
  readonly #world: World;
  readonly #family: string;
  readonly #notices: Set<(notice: unknown, session: SessionId) => void> = new Set();
  readonly #sessions: Set<(change: SessionChange) => void> = new Set();
  readonly #pending: Set<Pending> = new Set();
  #live: { id: SessionId; ttlMs: number; trustedUntil: number; driftPercent: number } | undefined;
  #opening: Promise<LiveSession> | undefined;
  #isClosed = false;
  #isDead = false;
  /** Commands are executed in the order they were made, so none before this. */
  #executedAt = 0;

  constructor(world: World, family: string) {
    this.#world = world;
    this.#family = family;
    this.environment = world.clock;
  }

  get session(): LiveSession | undefined {
    const isOver = this.#live !== undefined && this.#world.clock.now() >= this.#live.trustedUntil;
    if (--this.looksLeft === 0 || (this.checksItself && isOver))
      this.lose("no keep-alive was confirmed in time", "SessionExpired", true);
    return this.#live;
  }

  get handlers(): number {
    return this.#notices.size + this.#sessions.size;
  }

  openSession(): Promise<LiveSession> {
    if (this.#isDead) return new Promise(() => {});
    if (this.#isClosed) return Promise.reject(new ViewstampError("Closed", "closed"));
    if (this.#live !== undefined) return Promise.resolve(this.#live);
    this.#opening ??= this.#open();
    return this.#opening;
  }

  execute(machine: string, command: string, input: unknown): Promise<unknown> {
    if (machine !== "locks") throw new Error("no such machine");
    const session = this.#live?.id;
    if (session === undefined) throw new Error("a command without a session");
    return new Promise((resolve, reject) => {
      if (this.#isDead) return;
      const pending: Pending = { session, reject };
      this.#pending.add(pending);
      const failure = this.failures.shift();
      const at = Math.max(this.#executedAt, this.#world.clock.now() + this.#late("request"));
      this.#executedAt = at;
      this.#world.clock.setTimer(at - this.#world.clock.now(), () => {
        if (!this.#pending.has(pending)) return;
        const settle = failure?.isExecuted === false ? () => {} : this.#run(session, command, input, resolve, reject);
        const { data = {} } = failure ?? {};
        const fail = (): void => reject(new ViewstampError(failure!.code, "planted", { outcomeUnknown: true, data }));
        this.#world.later(this.#world.delays.reply, () => {
          if (this.#pending.delete(pending)) (failure === undefined ? settle : fail)();
        });
      });
    });
  }

  ask(machine: string, query: string, input: unknown): Promise<unknown> {
    if (machine !== "locks") throw new Error("no such machine");
    this.#world.log.now = this.#world.clock.now();
    return Promise.resolve(this.#world.log.ask(query, input));
  }

  onNotice(_machine: string, handler: (notice: unknown, session: SessionId) => void): () => void {
    this.#notices.add(handler);
    return () => this.#notices.delete(handler);
  }

  onSession(handler: (change: SessionChange) => void): () => void {
    this.#sessions.add(handler);
    return () => this.#sessions.delete(handler);
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.lose("closed", "Closed");
    return Promise.resolve();
  }

  noticed(session: SessionId, notice: unknown): void {
    if (this.#live?.id !== session || this.isCutOff) return;
    for (const handler of this.#notices) handler(notice, session);
  }

  /** Its process is killed: nothing it does has an effect, and its session runs out. */
  die(): void {
    const live = this.#live;
    this.#isDead = true;
    this.isCutOff = true;
    this.#pending.clear();
    if (live !== undefined)
      this.#world.clock.setTimer(this.ttlMs, () => this.#world.execute((log) => log.end(live.id, true)));
  }

  /** What a new primary does: everything outstanding is told again. */
  tellAgain(): void {
    const session = this.#live?.id;
    if (session === undefined) return;
    for (const notice of this.#world.log.outstanding(session)) this.#world.deliver(session, notice);
  }

  /** The client finds that its session is over; the cluster ends it a little later. */
  lose(reason: string, code: ErrorCode = "SessionExpired", isSilent = false): void {
    const live = this.#live;
    if (live === undefined) return;
    this.#live = undefined;
    for (const handler of this.#sessions) handler({ type: "lost", id: live.id, reason });
    for (const { reject } of this.#pending) reject(new ViewstampError(code, reason, { outcomeUnknown: true }));
    this.#pending.clear();
    this.#world.later(this.#world.delays.request, () => this.#world.execute((log) => log.end(live.id, isSilent)));
  }

  /** The session is not confirmed beyond this moment. */
  trustUntil(moment: number): void {
    if (this.#live !== undefined) this.#live.trustedUntil = moment;
  }

  #late(kind: keyof Delays): number {
    return this.#world.delays[kind] * this.#world.clock.random();
  }

  #open(): Promise<LiveSession> {
    return new Promise((resolve, reject) => {
      this.#world.later(this.#world.delays.reply, () => {
        this.#opening = undefined;
        const failure = this.openFailures.shift();
        if (failure !== undefined || this.#isClosed) return reject(new ViewstampError(failure ?? "Closed", "planted"));
        this.#live = {
          id: this.#world.newSession(this.#family),
          ttlMs: this.ttlMs,
          trustedUntil: Number.POSITIVE_INFINITY,
          driftPercent: 1,
        };
        for (const handler of this.#sessions) handler({ type: "opened", session: this.#live });
        resolve(this.#live);
      });
    });
  }

  /** Executes now; gives what delivers the reply. */
  #run(
    session: SessionId,
    command: string,
    input: unknown,
    resolve: (reply: unknown) => void,
    reject: (error: unknown) => void,
  ): () => void {
    this.done.push(`${command} ${(input as { name?: string }).name ?? ""}`);
    try {
      const reply = this.#world.sparing(this.#world.execute((log) => log.apply(session, command, input)));
      return () => resolve(reply);
    } catch (error) {
      return () => reject(error);
    }
  }
}
