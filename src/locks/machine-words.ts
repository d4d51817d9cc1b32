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
  /**
   * `steal` breaks the holders' tenures and goes before those in line; only for exclusive requests. Holders that may have the
   * lock unused are asked before, and have a second to answer.
   */
  readonly how: "wait" | "ifAvailable" | "steal";
  /** Whether the client would keep the lock after use: until then nobody else wants it, or it is told to give it back. */
  readonly keep: boolean;
  /** For how long it has waited already, in milliseconds, at its client. */
  readonly ageMs: number;
  /**
   * Of a semaphore, how many may hold it at a time; absent or 0 for a lock. Its requests are shared, cannot steal, and are
   * never kept.
   */
  readonly permits?: number | undefined;
  /** If the session is lost while it holds the lock exclusively, nobody gets the lock for so many milliseconds. */
  readonly delayMs?: number | undefined;
}

/** What `acquireAll` takes: requests for several locks, granted in one step. The one for `names[i]` is `xid + i`. */
export interface GroupAcquisition extends Omit<Acquisition, "name" | "how" | "permits"> {
  /** Each once. */
  readonly names: readonly string[];
  /** As of a single request. */
  readonly how: "wait" | "ifAvailable";
}

/** Tokens that belong to a tenure. */
export interface TokenBlock {
  /** The first one. */
  readonly token: bigint;
  /**
   * How many there are, for a client that keeps the lock and takes it again without a message; 0: it gives the lock back
   * after this one use.
   */
  readonly keep: number;
}

/** What `acquire` answers, at once. */
export type AcquireReply =
  | ({ readonly status: "granted" } & TokenBlock)
  /** In line: a notice comes when the lock is its own, or was not to be had (`ifAvailable`). */
  | { readonly status: "queued" }
  /** Only for `ifAvailable`: somebody uses it or waits for it, and the request is forgotten. */
  | { readonly status: "unavailable" };

/** What `acquireAll` answers, at once. */
export type AcquireAllReply =
  /** By name, as asked for. `null`: it was given back since. */
  | { readonly status: "granted"; readonly blocks: readonly (TokenBlock | null)[] }
  /** As of a single request; notices come for each of them. */
  | { readonly status: "queued" }
  | { readonly status: "unavailable" };

/** What a cancelled request was doing. */
export type CancelReply = "waiting" | "held" | "none";

/** One use of a lock that a client kept. */
export interface Use {
  /** A new one of the session. */
  readonly xid: number;
  /** One of the tenure's tokens. */
  readonly token: bigint;
  /** What it is used for; under an exclusive tenure there may be shared uses. */
  readonly mode: LockMode;
  /** For how long, in milliseconds. */
  readonly ageMs: number;
}

/** What `settle` takes: a kept tenure, and the uses it consists of at this moment. */
export interface Settlement extends TenureName {
  /** At least one; a kept tenure that is not in use is released. */
  readonly uses: readonly Use[];
}

/** Names a tenure of any session. */
export interface KeptTenure extends Request {
  /** Whose it is. */
  readonly session: SessionId;
}

/**
 * Tells a session something about a request of its own. Safe to tell twice: `xid` and `token` say which tenure. All but
 * the first are told until the client has done something about it.
 */
export type LockNotice =
  /** A request that waited has the lock. */
  | ({ readonly type: "granted" } & TenureName & TokenBlock)
  /** A steal ended this tenure. */
  | ({ readonly type: "stolen" } & TenureName)
  /**
   * Others want a lock that the client keeps: it goes back after the uses that it has now. With `answer` the client says
   * at once what those are, by `release` or `settle`: somebody does not wait for their end.
   */
  | ({ readonly type: "revoke"; readonly answer: boolean } & TenureName)
  /** An `ifAvailable` request was in line for the holder's answer, and that was that it uses the lock. */
  | ({ readonly type: "declined" } & Request);

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
  /** Of a holder: number of the request, if its client may keep the lock unused; only that client knows. */
  readonly kept?: number | undefined;
  /** Of a semaphore: how many may hold it at a time. */
  readonly permits?: number | undefined;
  /** It held the lock until its session was lost; nobody has it for so many milliseconds from now. */
  readonly availableInMs?: number | undefined;
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

/** The most locks that are asked for together. */
export const MAX_GROUP = 64;

/** The most permits of a semaphore. */
export const MAX_PERMITS = 4096;

/** The longest `delayMs`: a minute. */
export const MAX_LOCK_DELAY_MS = 60_000;

/** The longest `owner`, likewise. */
export const MAX_OWNER_LENGTH = 256;

export const modeSchema: v.GenericSchema<LockMode> = v.picklist(["exclusive", "shared"]);
const nameSchema = v.pipe(v.string(), v.maxLength(MAX_NAME_LENGTH));
const xidSchema = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const tokenSchema = v.pipe(v.bigint(), v.minValue(0n));
const indexSchema = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const ownerSchema = v.pipe(v.string(), v.maxLength(MAX_OWNER_LENGTH));
const ageSchema = v.pipe(v.number(), v.finite(), v.minValue(0));
const requestEntries = { name: nameSchema, xid: xidSchema };
const tenureEntries = { ...requestEntries, token: tokenSchema };
const blockEntries = { token: tokenSchema, keep: indexSchema };

export const requestSchema: v.GenericSchema<Request> = v.strictObject(requestEntries);
export const tenureSchema: v.GenericSchema<TenureName> = v.strictObject(tenureEntries);

const wishEntries = {
  xid: xidSchema,
  mode: modeSchema,
  owner: ownerSchema,
  keep: v.boolean(),
  ageMs: ageSchema,
  delayMs: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(MAX_LOCK_DELAY_MS))),
};
const permitsSchema = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(MAX_PERMITS));

export const acquisitionSchema: v.GenericSchema<Acquisition> = v.pipe(
  v.strictObject({
    name: nameSchema,
    ...wishEntries,
    how: v.picklist(["wait", "ifAvailable", "steal"]),
    permits: v.optional(permitsSchema),
  }),
  v.check(({ how, mode }) => how !== "steal" || mode === "exclusive", "only an exclusive request can steal"),
  v.check(
    ({ permits = 0, mode, keep }) => permits === 0 || (mode === "shared" && !keep),
    "a permit is shared and not kept",
  ),
);

export const groupAcquisitionSchema: v.GenericSchema<GroupAcquisition> = v.pipe(
  v.strictObject({
    names: v.pipe(v.array(nameSchema), v.minLength(1), v.maxLength(MAX_GROUP)),
    ...wishEntries,
    how: v.picklist(["wait", "ifAvailable"]),
  }),
  v.check(({ names }) => new Set(names).size === names.length, "each lock is asked for once"),
  v.check(({ xid, names }) => Number.isSafeInteger(xid + names.length), "each request has a number"),
);

export const settlementSchema: v.GenericSchema<Settlement> = v.strictObject({
  ...tenureEntries,
  uses: v.pipe(
    v.array(v.strictObject({ xid: xidSchema, token: tokenSchema, mode: modeSchema, ageMs: ageSchema })),
    v.minLength(1),
    v.check((uses) => uses.length === 1 || uses.every(({ mode }) => mode === "shared"), "an exclusive use is alone"),
    v.check((uses) => new Set(uses.map(({ xid }) => xid)).size === uses.length, "each use has an xid of its own"),
  ),
});

/** Tenures that one `survey` may ask about. */
export const MAX_SURVEYED = 1024;

export const surveySchema: v.GenericSchema<readonly KeptTenure[]> = v.pipe(
  v.array(v.strictObject({ ...requestEntries, session: v.string() })),
  v.maxLength(MAX_SURVEYED),
);

export const blockSchema: v.GenericSchema<TokenBlock | null> = v.nullable(v.strictObject(blockEntries));

export const acquireReplySchema: v.GenericSchema<AcquireReply> = v.variant("status", [
  v.strictObject({ status: v.literal("granted"), ...blockEntries }),
  v.strictObject({ status: v.literal("queued") }),
  v.strictObject({ status: v.literal("unavailable") }),
]);

export const acquireAllReplySchema: v.GenericSchema<AcquireAllReply> = v.variant("status", [
  v.strictObject({ status: v.literal("granted"), blocks: v.array(blockSchema) }),
  v.strictObject({ status: v.literal("queued") }),
  v.strictObject({ status: v.literal("unavailable") }),
]);

export const noticeSchema: v.GenericSchema<LockNotice> = v.variant("type", [
  v.strictObject({ type: v.literal("granted"), ...tenureEntries, keep: indexSchema }),
  v.strictObject({ type: v.literal("stolen"), ...tenureEntries }),
  v.strictObject({ type: v.literal("revoke"), ...tenureEntries, answer: v.boolean() }),
  v.strictObject({ type: v.literal("declined"), ...requestEntries }),
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
      kept: v.optional(xidSchema),
      permits: v.optional(v.number()),
      availableInMs: v.optional(v.number()),
    }),
  ),
  next: v.optional(cursorSchema),
});
