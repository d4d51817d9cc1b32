/**
 * What the lock client rejects with.
 * @module
 */
import { MachineError, ViewstampError } from "../protocol/errors.ts";

/** Why a lock was lost. */
export type LossReason = "session" | "stolen" | "closed" | "maxHoldMs";

const reasons: Readonly<Record<LossReason, string>> = {
  session: "its session ended, or could not be confirmed in time",
  stolen: "another request has stolen it",
  closed: "its client was closed",
  maxHoldMs: "it was held for as long as maxHoldMs allows",
};

export function lossOf(name: string, token: bigint, reason: LossReason): ViewstampError {
  return new ViewstampError("LockLost", `the lock ${quoted(name)} is lost: ${reasons[reason]}`, {
    data: { reason, name, token },
  });
}

export function releasedError(name: string, token: bigint): ViewstampError {
  return new ViewstampError("LockLost", `the lock ${quoted(name)} is not held: it was released`, {
    data: { reason: "released", name, token },
  });
}

/** A name for people: escaped, and not longer than they care to read. */
export function quoted(name: string): string {
  return JSON.stringify(name.length <= 80 ? name : `${name.slice(0, 79)}…`);
}

/** What the Web Locks API rejects with when a lock is stolen. */
export function stolenError(name: string): DOMException {
  return new DOMException(`the lock ${quoted(name)} was stolen by another request`, "AbortError");
}

export function closedError(): ViewstampError {
  return new ViewstampError("Closed", "the lock client is closed; connect a new one");
}

export function crowdedError(cause?: unknown): ViewstampError {
  const text = "this client holds or waits for too many locks; release some first";
  return new ViewstampError("Overloaded", text, cause === undefined ? {} : { cause });
}

/** What a lock request is refused with, for those who asked. */
export function refusalOf(error: unknown): unknown {
  return error instanceof MachineError && error.code === "TooManyRequests" ? crowdedError(error) : error;
}

/** The session or the whole client has ended, and with it every claim of it. */
export function isOver(error: unknown): boolean {
  return error instanceof ViewstampError && (error.code === "SessionExpired" || error.code === "Closed");
}
