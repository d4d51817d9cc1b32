/**
 * What the lock model speaks of: requests, tenures, and the words of clients and the lock machine as it reads them.
 * @module
 */

export type Mode = "exclusive" | "shared";

/** Requests that are granted together. */
export interface Group {
  readonly session: string;
  readonly xid: number;
  readonly names: readonly string[];
}

export interface Asked {
  readonly session: string;
  readonly xid: number;
  readonly mode: Mode;
  /** It waits for an answer, not for the lock. */
  readonly probes: boolean;
  /** It steals, and has waited since then for the answer of those who may have the lock unused. */
  readonly stealsSince: number | undefined;
  /** Of a semaphore; 0 for a lock. */
  readonly permits: number;
  /** For how long nobody may have the lock if its session is lost. */
  readonly delayMs: number;
  readonly group: Group | undefined;
}

/** Tokens from the first through the last. */
export interface Block {
  readonly first: bigint;
  readonly last: bigint;
}

export interface Tenure extends Asked {
  readonly token: bigint;
  /** What its client may use, refills included. */
  readonly blocks: Block[];
  /** Its client may have the lock without using it. */
  readonly isKept: boolean;
  state: "held" | "stolen" | "over";
  /** Its client was told to give a kept lock back, or to say at once what it is used for. */
  told: "nothing" | "revoke" | "answer";
}

/** One lock as clients were told. */
export interface ModelLock {
  readonly name: string;
  holders: Tenure[];
  queue: Asked[];
  /** Those whose client has not said yet that it knows. */
  declined: Asked[];
  /** Those from whom it was stolen, and whose client has not said yet that it knows. */
  robbed: Tenure[];
  /** All there ever were, in the order of their grants. */
  readonly tenures: Tenure[];
  /** No token above this one was given out. */
  issuedThrough: bigint | undefined;
  /** Nobody may have it before this moment of replicated time, and nobody has until a tick says that it has come. */
  barredUntil: number | undefined;
}

export interface Grant {
  readonly lock: ModelLock;
  readonly tenure: Tenure;
  /** Who else held the lock at that moment. */
  readonly beside: readonly Tenure[];
  /** Who stood in line before it. */
  readonly overtaken: Asked | undefined;
  /** The greatest token that anybody could use on this lock before. */
  readonly before: bigint | undefined;
  /** It was told to have the lock and had not asked, or not any more. */
  readonly isUnasked: boolean;
  /** For so long nobody was to have it. */
  readonly tooEarlyMs: number;
}

/** What one entry did. */
export interface LockStep {
  readonly grants: readonly Grant[];
  /** Tokens that were given to a tenure later, and what was given out before. */
  readonly refills: readonly (Block & { readonly name: string; readonly before: bigint | undefined })[];
  /** What cannot be said of a kept lock, and was. */
  readonly falsehood: string | undefined;
  /** Who waits for longer than anybody should. */
  readonly stuck: string | undefined;
  /** The locks in which anything changed. */
  readonly touched: ReadonlySet<ModelLock>;
  /** The session that this entry ended. */
  readonly ended: string | undefined;
}

export interface Words {
  readonly name: string;
  readonly xid: number;
  readonly mode?: Mode;
  readonly how?: "wait" | "ifAvailable" | "steal";
  readonly token?: bigint;
  readonly uses?: readonly { readonly xid: number; readonly token: bigint; readonly mode: Mode }[];
  readonly permits?: number;
  readonly delayMs?: number;
}

export interface GroupWords extends Omit<Words, "name"> {
  readonly names: readonly string[];
}

export interface GroupAnswer {
  readonly status: string;
  readonly blocks?: readonly (Omit<Answer, "status"> | null)[];
}

export interface Answer {
  readonly status: string;
  readonly token?: bigint;
  readonly keep?: number;
}

export interface Outstanding {
  readonly type: "revoke" | "declined" | "stolen";
  readonly name: string;
  readonly xid: number;
  readonly answer: boolean;
}

export interface Said {
  readonly type: string;
  readonly name: string;
  readonly xid: number;
  readonly token: bigint;
  readonly keep?: number;
  readonly answer?: boolean;
}
