/**
 * The lock tester at work: six clients, over and over, until the story is told. Says now and then who holds what.
 * @module
 */
import type { LockClient } from "viewstamp/locks";
import { runLockTester, TESTER_PARTS, type TesterProgress, type TesterReport } from "./lock-tester.ts";
import { gray, type Narrator, red } from "./narrator.ts";

/** A glimpse this often is enough for a person. */
const glimpseMs = 700;
/** Even on a slow machine nothing takes longer. */
const patienceMs = 30_000;

export class Fight {
  readonly #narrator: Narrator;
  readonly #over = new AbortController();
  readonly #report: Promise<TesterReport>;
  readonly #parts = new Set<number>();
  #grants = 0;
  #glimpsedAt = performance.now();
  #lookAgain: () => void = () => {};

  constructor(narrator: Narrator, connect: (client: number) => Promise<LockClient>) {
    this.#narrator = narrator;
    narrator.tell("six clients begin to fight over locks");
    this.#report = runLockTester({ connect, until: this.#over.signal, onProgress: (progress) => this.#see(progress) });
  }

  /** Waits for so many more grants. */
  async goesOn(grants: number): Promise<void> {
    const target = this.#grants + grants;
    await this.#until(() => this.#grants >= target);
  }

  /** Waits until every part has been played, and gives the tester's report. */
  async end(): Promise<TesterReport> {
    await this.#until(() => this.#parts.size === TESTER_PARTS.length);
    this.#over.abort();
    return this.#report;
  }

  /** A tester that has failed ends by itself. */
  async #until(holds: () => boolean): Promise<void> {
    let limit: ReturnType<typeof setTimeout> | undefined;
    const held = new Promise<void>((resolve, reject) => {
      this.#lookAgain = () => {
        if (holds()) resolve();
      };
      limit = setTimeout(() => reject(new Error(`no locks were granted for ${patienceMs} ms`)), patienceMs);
      this.#lookAgain();
    });
    await Promise.race([held, this.#report]).finally(() => clearTimeout(limit));
  }

  #see(progress: TesterProgress): void {
    if (progress.event === "part") this.#parts.add(progress.part);
    if (progress.event === "failure") this.#narrator.tell(red(progress.text));
    if (progress.event === "held") {
      this.#grants++;
      this.#glimpse(progress.name, progress.holder, progress.token);
    }
    this.#lookAgain();
  }

  #glimpse(name: string, holder: string, token: bigint): void {
    if (performance.now() - this.#glimpsedAt < glimpseMs) return;
    this.#glimpsedAt = performance.now();
    this.#narrator.tell(gray(`${holder} holds ${name}, token ${token}; ${this.#grants} grants so far`));
  }
}
