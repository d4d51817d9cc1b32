// The lock tester as a load: it runs from before the story begins until after it has ended, all its parts at least once.
import { runLockTester, TESTER_PARTS, type TesterProgress } from "../../examples/lock-cluster/lock-tester.ts";
import type { Visitors } from "../harness/visitors.ts";
import { STEP_MS, within } from "../harness/within.ts";

const grantsThatShowService = 10;

export interface Load {
  /** Returns after some more locks have been granted, how many nobody knows. */
  randomMoment(): Promise<void>;
  /** Returns when the load has been served for a while from now on. */
  goesOn(): Promise<void>;
}

class Watcher implements Load {
  readonly partsBegun = new Set<number>();
  #grants = 0;
  readonly #waiting = new Set<() => void>();

  see(progress: TesterProgress): void {
    if (progress.event === "part") this.partsBegun.add(progress.part);
    if (progress.event === "held") this.#grants++;
    for (const look of [...this.#waiting]) look();
  }

  randomMoment(): Promise<void> {
    return this.#grantsMore(1 + Math.floor(Math.random() * 60));
  }

  async goesOn(): Promise<void> {
    await within(STEP_MS, "the load is served", this.#grantsMore(1));
    await this.#grantsMore(grantsThatShowService);
  }

  /** Resolves when the last part has begun: aborted now, the tester ends with it. */
  wholePass(): Promise<void> {
    return this.#until(() => this.partsBegun.size === TESTER_PARTS.length);
  }

  #grantsMore(count: number): Promise<void> {
    const target = this.#grants + count;
    return this.#until(() => this.#grants >= target);
  }

  #until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!holds()) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
    });
  }
}

/** Fails if the lock tester does. */
export async function underLoad(visitors: Visitors, story: (load: Load) => Promise<void>): Promise<void> {
  const watcher = new Watcher();
  const over = new AbortController();
  const tester = runLockTester({
    connect: () => visitors.strangerWithLocks(),
    holdMs: 5,
    until: over.signal,
    onProgress: (progress) => watcher.see(progress),
  });
  const failed = tester.then(({ failures }) => {
    if (!over.signal.aborted) throw new Error(`the lock tester failed: ${failures.join("; ")}`);
  });
  try {
    await Promise.race([failed, story(watcher).then(() => watcher.wholePass())]);
  } finally {
    over.abort();
    await tester;
  }
  const { ok, failures } = await tester;
  if (!ok) throw new Error(`the lock tester failed: ${failures.join("; ")}`);
}
