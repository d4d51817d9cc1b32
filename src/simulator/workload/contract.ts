/**
 * What the clients of a run do, and how it is judged.
 * @module
 */
import type { ClientCore } from "../../client/contract.ts";
import type { Random } from "../random.ts";
import type { Inside } from "./believers.ts";

export type AskState = (machine: string, query: string, input: unknown) => unknown;

/** Told what clients rely on when they do something: it says so if they are wrong. */
export interface Witness {
  /** A client acts under a lock that it believes to hold. */
  acts(client: number, lock: string, token: bigint): void;
  /** A client makes a call, and takes its session for alive. */
  relies(client: number, session: string): void;
}

/** One life of one client. */
export interface ClientLife {
  /** From 1. */
  readonly number: number;
  readonly core: ClientCore;
  readonly random: Random;
  /** Resolves after so many of this client's milliseconds; never, if it is dead by then. */
  readonly sleep: (ms: number) => Promise<void>;
}

/** A query, by machine, name and input. */
export type Question = readonly [machine: string, query: string, input: unknown];

export interface Workload {
  /** Calls that were answered. */
  readonly answered: number;
  /** Whether there is nothing left to begin. */
  readonly isDone: boolean;
  /** A client has begun a life; each promise ends when it has nothing more to do. */
  begin(client: ClientLife): readonly Promise<void>[];
  /** Calls of which each must be answered now; the promise ends when they have been. */
  probe?(client: ClientLife): Promise<void>;
  /** A client is dead: what it had asked may happen at any time, or never. */
  died(client: number): void;
  /** What is still open, for whoever asks why a run does not end. */
  open(): string;
  /** Whether its machines act by themselves, so that the log may grow while nobody asks. */
  readonly ticks?: boolean;
  /** By the answers to these a state is known again in a new cluster; without any no copies are taken. */
  readonly questions?: readonly Question[];
  /** The tokens under which clients believe to hold a lock at this moment. */
  believed?(name: string, inside: Inside): readonly bigint[];
  /** All nodes have executed the same: a workload that can tell more of their states than the ledger does so first. */
  rested?(): void;
  /** All has healed and ended; `ask` asks the state after all that was committed, where the ledger has one. */
  judge(ask?: AskState): void;
  /** Called last. Whether there is still something to do: then the first client begins one more life for it. */
  conclude?(): boolean;
}
