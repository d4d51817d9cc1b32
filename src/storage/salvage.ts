/**
 * What of a data directory can still be read: all of it if it is sound, else the log up to the damage; of data that was
 * set aside too. For a forced recovery, in which what cannot be read is lost.
 * @module
 */
import type { Entry } from "../protocol/entry.ts";
import type { Done } from "../protocol/storage.ts";
import type { Viewstamp } from "../protocol/view.ts";
import type { DiskReader, FileInfo, Got } from "./disk.ts";
import { examine, type Finding, findSnapshot, whatLacks } from "./examination.ts";
import { Damage } from "./faults.ts";
import { asideName, type Inventory, segmentName, takeInventory } from "./names.ts";
import type { Facts } from "./records.ts";
import type { Remembered } from "./remembered.ts";
import { Replay } from "./replay.ts";
import { namesBelow } from "./set-aside.ts";
import type { StoredSnapshot } from "./snapshot-reader.ts";
import { then } from "./steps.ts";

export interface Salvaged {
  /** Where the snapshot's chunks are read from. */
  readonly disk: DiskReader;
  readonly facts: Facts;
  readonly snapshot: StoredSnapshot | undefined;
  /** The snapshot's place, or the beginning. */
  readonly base: Viewstamp;
  /** Those after `base`. */
  readonly entries: readonly Entry[];
  /** What was damaged, and so is lost; `undefined` if nothing was. */
  readonly damage: string | undefined;
  /** It was set aside, and is read from there. */
  readonly wasAside: boolean;
}

/** An error is `Damage` if nothing can be made of it. */
export function salvage(disk: DiskReader, done: Got<Salvaged>): void {
  const failed: Done = (error) => done(error, undefined);
  examine(
    disk,
    { keepsEntries: false },
    then(failed, (finding) => {
      const from = asideOf(finding);
      if (from !== undefined) return read(asideReader(disk, finding.files, from), true, done);
      if (finding.verdict.type === "empty") return failed(new Damage(`there is no data in ${disk.name}`));
      read(disk, false, done);
    }),
  );
}

/** The number under which the data was set aside, if nothing has replaced it. */
function asideOf({ note, verdict }: Finding): number | undefined {
  if (note === undefined || verdict.type === "damaged") return undefined;
  const isReplaced = verdict.type === "sound" && verdict.replayed.remembered.facts.view !== undefined;
  return isReplaced ? undefined : note.from;
}

/** The files set aside with this number, under the names that they had; a crash may have kept some from being renamed. */
function asideReader(disk: DiskReader, files: Inventory, from: number): DiskReader {
  const prefix = asideName("", from);
  const renamed = [...files.bytesOf.keys()].filter((name) => name.startsWith(prefix));
  const nameOf = new Map<string, string>([
    ...namesBelow(files, from).map((name) => [name, name] as const),
    ...renamed.map((name) => [name.slice(prefix.length), name] as const),
  ]);
  return {
    name: disk.name,
    list: (done) => disk.list((error) => done(error, error === undefined ? listed(nameOf, files) : undefined)),
    read: (name, offset, length, done) => disk.read(nameOf.get(name) ?? name, offset, length, done),
  };
}

function listed(nameOf: ReadonlyMap<string, string>, { bytesOf }: Inventory): FileInfo[] {
  return [...nameOf].map(([name, now]) => ({ name, bytes: bytesOf.get(now) ?? 0 }));
}

function read(disk: DiskReader, wasAside: boolean, done: Got<Salvaged>): void {
  disk.list(
    then(
      (error) => done(error, undefined),
      (files) => readNewest({ disk, wasAside }, files, undefined, done),
    ),
  );
}

type Source = Pick<Salvaged, "disk" | "wasAside">;

/**
 * The newest segments without a gap; if no state can be made of them, those before the gap, and if not of those either, the
 * snapshot alone. `damage`: what was found first.
 */
function readNewest(source: Source, files: readonly FileInfo[], damage: string | undefined, done: Got<Salvaged>): void {
  const { disk } = source;
  const inventory = takeInventory(files);
  const replay = new Replay(disk, inventory, true);
  const without = (useless: readonly number[], why: string, rest: Salvaged | undefined): void => {
    const names = useless.map(segmentName);
    const others = files.filter(({ name }) => !names.includes(name));
    const isLast = inventory.strays.length + inventory.segments.length === useless.length;
    const known = damage ?? why;
    const tried: Got<Salvaged> = (error, found) => {
      if (found === undefined && (rest === undefined || !(error instanceof Damage))) done(error, undefined);
      else done(undefined, found ?? rest);
    };
    if (isLast) tried(new Damage(known), undefined);
    else readNewest(source, others, known, tried);
  };
  replay.run((error) => {
    if (error !== undefined && !(error instanceof Damage)) return done(error, undefined);
    const { remembered } = replay;
    // Of the beginning nothing can be read; but what follows it may know of a snapshot.
    if (remembered === undefined) return without(inventory.segments.slice(0, 1), error!.message, undefined);
    findSnapshot(disk, inventory, remembered, (fault, snapshot) => {
      if (fault !== undefined && !(fault instanceof Damage)) return done(fault, undefined);
      const found = (error ?? fault)?.message;
      const lacking = whatLacks(remembered, snapshot);
      if (lacking === undefined) {
        return done(undefined, { ...source, damage: damage ?? found, ...stateOf(remembered, snapshot) });
      }
      const why = found ?? lacking;
      const alone = snapshot && { facts: remembered.facts, snapshot, base: snapshot.note.at, entries: [] };
      without(inventory.segments, why, alone && { ...source, damage: damage ?? why, ...alone });
    });
  });
}

function stateOf(
  remembered: Remembered,
  snapshot: StoredSnapshot | undefined,
): Pick<Salvaged, "facts" | "snapshot" | "base" | "entries"> {
  if (snapshot !== undefined && remembered.isReplacedBy(snapshot.note.at)) {
    remembered.apply({ kind: "base", at: snapshot.note.at });
  }
  const { entries, base: logBase } = remembered.durableState(undefined, undefined);
  const base = snapshot?.note.at ?? logBase;
  return { facts: remembered.facts, snapshot, base, entries: entries.filter(({ seqno }) => seqno > base.seqno) };
}
