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
import { asideName, type Inventory, numberOfAside, segmentName, takeInventory } from "./names.ts";
import type { Facts } from "./records.ts";
import { isOfMember, type Remembered } from "./remembered.ts";
import { Replay } from "./replay.ts";
import { namesBelow } from "./set-aside.ts";
import type { StoredSnapshot } from "./snapshot-reader.ts";
import { inTurn, then } from "./steps.ts";

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
  /** The number under which it was set aside; `undefined` if it was not. */
  readonly aside: number | undefined;
  readonly others: readonly Other[];
}

/** Files that are there too, and count for less. */
export interface Other {
  readonly aside: number | undefined;
  readonly vid: number;
  /** `undefined` if nothing can be made of them. */
  readonly through: Viewstamp | undefined;
}

/** An error is `Damage` if nothing can be made of it. */
export function salvage(disk: DiskReader, done: Got<Salvaged>): void {
  const failed: Done = (error) => done(error, undefined);
  examine(
    disk,
    { keepsEntries: false },
    then(failed, (finding) => {
      const sources = sourcesIn(disk, finding);
      if (sources.length === 0) failed(new Damage(`there is no data in ${disk.name}`));
      else takeFurthest(sources, done);
    }),
  );
}

/** Newest first. Each is read by itself, under the names that its files had. */
function sourcesIn(disk: DiskReader, { files, note, verdict }: Finding): Source[] {
  const spared = note === undefined ? [] : namesBelow(files, note.from);
  const names = [...files.bytesOf.keys()];
  const numbers = new Set(names.flatMap((name) => numberOfAside(name) ?? []));
  if (note !== undefined && spared.length > 0) numbers.add(note.from);
  const asides = [...numbers].sort((a, b) => b - a);
  const present = names.filter((name) => numberOfAside(name) === undefined && !spared.includes(name));
  const isNew = asides.length === 0 && note === undefined;
  const counts =
    verdict.type === "damaged" ||
    (verdict.type === "sound" && (isNew || verdict.replayed.remembered.hasBegun(verdict.snapshot !== undefined)));
  return [
    ...(counts
      ? [{ disk: renamedReader(disk, files, new Map(present.map((name) => [name, name]))), aside: undefined }]
      : []),
    ...asides.map((aside) => {
      const left = aside === note?.from ? spared : [];
      return { disk: renamedReader(disk, files, namesAside(names, left, aside)), aside };
    }),
  ];
}

/** By the names that they had; a crash may have kept some from being renamed. */
function namesAside(names: readonly string[], spared: readonly string[], aside: number): Map<string, string> {
  const prefix = asideName("", aside);
  const renamed = names.filter((name) => name.startsWith(prefix));
  return new Map([
    ...spared.map((name) => [name, name] as const),
    ...renamed.map((name) => [name.slice(prefix.length), name] as const),
  ]);
}

function renamedReader(disk: DiskReader, files: Inventory, nameOf: ReadonlyMap<string, string>): DiskReader {
  return {
    name: disk.name,
    list: (done) => disk.list((error) => done(error, error === undefined ? listed(nameOf, files) : undefined)),
    read: (name, offset, length, done) => disk.read(nameOf.get(name) ?? name, offset, length, done),
  };
}

function listed(nameOf: ReadonlyMap<string, string>, { bytesOf }: Inventory): FileInfo[] {
  return [...nameOf].map(([name, now]) => ({ name, bytes: bytesOf.get(now) ?? 0 }));
}

/** All of them are read: what was set aside last need not be what holds the most. */
function takeFurthest(sources: readonly Source[], done: Got<Salvaged>): void {
  let furthest: Copy | undefined;
  let fault: Error | undefined;
  const others: Other[] = [];
  const steps = sources.map((source) => (next: Done) => {
    read(source, (error, copy) => {
      if (copy === undefined && !(error instanceof Damage)) return next(error);
      if (copy === undefined) {
        fault ??= error;
        others.push({ aside: source.aside, vid: 0, through: undefined });
      } else if (furthest === undefined || isBefore(reachOf(furthest), reachOf(copy))) {
        if (furthest !== undefined) others.push(otherOf(furthest));
        furthest = copy;
      } else others.push(otherOf(copy));
      next(undefined);
    });
  });
  inTurn(steps, (error) => {
    if (error !== undefined || furthest === undefined) done(error ?? fault, undefined);
    else done(undefined, { ...furthest, others });
  });
}

function otherOf(copy: Copy): Other {
  const { vid, seqno } = lastOf(copy);
  return { aside: copy.aside, vid: copy.facts.view?.vid ?? 0, through: { vid, seqno } };
}

function lastOf({ entries, base }: Copy): Viewstamp {
  return entries.at(-1) ?? base;
}

/** What a whole member holds is all that was committed before its view, also if that has no entries yet. */
function reachOf(copy: Copy): Viewstamp {
  const { vid, seqno } = lastOf(copy);
  const isWhole = copy.damage === undefined && isOfMember(copy.facts);
  return { vid: isWhole ? Math.max(vid, copy.facts.view?.vid ?? 0) : vid, seqno };
}

function isBefore(one: Viewstamp, other: Viewstamp): boolean {
  return one.vid < other.vid || (one.vid === other.vid && one.seqno < other.seqno);
}

function read(source: Source, done: Got<Copy>): void {
  source.disk.list(
    then(
      (error) => done(error, undefined),
      (files) => readNewest(source, files, undefined, done),
    ),
  );
}

type Copy = Omit<Salvaged, "others">;

type Source = Pick<Salvaged, "disk" | "aside">;

/**
 * The newest segments without a gap; if no state can be made of them, those before the gap, and if not of those either, the
 * snapshot alone. `damage`: what was found first.
 */
function readNewest(source: Source, files: readonly FileInfo[], damage: string | undefined, done: Got<Copy>): void {
  const { disk } = source;
  const inventory = takeInventory(files);
  const replay = new Replay(disk, inventory, true);
  const without = (useless: readonly number[], why: string, rest: Copy | undefined): void => {
    const names = useless.map(segmentName);
    const others = files.filter(({ name }) => !names.includes(name));
    const isLast = inventory.strays.length + inventory.segments.length === useless.length;
    const known = damage ?? why;
    const tried: Got<Copy> = (error, found) => {
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
