/**
 * The lock machine: the replicated state machine behind the lock service (design.md 4.8).
 * @module
 */

import { command, defineMachine, query } from "../machine/define.ts";
import type { Command, Machine, Query, StepContext } from "../machine/definition.ts";
import { acquire, acquireAll, cancel, endSession, release, timeIsUp } from "./machine-grants.ts";
import { outstandingNotices, refill, settle, survey } from "./machine-keeping.ts";
import type { At } from "./machine-line.ts";
import { listPage } from "./machine-list.ts";
import { type OnceClaim, onceSchema } from "./machine-once.ts";
import { restoreTable, sliceTable } from "./machine-snapshot.ts";
import { LockTable } from "./machine-state.ts";
import {
  type AcquireAllReply,
  type AcquireReply,
  type Acquisition,
  acquisitionSchema,
  type CancelReply,
  cursorSchema,
  type GroupAcquisition,
  groupAcquisitionSchema,
  type KeptTenure,
  type ListCursor,
  type ListPage,
  type LockNotice,
  type Request,
  requestSchema,
  type Settlement,
  settlementSchema,
  surveySchema,
  type TenureName,
  type TokenBlock,
  tenureSchema,
} from "./machine-words.ts";

/** The calls of the lock machine. No command waits: `acquire` grants, queues or declines at once. */
export type LockCommands = {
  /** Asks for a lock; asked again with the same `xid` it says what has come of it. */
  readonly acquire: Command<LockTable, Acquisition, AcquireReply>;
  /** Asks for several locks that are granted in one step: each is a tenure of its own then. */
  readonly acquireAll: Command<LockTable, GroupAcquisition, AcquireAllReply>;
  /** Gives a tenure back; `false` if it had ended before. */
  readonly release: Command<LockTable, TenureName, boolean>;
  /** Gives a request up, waiting or granted. */
  readonly cancel: Command<LockTable, Request, CancelReply>;
  /** Says what a kept tenure is used for and ends it: each use is a tenure now; `false` if it was stolen before. */
  readonly settle: Command<LockTable, Settlement, boolean>;
  /** Gives a kept tenure more tokens; `null` if it has ended. */
  readonly refill: Command<LockTable, TenureName, TokenBlock | null>;
  /** Has the clients of kept tenures say whether they use them; gives how many are asked. */
  readonly survey: Command<LockTable, readonly KeptTenure[], number>;
  /** Claims something that is to be done once; `false` if another has claimed it, and its time is not up. */
  readonly once: Command<LockTable, OnceClaim, boolean>;
};

/** The queries of the lock machine. */
export type LockQueries = {
  /** Who holds and who waits, in pages. */
  readonly list: Query<LockTable, ListCursor, ListPage>;
};

/**
 * The replicated lock machine. Give it to every replica of a cluster that serves locks, alone or beside other machines.
 *
 * @example
 * ```ts
 * const replica = await startReplica({ id: "a", cluster, machine: locks, storage, transport });
 * ```
 */
export const locks: Machine<"locks", LockTable, LockCommands, LockQueries, LockNotice> = defineMachine({
  name: "locks",
  version: 1,
  init: () => new LockTable(),
  commands: {
    acquire: command(acquisitionSchema, (table, wanted, ctx) => acquire(table, ctx.session, wanted, at(ctx))),
    acquireAll: command(groupAcquisitionSchema, (table, all, ctx) => acquireAll(table, ctx.session, all, at(ctx))),
    release: command(tenureSchema, (table, tenure, ctx) => release(table, ctx.session, tenure, at(ctx))),
    cancel: command(requestSchema, (table, request, ctx) => cancel(table, ctx.session, request, at(ctx))),
    settle: command(settlementSchema, (table, tenure, ctx) => settle(table, ctx.session, tenure, at(ctx))),
    refill: command(tenureSchema, (table, tenure, ctx) => refill(table, ctx.session, tenure, at(ctx))),
    survey: command(surveySchema, (table, tenures, ctx) => survey(table, tenures, at(ctx))),
    once: command(onceSchema, (table, claim, ctx) => table.once.claim(claim, ctx.now)),
  },
  queries: {
    list: query(cursorSchema, (table, from, ctx) => listPage(table, from, ctx.now)),
  },
  notices: outstandingNotices,
  sessionEnded: (table, session, ctx) => endSession(table, session, ctx.isLost, at(ctx)),
  deadline: (table) => earlier(table.once.deadline, table.deadline),
  tick: (table, ctx) => {
    table.once.tick(ctx.now);
    timeIsUp(table, at(ctx));
  },
  snapshot: sliceTable,
  restore: restoreTable,
});

function earlier(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.min(one, other);
}

function at(ctx: StepContext): At {
  return { now: ctx.now, seqno: ctx.viewstamp.seqno, notify: (session, notice) => ctx.notify(session, notice) };
}
