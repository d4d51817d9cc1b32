/**
 * A client's claim to a lock, and the uses that are made of it.
 * @module
 */
import type { Timer } from "../protocol/environment.ts";
import type { ViewstampError } from "../protocol/errors.ts";
import type { SessionId } from "../protocol/session.ts";
import type { Keeping } from "./client-cache.ts";
import { releasedError } from "./client-errors.ts";
import { shownName } from "./client-names.ts";
import type { AcquiredLock } from "./client-types.ts";
import type { LockMode } from "./machine-state.ts";

/** Whoever waits for a lock; told one of these once. */
export interface ClaimWaiter {
  granted(use: Use): void;
  /** The lock was not free, and the request asked not to wait. */
  unavailable(): void;
  failed(error: unknown): void;
  /** It has to stand in line anew: the session ended, or the lock is no longer this client's to hand out. */
  again(): void;
}

/**
 * - `acquiring`: asked for, and not known to be granted; perhaps in line.
 * - `locked`: granted, and in use.
 * - `free`: granted, kept, and not in use: the cached lock of design.md 4.8.
 * - `releasing`: on its way back; but for a steal nothing that is said about it matters any more.
 * - `none`: the cluster knows of no such claim, or will not when it reads on.
 */
export type ClaimState = "acquiring" | "locked" | "free" | "releasing" | "none";

/** Whoever speaks with the cluster about claims. */
export interface ClaimKeeper {
  /** Whether the cluster cannot have given the lock to another by now. Looks at the clock. */
  isTrusted(claim: Claim): boolean;
  /** Ends a use that its holder has found to be lost before anyone said so. */
  distrust(use: Use): void;
  /** Ends a use that has lasted for as long as its holder wanted it at most. */
  overdue(use: Use): void;
  /** By `environment.now()`. */
  now(): number;
  /** A timer that keeps no process alive. */
  setTimer(ms: number, callback: () => void): Timer;
  /** Ends a use; a promise if others cannot have the lock at once, as far as this use was in their way. */
  giveBack(use: Use): Promise<void> | undefined;
}

/** One request at the cluster, and the tenure that it becomes. */
export class Claim {
  readonly keeper: ClaimKeeper;
  readonly name: string;
  readonly mode: LockMode;
  readonly session: SessionId;
  readonly xid: number;
  state: ClaimState;
  /** Who waits for it; nobody once it is granted. */
  waiter: ClaimWaiter | undefined;
  /** Names the tenure, once it is granted. */
  token = 0n;
  /** Tokens for its uses: the first of them, how many there are, and how many are taken. */
  block = 0n;
  keep = 0;
  taken = 0;
  uses: Use[] = [];
  /** While it is this client's to hand out: where. Only then may it be free. */
  keeping: Keeping | undefined = undefined;
  /** Said before the grant was heard of: it is to go back, and whether somebody waits for an answer. */
  revoked: "politely" | "with an answer" | undefined = undefined;
  /** Its uses have become claims of their own: these; the cluster is being told. */
  settledAs: readonly Claim[] = [];
  /** It came to be by a settlement: whether the cluster knows of it. */
  settled: Promise<boolean> | undefined = undefined;
  /** Settles when a claim that is let go is back. */
  returned: Promise<void> | undefined = undefined;

  constructor(keeper: ClaimKeeper, name: string, mode: LockMode, session: SessionId, xid: number, state: ClaimState) {
    this.keeper = keeper;
    this.name = name;
    this.mode = mode;
    this.session = session;
    this.xid = xid;
    this.state = state;
  }
}

const DONE: Promise<void> = Promise.resolve();

type Told = (loss: ViewstampError) => void;

/** For how long a use may last. */
interface Limit {
  readonly until: number;
  readonly timer: Timer;
}

/**
 * From the grant of one request until its holder lets go: the lock in the holder's hands. It is made for every grant, also
 * of kept locks, so it is small; what most holders never ask for is made when it is asked for.
 */
export class Use implements AcquiredLock {
  #claim: Claim;
  readonly #mode: LockMode;
  readonly #since: number;
  readonly #block: bigint;
  readonly #place: number;
  #end: "released" | ViewstampError | undefined = undefined;
  #controller: AbortController | undefined = undefined;
  #told: Told | undefined = undefined;
  #limit: Limit | undefined = undefined;

  /** Takes one of the claim's tokens. `now` by `environment.now()`; whole milliseconds are kept. */
  constructor(claim: Claim, mode: LockMode, now: number) {
    this.#claim = claim;
    this.#mode = mode;
    this.#since = Math.floor(now);
    this.#block = claim.block;
    this.#place = claim.taken++;
  }

  get name(): string {
    return shownName(this.#claim.name);
  }

  get mode(): LockMode {
    return this.#mode;
  }

  get token(): bigint {
    return this.#block + BigInt(this.#place);
  }

  /** Whoever asks for it in a process that has just woken up is not told of yesterday. */
  get signal(): AbortSignal {
    this.lookAtClock();
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.loss !== undefined) this.#controller.abort(this.loss);
    }
    return this.#controller.signal;
  }

  /** What it stands on: another claim after a settlement. */
  get claim(): Claim {
    return this.#claim;
  }

  get age(): number {
    return Math.max(0, this.#claim.keeper.now() - this.#since);
  }

  /** Given back, or lost. */
  get isOver(): boolean {
    return this.#end !== undefined;
  }

  /** Why it is lost. */
  get loss(): ViewstampError | undefined {
    return typeof this.#end === "object" ? this.#end : undefined;
  }

  assertHeld(): void {
    this.lookAtClock();
    if (this.loss !== undefined) throw this.loss;
    if (this.isOver) throw releasedError(this.#claim.name, this.token);
  }

  release(): Promise<void> {
    return this.letGo() ?? DONE;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  /** Releases; a promise if others cannot have the lock at once. */
  letGo(): Promise<void> | undefined {
    return this.#claim.keeper.giveBack(this);
  }

  /** Finds out whether it is lost: its timer may not have had its turn yet. */
  lookAtClock(): void {
    const { keeper } = this.#claim;
    if (!this.isOver && !keeper.isTrusted(this.#claim)) keeper.distrust(this);
    if (this.#limit !== undefined && keeper.now() >= this.#limit.until) keeper.overdue(this);
  }

  /** Has this called when the lock is lost before it was released, after its signal is aborted. */
  onLoss(told: Told): void {
    this.#told = told;
  }

  /** It is lost when it is so old. */
  limit(maxHoldMs: number): void {
    const { keeper } = this.#claim;
    const until = this.#since + maxHoldMs;
    const timer = keeper.setTimer(Math.max(0, until - keeper.now()), () => keeper.overdue(this));
    this.#limit = { until, timer };
  }

  /** Only the keeper of the claim ends a use, and moves it. */
  end(how: "released" | ViewstampError): void {
    this.#end ??= how;
    this.#limit?.timer.cancel();
  }

  tellLoss(): void {
    if (this.loss === undefined) return;
    this.#controller?.abort(this.loss);
    this.#told?.(this.loss);
  }

  moveTo(claim: Claim): void {
    this.#claim = claim;
  }
}
