/**
 * Rule 12. Looked at three times: in the lock table of every replica, in what the committed history tells clients, and in
 * what clients believe when they act.
 * @module
 */
import type { Lock } from "../../../locks/machine-state.ts";
import type { Facts } from "../facts.ts";
import type { Asked, Grant, LockStep, Tenure } from "../lock-model.ts";
import type { Rule } from "../observer.ts";

export const exclusion: Rule = {
  number: 12,
  statement:
    "Never two exclusive holders, or an exclusive beside a shared one; never a dead session holding or waiting.",
  watch(facts, violated) {
    return {
      applied(entry, _result, locks) {
        const fault = locks === undefined ? undefined : faultOfStep(facts, locks);
        if (fault !== undefined) violated(`${fault} (at ${entry.seqno})`);
      },
      ended() {
        for (const { name, holders, queue } of facts.locks.locks)
          for (const { session } of [...holders, ...queue])
            if (!facts.locks.sessions.has(session))
              violated(`session ${session} is over and holds or waits for ${name}`);
      },
    };
  },
};

function faultOfStep(facts: Facts, { grants, touched, falsehood }: LockStep): string | undefined {
  if (falsehood !== undefined) return falsehood;
  for (const grant of grants) {
    const fault = faultOfGrant(grant);
    if (fault !== undefined) return fault;
    const { session } = grant.tenure;
    if (!facts.locks.sessions.has(session)) return `${grant.lock.name} is granted to session ${session}, which is over`;
  }
  for (const { name, holders } of touched) {
    const [one] = holders;
    if (one !== undefined && one.permits > 0 && holders.length > one.permits)
      return `${name} has ${one.permits} permits and ${holders.length} holders`;
    const other = holders.find((holder) => one !== undefined && holder !== one && isConflict(one, holder));
    if (other !== undefined) return `${name} is held by ${nameOf(one as Tenure)} and ${nameOf(other)}`;
  }
  return undefined;
}

function faultOfGrant({ lock, tenure, beside, tooEarlyMs }: Grant): string | undefined {
  if (tooEarlyMs > 0)
    return `${lock.name} is granted to ${nameOf(tenure)} ${tooEarlyMs} ms before a lock delay is over`;
  const other = beside.find((one) => isConflict(one, tenure));
  if (other === undefined) return undefined;
  return `${lock.name} is granted to ${nameOf(tenure)} while ${nameOf(other)} holds it`;
}

/** Whether two may not hold a lock at the same time. */
export function isConflict(a: Pick<Asked, "mode">, b: Pick<Asked, "mode">): boolean {
  return a.mode === "exclusive" || b.mode === "exclusive";
}

/** What is wrong with the holders of a lock, as a replica has them. */
export function faultOfHolders(name: string, { holders, barred }: Lock): string | undefined {
  const [first] = holders;
  if (first === undefined) return undefined;
  if (barred !== undefined) return `${name} is held by ${nameOf(first)} and barred until ${barred.until}`;
  const most = first.permits > 0 ? first.permits : Number.POSITIVE_INFINITY;
  if (holders.length < 2 || (holders.length <= most && holders.every(({ mode }) => mode === "shared")))
    return undefined;
  return `${name} is held by ${holders.map(nameOf).join(" and ")}`;
}

/** A session is over, and a replica has let go of what it had. */
export function faultOfEnded(session: string, name: string, { holders, queue }: Lock): string | undefined {
  const isLeft = [...holders, ...queue].some((one) => one.session === session);
  return isLeft ? `session ${session} is over and still holds or waits for ${name}` : undefined;
}

function nameOf({ session, xid, mode }: Pick<Asked, "session" | "xid" | "mode">): string {
  return `${session}/${xid} (${mode})`;
}
