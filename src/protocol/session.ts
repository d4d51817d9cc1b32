/**
 * A client's identity in the replicated state (design.md 4.7).
 * @module
 */
import type { Viewstamp } from "./view.ts";

/** The viewstamp of the command that opened the session, as `"vid.seqno"`. */
export type SessionId = string;

export function sessionIdOf(opened: Viewstamp): SessionId {
  return `${opened.vid}.${opened.seqno}`;
}

/** The viewstamp of a session id, or `undefined` for a string that is none. */
export function parseSessionId(id: SessionId): Viewstamp | undefined {
  const match = /^([1-9]\d{0,15})\.([1-9]\d{0,15})$/.exec(id);
  if (match === null) return undefined;
  const vid = Number(match[1]);
  const seqno = Number(match[2]);
  return Number.isSafeInteger(vid) && Number.isSafeInteger(seqno) ? { vid, seqno } : undefined;
}
