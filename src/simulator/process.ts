/**
 * Processes: a host with clocks, and the lives that run on it one after another. What a dead life still does has no effect
 * on the world, so a crash may come between any two things that code does to the outside.
 * @module
 */
import type { Environment, Timer } from "../protocol/environment.ts";
import type { Planned } from "./agenda.ts";
import type { Random } from "./random.ts";
import type { World } from "./world.ts";

/** How a process ends. `power`: the machine is off until the next start, and what its disk had not synced may be lost. */
export type Death = "kill" | "power";

export interface HostOptions {
  /** How many local milliseconds pass in one of the world's; 1 by default. */
  readonly clockRate?: number;
  /** Whether its code uses promises all the time (clients do, running nodes do not). */
  readonly promises?: boolean;
  /** How long a turn lasts, in milliseconds: what arrives in it is handled in one batch; 0 by default. */
  readonly turnMs?: number;
}

/** A machine with a clock, on which one process lives at a time. */
export class Host {
  readonly name: string;
  readonly world: World;
  readonly promises: boolean;
  readonly turnMs: number;
  readonly #random: Random;
  #clockRate: number;
  #localBase: number;
  #worldBase = 0;
  #wallOffset: number;
  #frozenSince: number | undefined;
  /** The wall clock was set back, or the machine has slept, and its process has not looked at it since. */
  #setBack = false;
  #slept = false;
  #life: Life | undefined;
  #lives = 0;
  #powered = true;

  constructor(world: World, name: string, options: HostOptions = {}) {
    this.world = world;
    this.name = name;
    this.promises = options.promises ?? false;
    this.turnMs = options.turnMs ?? 0;
    this.#clockRate = options.clockRate ?? 1;
    this.#random = world.random.fork(`host ${name}`);
    this.#localBase = this.#random.integer(0, 1_000_000);
    this.#wallOffset = 1_750_000_000_000 + this.#random.integer(-1000, 1000);
  }

  get life(): Life | undefined {
    return this.#life;
  }

  /** Whether the machine is on: if so, an address nobody listens at refuses; else nothing answers. */
  get powered(): boolean {
    return this.#powered;
  }

  /** Its monotonic clock. */
  now(): number {
    return this.#localBase + ((this.#frozenSince ?? this.world.now) - this.#worldBase) * this.#clockRate;
  }

  wallNow(): number {
    this.#setBack = false;
    this.#slept = this.#frozenSince !== undefined;
    return this.world.now + this.#wallOffset;
  }

  /** How long, in the world's time, until this host's monotonic clock shows `local`. */
  untilLocal(local: number): number {
    return Math.max(0, (local - this.now()) / this.#clockRate);
  }

  /** The monotonic clock runs at another rate from now on. */
  setClockRate(rate: number): void {
    this.#localBase = this.now();
    this.#worldBase = this.world.now;
    // A clock that stands still goes on from where it stands.
    if (this.#frozenSince !== undefined) this.#frozenSince = this.world.now;
    this.#clockRate = rate;
    this.world.story.tell(this.name, `has a clock that runs at ${rate}`);
  }

  /** The wall clock is set by someone; not back before its process has seen that the machine slept: else nobody could tell. */
  jumpWall(ms: number): void {
    if (ms < 0 && this.#slept) return;
    this.#wallOffset += ms;
    this.world.story.tell(this.name, `has its wall clock set by ${ms.toFixed()} ms`);
    if (ms < 0) this.#setBack = true;
  }

  /** Starts a process; what it does belongs to this life. */
  start(main: (life: Life) => void): Life {
    if (this.#life !== undefined) throw new Error(`${this.name} is running`);
    this.#powered = true;
    this.#lives++;
    const life = new Life(this, this.#lives, this.#random.fork(`life ${this.#lives}`));
    this.#life = life;
    life.enter(() => main(life));
    this.world.touch();
    return life;
  }

  /** Ends the process at once. */
  die(death: Death): void {
    const life = this.#life;
    if (death === "power") this.#powered = false;
    if (life === undefined) return;
    this.#life = undefined;
    this.#thaw();
    life.end(death);
  }

  /**
   * The process stands still. `suspended`: the whole machine sleeps, and its monotonic clock with it (unless its wall clock
   * was set back and nobody has looked at it since: then it could not be told that it slept).
   */
  pause(suspended: boolean = false): void {
    if (this.#life === undefined || this.#life.paused) return;
    this.#life.pause();
    this.world.story.tell(this.name, suspended ? "sleeps, the whole machine" : "is paused");
    if (!suspended || this.#setBack) return;
    this.#frozenSince = this.world.now;
    this.#slept = true;
  }

  resume(): void {
    if (this.#life === undefined || !this.#life.paused) return;
    this.#thaw();
    this.world.story.tell(this.name, "goes on");
    this.#life.resume();
  }

  #thaw(): void {
    if (this.#frozenSince === undefined) return;
    this.#localBase = this.now();
    this.#worldBase = this.world.now;
    this.#frozenSince = undefined;
  }
}

/** One process from its start to its end. */
export class Life implements Environment {
  readonly host: Host;
  readonly number: number;
  readonly #random: Random;
  readonly #waiting: (() => void)[] = [];
  readonly #onEnd: ((death: Death) => void)[] = [];
  #alive = true;
  #paused = false;
  #timers = 0;
  #turnPlanned = false;
  #turn: (() => void)[] = [];
  #deathIn: { calls: number; death: Death } | undefined;

  constructor(host: Host, number: number, random: Random) {
    this.host = host;
    this.number = number;
    this.#random = random;
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Whether it stands still, or has not yet caught up with what came meanwhile. */
  get paused(): boolean {
    return this.#paused || this.#waiting.length > 0;
  }

  /** Timers set and not yet fired or cancelled. */
  get timers(): number {
    return this.#timers;
  }

  /** Runs code of this process now; when it is paused, on waking; when it is dead, never. */
  enter(code: () => void): void {
    if (!this.#alive) return;
    if (this.paused) this.#waiting.push(code);
    else this.#run(code);
  }

  /**
   * The process is about to do something to the outside. False if it is dead: then it must not happen. An armed crash
   * counts these calls.
   */
  act(): boolean {
    if (!this.#alive) return false;
    if (this.host.promises) this.host.world.touch();
    if (this.#deathIn === undefined) return true;
    if (this.#deathIn.calls-- > 0) return true;
    this.host.world.story.tell(this.host.name, `dies (${this.#deathIn.death}) in the middle of a turn`);
    this.host.die(this.#deathIn.death);
    return false;
  }

  /** Dies instead of its next outside call but `calls`. */
  dieAfter(calls: number, death: Death): void {
    this.#deathIn = { calls, death };
  }

  /** An armed crash is called off. */
  neverMind(): void {
    this.#deathIn = undefined;
  }

  onEnd(end: (death: Death) => void): void {
    this.#onEnd.push(end);
  }

  end(death: Death): void {
    this.#alive = false;
    this.#waiting.length = 0;
    for (const end of this.#onEnd) end(death);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.host.promises) return this.#catchUp();
    const waiting = this.#waiting.splice(0);
    for (let i = 0; i < waiting.length; i++) {
      if (!this.#alive) return;
      // Paused anew while it catches up: the rest waits on, before what comes later.
      if (this.#paused) {
        this.#waiting.unshift(...waiting.slice(i));
        return;
      }
      this.enter(waiting[i] as () => void);
    }
  }

  now(): number {
    return this.host.now();
  }

  wallNow(): number {
    return this.host.wallNow();
  }

  setTimer(ms: number, callback: () => void): Timer {
    return this.act() ? new LifeTimer(this, ms, callback) : NO_TIMER;
  }

  /** Counts timers set and not yet fired or cancelled. */
  countTimer(by: number): void {
    this.#timers += by;
  }

  endOfTurn(callback: () => void): void {
    if (!this.#alive) return;
    this.#turn.push(callback);
    if (this.#turnPlanned) return;
    this.#turnPlanned = true;
    this.host.world.after(this.host.turnMs, () => this.enter(() => this.#endTurn()));
  }

  random(): number {
    return this.#random.fraction();
  }

  randomId(): string {
    return this.#random.hexId();
  }

  #run(code: () => void): void {
    if (this.host.promises) this.host.world.touch();
    code();
  }

  /** One after another, each with all that its promises do: so a process may act before it looks at its timers. */
  #catchUp(): void {
    if (this.#waiting.length === 0) return;
    this.host.world.after(0, () => {
      const [next] = this.#waiting;
      if (!this.#alive || next === undefined) return;
      this.#run(next);
      this.#waiting.shift();
      this.#catchUp();
    });
  }

  #endTurn(): void {
    this.#turnPlanned = false;
    const callbacks = this.#turn;
    this.#turn = [];
    for (const callback of callbacks) if (this.#alive) callback();
  }
}

/** No runtime fires earlier; without it a timer for the last rounding error of a time would be set for ever. */
const LEAST_TIMER_MS = 0.5;

const NO_TIMER: Timer = { cancel() {} };

class LifeTimer implements Timer {
  readonly #life: Life;
  readonly #due: number;
  #callback: (() => void) | undefined;
  #planned: Planned | undefined;

  constructor(life: Life, ms: number, callback: () => void) {
    this.#life = life;
    this.#due = life.now() + Math.max(LEAST_TIMER_MS, ms);
    this.#callback = callback;
    life.countTimer(1);
    this.#plan();
  }

  cancel(): void {
    if (this.#callback === undefined) return;
    this.#callback = undefined;
    this.#life.countTimer(-1);
    this.#planned?.cancel();
  }

  #plan(): void {
    const { host } = this.#life;
    this.#planned = host.world.after(host.untilLocal(this.#due), () => this.#life.enter(() => this.#fire()));
  }

  #fire(): void {
    const callback = this.#callback;
    if (callback === undefined) return;
    // After a sleep of the machine its clock is behind the world's: the timer goes on.
    if (this.#life.now() < this.#due - 1e-6) return this.#plan();
    this.#callback = undefined;
    this.#life.countTimer(-1);
    callback();
  }
}
