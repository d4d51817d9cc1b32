/**
 * What the lock machine does about locks that clients keep after use: it has them given back, hears what they are used
 * for, and gives them tokens. The notices are a view of the state: `revoke` is design.md's revoker, `granted` its retryer.
 * @module
 */
import { MachineError } from "../protocol/errors.ts";
import type { SessionId } from "../protocol/session.ts";
import { standingOf } from "./machine-grants.ts";
import { type At, letIn, revoke, wholeBlock } from "./machine-line.ts";
import type { Lock, LockTable, Tenure } from "./machine-state.ts";
import type { KeptTenure, LockNotice, Settlement, TenureName, TokenBlock } from "./machine-words.ts";

/** Replaces a kept tenure by its uses, and lets in whoever has waited for no more than that. */
export function settle(table: LockTable, session: SessionId, settlement: Settlement, at: At): boolean {
  const { name, uses } = settlement;
  const lock = table.get(name);
  const kept = keptOf(lock, session, settlement);
  // Asked again it says what came of it: no use is given back before its client has the answer.
  if (kept === undefined) return uses.every(({ xid }) => standingOf(lock, session, xid) !== undefined);
  checkUses(lock, kept, settlement, at);
  const tenures = uses.map(
    ({ xid, token, mode, ageMs }): Tenure => ({
      ...kept,
      ...{ xid, token, mode, since: at.now - ageMs, waited: false, keep: 0, asked: false },
    }),
  );
  for (const tenure of tenures) table.enter(tenure, name);
  table.leave(session, name);
  const holders = lock.holders.flatMap((holder) => (holder === kept ? tenures : [holder]));
  table.put(name, { ...lock, holders });
  letIn(table, [name], at);
  return true;
}

/** A client that says what cannot be would break the lock for others. @throws {MachineError} */
function checkUses(lock: Lock, kept: Tenure, { name, xid, uses }: Settlement, at: At): void {
  const end = wholeBlock(at).token;
  const isWrong = uses.some(
    (use) =>
      use.token < kept.token ||
      use.token >= end ||
      (use.mode === "exclusive" && kept.mode === "shared") ||
      standingOf(lock, kept.session, use.xid) !== undefined,
  );
  if (isWrong) throw new MachineError("InvalidSettlement", { name, xid });
}

/** The tokens of a refill are greater than all that were given out before, and nobody else gets any by this entry. */
export function refill(table: LockTable, session: SessionId, tenure: TenureName, at: At): TokenBlock | null {
  return keptOf(table.get(tenure.name), session, tenure) === undefined ? null : wholeBlock(at);
}

/** Asks the clients of kept tenures for what they use; those that are being asked already are not asked again. */
export function survey(table: LockTable, tenures: readonly KeptTenure[], at: At): number {
  let asked = 0;
  for (const { name, session, xid } of tenures) {
    const lock = table.get(name);
    const kept = lock.holders.find((one) => one.session === session && one.xid === xid && one.keep > 0 && !one.asked);
    if (kept === undefined) continue;
    const holders = lock.holders.flatMap((holder) => (holder === kept ? revoke(name, [kept], true, at) : [holder]));
    table.put(name, { ...lock, holders });
    asked++;
  }
  return asked;
}

/** What is outstanding for a session: read from the state, so that any primary can say it again. */
export function outstandingNotices(table: LockTable, session: SessionId): LockNotice[] {
  const notices: LockNotice[] = [];
  for (const name of table.namesOf(session)) {
    const lock = table.get(name);
    for (const tenure of lock.holders) {
      if (tenure.session === session) notices.push(...noticesAbout(name, tenure, lock));
    }
    for (const { session: robbed, xid, token } of lock.stolen) {
      if (robbed === session) notices.push({ type: "stolen", name, xid, token });
    }
    for (const { session: probing, xid } of lock.declined) {
      if (probing === session) notices.push({ type: "declined", name, xid });
    }
  }
  return notices;
}

function* noticesAbout(name: string, tenure: Tenure, { queue }: Lock): Generator<LockNotice> {
  const { xid, token, keep, waited, asked } = tenure;
  if (waited) yield { type: "granted", name, xid, token, keep };
  if (keep === 0 || !(asked || queue.length > 0)) return;
  yield { type: "revoke", name, xid, token, answer: asked };
}

function keptOf({ holders }: Lock, session: SessionId, { xid, token }: TenureName): Tenure | undefined {
  return holders.find((one) => one.session === session && one.xid === xid && one.token === token && one.keep > 0);
}
