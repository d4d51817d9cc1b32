/**
 * What lock clients and the lock machine say to each other, with the schemas that are checked at either door.
 * @module
 */
import * as v from "valibot";
import type { SessionId } from "../protocol/session.ts";
import type { LockMode } from "./machine-state.ts";

/** A request of the session that sends it. Any JavaScript string that is not too long is a name. */
export interface Request {
  /** Of the lock. */
  readonly name: string;
  /** Chosen by the client, unique among its session's requests for this lock. */
  readonly xid: number;
}

/** A granted request, and under which token: a later tenure is another one. */
export interface TenureName extends Request {
  /** The fencing token. */
  readonly token: bigint;
}

/** What `acquire` takes. */
export interface Acquisition extends Request {
  /** What is asked for. */
  readonly mode: LockMode;
  /** Who wants it, for people; may be empty. */
  readonly owner: string;
  /** `steal` breaks the holders' tenures and goes before those in line; only for exclusive requests. */
  readonly how: "wait" | "ifAvailable" | "steal";
}

/** What `acquire` answers, at once. */
export type AcquireReply =
  | { readonly status: "granted"; readonly token: bigint }
  /** In line: a notice comes when the lock is its own. */
  | { readonly status: "queued" }
  /** Only for `ifAvailable`: somebody holds it or waits for it, and the request is forgotten. */
  | { readonly status: "unavailable" };

/** What a cancelled request was doing. */
export type CancelReply = "waiting" | "held" | "none";

/** Tells a session something about a request of its own. Safe to tell twice: `xid` and `token` say which tenure. */
export type LockNotice =
  /** A request that waited has the lock. */
  | ({ readonly type: "granted" } & TenureName)
  /** A steal ended this tenure; told until the client lets go of it. */
  | ({ readonly type: "stolen" } & TenureName);

/** One request as a list shows it. */
export interface Listed {
  /** Of the lock. */
  readonly name: string;
  /** What it holds or waits for. */
  readonly mode: LockMode;
  /** Whose it is. */
  readonly session: SessionId;
  /** Who that is, for people; may be empty. */
  readonly owner: string;
  /** For how long it has held or waited, in milliseconds of replicated time. */
  readonly ageMs: number;
  /** The fencing token of a holder; absent while it waits. */
  readonly token?: bigint | undefined;
}

/** Where a page begins: at the request number `index` (holders first) of the first name not before `name`. */
export interface ListCursor {
  /** Of a lock; `""` is before all others. */
  readonly name: string;
  /** Counts its requests from 0. */
  readonly index: number;
}

/** What `list` answers. */
export interface ListPage {
  /** By name; within a name the holders, then the line in its order. */
  readonly requests: readonly Listed[];
  /** Where the next page begins, unless this is the last. */
  readonly next?: ListCursor | undefined;
}

/** The longest name, in UTF-16 code units. */
export const MAX_NAME_LENGTH = 16_384;

/** The longest `owner`, likewise. */
export const MAX_OWNER_LENGTH = 256;

export const modeSchema: v.GenericSchema<LockMode> = v.picklist(["exclusive", "shared"]);
const nameSchema = v.pipe(v.string(), v.maxLength(MAX_NAME_LENGTH));
const xidSchema = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const tokenSchema = v.pipe(v.bigint(), v.minValue(0n));
const indexSchema = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const ownerSchema = v.pipe(v.string(), v.maxLength(MAX_OWNER_LENGTH));
const tenureEntries = { name: nameSchema, xid: xidSchema, token: tokenSchema };

export const requestSchema: v.GenericSchema<Request> = v.strictObject({ name: nameSchema, xid: xidSchema });
export const tenureSchema: v.GenericSchema<TenureName> = v.strictObject(tenureEntries);

export const acquisitionSchema: v.GenericSchema<Acquisition> = v.pipe(
  v.strictObject({
    name: nameSchema,
    xid: xidSchema,
    mode: modeSchema,
    owner: ownerSchema,
    how: v.picklist(["wait", "ifAvailable", "steal"]),
  }),
  v.check(({ how, mode }) => how !== "steal" || mode === "exclusive", "only an exclusive request can steal"),
);

export const acquireReplySchema: v.GenericSchema<AcquireReply> = v.variant("status", [
  v.strictObject({ status: v.literal("granted"), token: tokenSchema }),
  v.strictObject({ status: v.literal("queued") }),
  v.strictObject({ status: v.literal("unavailable") }),
]);

export const noticeSchema: v.GenericSchema<LockNotice> = v.variant("type", [
  v.strictObject({ type: v.literal("granted"), ...tenureEntries }),
  v.strictObject({ type: v.literal("stolen"), ...tenureEntries }),
]);

export const cursorSchema: v.GenericSchema<ListCursor> = v.strictObject({ name: nameSchema, index: indexSchema });

export const pageSchema: v.GenericSchema<ListPage> = v.strictObject({
  requests: v.array(
    v.strictObject({
      name: nameSchema,
      mode: modeSchema,
      session: v.string(),
      owner: v.string(),
      ageMs: v.number(),
      token: v.optional(tokenSchema),
    }),
  ),
  next: v.optional(cursorSchema),
});
