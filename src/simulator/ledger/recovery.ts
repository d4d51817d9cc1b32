/**
 * What a storage may say when it is opened: a prefix of what it was given, at least all that it called durable.
 * @module
 */
import type { DurableState, StorageRecord } from "../../protocol/storage.ts";
import type { DiskModel } from "./disk-model.ts";
import { DataFacts, type Facts, type NodeFacts } from "./facts.ts";

/** Takes the recovered state for the durable one; says what is wrong with it, if anything is. */
export function recover(facts: Facts, node: NodeFacts, state: DurableState): string | undefined {
  const { data } = node;
  if (state.identity === undefined && state.setAside !== undefined) {
    // An identity given to a storage that was closed before it was written does not count.
    const needed = data.ruined !== undefined || data.durable.identity === undefined;
    node.data = new DataFacts();
    return !needed ? `${node.id} set its data aside without need: ${state.setAside.reason}` : undefined;
  }
  const found = matchingPrefix(facts, data, state);
  if (typeof found === "string") {
    if (data.ruined !== undefined && state.identity === undefined) {
      node.data = new DataFacts();
      return undefined;
    }
    return `${node.id} recovered a state that it never had: ${found} differs`;
  }
  node.data = resumed(data, found);
  return undefined;
}

function matchingPrefix(facts: Facts, data: DataFacts, state: DurableState): DiskModel | string {
  let model = data.durable.copy();
  let why = model.differs(state);
  if (why === undefined) return settle(facts, data, model, state);
  for (const record of data.pending.flat() as StorageRecord[]) {
    model = model.copy();
    model.apply(record, facts.chainOf);
    const differs = model.differs(state);
    if (differs === undefined) return settle(facts, data, model, state);
    why = differs;
  }
  const { pendingSnapshot } = data;
  if (pendingSnapshot !== undefined && state.snapshot?.at.seqno === pendingSnapshot.at.seqno) {
    model = data.durable.copy();
    model.installed(pendingSnapshot, facts.chainOf);
    for (const record of [undefined, ...data.pending.flat()]) {
      if (record !== undefined) model.apply(record, facts.chainOf);
      const differs = model.differs(state);
      if (differs === undefined) return model;
      why = differs;
    }
  }
  return why;
}

/** The snapshot that was under way may have become the newest. */
function settle(facts: Facts, data: DataFacts, model: DiskModel, state: DurableState): DiskModel | string {
  const at = state.snapshot?.at.seqno;
  if (at === model.snapshot?.at.seqno) return model;
  if (data.pendingSnapshot === undefined || at !== data.pendingSnapshot.at.seqno) return "snapshot";
  model.installed(data.pendingSnapshot, facts.chainOf);
  return model;
}

function resumed(data: DataFacts, model: DiskModel): DataFacts {
  data.pending.length = 0;
  data.pendingSnapshot = undefined;
  // What rotted was nothing that counts.
  data.ruined = undefined;
  Object.assign(data.durable, model);
  Object.assign(data.written, model.copy());
  return data;
}
