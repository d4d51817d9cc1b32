// One client that never stops asking, one request after the other: none fails, each is done once, and the gaps are measured.
import type { Load, Stage } from "./stage.ts";
import type { Visitor } from "./visitor.ts";

const ANSWERS_THAT_SHOW_SERVICE = 10;

export interface SteadyOptions {
  /** Milliseconds between an answer and the next request. Default 10. */
  readonly everyMs?: number;
}

export class SteadyLoad implements Load {
  readonly #stage: Stage;
  readonly #visitor: Visitor;
  readonly #everyMs: number;
  readonly #asking: Promise<void>;
  #isOver = false;
  #done = 0;
  #askedAt = 0;
  #longestGapMs = 0;

  constructor(stage: Stage, { everyMs = 10 }: SteadyOptions = {}) {
    this.#stage = stage;
    this.#everyMs = everyMs;
    this.#visitor = stage.visitor();
    this.#asking = this.#ask().catch((error: unknown) => stage.fail(`the steady client is told ${String(error)}`));
  }

  /** How many requests were answered. */
  get done(): number {
    return this.#done;
  }

  /** The longest that a request has waited for its answer, that under way included. */
  get longestGapMs(): number {
    return Math.max(this.#longestGapMs, this.#stage.world.now - this.#askedAt - this.#everyMs);
  }

  /** Forgets the gaps so far. */
  forgetGaps(): void {
    this.#longestGapMs = 0;
  }

  goesOn(): Promise<void> {
    const target = this.#done + ANSWERS_THAT_SHOW_SERVICE;
    return this.#stage.until("the steady client is served", () => this.#done >= target);
  }

  async ends(): Promise<void> {
    this.#isOver = true;
    await this.#stage.within("the last request is answered", this.#asking);
    const sum = await this.#stage.within("the sum is read", this.#visitor.sum("steady"));
    if (sum !== this.#done) this.#stage.fail(`${this.#done} were answered, ${String(sum)} were done`);
  }

  async #ask(): Promise<void> {
    while (!this.#isOver) {
      this.#askedAt = this.#stage.world.now;
      const sum = await this.#visitor.add("steady", 1);
      this.#longestGapMs = Math.max(this.#longestGapMs, this.#stage.world.now - this.#askedAt);
      if (sum !== ++this.#done) throw new Error(`request ${this.#done} is answered ${String(sum)}`);
      await this.#stage.sleep(this.#everyMs);
    }
  }
}
