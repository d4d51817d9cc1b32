/**
 * From a storage to a node that can begin: who it is, what it remembers, and the state of its newest snapshot.
 * @module
 */
import type { Entry } from "../protocol/entry.ts";
import type { Environment } from "../protocol/environment.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { MachineAbility, Restoration } from "../protocol/machine.ts";
import { abilitiesText } from "../protocol/machine-versions.ts";
import type { DurableState, Storage } from "../protocol/storage.ts";
import type { Incarnation, NodeId, Viewstamp } from "../protocol/view.ts";
import { refuseForeign } from "./data-owner.ts";
import { refuseData } from "./data-versions.ts";
import { storageFailure } from "./failures.ts";

/** What a node wakes up with. */
export interface Booted {
  readonly durable: DurableState;
  /** Those of its entries that change machine versions. */
  readonly upgrades: readonly Entry[];
  readonly incarnation: Incarnation;
  /** Not once data has been set aside: such a node is never fresh, it may only join. */
  readonly mayFound: boolean;
  /** The data is new, or was set aside just now. */
  readonly isNew: boolean;
  /** The longest pause that restoring the newest snapshot has cost, in milliseconds. */
  readonly restorePauseMs: number;
}

export interface BootOptions {
  readonly id: NodeId;
  readonly storage: Storage;
  readonly environment: Environment;
  readonly able: readonly MachineAbility[];
  readonly restore: (at: Viewstamp) => Restoration;
  /** A state is restored in slices of about this long. */
  readonly sliceMs: number;
  /** From now on the storage must be closed; not so if it could not be opened: another replica may have it. */
  readonly opened: (isOpen: boolean) => void;
  /** The data is another's now. */
  readonly failed: (error: Error) => void;
}

export type BootDone = (error: ViewstampError | undefined, booted: Booted | undefined) => void;

export function boot(options: BootOptions, done: BootDone): void {
  const fail = (error: unknown): void => done(storageFailure(error), undefined);
  const opened = (error: Error | undefined, durable: DurableState | undefined): void => {
    options.opened(durable !== undefined);
    if (durable === undefined) return fail(error);
    const foreign = refuseForeign(options.id, durable);
    if (foreign !== undefined) return done(foreign, undefined);
    findUpgrades(options, durable, (upgrades) => {
      const refusal = refuseData(options.able, durable, upgrades);
      if (refusal !== undefined) return done(refusal, undefined);
      identify(options, durable, upgrades, (identifyError, booted) => {
        if (booted === undefined) return fail(identifyError);
        restore(options, booted, done);
      });
    });
  };
  options.storage.open(opened, options.failed);
}

/** So many entries are looked at in one go. */
const LOOKS = 16_384;

/** A log may be long: it is looked through in slices. */
function findUpgrades(
  { environment }: BootOptions,
  { entries }: DurableState,
  done: (found: readonly Entry[]) => void,
): void {
  const found: Entry[] = [];
  const look = (from: number): void => {
    const end = Math.min(from + LOOKS, entries.length);
    for (let index = from; index < end; index++) {
      const entry = entries[index] as Entry;
      if (entry.kind === "upgrade") found.push(entry);
    }
    if (end < entries.length) environment.endOfTurn(() => look(end));
    else done(found);
  };
  look(0);
}

type Identified = (error: Error | undefined, booted: Booted | undefined) => void;

/** New data, new incarnation: durable before anyone hears of it. */
function identify(
  { storage, environment }: BootOptions,
  durable: DurableState,
  upgrades: readonly Entry[],
  done: Identified,
): void {
  const mayFound = durable.setAside === undefined;
  if (durable.identity !== undefined) {
    const { incarnation } = durable.identity;
    done(undefined, { durable, upgrades, incarnation, mayFound, isNew: false, restorePauseMs: 0 });
    return;
  }
  const identity = { incarnation: environment.randomId(), clusterId: durable.setAside?.clusterId };
  storage.write([{ kind: "identity", ...identity }], (error) => {
    if (error !== undefined) return done(error, undefined);
    const { incarnation } = identity;
    const booted = { durable: { ...durable, identity }, upgrades, incarnation, mayFound };
    done(undefined, { ...booted, isNew: true, restorePauseMs: 0 });
  });
}

function restore(
  { storage, environment, able, restore: begin, sliceMs }: BootOptions,
  booted: Booted,
  done: BootDone,
): void {
  const { snapshot } = booted.durable;
  if (snapshot === undefined) {
    done(undefined, booted);
    return;
  }
  const { at, chunks } = snapshot;
  const restoration = begin(at);
  let restorePauseMs = 0;
  const attempt = (work: () => void): boolean => {
    const began = environment.now();
    try {
      work();
      restorePauseMs = Math.max(restorePauseMs, environment.now() - began);
      return true;
    } catch (error) {
      done(foreignSnapshot(at, able, error), undefined);
      return false;
    }
  };
  let sliceBegan = environment.now();
  const next = (index: number): void => {
    if (environment.now() - sliceBegan < sliceMs) return take(index);
    // A storage in memory has each chunk at once: others must have their turn.
    environment.endOfTurn(() => {
      sliceBegan = environment.now();
      take(index);
    });
  };
  const read = ahead(storage, at, chunks);
  const take = (index: number): void => {
    if (index === chunks) {
      if (attempt(() => restoration.finish())) done(undefined, { ...booted, restorePauseMs });
      return;
    }
    read((error, chunk) => {
      if (chunk === undefined) done(storageFailure(error), undefined);
      else if (attempt(() => restoration.chunk(chunk))) next(index + 1);
    });
  };
  next(0);
}

type Chunk = Parameters<Parameters<Storage["readSnapshotChunk"]>[2]>;

/** Gives one chunk after the other; the next is read while this one is restored. */
function ahead(storage: Storage, at: Viewstamp, chunks: number): (take: (...chunk: Chunk) => void) => void {
  let begun = 0;
  let came: Chunk | undefined;
  let waiting: ((...chunk: Chunk) => void) | undefined;
  const begin = (): void => {
    if (begun === chunks) return;
    storage.readSnapshotChunk(at, begun++, (...chunk) => {
      came = chunk;
      give();
    });
  };
  const give = (): void => {
    if (came === undefined || waiting === undefined) return;
    const [chunk, take] = [came, waiting];
    came = undefined;
    waiting = undefined;
    begin();
    take(...chunk);
  };
  begin();
  return (take) => {
    waiting = take;
    give();
  };
}

function foreignSnapshot({ seqno }: Viewstamp, able: readonly MachineAbility[], cause: unknown): ViewstampError {
  const why = cause instanceof ViewstampError && cause.code === "WrongMachine" ? ` (${cause.message})` : "";
  return new ViewstampError(
    "WrongMachine",
    `the snapshot at ${seqno} in the data is not one of ${abilitiesText(able)}${why}: start the node with the machines ` +
      "that wrote it",
    { cause },
  );
}
