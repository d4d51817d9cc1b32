/**
 * A client's claim to a lock, and the uses that are made of it.
 * @module
 */
import type { ViewstampError } from "../protocol/errors.ts";
import type { SessionId } from "../protocol/session.ts";
import type { Keeping } from "./client-cache.ts";
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

/** One request at the cluster, and the tenure that it becomes. */
export class Claim {
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

  constructor(name: string, mode: LockMode, session: SessionId, xid: number, state: ClaimState) {
    this.name = name;
    this.mode = mode;
    this.session = session;
    this.xid = xid;
    this.state = state;
  }
}

/** From the grant of one request until its holder lets go. */
export class Use {
  /** What it stands on: another claim after a settlement. */
  claim: Claim;
  readonly mode: LockMode;
  /** When it began, by `environment.now()`. */
  readonly since: number;
  readonly #block: bigint;
  readonly #place: number;
  /** Given back, or lost. */
  isOver = false;
  /** Why it is lost. */
  loss: ViewstampError | undefined = undefined;
  onLoss: ((loss: ViewstampError) => void) | undefined = undefined;

  constructor(claim: Claim, mode: LockMode, since: number) {
    this.claim = claim;
    this.mode = mode;
    this.since = since;
    this.#block = claim.block;
    this.#place = claim.taken++;
  }

  /** Of all uses of a claim, each has its own; made when it is first asked for, for most holders never look. */
  get token(): bigint {
    return this.#place === 0 ? this.#block : this.#block + BigInt(this.#place);
  }
}
