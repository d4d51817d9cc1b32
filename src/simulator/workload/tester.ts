/**
 * The workload of the simulator's own campaigns: registers, tallies, the lock tester and elections, on the same clients.
 * @module
 */
import { ViewstampError } from "../../protocol/errors.ts";
import { checkRegisters } from "../checkers/linearizability.ts";
import type { Inside } from "./believers.ts";
import type { AskState, ClientLife, Question, Witness, Workload } from "./contract.ts";
import { KvCalls } from "./kv-calls.ts";
import { Leading, type LeadingOptions } from "./leading.ts";
import type { Violated } from "./lock-checks.ts";
import { Locking, type LockingOptions } from "./locking.ts";
import { Load, type LoadOptions } from "./registers.ts";

export interface TesterOptions {
  readonly load: LoadOptions;
  readonly locking: LockingOptions;
  readonly leading: LeadingOptions;
  /** Calls that one client has under way at once. */
  readonly lanes: number;
}

/** So many of a client's lanes take locks. */
const LOCKING_LANES = 2;
const PROBE_AGAIN_MS = 50;

export class TesterWorkload implements Workload {
  readonly #load: Load;
  readonly #locking: Locking;
  readonly #leading: Leading;
  readonly #lanes: number;
  readonly #violated: Violated;
  #probes = 0;

  constructor(options: TesterOptions, now: () => number, violated: Violated, witness: Witness) {
    this.#load = new Load(options.load, now, violated, witness);
    this.#locking = new Locking(options.locking, now, violated, witness);
    this.#leading = new Leading(options.leading, now, violated, witness);
    this.#lanes = options.lanes;
    this.#violated = violated;
  }

  get answered(): number {
    return this.#load.answered;
  }

  get isDone(): boolean {
    return this.#load.left === 0 && this.#locking.left === 0 && this.#leading.left === 0;
  }

  begin({ number, core, random, sleep }: ClientLife): Promise<void>[] {
    const locks = this.#locking.connect(core, random.fork("cache"));
    const work: Promise<void>[] = [this.#leading.lane(number, locks, random.fork("leading"), sleep)];
    for (let lane = 0; lane < this.#lanes; lane++) {
      const own = random.fork(`lane ${lane}`);
      work.push(this.#load.lane(number, core, own, sleep));
      if (lane < LOCKING_LANES) work.push(this.#locking.lane(number, core, locks, own.fork("locks"), sleep));
    }
    return work;
  }

  async probe({ number, core, sleep }: ClientLife): Promise<void> {
    for (;;) {
      try {
        await core.execute("tester", "put", { op: -++this.#probes, key: `probe ${number}`, value: "" });
        await core.ask("tester", "get", `probe ${number}`);
        return;
      } catch (error) {
        // A session that ended in the trouble before is news to its client only now.
        if (!(error instanceof ViewstampError)) throw error;
        await sleep(PROBE_AGAIN_MS);
      }
    }
  }

  died(client: number): void {
    this.#load.died(client);
    this.#locking.died(client);
    this.#leading.died(client);
  }

  open(): string {
    return `${this.#load.under} calls are still waiting, ${this.#load.left} not made`;
  }

  believed(name: string, inside: Inside): bigint[] {
    return [...this.#locking.believed(name, inside), ...this.#leading.believed(name, inside)];
  }

  get questions(): Question[] {
    const keys = Array.from({ length: this.#load.options.keys }, (_, index) => `k${index + 1}`);
    const asked = keys.flatMap((key): Question[] => [
      ["tester", "get", key],
      ["tester", "total", key],
    ]);
    const stored = KvCalls.keys.map((key): Question => ["kv", "get", key]);
    return [...asked, ...stored, ["tester", "repeated", null]];
  }

  judge(ask?: AskState): void {
    if (ask !== undefined) this.#load.judge((query, input) => ask("tester", query, input));
    const { verdict, key } = checkRegisters(this.#load.histories);
    if (verdict !== "linearizable") this.#violated(8, `the history of register ${key} is ${verdict}`);
  }
}
