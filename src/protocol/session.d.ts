/**
 * A client's identity in the replicated state (design.md 4.7).
 * @module
 */
import type { Viewstamp } from "./view.ts";
/** The viewstamp of the command that opened the session, as `"vid.seqno"`. */
export type SessionId = string;
export declare function sessionIdOf(opened: Viewstamp): SessionId;
/** The viewstamp of a session id, or `undefined` for a string that is none. */
export declare function parseSessionId(id: SessionId): Viewstamp | undefined;
