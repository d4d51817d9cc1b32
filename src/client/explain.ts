/**
 * The errors with which calls end, and what they say about the cause seen last.
 * @module
 */
import type { RefusalCode } from "../protocol/client-messages.ts";
import { type ErrorCode, ViewstampError } from "../protocol/errors.ts";

/** The refusals since anything last went well. */
export interface Refusal {
  readonly code: RefusalCode;
  readonly text: string;
  readonly url: string;
  /** `environment.now()` of the first of them. */
  readonly since: number;
}

/** What a client sees of its cluster. */
export interface Situation {
  readonly now: number;
  readonly connection: "none" | "primary" | "other";
  readonly missing: readonly { readonly url: string; readonly reason: string }[];
  readonly refusal: Refusal | undefined;
}

/** The time limit of `what` has passed. */
export function timeoutError(
  what: string,
  timeoutMs: number,
  outcomeUnknown: boolean,
  situation: Situation,
): ViewstampError {
  const cause = causeOf(situation);
  const { refusal, missing, now } = situation;
  const because = cause === undefined ? "" : `: ${cause.message}`;
  const outcome = outcomeUnknown ? "; it may still be done" : "";
  return new ViewstampError("Timeout", `${what} had no answer within ${timeoutMs} ms${because}${outcome}`, {
    cause,
    outcomeUnknown,
    data: {
      timeoutMs,
      missing: missing.map(({ url }) => url),
      ...(refusal === undefined
        ? {}
        : { lastRefusal: { code: refusal.code, text: refusal.text, forMs: now - refusal.since } }),
    },
  });
}

/** What keeps calls from being answered, if anything does. */
export function causeOf({ now, connection, missing, refusal }: Situation): ViewstampError | undefined {
  const urls = missing.map(({ url }) => url);
  if (refusal !== undefined && connection !== "none") {
    const { code, text, url, since } = refusal;
    const said = text === "" ? code : `${code} (${text})`;
    const message = `${url} has answered ${said} for ${Math.round(now - since)} ms${alsoMissing(missing)}`;
    return new ViewstampError(code === "OVERLOADED" ? "Overloaded" : "Busy", message, { data: { missing: urls } });
  }
  if (connection === "none") {
    const message = missing.length === 0 ? "no node has answered" : `no node answers: ${listed(missing)}`;
    return new ViewstampError("NoQuorum", message, { data: { missing: urls } });
  }
  if (connection === "other") {
    const message = `no primary is to be found${alsoMissing(missing)}`;
    return new ViewstampError("NoQuorum", message, { data: { missing: urls } });
  }
  return undefined;
}

function alsoMissing(missing: Situation["missing"]): string {
  return missing.length === 0 ? "" : `; without an answer: ${listed(missing)}`;
}

function listed(missing: Situation["missing"]): string {
  return missing.map(({ url, reason }) => (reason === "" ? url : `${url} (${reason})`)).join(", ");
}

export function closedError(outcomeUnknown: boolean): ViewstampError {
  return new ViewstampError("Closed", "the client is closed", { outcomeUnknown });
}

export function expiredError(id: string, reason: string, outcomeUnknown: boolean): ViewstampError {
  const message = `session ${id} is over: ${reason}. What it held is lost; the next command opens a new session`;
  return new ViewstampError("SessionExpired", message, { outcomeUnknown, data: { session: id } });
}

/** The same error for another call: each rejects with its own. */
export function sameError(error: ViewstampError, outcomeUnknown: boolean): ViewstampError {
  return new ViewstampError(error.code, error.message, { cause: error, outcomeUnknown, data: error.data });
}

export function overloadedError(maxOutstanding: number): ViewstampError {
  const message = `${maxOutstanding} calls of this client are under way: wait for some, or raise maxOutstanding`;
  return new ViewstampError("Overloaded", message, { data: { maxOutstanding } });
}

/** The cluster found something wrong with what it was asked, and says what. */
export function refusedError(code: ErrorCode, what: string, text: string): ViewstampError {
  return new ViewstampError(code, `${what} was refused: ${text}`);
}
