/**
 * Elections and things to be done once, as a load: candidates that lead for a while and resign, those who look on, and
 * schedulers of which one may run.
 * @module
 */
import type { ClusterLocks } from "../../locks/cluster-locks.ts";
import type { Election, Leadership } from "../../locks/election.ts";
import type { Random } from "../random.ts";
import type { Inside } from "./believers.ts";
import type { Witness } from "./contract.ts";
import type { Violated } from "./lock-checks.ts";
import { isExpectedRefusal } from "./lock-refusals.ts";

export interface LeadingOptions {
  /** How often all clients together lead or look on, */
  readonly rounds: number;
  /** and how often they would have something run. */
  readonly runs: number;
  readonly names: number;
  /** Milliseconds that a leader leads, at most. */
  readonly termMs: number;
  /** For so long nobody else runs what was run. */
  readonly ttlMs: number;
  /** By how much clocks run fast or slow at most. */
  readonly drift: number;
}

interface Office {
  readonly client: number;
  readonly term: Leadership;
}

interface Run {
  readonly client: number;
  /** It was claimed after this. */
  readonly askedAt: number;
}

const LOOK_MS = 20;
/** Between two things that one lane has run once. */
const LONGEST_REST_MS = 100;
/** As many acts of a leader last longer than most sessions live on by themselves. */
const LONG_ACTS = 80;
const ANSWER_MS = 2_000;

export class Leading {
  readonly options: LeadingOptions;
  readonly #violated: Violated;
  readonly #witness: Witness;
  readonly #now: () => number;
  readonly #offices: Map<string, Set<Office>> = new Map();
  /** The greatest term of each name that a leader has had, and that somebody who looked on has seen. */
  readonly #terms: Map<string, bigint> = new Map();
  readonly #seen: Map<string, bigint> = new Map();
  readonly #runs: Map<string, Run> = new Map();
  #left: number;
  #runsLeft: number;

  constructor(options: LeadingOptions, now: () => number, violated: Violated, witness: Witness) {
    this.options = options;
    this.#left = options.rounds;
    this.#runsLeft = options.runs;
    this.#now = now;
    this.#violated = violated;
    this.#witness = witness;
  }

  get left(): number {
    return this.#left + this.#runsLeft;
  }

  async lane(client: number, locks: ClusterLocks, random: Random, sleep: (ms: number) => Promise<void>): Promise<void> {
    await Promise.all([
      this.#stand(client, locks, random, sleep),
      this.#schedule(client, locks, random.fork("runs"), sleep),
    ]);
  }

  async #schedule(
    client: number,
    locks: ClusterLocks,
    random: Random,
    sleep: (ms: number) => Promise<void>,
  ): Promise<void> {
    while (this.#runsLeft > 0) {
      this.#runsLeft--;
      await this.#runOnce(client, locks, random);
      await sleep(random.between(0, Math.min(this.options.ttlMs, LONGEST_REST_MS)));
    }
  }

  async #stand(
    client: number,
    locks: ClusterLocks,
    random: Random,
    sleep: (ms: number) => Promise<void>,
  ): Promise<void> {
    if (this.#left === 0) return;
    const name = `chief${random.integer(1, this.options.names)}`;
    const election = locks.elect(name);
    let last: Leadership | undefined;
    while (this.#left > 0) {
      const term = election.leadership;
      if (term !== undefined && term !== last) {
        this.#left--;
        last = term;
        await this.#lead(client, election, term, random, sleep);
      } else if (random.chance(0.1)) {
        this.#left--;
        await this.#look(locks, name);
      }
      await sleep(random.between(1, LOOK_MS));
    }
    await election.close().catch((error: unknown) => this.#expected(error));
  }

  /** The terms under which clients believe to lead at this moment. */
  believed(name: string, inside: Inside): bigint[] {
    const offices = [...(this.#offices.get(name) ?? [])];
    return offices.filter(({ client, term }) => inside(client, () => leads(term))).map(({ term }) => term.term);
  }

  /** A dead client leads nobody. */
  died(client: number): void {
    for (const offices of this.#offices.values())
      for (const office of [...offices]) if (office.client === client) offices.delete(office);
  }

  async #lead(
    client: number,
    { name }: Election,
    term: Leadership,
    random: Random,
    sleep: (ms: number) => Promise<void>,
  ): Promise<void> {
    const office = { client, term };
    this.#takes(name, office);
    // Some outlive their session, if something befalls it.
    const longer = random.chance(0.03) ? LONG_ACTS : 0;
    for (let acts = random.integer(1, 4) + longer; acts > 0 && this.#acts(name, office); acts--)
      await sleep(longer > 0 ? LOOK_MS : random.between(0, this.options.termMs));
    this.#offices.get(name)?.delete(office);
    // Some lead for as long as they can.
    if (random.chance(0.8)) await term.resign().catch((error: unknown) => this.#expected(error));
  }

  #takes(name: string, office: Office): void {
    const before = this.#terms.get(name) ?? -1n;
    const { term } = office.term;
    if (term <= before && leads(office.term)) this.#violated(13, `term ${term} of ${name} comes after ${before}`);
    if (term > before) this.#terms.set(name, term);
    let offices = this.#offices.get(name);
    if (offices === undefined) this.#offices.set(name, (offices = new Set()));
    offices.add(office);
  }

  /** Whether it still believes to lead; then nobody else may. */
  #acts(name: string, { client, term }: Office): boolean {
    if (!leads(term)) {
      if (!term.signal.aborted)
        this.#violated(13, `term ${term.term} of ${name} is lost, and its signal is not aborted`);
      return false;
    }
    this.#witness.acts(client, name, term.term);
    for (const other of this.#offices.get(name) ?? []) {
      if (other.term === term || !leads(other.term)) continue;
      const both = `client ${client} (term ${term.term}) and client ${other.client} (term ${other.term.term})`;
      this.#violated(12, `${both} both lead ${name}`);
    }
    return true;
  }

  /** What somebody sees who looks on is never older than what anybody had seen before. */
  async #look(locks: ClusterLocks, name: string): Promise<void> {
    const before = this.#seen.get(name) ?? -1n;
    try {
      const { held } = await locks.query({ timeoutMs: ANSWER_MS });
      const leaders = held.filter((one) => one.name === name);
      if (leaders.length > 1) this.#violated(12, `${leaders.length} clients are shown to lead ${name}`);
      const term = leaders[0]?.token;
      if (term === undefined) return;
      if (term < before) this.#violated(13, `${name} is shown with term ${term} after ${before}`);
      if (term > (this.#seen.get(name) ?? -1n)) this.#seen.set(name, term);
    } catch (error) {
      this.#expected(error);
    }
  }

  /**
   * Two that ran were claimed `ttlMs` apart, by the cluster's time, which is no faster than the fastest clock, and who runs
   * does so while its claim lasts: so runs begin in the order of their claims, and the later one more than `ttlMs` after the
   * earlier one was asked for.
   */
  async #runOnce(client: number, locks: ClusterLocks, random: Random): Promise<void> {
    const { ttlMs, drift } = this.options;
    const key = `job${random.integer(1, 2)}`;
    const askedAt = this.#now();
    try {
      await locks.runOnce(key, { ttlMs }, () => {
        const last = this.#runs.get(key);
        const apartMs = last === undefined ? ttlMs : this.#now() - last.askedAt;
        if (apartMs < ttlMs * (1 - 2 * drift))
          this.#violated(9, `${key} is run by clients ${last?.client} and ${client} within ${apartMs} ms`);
        this.#runs.set(key, { client, askedAt });
      });
    } catch (error) {
      this.#expected(error);
    }
  }

  #expected(error: unknown): void {
    if (isExpectedRefusal(error)) return;
    this.#violated(12, `a candidate or an onlooker was given ${String(error)}`);
  }
}

function leads(term: Leadership): boolean {
  try {
    term.assertLeading();
    return true;
  } catch {
    return false;
  }
}
