/**
 * Whether a program may start on data: not if an older or newer one must, by what the data holds.
 * @module
 */
import type { Entry } from "../protocol/entry.ts";
import type { ViewstampError } from "../protocol/errors.ts";
import type { MachineAbility } from "../protocol/machine.ts";
import { cannotRun, canRun } from "../protocol/machine-versions.ts";
import type { DurableState } from "../protocol/storage.ts";
import { decodeUpgrade } from "../protocol/upgrade-body.ts";

/**
 * Why this program must not start on this data, or `undefined`. What a snapshot holds is seen when it is restored.
 * `upgrades`: those of the entries that change versions.
 */
export function refuseData(
  able: readonly MachineAbility[],
  durable: DurableState,
  upgrades: readonly Entry[],
): ViewstampError | undefined {
  const { identity, machines, snapshot, view, entries } = durable;
  const restored = snapshot?.at.seqno ?? 0;
  const { origin = [], promised = [] } = machines ?? {};
  if (promised.length > 0 && !canRun(able, promised)) {
    return cannotRun(able, promised, "this node has promised its cluster that it can run");
  }
  // A member counts as a copy of what is to come: it must be able to execute it, also while its log is empty.
  const isMember = view?.members.some(({ incarnation }) => incarnation === identity?.incarnation) === true;
  const isReplayed = snapshot === undefined && machines !== undefined && (isMember || entries.length > 0);
  if (isReplayed && !canRun(able, origin)) return cannotRun(able, origin, "the log in the data begins with");
  for (const { seqno, body } of upgrades) {
    if (seqno <= restored) continue;
    const { to } = decodeUpgrade(body);
    if (!canRun(able, to)) return cannotRun(able, to, "the log in the data goes on with");
  }
  return undefined;
}
