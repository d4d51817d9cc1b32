/**
 * A user's workload: rounds that each client goes through, life after life, and a last look at how it all ended.
 * @module
 */
import { typedClient } from "../../client/connect.ts";
import { invalid } from "../../client/options.ts";
import type { AnyMachine } from "../../machine/definition.ts";
import { ViewstampError } from "../../protocol/errors.ts";
import type { ClientLife, Workload } from "./contract.ts";
import { fadingClient } from "./fading-client.ts";
import { CallBook, MOST_CALLS, WrittenCore } from "./user-calls.ts";
import type { Found, UserMachines } from "./user-machine.ts";

/** A seeded stream of chance: the same on every runtime. */
export interface SimulatedRandom {
  /** A number in [0, 1). */
  fraction(): number;
  /** A whole number from `least` to `most`, both included. */
  integer(least: number, most: number): number;
  /** True as often as `probability` says, which is between 0 and 1. */
  chance(probability: number): boolean;
  /** One of these; the list must not be empty. */
  pick<Item>(list: readonly Item[]): Item;
  /** The same items in an order of chance. */
  shuffle<Item>(list: readonly Item[]): Item[];
}

/** What a workload gets: one round of one client. */
export interface SimulatedRound<Client> {
  /** Connected to the cluster, with the calls of the machine; a new one for each life of the client. */
  readonly client: Client;
  /** The client's number, from 1. */
  readonly number: number;
  /** Counts this client's rounds from 1, over all its lives. */
  readonly round: number;
  /** All chance must come from here, so that the seed can be replayed. */
  readonly random: SimulatedRandom;
  /** Waits so many simulated milliseconds. */
  readonly sleep: (ms: number) => Promise<void>;
}

/** The parts of a user's simulation, without their types. */
export interface UserSimulation {
  readonly machines: AnyMachine | readonly AnyMachine[];
  readonly workload: (round: SimulatedRound<unknown>) => unknown;
  readonly check: ((end: UserEnd) => unknown) | undefined;
  readonly clients: number;
  readonly rounds: number;
  /** Between two rounds a client pauses for at most this long. */
  readonly pauseMs: number;
}

interface UserEnd {
  readonly state: unknown;
  readonly calls: CallBook["calls"];
  readonly client: unknown;
}

/** What a client may meet when the cluster is in trouble: the round ends early, and that is all. */
const TROUBLES: readonly string[] = ["Timeout", "SessionExpired", "NoQuorum", "Busy", "Overloaded", "Closed"];

/** Beside those, what a client may meet until the cluster runs the newest versions. */
const UPGRADE_TROUBLES: readonly string[] = ["WrongMachine", "UnknownCommand", "InvalidInput"];

const PROBE_AGAIN_MS = 50;

/** One life of a client that is at work. */
interface Worker {
  round: number;
  asleep: number;
}

export class UserWorkload implements Workload {
  readonly ticks: boolean;
  readonly #book: CallBook;
  readonly #simulation: UserSimulation;
  readonly #machines: UserMachines;
  readonly #found: Found;
  readonly #workers: Map<number, Worker> = new Map();
  /** Rounds that each client has begun. */
  readonly #begun: number[];
  #concluding: "not yet" | "to do" | "begun" = "not yet";
  #isOver = false;

  constructor(simulation: UserSimulation, machines: UserMachines, now: () => number, found: Found) {
    this.#simulation = simulation;
    this.#machines = machines;
    this.#found = found;
    const tooMany = `${MOST_CALLS} calls have been made, and the workload does not end`;
    this.#book = new CallBook(now, () => found(15, tooMany));
    this.#begun = Array.from({ length: simulation.clients }, () => 0);
    this.ticks = [simulation.machines].flat().some(({ deadline }) => deadline !== undefined);
  }

  get answered(): number {
    return this.#book.answered;
  }

  get isDone(): boolean {
    if (this.#concluding !== "not yet") return this.#concluding === "begun";
    return this.#begun.every((begun) => begun >= this.#simulation.rounds);
  }

  begin(life: ClientLife): Promise<void>[] {
    if (this.#concluding === "to do") return [this.#check(life)];
    return this.#concluding === "begun" ? [] : [this.#work(life)];
  }

  /** A command that no machine has goes through the log as any other, and changes nothing. */
  async probe({ core, sleep }: ClientLife): Promise<void> {
    const [machine] = [this.#simulation.machines].flat();
    for (;;) {
      try {
        await core.execute(machine?.name ?? "", "", undefined);
      } catch (error) {
        if (!(error instanceof ViewstampError)) throw error;
        if (["UnknownCommand", "WrongMachine", "Closed"].includes(error.code)) return;
        await sleep(PROBE_AGAIN_MS);
      }
    }
  }

  died(client: number): void {
    this.#workers.delete(client);
    this.#book.died(client);
  }

  open(): string {
    const [first] = this.#workers;
    if (first === undefined) return "not all clients have begun";
    const [number, { round, asleep }] = first;
    const calls = this.#book.openOf(number).map(({ machine, name }) => `${machine}.${name}`);
    const waits = [...calls, ...(asleep > 0 ? ["sleep"] : [])];
    const end =
      this.#concluding === "not yet" ? `round ${round} of client ${number} does not end` : "check does not end";
    const outside = "something outside of the simulation (wait for calls of the client and for sleep only)";
    return `${end}: it waits for ${waits.length > 0 ? waits.join(", ") : outside}`;
  }

  rested(): void {
    this.#machines.compareStates();
  }

  judge(): void {
    // The states have been compared when all was at rest; the user's own check is still to come.
  }

  conclude(): boolean {
    if (this.#simulation.check === undefined) return false;
    this.#concluding = "to do";
    return true;
  }

  /** The seed is over, however it ended: nobody goes on. */
  over(): void {
    this.#isOver = true;
  }

  async #work(life: ClientLife): Promise<void> {
    const { number, random, sleep } = life;
    const { rounds, pauseMs, workload } = this.#simulation;
    const worker: Worker = { round: 0, asleep: 0 };
    this.#workers.set(number, worker);
    const isAlive = (): boolean => this.#workers.get(number) === worker;
    const rest = async (ms: number): Promise<void> => {
      if (Number.isNaN(Number(ms))) throw invalid(`sleep takes milliseconds, not ${String(ms)}`, {});
      worker.asleep++;
      await sleep(ms);
      worker.asleep--;
    };
    const client = this.#clientOf(life);
    while (isAlive() && this.#begunBy(number) < rounds) {
      worker.round = this.#begunBy(number) + 1;
      this.#begun[number - 1] = worker.round;
      const own = random.fork(`round ${worker.round}`);
      const troubles = this.#machines.isUpgraded ? TROUBLES : [...TROUBLES, ...UPGRADE_TROUBLES];
      try {
        await workload({ client, number, round: worker.round, random: own, sleep: rest });
      } catch (error) {
        const isTrouble = error instanceof ViewstampError && troubles.includes(error.code);
        if (isAlive() && !isTrouble) this.#roundFailed(number, worker.round, error);
      }
      await sleep(random.between(0, pauseMs));
    }
    if (isAlive()) this.#workers.delete(number);
  }

  #begunBy(client: number): number {
    return this.#begun[client - 1] ?? 0;
  }

  #roundFailed(number: number, round: number, error: unknown): void {
    this.#found(0, `the workload throws in round ${round} of client ${number}: ${String(error)}`, error);
  }

  async #check(life: ClientLife): Promise<void> {
    this.#concluding = "begun";
    const worker: Worker = { round: 0, asleep: 0 };
    this.#workers.set(life.number, worker);
    const { machines, check } = this.#simulation;
    const { states } = this.#machines;
    const state = Array.isArray(machines) ? Object.fromEntries(states) : [...states.values()][0];
    const calls = [...this.#book.calls];
    try {
      const said = await check?.({ state, calls, client: this.#clientOf(life) });
      if (said === false) this.#found(0, "the check says false");
    } catch (error) {
      this.#found(0, `the check throws: ${error instanceof Error ? error.message : String(error)}`, error);
    }
    this.#workers.delete(life.number);
  }

  #clientOf({ core, number }: ClientLife): unknown {
    const client = typedClient(new WrittenCore(core, number, this.#book), this.#simulation.machines);
    return fadingClient(client, () => this.#isOver);
  }
}
