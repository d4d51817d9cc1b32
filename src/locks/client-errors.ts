/**
 * What the lock client rejects with.
 * @module
 */
import { MachineError, ViewstampError } from "../protocol/errors.ts";
import { semaphoreIn, shownName } from "./client-names.ts";

/** Why a lock was lost. */
export type LossReason = "session" | "stolen" | "closed" | "maxHoldMs";

const reasons: Readonly<Record<LossReason, string>> = {
  session: "its session ended, or could not be confirmed in time",
  stolen: "another request has stolen it",
  closed: "its client was closed",
  maxHoldMs: "it was held for as long as maxHoldMs allows",
};

/** Why, in words, if this is the loss of a lock. */
export function whyLost(loss: unknown): string | undefined {
  const reason: unknown = loss instanceof ViewstampError && loss.code === "LockLost" ? loss.data["reason"] : undefined;
  return Object.hasOwn(reasons, String(reason)) ? reasons[reason as LossReason] : undefined;
}

export function lossOf(name: string, token: bigint, reason: LossReason): ViewstampError {
  return new ViewstampError("LockLost", `${titled([name])} is lost: ${reasons[reason]}`, {
    data: { reason, name: shownName(name), token },
  });
}

export function releasedError(name: string, token: bigint): ViewstampError {
  return new ViewstampError("LockLost", `${titled([name])} is not held: it was released`, {
    data: { reason: "released", name: shownName(name), token },
  });
}

/** What it is, for people: escaped, and not longer than they care to read. */
export function titled(names: readonly string[]): string {
  const [name = "", ...others] = names;
  if (others.length > 0) return `one of the locks ${quoted(name)} … (${names.length})`;
  return semaphoreIn(name) === undefined ? `the lock ${quoted(name)}` : `the semaphore ${quoted(shownName(name))}`;
}

export function quoted(name: string): string {
  return JSON.stringify(name.length <= 80 ? name : `${name.slice(0, 79)}…`);
}

/** What the Web Locks API rejects with when a lock is stolen. */
export function stolenError(name: string): DOMException {
  return new DOMException(`${titled([name])} was stolen by another request`, "AbortError");
}

export function closedError(): ViewstampError {
  return new ViewstampError("Closed", "the lock client is closed; connect a new one");
}

export function crowdedError(cause?: unknown): ViewstampError {
  const text = "this client holds or waits for too many locks; release some first";
  return new ViewstampError("Overloaded", text, cause === undefined ? {} : { cause });
}

/** What a lock request is refused with, for those who asked. */
export function refusalOf(error: unknown, name: string): unknown {
  if (!(error instanceof MachineError)) return error;
  if (error.code === "TooManyRequests") return crowdedError(error);
  return error.code === "OtherPermits" ? permitsError(error, name) : error;
}

function permitsError(cause: MachineError, name: string): ViewstampError {
  const { permits } = cause.data as { readonly permits: number };
  const text = `${titled([name])} has ${permits} permits as long as anybody holds or waits for one; ask for as many`;
  return new ViewstampError("InvalidOptions", text, { cause, data: { name: shownName(name), permits } });
}

/** The session or the whole client has ended, and with it every claim of it. */
export function isOver(error: unknown): boolean {
  return error instanceof ViewstampError && (error.code === "SessionExpired" || error.code === "Closed");
}
