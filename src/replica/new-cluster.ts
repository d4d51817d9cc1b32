/**
 * New clusters from old data: from a copy of a state, or from what one node has left. Such a cluster has an id of its own, a
 * first view above every old one, and goes on later: fencing tokens and session ids come from places (design.md 4.8).
 * @module
 */
import type { Entry } from "../protocol/entry.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { MachineVersion, ReplicatedMachine } from "../protocol/machine.ts";
import { canRun, versionsText } from "../protocol/machine-versions.ts";
import type { Done, DurableMachines, Storage } from "../protocol/storage.ts";
import type { ClusterId, Incarnation, Member, View, Viewstamp } from "../protocol/view.ts";
import { movedEntries, movedPlace } from "../rsm/relocation.ts";
import { ReplicatedState } from "../rsm/state.ts";
import { movedHeader } from "../rsm/state-chunks.ts";
import type { Got } from "../storage/disk.ts";
import type { Salvaged } from "../storage/salvage.ts";
import { readChunk } from "../storage/snapshot-reader.ts";
import { errorOf, inTurn, type Step, then } from "../storage/steps.ts";

/** More entries than any cluster commits between a backup and its restoration: 2^32, days at full speed. */
export const DEFAULT_SKIP: number = 2 ** 32;

/** What the data of each node of the new cluster holds beside its own identity. */
export interface NewCluster {
  readonly clusterId: ClusterId;
  readonly view: View;
  /** Fresh nodes are told in which versions the log begins. */
  readonly machines: DurableMachines;
  /** Without one the log begins at the beginning. */
  readonly snapshot: NewSnapshot | undefined;
  readonly entries: readonly Entry[];
}

/** Its chunks are read once for each node. */
export interface NewSnapshot extends ChunkList {
  readonly at: Viewstamp;
}

export interface ChunkList {
  readonly count: number;
  readonly chunk: (index: number, done: Got<Uint8Array>) => void;
}

/** The copy of a state, as it was saved. */
export interface SavedState extends ChunkList {
  readonly at: Viewstamp;
  readonly machines: readonly MachineVersion[];
}

/** The first view of a new cluster; later than any that the state knows, and so believed by fresh nodes. */
export function firstView(members: readonly Member[], last: number): View {
  const sorted = [...members].sort((a, b) => (a.id < b.id ? -1 : 1));
  const primary = sorted[0]!.id;
  return { vid: Math.max(last, 1) + 1, members: sorted, acceptors: sorted, barred: [], invited: [], primary };
}

/** Of these nodes each begins with the state. */
export function clusterOfCopy(
  clusterId: ClusterId,
  { at, machines, count, chunk }: SavedState,
  members: readonly Member[],
  skip: number,
): NewCluster {
  const place = movedPlace(at, skip);
  return {
    clusterId,
    view: firstView(members, at.vid),
    // The snapshot says in which versions its state is.
    machines: { origin: machines, promised: [] },
    snapshot: movedSnapshot(place, { count, chunk }),
    entries: [],
  };
}

/** Of whose data a new cluster is made, and how. */
export interface Remains {
  readonly clusterId: ClusterId;
  readonly found: Salvaged;
  readonly member: Member;
  readonly skip: number;
  /** Executes the log, if it is its. */
  readonly machine: ReplicatedMachine;
}

/**
 * A cluster of one member, from what can still be read of its data. Entries are executed at the places where they were
 * stamped: machines make tokens and versions of these, and what a client was told must stay true. So only the state that
 * comes of them goes on later. A program that does not have the machines can but stamp the entries anew: `isStampedAnew`.
 * An error is `InvalidInput` if the log begins with machines that it does not have.
 */
export function clusterOfRemains(remains: Remains, done: Got<NewCluster & { readonly isStampedAnew: boolean }>): void {
  const { clusterId, found, member, skip, machine } = remains;
  const { facts, base, entries } = found;
  const last = Math.max(facts.view?.vid ?? 0, base.vid, entries.at(-1)?.vid ?? 0);
  const machines = facts.machines ?? { origin: [], promised: [] };
  const given = { clusterId, view: firstView([member], last), machines };
  const stored = storedChunks(found);
  const failed: Done = (error) => done(error, undefined);
  if (skip === 0) return done(undefined, { ...given, snapshot: atPlace(base, stored), entries, isStampedAnew: false });
  // Made before anything is executed: the machine is the one that may then fail to execute all of it.
  let begun = stored;
  const lacking = errorOf(() => {
    begun ??= emptyState(machine, machines.origin);
  });
  const executed = (error: Error | undefined, chunks: ChunkList | undefined): void => {
    if (error !== undefined) return failed(error);
    const end = entries.at(-1) ?? base;
    if (chunks !== undefined)
      return done(undefined, {
        ...given,
        snapshot: movedSnapshot(movedPlace(end, skip), chunks),
        entries: [],
        isStampedAnew: false,
      });
    if (begun === undefined) return failed(lacking!);
    done(undefined, {
      ...given,
      snapshot: movedSnapshot(movedPlace(base, skip), begun),
      entries: movedEntries(entries, base, skip),
      isStampedAnew: entries.length > 0,
    });
  };
  if (entries.length === 0) executed(undefined, stored);
  else executeAll(remains, stored, executed);
}

function storedChunks({ disk, snapshot }: Salvaged): ChunkList | undefined {
  return (
    snapshot && {
      count: snapshot.note.chunks,
      chunk: (index, done) => readChunk(disk, snapshot, index, done),
    }
  );
}

function atPlace(at: Viewstamp, chunks: ChunkList | undefined): NewSnapshot | undefined {
  return chunks && { at, ...chunks };
}

/** The state after all entries; none if this program cannot execute them. */
function executeAll({ found, machine }: Remains, stored: ChunkList | undefined, done: Got<ChunkList>): void {
  const { facts, base, entries } = found;
  const state = new ReplicatedState(machine);
  const failed: Done = (error) => done(error, undefined);
  const execute = (): void => {
    let chunks: ChunkList | undefined;
    const refusal = errorOf(() => {
      for (const entry of entries) state.apply(entry);
      chunks = chunksOf(state);
    });
    done(undefined, refusal === undefined ? chunks : undefined);
  };
  if (stored === undefined) {
    state.begin(facts.machines?.origin ?? []);
    return execute();
  }
  const restoration = state.restore(base);
  const next = (index: number): void => {
    if (index < stored.count)
      return stored.chunk(
        index,
        then(failed, (bytes) => restored(index, bytes)),
      );
    if (errorOf(() => restoration.finish()) === undefined) execute();
    else done(undefined, undefined);
  };
  const restored = (index: number, bytes: Uint8Array): void => {
    if (errorOf(() => restoration.chunk(bytes)) === undefined) next(index + 1);
    else done(undefined, undefined);
  };
  next(0);
}

/** Writes the data of one node into an empty storage, which is open; all of it is durable then. */
export function writeNewData(storage: Storage, cluster: NewCluster, incarnation: Incarnation, done: Done): void {
  const { clusterId, view, machines, snapshot, entries } = cluster;
  const identity = { kind: "identity", incarnation, clusterId } as const;
  const appended = entries.length > 0 ? [{ kind: "append", entries } as const] : [];
  const records = [identity, { kind: "machines", ...machines } as const, ...appended, { kind: "view", view } as const];
  const written: Step = (next) => storage.write(records, next);
  if (snapshot === undefined) return written(done);
  const based: Step = (next) => storage.write([{ kind: "base", at: snapshot.at }], next);
  inTurn([(next) => writeSnapshot(storage, snapshot, next), based, written], done);
}

function writeSnapshot(storage: Storage, { at, count, chunk }: NewSnapshot, done: Done): void {
  const writer = storage.writeSnapshot(at);
  const next = (index: number): void => {
    if (index === count) return writer.commit(done);
    chunk(
      index,
      then(done, (bytes) => writer.write(bytes, (error) => (error === undefined ? next(index + 1) : done(error)))),
    );
  };
  next(0);
}

/** The same state at another place. */
function movedSnapshot(at: Viewstamp, { count, chunk }: ChunkList): NewSnapshot {
  const moved = (index: number, done: Got<Uint8Array>): void =>
    chunk(index, (error, bytes) => {
      if (error !== undefined || index > 0) return done(error, bytes);
      let header: Uint8Array | undefined;
      const fault = errorOf(() => {
        header = movedHeader(bytes!, at);
      });
      done(fault, header);
    });
  return { at, count, chunk: moved };
}

/** Data without a snapshot begins with the empty state of its machines, which only their program can make. */
function emptyState(machine: ReplicatedMachine, origin: readonly MachineVersion[]): ChunkList {
  if (!canRun(machine.able, origin)) {
    throw new ViewstampError(
      "InvalidInput",
      `the data has no snapshot, and begins with ${versionsText(origin)}, which this program does not have: give --skip 0`,
    );
  }
  const state = new ReplicatedState(machine);
  state.begin(origin);
  return chunksOf(state);
}

function chunksOf(state: ReplicatedState): ChunkList {
  const chunks: Uint8Array[] = [];
  const made = state.snapshot();
  for (let next = made.next(); next.done !== true; next = made.next()) chunks.push(next.value);
  return { count: chunks.length, chunk: (index, done) => done(undefined, chunks[index]) };
}
