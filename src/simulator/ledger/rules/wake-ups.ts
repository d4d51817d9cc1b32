/**
 * Rule 14. Looked at in the lock table of every replica, in what the committed history tells clients, and in what a primary
 * tells a client that has come to it.
 * @module
 */
import {
  isCompatible,
  isKept,
  isThief,
  isUsedAgainst,
  type Lock,
  type LockTable,
} from "../../../locks/machine-state.ts";
import { decodeNotice } from "../../../protocol/calls.ts";
import { sessionIdOf } from "../../../protocol/session.ts";
import { hashBytes } from "../chain.ts";
import type { NodeFacts } from "../facts.ts";
import type { Asked, Grant, LockModel, LockStep, ModelLock, Outstanding, Tenure } from "../lock-model.ts";
import type { Rule } from "../observer.ts";
import { isConflict } from "./exclusion.ts";

export const wakeUps: Rule = {
  number: 14,
  statement: "Never a free lock with a waiter and no grant under way; never a lost wake-up after fail-over.",
  watch(facts, violated) {
    /** By question: the session that asks to be kept alive. */
    const asking = new Map<string, string>();
    /** By connection: the notices that were sent on it. */
    const told = new Map<string, Set<number>>();
    /** By session: the connection on which it spoke last, as long as that is there. Only who is on it hears anything. */
    const speaking = new Map<string, string>();
    /** Notices that were ever sent. */
    const ever = new Set<number>();
    /** Sessions kept alive in the present step, with their connections. */
    const kept: (readonly [session: string, connection: string])[] = [];
    return {
      applied(entry, _result, locks) {
        const fault = locks === undefined ? undefined : faultOfStep(facts.locks, locks);
        if (fault !== undefined) violated(`${fault} (at ${entry.seqno})`);
      },
      asked(node, _core, client, message) {
        const { type } = message;
        if (type !== "keepAlive" && type !== "request") return;
        const [connection, session] = [connectionOf(node, client), sessionIdOf(message.session)];
        speaking.set(session, connection);
        if (type === "keepAlive") asking.set(`${connection} ${message.xid}`, session);
      },
      gone(node, client) {
        const connection = connectionOf(node, client);
        for (const [session, last] of speaking) if (last === connection) speaking.delete(session);
      },
      answered(node, _core, client, message) {
        const { type } = message;
        if (type !== "notice" && type !== "keptAlive" && type !== "declined") return;
        const connection = connectionOf(node, client);
        if (type === "notice") {
          const hash = hashBytes(message.body);
          if (ever.has(hash) && !listOf(told, connection).has(hash))
            facts.locks.count(`"${typeOf(message.body)}" said again`);
          ever.add(hash);
          listOf(told, connection).add(hash);
          return;
        }
        const question = `${connection} ${message.xid}`;
        const session = asking.get(question);
        asking.delete(question);
        if (session !== undefined && type === "keptAlive") kept.push([session, connection]);
      },
      answeredAll(node, core) {
        for (const [session, connection] of kept) {
          if (speaking.get(session) !== connection) continue;
          const sent = told.get(connection);
          const outstanding = core.state.machine.outstanding(session);
          if (outstanding.some((body) => sent?.has(hashBytes(body)) !== true))
            violated(`${node.id} keeps session ${session} alive and does not tell it what is outstanding`);
          if (core.applied !== facts.committedThrough) continue;
          const notices = outstanding.map((body) => decodeNotice(body)).filter(({ machine }) => machine === "locks");
          for (const expected of facts.locks.outstanding(session))
            if (!notices.some(({ value }) => isSaid(expected, value as Outstanding)))
              violated(`${node.id} has forgotten to tell session ${session} ${textOf(expected)}`);
        }
        kept.length = 0;
      },
    };
  },
};

function typeOf(body: Uint8Array): string {
  const { machine, value } = decodeNotice(body);
  return machine === "locks" ? (value as Outstanding).type : machine;
}

function isSaid({ type, name, xid, answer }: Outstanding, said: Outstanding): boolean {
  return said.type === type && said.name === name && said.xid === xid && (!answer || said.answer);
}

function textOf({ type, name, xid, answer }: Outstanding): string {
  return `"${type}" about ${name}/${xid}${answer ? ", and that somebody waits for an answer" : ""}`;
}

function connectionOf(node: NodeFacts, client: number): string {
  return `${node.id} ${node.life} ${client}`;
}

function listOf(lists: Map<string, Set<number>>, key: string): Set<number> {
  let list = lists.get(key);
  if (list === undefined) lists.set(key, (list = new Set()));
  return list;
}

function faultOfStep(model: LockModel, { grants, touched, stuck }: LockStep): string | undefined {
  if (stuck !== undefined) return stuck;
  for (const grant of grants) {
    const fault = faultOfTurn(grant);
    if (fault !== undefined) return fault;
  }
  for (const lock of touched) {
    const fault = faultOfLine(model, lock);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function faultOfTurn({ lock, tenure, overtaken, isUnasked }: Grant): string | undefined {
  if (isUnasked) return `${lock.name} is granted to ${nameOf(tenure)}, which does not wait for it`;
  return overtaken === undefined
    ? undefined
    : `${lock.name} is granted to ${nameOf(tenure)} before ${nameOf(overtaken)}, which came first`;
}

function faultOfLine(model: LockModel, lock: ModelLock): string | undefined {
  const { name, queue, barredUntil } = lock;
  const [first] = queue;
  if (first === undefined) return undefined;
  if (isRoomFor(model, first, lock))
    return `${name} could be granted to ${nameOf(first)}, which is first in line, and is not`;
  const inTheWay = inTheWayOf(first, lock);
  if (first.probes && (barredUntil !== undefined || inTheWay.some(({ isKept }) => !isKept)))
    return `${nameOf(first)} is not told that ${name} is in use`;
  const thief = queue.find(({ stealsSince }) => stealsSince !== undefined);
  const kept = (thief === undefined ? inTheWay : lock.holders).filter((holder) => holder.isKept);
  if (thief !== undefined && kept.length === 0) return `${nameOf(thief)} could steal ${name}, and does not`;
  const isAnswerDue = first.probes || thief !== undefined;
  const untold = kept.find(({ told }) => told === "nothing" || (isAnswerDue && told !== "answer"));
  return untold === undefined ? undefined : `${nameOf(untold)} keeps ${name} and is not told that others want it`;
}

/** Of a group all must be first in line. */
function isRoomFor(model: LockModel, { group, ...first }: Asked, lock: ModelLock): boolean {
  const locks = group === undefined ? [lock] : group.names.map((name) => model.named(name));
  return locks.every(
    (one) =>
      one !== undefined &&
      one.barredUntil === undefined &&
      (group === undefined || one.queue[0]?.group === group) &&
      inTheWayOf({ ...first, group }, one).length === 0,
  );
}

function inTheWayOf(first: Asked, { holders }: ModelLock): Tenure[] {
  if (first.permits > 0) return holders.length < first.permits ? [] : holders;
  return holders.filter((holder) => isConflict(holder, first));
}

/** The same, as a replica has it. Of a group all must be first in line, and find room. */
export function faultOfQueue(table: LockTable, name: string, lock: Lock): string | undefined {
  const [first] = lock.queue;
  if (first === undefined) return undefined;
  const { session, group } = first;
  const locks = group === 0 ? [lock] : table.groups.names(session, group).map((other) => table.get(other));
  const isFirst = ({ queue: [head] }: Lock): boolean => head?.session === session && head.group === group;
  if (locks.length === 0) return `${nameOf(first)} waits for ${name} in a group that there is not`;
  if (locks.every((one) => isFirst(one) && isCompatible(one, first)))
    return `${name} could be granted to ${nameOf(first)}, which is first in line, and is not`;
  const isInUse = first.probes && locks.some((one) => isFirst(one) && isUsedAgainst(one, first));
  if (isInUse) return `${nameOf(first)} is not told that ${name} is in use`;
  const thief = lock.queue.find(isThief);
  return thief === undefined || isKept(lock) ? undefined : `${nameOf(thief)} could steal ${name}, and does not`;
}

function nameOf({ session, xid, mode }: Pick<Asked, "session" | "xid" | "mode">): string {
  return `${session}/${xid} (${mode})`;
}
