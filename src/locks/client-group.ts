/**
 * A request for several locks, granted together. At the cluster there is a claim for each, and they are granted in one
 * step; here they are the holder's when the news of all of them has come.
 * @module
 */
import type { SessionId } from "../protocol/session.ts";
import type { Claim, ClaimWaiter, Use } from "./client-claim.ts";
import { stolenError } from "./client-errors.ts";
import type { GroupTerms } from "./client-options.ts";
import { type Desk, LineRequest, type Outcome } from "./client-request.ts";

export class GroupRequest extends LineRequest {
  readonly #terms: GroupTerms;
  readonly #outcome: Outcome<readonly Use[]>;
  #attempt: Attempt | undefined;

  constructor(terms: GroupTerms, desk: Desk, outcome: Outcome<readonly Use[]>) {
    super(terms, desk);
    this.#terms = terms;
    this.#outcome = outcome;
  }

  get names(): readonly string[] {
    return this.#terms.names;
  }

  protected get how(): GroupTerms["how"] {
    return this.#terms.how;
  }

  /** Only what it can have at once: whoever waits for several locks holds none of them meanwhile. */
  isDecidedHere(): boolean {
    const { cache } = this.desk;
    if (cache.areFree(this.#terms)) return true;
    cache.withdrawAll(this.names);
    return false;
  }

  decideHere(): void {
    const uses = this.desk.cache.takeAll(this.#terms);
    if (uses === undefined) this.desk.line.rejoin(this);
    else this.#granted(uses);
  }

  claim(session: SessionId): void {
    if (this.isOver) return;
    const attempt = new Attempt(this.names.length, {
      granted: (uses) => this.#granted(uses),
      unavailable: () => this.unavailable(),
      failed: (error) => this.#failed(attempt, error),
      again: () => this.#again(attempt),
    });
    this.#attempt = attempt;
    attempt.claims = this.desk.claims.openAll(session, this.#terms, this.ageMs, attempt.waiters);
  }

  unavailable(): void {
    this.settle();
    this.desk.line.handOver(false, () => this.#outcome.granted(undefined));
  }

  failed(error: unknown): void {
    this.settle();
    this.#outcome.failed(error);
  }

  protected letGo(): void {
    this.#letGoOf(this.#attempt);
  }

  #granted(uses: readonly Use[]): void {
    const { maxHoldMs } = this.#terms;
    if (maxHoldMs !== undefined) for (const use of uses) use.limit(maxHoldMs);
    this.handOver(
      () => this.#outcome.granted(uses),
      () => releaseAll(uses),
    );
  }

  #failed(attempt: Attempt, error: unknown): void {
    this.#letGoOf(attempt);
    this.failed(error);
  }

  #again(attempt: Attempt): void {
    this.#letGoOf(attempt);
    this.desk.line.rejoin(this);
  }

  #letGoOf(attempt: Attempt | undefined): void {
    if (attempt === undefined) return;
    this.#attempt = undefined;
    attempt.isOver = true;
    for (const claim of attempt.claims) this.desk.claims.letGo(claim);
    releaseAll(attempt.uses);
  }
}

function releaseAll(uses: readonly (Use | undefined)[]): void {
  for (const use of uses) if (use !== undefined) void use.release().catch(() => {});
}

/** What becomes of an attempt; one of these is called, once. */
interface AttemptOutcome {
  granted(uses: readonly Use[]): void;
  unavailable(): void;
  failed(error: unknown): void;
  again(): void;
}

/** The claims of one session for a group. The first news that it fails is the end of all of them. */
class Attempt {
  claims: readonly Claim[] = [];
  readonly uses: (Use | undefined)[];
  readonly waiters: readonly ClaimWaiter[];
  isOver = false;
  readonly #outcome: AttemptOutcome;

  constructor(size: number, outcome: AttemptOutcome) {
    this.#outcome = outcome;
    this.uses = Array.from({ length: size });
    this.waiters = Array.from({ length: size }, (_, index) => this.#waiter(index));
  }

  #waiter(index: number): ClaimWaiter {
    return {
      granted: (use) => this.#granted(index, use),
      unavailable: () => this.#end(() => this.#outcome.unavailable()),
      failed: (error) => this.#end(() => this.#outcome.failed(error)),
      again: () => this.#end(() => this.#outcome.again()),
    };
  }

  #granted(index: number, use: Use): void {
    if (this.isOver) return;
    this.uses[index] = use;
    // Until all are granted nobody has been told of any; with its session the others are over, too, and say so.
    use.onLoss((loss) => {
      if (loss.data["reason"] === "stolen") this.#end(() => this.#outcome.failed(stolenError(use.name)));
    });
    const uses = this.uses.filter((one) => one !== undefined);
    if (uses.length === this.uses.length) this.#end(() => this.#outcome.granted(uses));
  }

  #end(tell: () => void): void {
    if (this.isOver) return;
    this.isOver = true;
    tell();
  }
}
