/**
 * The lock tester: several clients fight over a few locks, and a referee watches that no two hold one at a time, that
 * fencing tokens only grow, and that nobody waits for ever. Scenarios, the simulator and the example run it.
 * @module
 */
import type { Lock, LockClient } from "../../src/entry/locks.ts";
import { Referee } from "./referee.ts";

/** Time and chance, so that the tester runs in a simulated world too. */
export interface TesterTime {
  /** Milliseconds since any point. */
  now(): number;
  sleep(ms: number): Promise<void>;
  /** In [0, 1). */
  random(): number;
}

export interface LockTesterOptions {
  /** Makes a client, numbered from 0; the tester closes it. */
  readonly connect: (client: number) => Promise<LockClient>;
  /** Default 6. */
  readonly clients?: number;
  /** How often each task takes its lock in parts 3 to 5. Default 10. */
  readonly rounds?: number;
  /** A holder keeps its lock for up to so many milliseconds. Default 20. */
  readonly holdMs?: number;
  /** Whoever waits longer for a lock waits for ever. Default 20 000 ms. */
  readonly maxWaitMs?: number;
  /** Names of locks begin with this. Default `"tester/"`. */
  readonly prefix?: string;
  /** Repeats all parts until this is aborted, then ends with the part it is in. Default: each part once. */
  readonly until?: AbortSignal;
  readonly onProgress?: (progress: TesterProgress) => void;
  /** Default: the real ones. */
  readonly time?: TesterTime;
}

export type TesterProgress =
  | { readonly event: "part"; readonly part: number; readonly title: string }
  | { readonly event: "held" | "released"; readonly name: string; readonly holder: string; readonly token: bigint }
  | { readonly event: "failure"; readonly text: string };

export interface TesterReport {
  readonly ok: boolean;
  /** What must not have happened, in words; empty if all went well. */
  readonly failures: readonly string[];
  /** How often a lock was taken. */
  readonly grants: number;
  /** The longest time in which somebody waited for a lock that nobody held, in milliseconds. */
  readonly longestGapMs: number;
  /** The longest that anybody waited, in milliseconds. */
  readonly longestWaitMs: number;
}

/** What the parts do, in order. */
export const TESTER_PARTS: readonly string[] = [
  "one client takes and releases two locks in turn",
  "all clients take one lock, each holds it a while",
  "all clients, several rounds each, on one lock",
  "two tasks in one client, several rounds each, on one lock",
  "six tasks over two clients, several rounds each, on one lock",
];

/**
 * Runs the parts, one after the other. Never rejects for what the locks do wrong: that is in the report.
 *
 * @example
 * ```ts
 * const report = await runLockTester({ connect: () => connectLocks({ cluster }) });
 * if (!report.ok) throw new Error(report.failures.join("; "));
 * ```
 */
export async function runLockTester(options: LockTesterOptions): Promise<TesterReport> {
  const { clients: count = 6, time = realTime } = options;
  const referee = new Referee(time, options.onProgress ?? (() => {}));
  const clients: LockClient[] = [];
  try {
    for (let n = 0; n < count; n++) clients.push(await options.connect(n));
    const tester = new Tester(clients, referee, options, time);
    do {
      await tester.runParts();
    } while (options.until !== undefined && !options.until.aborted && referee.failures.length === 0);
    await tester.lookForRemains();
  } catch (error) {
    referee.fail(`the tester could not go on: ${String(error)}`);
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
  return referee.report();
}

const realTime: TesterTime = {
  now: () => performance.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  random: () => Math.random(),
};

class Tester {
  readonly #clients: readonly LockClient[];
  readonly #referee: Referee;
  readonly #time: TesterTime;
  readonly #until: AbortSignal | undefined;
  readonly #rounds: number;
  readonly #holdMs: number;
  readonly #maxWaitMs: number;
  readonly #prefix: string;

  constructor(clients: readonly LockClient[], referee: Referee, options: LockTesterOptions, time: TesterTime) {
    this.#clients = clients;
    this.#referee = referee;
    this.#time = time;
    this.#until = options.until;
    this.#rounds = options.rounds ?? 10;
    this.#holdMs = options.holdMs ?? 20;
    this.#maxWaitMs = options.maxWaitMs ?? 20_000;
    this.#prefix = options.prefix ?? "tester/";
  }

  async runParts(): Promise<void> {
    const parts = [this.#twoLocksInTurn, this.#allOnOne, this.#allInRounds, this.#twoTasks, this.#sixTasks];
    for (const [index, run] of parts.entries()) {
      if (this.#until?.aborted && index > 0) return;
      this.#referee.begin(index + 1, TESTER_PARTS[index]!);
      await run.call(this);
    }
  }

  /** Nothing of the tester's may be held or waited for at the end. */
  async lookForRemains(): Promise<void> {
    const { held, pending } = await this.#clients[0]!.query();
    for (const { name } of [...held, ...pending]) {
      if (name.startsWith(this.#prefix)) this.#referee.fail(`${name} is still held or waited for at the end`);
    }
  }

  async #twoLocksInTurn(): Promise<void> {
    const turn = async (name: string): Promise<void> => {
      const holder = "client 0";
      const waited = this.#referee.wait(name);
      const lock = await this.#clients[0]!.acquire(name, { timeoutMs: this.#maxWaitMs }).finally(waited);
      try {
        await this.#hold(lock, holder);
      } finally {
        await lock.release();
      }
    };
    await this.#watch("client 0", async () => {
      for (let round = 0; round < 3; round++) {
        await turn(`${this.#prefix}a`);
        await turn(`${this.#prefix}b`);
      }
    });
  }

  #allOnOne(): Promise<void> {
    return this.#fight(
      "a",
      1,
      this.#clients.map((_, n) => n),
    );
  }

  #allInRounds(): Promise<void> {
    return this.#fight(
      "a",
      this.#rounds,
      this.#clients.map((_, n) => n),
    );
  }

  #twoTasks(): Promise<void> {
    return this.#fight("b", this.#rounds, [0, 0]);
  }

  #sixTasks(): Promise<void> {
    return this.#fight("a", this.#rounds, [0, 1, 0, 1, 0, 1]);
  }

  /** One task for each client named, all on one lock. */
  async #fight(lock: string, rounds: number, clients: readonly number[]): Promise<void> {
    const name = `${this.#prefix}${lock}`;
    const tasks = clients.map((client, task) => {
      const holder = `client ${client % this.#clients.length} task ${task}`;
      return this.#watch(holder, async () => {
        for (let round = 0; round < rounds; round++) {
          await this.#take(this.#clients[client % this.#clients.length]!, name, holder);
        }
      });
    });
    await Promise.all(tasks);
  }

  async #take(client: LockClient, name: string, holder: string): Promise<void> {
    const waited = this.#referee.wait(name);
    try {
      await client.request(name, { timeoutMs: this.#maxWaitMs }, (lock) => {
        waited();
        return this.#hold(lock, holder);
      });
    } finally {
      waited();
    }
  }

  async #hold(lock: Lock, holder: string): Promise<void> {
    const leave = this.#referee.enter(lock, holder);
    try {
      await this.#time.sleep(this.#time.random() * this.#holdMs);
      lock.assertHeld();
    } finally {
      leave();
    }
  }

  /** A task that meets an error has failed, and ends; the others go on. */
  async #watch(holder: string, task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      this.#referee.fail(`${holder}: ${String(error)}`);
    }
  }
}
