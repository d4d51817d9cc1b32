/**
 * The errors a user can meet: one class, a stable `code`, a cause where there is one, and what to do in the text.
 * @module
 */

/** What went wrong; stable over releases and runtimes. */
export type ErrorCode =
  /** An option is unknown, missing or impossible. */
  | "InvalidOptions"
  /** The listening address is taken. */
  | "AddressInUse"
  /** The data directory belongs to a running process. */
  | "DataInUse"
  /** Reading or writing the data failed; the replica has stopped. */
  | "StorageFailed"
  /** The other side is of another cluster. */
  | "WrongCluster"
  /** The two sides speak no common protocol version. */
  | "WrongProtocol"
  /** The other side, or the data, is of other machines or of versions of them that cannot be run here. */
  | "WrongMachine"
  /** Options that must agree within a cluster differ. */
  | "OptionsDisagree"
  /** Bytes that are no message. */
  | "BadMessage"
  /** A command, query or reply does not match its schema. */
  | "InvalidInput"
  /** The machine has no such command or query. */
  | "UnknownCommand"
  /** The machine threw something other than a MachineError: a bug in it, the same on every replica. */
  | "MachineFailed"
  /** Replicas differ at the same place: a machine is not deterministic, or they run different programs. The replica has stopped. */
  | "Diverged"
  /** The cluster cannot serve now. */
  | "Busy"
  /** No majority can be reached; `data.missing` names the nodes. */
  | "NoQuorum"
  /** A time limit passed; `outcomeUnknown` says whether it may still be done. */
  | "Timeout"
  /** The session is over; what it held is lost. */
  | "SessionExpired"
  /** The lock is lost. */
  | "LockLost"
  /** A resource has seen a greater fencing token: who writes is no holder any more. */
  | "Fenced"
  /** A bound on outstanding work is reached. */
  | "Overloaded"
  /** The client or replica has been closed. */
  | "Closed"
  /** An operator's change of membership was refused. */
  | "ChangeRefused"
  /** A broken invariant: a bug in this library. The replica has stopped. */
  | "Internal";

/** What an error carries beside its code and its text. */
export interface ErrorDetails {
  /** The error behind it; becomes `error.cause`. */
  readonly cause?: unknown;
  /** Whether the operation may have been or may still be done. Default: `false`. */
  readonly outcomeUnknown?: boolean;
  /** Facts for programs, plain data. Default: `{}`. */
  readonly data?: Readonly<Record<string, unknown>>;
}

/**
 * Every error this library throws on purpose, beside `MachineError` and the DOM errors of the lock API.
 *
 * @example
 * ```ts
 * try {
 *   await client.add({ sku: "bolt", by: 3 });
 * } catch (error) {
 *   if (error instanceof ViewstampError && error.code === "Timeout") console.log(error.outcomeUnknown);
 * }
 * ```
 */
export class ViewstampError extends Error {
  /** `"ViewstampError"`, also in minified code. */
  override readonly name: string = "ViewstampError";
  /** What went wrong, for programs. */
  readonly code: ErrorCode;
  /** Whether the operation may have been or may still be done. */
  readonly outcomeUnknown: boolean;
  /** Facts for programs, as `missing` of `NoQuorum`; plain data. */
  readonly data: Readonly<Record<string, unknown>>;

  /** An error with this code; `message` says what to do. */
  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.outcomeUnknown = details.outcomeUnknown ?? false;
    this.data = details.data ?? {};
  }

  /** For `JSON.stringify`, which refuses a bigint such as the token of a lost lock: it is a string there. */
  toJSON(): Readonly<Record<string, unknown>> {
    const { name, code, message, outcomeUnknown } = this;
    const facts = Object.entries(this.data).map(([fact, value]) => [
      fact,
      typeof value === "bigint" ? String(value) : value,
    ]);
    return { name, code, message, outcomeUnknown, data: Object.fromEntries(facts) };
  }
}

/**
 * A machine's refusal: thrown by a command or query, it becomes the reply, the same on every replica, and is thrown
 * again at the client.
 *
 * @example
 * ```ts
 * if (by < 0 && next < 0) throw new MachineError("OUT_OF_STOCK", { sku, have });
 * ```
 */
export class MachineError extends Error {
  /** `"MachineError"`, also in minified code. */
  override readonly name: string = "MachineError";
  /** Why the machine refused, in the machine's own words; the message too. */
  readonly code: string;
  /** Anything that the value codec carries. */
  readonly data: unknown;

  /** A refusal with this code and, for programs, these facts. */
  constructor(code: string, data?: unknown) {
    super(code);
    this.code = code;
    this.data = data;
  }
}

/** Stops the replica when an invariant of its own does not hold: it neither votes nor replies any more. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new ViewstampError("Internal", `broken invariant: ${message}`);
}
