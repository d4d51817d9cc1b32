/**
 * What the program says while it waits for a lock: nothing for a moment, then for whom.
 * @module
 */
import { quoted, titled } from "../../locks/client-errors.ts";
import type { ClusterLocks, LockInfo, LockSnapshot } from "../locks.ts";
import { ageText, inLine } from "./locks-report.ts";
import type { Terminal } from "./terminal.ts";

/** Most waits are over by then. */
const TOLD_AFTER_MS = 2000;

/** Says once for whom a wait is, if it lasts; gives what is to be called when it is over. */
export function tellOfWait(locks: ClusterLocks, names: readonly string[], terminal: Terminal): () => void {
  let isOver = false;
  const tell = async (): Promise<void> => {
    const snapshot = await locks.query().catch(() => undefined);
    if (isOver) return;
    const what = names.length > 1 ? `${names.length} locks` : titled(names);
    const why = snapshot === undefined ? ": the cluster does not answer" : whoText(names, snapshot);
    terminal.message(`viewstamp: waits for ${what}${why}`);
  };
  const timer = setTimeout(() => void tell(), TOLD_AFTER_MS);
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}

/** Of a lock that nobody holds nothing is said: it is this program's any moment. */
function whoText(names: readonly string[], { held, pending }: LockSnapshot): string {
  const isMeant = ({ name, permits }: LockInfo): boolean => permits === undefined && names.includes(name);
  const holders = held.filter(isMeant).map(({ name, owner, clientId, ageMs, availableInMs }) => {
    const which = names.length > 1 ? `${quoted(name)} ` : "";
    const who = owner === "" ? clientId : inLine(owner);
    if (availableInMs !== undefined) return `${which}lost by ${who}, free in ${ageText(availableInMs)}`;
    return `${which}held by ${who} for ${ageText(ageMs)}`;
  });
  const waiting = pending.filter(isMeant).length;
  const line = waiting > names.length ? [`${waiting} requests in line`] : [];
  const parts = [...holders, ...line];
  return parts.length === 0 ? "" : `: ${parts.join(", ")}`;
}
