/**
 * One place of the operation log.
 * @module
 */
import type { Viewstamp } from "./view.ts";

/**
 * - `open`: opens a session whose id is this entry's viewstamp; the body is its TTL.
 * - `command`: a machine command of a session; the body is the client's bytes, untouched.
 * - `skip`: a number its client has given up, so that the numbers after it can go on.
 * - `end`: ends the session (closed by its client or silent beyond its TTL).
 * - `tick`: the machine's next deadline is due.
 * - `upgrade`: from here on newer versions of the machines run; the body says from which to which (`upgrade-body.ts`).
 */
export type EntryKind = "open" | "command" | "skip" | "end" | "tick" | "upgrade";

/** An entry of the log. `bytes` is its one encoding, shared by wire and disk; the other fields are read from it. */
export interface Entry extends Viewstamp {
  /** What it does. */
  readonly kind: EntryKind;
  /** Replicated time in milliseconds, never going back along the log. */
  readonly time: number;
  /** The session it belongs to, as the viewstamp that opened it; `ORIGIN` for `open`, `tick` and `upgrade`. */
  readonly session: Viewstamp;
  /** The request's number in its session, from 1; 0 where it has none. */
  readonly number: number;
  /** The client has the replies of all numbers up to this one. */
  readonly acknowledgedThrough: number;
  /** As the kind says; empty for `skip`, `end` and `tick`. */
  readonly body: Uint8Array;
  /** The whole entry, encoded once. */
  readonly bytes: Uint8Array;
}
