// The lock tester as a load: from before a script goes on until it has ended, all its parts at least once.
import { runLockTester, TESTER_PARTS, type TesterProgress } from "../../../examples/lock-cluster/lock-tester.ts";
import type { Load, Stage } from "./stage.ts";

const GRANTS_THAT_SHOW_SERVICE = 10;
const MOST_GRANTS = 60;
/** Nobody waits longer for a lock: one view change, and all who are before him in the line. */
const MOST_WAIT_MS = 4_000;
const WHOLE_PASS_MS = 20_000;
const LAST_PART_MS = 10_000;

export class LockTesterLoad implements Load {
  readonly #stage: Stage;
  readonly #over = new AbortController();
  readonly #tester: Promise<void>;
  readonly #partsBegun = new Set<number>();
  #grants = 0;
  #isEnded = false;

  constructor(stage: Stage) {
    this.#stage = stage;
    const random = stage.random.fork("lock tester");
    const time = {
      now: () => stage.world.now,
      random: () => random.fraction(),
      sleep: (ms: number) => stage.sleep(ms),
    };
    this.#tester = runLockTester({
      connect: () => Promise.resolve(stage.visitor().locks),
      maxWaitMs: MOST_WAIT_MS,
      until: this.#over.signal,
      onProgress: (progress) => this.#see(progress),
      time,
    }).then(() => {
      this.#isEnded = true;
    });
    stage.world.touch();
  }

  /** Waits until some more locks have been granted, how many the seed knows. */
  async randomMoment(): Promise<void> {
    await this.#grantsMore(this.#stage.random.integer(1, MOST_GRANTS), 10 * MOST_WAIT_MS);
    await this.#stage.passes(this.#stage.random.between(0, 20));
  }

  goesOn(): Promise<void> {
    return this.#grantsMore(GRANTS_THAT_SHOW_SERVICE);
  }

  async ends(): Promise<void> {
    const stage = this.#stage;
    await stage.until("the last part begins", () => this.#partsBegun.size === TESTER_PARTS.length, WHOLE_PASS_MS);
    this.#over.abort();
    await stage.within("the lock tester ends", this.#tester, LAST_PART_MS);
  }

  #see(progress: TesterProgress): void {
    if (progress.event === "part") this.#partsBegun.add(progress.part);
    if (progress.event === "held") this.#grants++;
    if (progress.event === "failure") this.#stage.fail(`the lock tester fails: ${progress.text}`);
    if (this.#isEnded) this.#stage.fail("the lock tester goes on after its end");
  }

  #grantsMore(count: number, withinMs?: number): Promise<void> {
    const target = this.#grants + count;
    return this.#stage.until(`the lock tester is served ${count} times`, () => this.#grants >= target, withinMs);
  }
}
