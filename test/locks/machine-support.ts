/**
 * Commands of the lock machine in few words, for its tests.
 * @module
 */
import * as assert from "uvu/assert";
import type { AcquireReply, ListPage, LockNotice } from "../../src/locks/machine-words.ts";
import type { LockLog } from "./lock-log.ts";

type How = "wait" | "ifAvailable" | "steal";

export interface Wish {
  readonly name?: string;
  readonly xid?: number;
  readonly mode?: "exclusive" | "shared";
  readonly how?: How;
  readonly owner?: string;
  readonly keep?: boolean;
}

export const block: bigint = 1n << 24n;

export function acquire(log: LockLog, session: string, wish: Wish = {}): AcquireReply {
  const { name = "x", xid = 1, mode = "exclusive", how = "wait", owner = "", keep = false } = wish;
  return log.apply(session, "acquire", { name, xid, mode, how, owner, keep, ageMs: 0 }) as AcquireReply;
}

export function tokenOf(reply: AcquireReply): bigint {
  if (reply.status !== "granted") throw new Error(`not granted but ${reply.status}`);
  return reply.token;
}

export function release(log: LockLog, session: string, token: bigint, { name = "x", xid = 1 }: Wish = {}): unknown {
  return log.apply(session, "release", { name, xid, token });
}

export function tokenIn(notice: LockNotice): bigint {
  if (notice.type === "declined") throw new Error("a declined request has no token");
  return notice.token;
}

export function list(log: LockLog): string[] {
  const { requests } = log.ask("list", { name: "", index: 0 }) as ListPage;
  return requests.map(
    ({ name, session, mode, token }) => `${name} ${session} ${mode} ${token === undefined ? "waits" : "holds"}`,
  );
}

export function throwsCode(code: string, call: () => unknown): void {
  assert.throws(call, (error: { code?: string }) => error.code === code);
}

/** A client that keeps the lock, and nobody else yet. */
export function kept(log: LockLog, session: string, wish: Wish = {}): bigint {
  const reply = acquire(log, session, { ...wish, keep: true });
  if (reply.status !== "granted" || reply.keep === 0) throw new Error("it is not kept");
  return reply.token;
}

export function settle(
  log: LockLog,
  session: string,
  token: bigint,
  uses: readonly object[],
  { name = "x", xid = 1 }: Wish = {},
): unknown {
  return log.apply(session, "settle", { name, xid, token, uses });
}

export function toldIn(log: LockLog): string[] {
  return log.told.map(({ session, notice }) => `${session} ${notice.type}`);
}
