/**
 * What the core needs of a replicated state machine. `src/machine` makes one from a definition. Everything is
 * synchronous, total and deterministic: bytes in, bytes out.
 * @module
 */
import type { SessionId } from "./session.ts";
import type { Viewstamp } from "./view.ts";

/** What a machine may know when it executes an entry. */
export interface EntryContext {
  /** Replicated time in milliseconds: the same on every replica, never going back, not a wall clock. */
  readonly now: number;
  readonly viewstamp: Viewstamp;
}

/** A message from the machine to a session. */
export interface Notice {
  readonly session: SessionId;
  readonly body: Uint8Array;
}

/** What executing a command gave. */
export interface Applied {
  /** The encoded reply: a value, or an error as a value. */
  readonly reply: Uint8Array;
  readonly notices: readonly Notice[];
}

/** A machine's name and version; in a combination there are several. */
export interface MachineVersion {
  /** Of the machine. */
  readonly name: string;
  /** From 1. */
  readonly version: number;
}

/** The versions of one machine that a program can run, oldest first. */
export interface MachineAbility {
  readonly name: string;
  readonly versions: readonly number[];
}

/** Rebuilds the state from a snapshot's chunks. Nothing changes until `finish`. */
export interface Restoration {
  /** @throws if the bytes are no chunk of this machine's snapshot */
  chunk(bytes: Uint8Array): void;
  /** Replaces the state. @throws if chunks are missing */
  finish(): void;
}

export interface ReplicatedMachine {
  /** What it runs now, in the order of the names. */
  readonly versions: readonly MachineVersion[];
  /** What it can run, in the same order: a snapshot, `begin` and `upgrade` choose. */
  readonly able: readonly MachineAbility[];
  /** The empty state of these versions, where a log begins. The caller has asked `canRun`. */
  begin(versions: readonly MachineVersion[]): void;
  /**
   * Makes the state that of newer versions, all machines or none: `false` if one could not, and then nothing has changed.
   * Never throws. The caller has asked `canRun`.
   */
  upgrade(to: readonly MachineVersion[]): boolean;
  /** Never throws: a refusal or failure is an encoded reply. */
  apply(command: Uint8Array, session: SessionId, context: EntryContext): Applied;
  /** Never throws, changes nothing. */
  query(query: Uint8Array, now: number): Uint8Array;
  /** The session is over, `isLost`: by its silence; what it held is let go. */
  endSession(session: SessionId, isLost: boolean, context: EntryContext): readonly Notice[];
  /** Replicated time has reached the machine's next deadline. */
  tick(context: EntryContext): readonly Notice[];
  /** The replicated time at which it wants a tick, or `undefined`. */
  nextDeadline(): number | undefined;
  /** The notices that are outstanding for a session now: a view of the state, so they may be sent again. */
  outstanding(session: SessionId): readonly Uint8Array[];
  /**
   * The state as chunks of at most 64 KiB or so. The iterator stays consistent with the moment of the call while the state changes;
   * drained or returned, it costs nothing more.
   */
  snapshot(): Iterator<Uint8Array>;
  restore(): Restoration;
}
