/**
 * The world of one run: virtual time, what is to happen next, chance, the story and its hash. Nothing outside of it decides
 * anything, so one seed gives one run on every runtime.
 * @module
 */
import { Agenda, type Planned } from "./agenda.ts";
import { Random } from "./random.ts";
import { Story } from "./story.ts";

/** A promise chain moves one link per microtask; so many are given to it before the world looks whether it did anything. */
const TICKS_PER_ROUND = 12;
/** Promise chains that act for ever without time passing are a bug in the code under test. */
const ROUNDS_PER_EVENT = 10_000;

/** As many events at one moment are a bug in the code under test. */
const MOST_AT_ONCE = 100_000;

/** Thrown out of `run` when the code under test spins without time passing. */
export class Spinning extends Error {
  override readonly name: string = "Spinning";
}

export class World {
  readonly seed: number;
  readonly random: Random;
  readonly story: Story;
  readonly #agenda: Agenda = new Agenda();
  readonly #afterEach: (() => void)[] = [];
  #now = 0;
  #steps = 0;
  #sameTime = 0;
  #touched = false;
  #stopped = false;

  constructor(seed: number, options: { readonly tell?: boolean } = {}) {
    this.seed = seed;
    this.random = new Random(seed);
    this.story = new Story(() => this.#now, options.tell ?? false);
  }

  /** Milliseconds since the world began. */
  get now(): number {
    return this.#now;
  }

  /** Events so far. */
  get steps(): number {
    return this.#steps;
  }

  /** What is planned, timers included. */
  get planned(): number {
    return this.#agenda.size;
  }

  at(time: number, action: () => void): Planned {
    return this.#agenda.add(Math.max(time, this.#now), action);
  }

  after(ms: number, action: () => void): Planned {
    return this.at(this.#now + ms, action);
  }

  /** Code with promises has run: they are followed to their end before the next event. */
  touch(): void {
    this.#touched = true;
  }

  /** Called after every event, when its promises have come to rest. */
  afterEach(look: () => void): void {
    this.#afterEach.push(look);
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Lets time pass until `until` milliseconds, or until nothing is planned, or `stop`. */
  async run(until: number): Promise<void> {
    this.#stopped = false;
    if (this.#touched) await this.#settle();
    while (!this.#stopped) {
      const time = this.#agenda.nextTime();
      if (time === undefined || time > until) break;
      const event = this.#agenda.next();
      if (event === undefined) break;
      this.#countStep(event.time);
      event.action();
      if (this.#touched) await this.#settle();
      for (const look of this.#afterEach) look();
    }
    if (!this.#stopped && this.#now < until) this.#now = until;
  }

  #countStep(time: number): void {
    this.#sameTime = time === this.#now ? this.#sameTime + 1 : 0;
    if (this.#sameTime > MOST_AT_ONCE) throw new Spinning("events went on for ever without time passing");
    this.#now = time;
    this.#steps++;
  }

  async #settle(): Promise<void> {
    for (let round = 0; this.#touched; round++) {
      if (round > ROUNDS_PER_EVENT) throw new Spinning("promises went on for ever without time passing");
      this.#touched = false;
      for (let tick = 0; tick < TICKS_PER_ROUND; tick++) await undefined;
    }
  }
}
