/**
 * Opens a data directory: acts on what `examination.ts` finds there. Cuts a torn end, sets damaged data aside, and makes
 * durable what it gives (design.md 4.5).
 * @module
 */
import type { Done, DurableState } from "../protocol/storage.ts";
import { Batch } from "./batch.ts";
import type { Disk, DiskFile, Got } from "./disk.ts";
import { examine, type Finding } from "./examination.ts";
import { type Inventory, numberAbove, segmentName, snapshotName } from "./names.ts";
import { Remembered } from "./remembered.ts";
import type { Replayed } from "./replay.ts";
import { makeSegment, type OpenSegment, type SegmentHead, sealSegment } from "./segment.ts";
import { type Note, renameAside, setFilesAside } from "./set-aside.ts";
import { infoOf, type StoredSnapshot } from "./snapshot-reader.ts";
import { inTurn, then } from "./steps.ts";

export interface Recovered {
  readonly state: DurableState;
  readonly remembered: Remembered;
  readonly segment: OpenSegment;
  readonly snapshot: StoredSnapshot | undefined;
  /** The number of the next snapshot. */
  readonly nextSnapshot: number;
}

export function recover(disk: Disk, randomId: () => string, done: Got<Recovered>): void {
  examine(
    disk,
    { keepsEntries: true },
    then(
      (error) => done(error, undefined),
      (finding) => new Recovery(disk, randomId, finding, done).run(),
    ),
  );
}

class Recovery {
  readonly #disk: Disk;
  readonly #randomId: () => string;
  readonly #done: Got<Recovered>;
  readonly #finding: Finding;
  readonly #inventory: Inventory;
  #note: Note | undefined;

  constructor(disk: Disk, randomId: () => string, finding: Finding, done: Got<Recovered>) {
    this.#disk = disk;
    this.#randomId = randomId;
    this.#done = done;
    this.#finding = finding;
    this.#inventory = finding.inventory;
    this.#note = finding.note;
  }

  /** Also finishes a setting aside that was interrupted. */
  run(): void {
    const { files, note, verdict } = this.#finding;
    const cleaning = files.temporary.map((name) => (next: Done) => this.#disk.remove(name, next));
    const renaming = note === undefined ? [] : [(next: Done) => renameAside(this.#disk, note.from, files, next)];
    inTurn([...cleaning, ...renaming], (error) => {
      if (error !== undefined) this.#fail(error);
      else if (verdict.type === "damaged") this.#setAside(verdict.reason, verdict.clusterId);
      else if (verdict.type === "sound") this.#continue(verdict.replayed, verdict.snapshot);
      else this.#beginAnew();
    });
  }

  #fail(error: Error | undefined): void {
    this.#done(error, undefined);
  }

  /** An empty log, in a directory where nothing is or where all was set aside. */
  #beginAnew(): void {
    const remembered = new Remembered();
    const number = Math.max(1, this.#note?.from ?? 1);
    makeSegment(
      this.#disk,
      number,
      remembered.checkpoint(number, 0),
      this.#randomId(),
      then(
        (error) => this.#fail(error),
        (segment) => this.#finish(remembered, segment, undefined),
      ),
    );
  }

  #setAside(reason: string, clusterId: string | undefined): void {
    const from = Math.max(this.#note?.from ?? 1, numberAbove(this.#inventory));
    const note: Note = { clusterId: clusterId ?? this.#note?.clusterId, reason, from };
    setFilesAside(this.#disk, note, this.#randomId(), this.#inventory, (error) => {
      if (error !== undefined) return this.#fail(error);
      this.#note = note;
      this.#beginAnew();
    });
  }

  /**
   * What was read may be in the system's memory only, so it is synced before it is given away, and the mark says so.
   * A snapshot that was to replace the log does so now, if the crash came before the record that says it.
   */
  #continue({ remembered, last, before, end }: Replayed, snapshot: StoredSnapshot | undefined): void {
    const batch = new Batch();
    if (snapshot !== undefined && remembered.isReplacedBy(snapshot.note.at)) {
      const record = { kind: "base", at: snapshot.note.at } as const;
      remembered.apply(record);
      batch.add(record);
    }
    const block = batch.finish(last.id, end, end);
    const name = segmentName(last.number);
    const failed: Done = (error) => this.#fail(error);
    this.#disk.open(
      name,
      then(failed, (file) => {
        const steps = [
          ...this.#cut(file, name, end),
          (next: Done) => file.sync(next),
          (next: Done) => this.#disk.syncDirectory(next),
          ...(before === undefined ? [] : [(next: Done) => this.#seal(before, last, next)]),
          // Before anything is written: the disk may be full of them.
          ...this.#leftovers(snapshot),
          (next: Done) => file.append(block, next),
          (next: Done) => file.sync(next),
        ];
        const segment = { number: last.number, id: last.id, file, from: last.from, bytes: end + block.length };
        inTurn(steps, (error) => {
          if (error === undefined) this.#finish(remembered, segment, snapshot);
          else file.close(() => failed(error));
        });
      }),
    );
  }

  #seal(before: SegmentHead, last: SegmentHead, next: Done): void {
    sealSegment(this.#disk, before, this.#inventory.bytesOf.get(before.name) ?? 0, last, next);
  }

  #cut(file: DiskFile, name: string, end: number): ((next: Done) => void)[] {
    return this.#inventory.bytesOf.get(name) === end ? [] : [(next) => file.truncate(end, next)];
  }

  /** Snapshots that were never recorded, or were replaced, and segments that are not needed any more. */
  #leftovers(snapshot: StoredSnapshot | undefined): ((next: Done) => void)[] {
    const { strays, snapshots } = this.#inventory;
    const needless = snapshots.filter((number) => number !== snapshot?.note.number);
    const names = [...strays.map(segmentName), ...needless.map(snapshotName)];
    return names.map((name) => (next) => this.#disk.remove(name, next));
  }

  #finish(remembered: Remembered, segment: OpenSegment, snapshot: StoredSnapshot | undefined): void {
    const setAside =
      this.#note === undefined ? undefined : { clusterId: this.#note.clusterId, reason: this.#note.reason };
    const state = remembered.durableState(snapshot === undefined ? undefined : infoOf(snapshot), setAside);
    remembered.forgetEntries();
    this.#done(undefined, {
      state,
      remembered,
      segment,
      snapshot,
      nextSnapshot: Math.max(segment.number, snapshot?.note.number ?? 0) + 1,
    });
  }
}
