/**
 * What a storage may say when it is opened: a prefix of what it was given, at least all that it called durable.
 * @module
 */
import type { DurableState, StorageRecord } from "../../protocol/storage.ts";
import { sameViewstamp } from "../../protocol/view.ts";
import type { DiskModel } from "./disk-model.ts";
import { DataFacts, type Facts, type NodeFacts } from "./facts.ts";

/** A recovered state, compared with what the storage was given. */
export type Recovery =
  /** It is one that the disk had, or may have had in the end. */
  | { readonly kind: "known"; readonly disk: DiskModel }
  /** The storage has set damaged data aside, now or at an earlier start. */
  | { readonly kind: "setAside"; readonly reason: string }
  /** It never was like that; `what` differs. */
  | { readonly kind: "unknown"; readonly what: string };

export function recoveryOf(facts: Facts, { data }: NodeFacts, state: DurableState): Recovery {
  if (state.identity === undefined && state.setAside !== undefined)
    return { kind: "setAside", reason: state.setAside.reason };
  const found = matchingPrefix(facts, data, state);
  return typeof found === "string" ? { kind: "unknown", what: found } : { kind: "known", disk: found };
}

/** The facts follow what was recovered. */
export function follow(node: NodeFacts, recovery: Recovery): void {
  if (recovery.kind === "known") resume(node.data, recovery.disk);
  else node.data = new DataFacts();
}

/** The records are tried one by one on one copy; what a state differs in is only looked for where the shape fits. */
function matchingPrefix(facts: Facts, data: DataFacts, state: DurableState): DiskModel | string {
  const pending = data.pending.flat();
  const plain = firstMatch(facts, data.durable.copy(), pending, state);
  if (typeof plain !== "string") return settle(facts, data, plain, state);
  const { pendingSnapshot } = data;
  if (pendingSnapshot === undefined || !isSnapshot(state, pendingSnapshot)) return plain;
  // The snapshot that was under way became the newest before the records that were.
  const model = data.durable.copy();
  model.installed(pendingSnapshot, facts.chainOf);
  return firstMatch(facts, model, pending, state);
}

function firstMatch(
  facts: Facts,
  model: DiskModel,
  pending: readonly StorageRecord[],
  state: DurableState,
): DiskModel | string {
  let why = model.differs(state);
  for (const record of pending) {
    if (why === undefined) break;
    model.apply(record, facts.chainOf);
    why = model.differs(state);
  }
  return why ?? model;
}

/** The snapshot that was under way may have become the newest. */
function settle(facts: Facts, data: DataFacts, model: DiskModel, state: DurableState): DiskModel | string {
  if (state.snapshot?.at.seqno === model.snapshot?.at.seqno) return model;
  if (data.pendingSnapshot === undefined || !isSnapshot(state, data.pendingSnapshot)) return "snapshot";
  model.installed(data.pendingSnapshot, facts.chainOf);
  return model;
}

function isSnapshot(state: DurableState, snapshot: NonNullable<DurableState["snapshot"]>): boolean {
  return state.snapshot !== undefined && sameViewstamp(state.snapshot.at, snapshot.at);
}

function resume(data: DataFacts, disk: DiskModel): void {
  data.pending.length = 0;
  data.pendingSnapshot = undefined;
  // What rotted was nothing that counts.
  data.ruined = undefined;
  Object.assign(data.durable, disk);
  Object.assign(data.written, disk.copy());
}
