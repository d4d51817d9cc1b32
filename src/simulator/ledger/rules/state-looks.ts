/**
 * What a state looks like, in one number: what is not in its replies, and so not in its running hash.
 * @module
 */
import { encodeCall } from "../../../protocol/calls.ts";
import { sessionIdOf } from "../../../protocol/session.ts";
import { digestOf, hashBytes } from "../chain.ts";
import type { SessionEye, StateEye } from "../observer.ts";

/** The whole lock table, as far as one page goes; without a lock machine the answer says so, on every replica alike. */
const LOCKS = encodeCall("locks", "list", { name: "", index: 0 });

/** Without the help of snapshots: so what they leave out can be seen. */
export function directLook(state: StateEye): number {
  let look = mixed(mixed(hashBytes(state.query(LOCKS)), state.time), state.hash);
  for (const session of state.sessions) {
    look = mixedSession(look, session);
    for (const notice of state.machine.outstanding(sessionIdOf(session.opened)))
      look = hashBytes(notice, mixed(look, 1));
  }
  return look;
}

/** By the bytes of a snapshot, which have the machine's whole state, and the order in it. */
export function snapshotLook(state: StateEye): number {
  return digestOf(state.snapshot());
}

function mixedSession(before: number, session: SessionEye): number {
  const { opened, ttlMs, lastNumber, acknowledgedThrough, replies } = session;
  let look = before;
  for (const number of [opened.vid, opened.seqno, ttlMs, lastNumber, acknowledgedThrough]) look = mixed(look, number);
  for (const [number, reply] of replies) look = hashBytes(reply, mixed(look, number));
  return look;
}

function mixed(before: number, value: number): number {
  const low = Math.imul(before ^ (value >>> 0), 0x85ebca6b);
  const high = Math.imul(low ^ Math.floor(value / 4294967296), 0xc2b2ae35);
  return (high ^ (high >>> 15)) >>> 0;
}
