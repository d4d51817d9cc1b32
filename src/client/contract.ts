/**
 * What typed clients and the lock client build on: one session that follows the primary.
 * @module
 */
import type { Environment } from "../protocol/environment.ts";
import type { ViewstampError } from "../protocol/errors.ts";
import type { SessionId } from "../protocol/session.ts";

/** Given with every call. */
export interface CallOptions {
  /** Aborts the wait; the call rejects with the signal's reason. The command may still be done. */
  readonly signal?: AbortSignal;
  /** Rejects with `Timeout` after this many milliseconds. */
  readonly timeoutMs?: number;
}

/** Given with every query. */
export interface QueryOptions extends CallOptions {
  /**
   * `local` reads the applied state of any replica, which may lag.
   * @default "linearizable"
   */
  readonly consistency?: "linearizable" | "local";
}

/** The session a client has now. */
export interface LiveSession {
  /** Its name in the cluster, never used again. */
  readonly id: SessionId;
  /** Silence for this many milliseconds ends it. */
  readonly ttlMs: number;
  /**
   * Until this moment (`environment.now()`) the cluster cannot have ended the session: counted from before the last
   * confirmed keep-alive was sent, shortened by the drift allowed.
   */
  readonly trustedUntil: number;
  /** By so many percent a clock of the cluster may run faster than this client's. */
  readonly driftPercent: number;
}

/** What happens to a client's session. */
export type SessionChange =
  | { readonly type: "opened"; readonly session: LiveSession }
  /** Over, or no longer to be trusted: what it held is lost. A new one is opened when it is needed. */
  | { readonly type: "lost"; readonly id: SessionId; readonly reason: string };

/** A client's core, without types for the machine. */
export interface ClientCore {
  readonly environment: Environment;
  readonly session: LiveSession | undefined;
  /** Why the cluster takes no calls now, as far as this client sees; `undefined` if it sees nothing wrong. */
  readonly trouble: ViewstampError | undefined;
  /** Opens a session if there is none, and gives it. */
  openSession(options?: CallOptions): Promise<LiveSession>;
  /**
   * Runs a command exactly once and gives its reply. Calls are executed in the order they are made.
   * @throws {MachineError} as the machine refused
   * @throws {ViewstampError} `Timeout`, `SessionExpired`, `Overloaded`, `Closed`, `InvalidInput`, `MachineFailed` …
   */
  execute(machine: string, command: string, input: unknown, options?: CallOptions): Promise<unknown>;
  ask(machine: string, query: string, input: unknown, options?: QueryOptions): Promise<unknown>;
  /** Calls back for each notice of this machine to the current session; may repeat. Returns the undo. */
  onNotice(machine: string, handler: (notice: unknown, session: SessionId) => void): () => void;
  onSession(handler: (change: SessionChange) => void): () => void;
  /** Ends the session in good order (within a bounded time) and every connection. Calls under way reject `Closed`. */
  close(): Promise<void>;
}
