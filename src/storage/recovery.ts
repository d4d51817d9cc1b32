/**
 * Opens a data directory: finds what is there, replays it, cuts a torn end, sets damaged data aside, and makes durable
 * what it gives (design.md 4.5).
 * @module
 */
import type { Done, DurableState } from "../protocol/storage.ts";
import { Batch } from "./batch.ts";
import type { Disk, DiskFile, Got } from "./disk.ts";
import { Damage } from "./faults.ts";
import { type Inventory, segmentName, snapshotName, takeInventory } from "./names.ts";
import { Remembered } from "./remembered.ts";
import { Replay, type Replayed } from "./replay.ts";
import { makeSegment, type OpenSegment } from "./segment.ts";
import { type Note, readNote, renameAside, setFilesAside } from "./set-aside.ts";
import { infoOf, type StoredSnapshot, verifySnapshot } from "./snapshot-reader.ts";
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
  const recovery = new Recovery(disk, randomId, done);
  disk.list(
    then(
      (error) => done(error, undefined),
      (files) => recovery.begin(takeInventory(files)),
    ),
  );
}

class Recovery {
  readonly #disk: Disk;
  readonly #randomId: () => string;
  readonly #done: Got<Recovered>;
  #inventory: Inventory = takeInventory([]);
  #note: Note | undefined;

  constructor(disk: Disk, randomId: () => string, done: Got<Recovered>) {
    this.#disk = disk;
    this.#randomId = randomId;
    this.#done = done;
  }

  begin(inventory: Inventory): void {
    this.#inventory = inventory;
    const cleaning = inventory.temporary.map((name) => (next: Done) => this.#disk.remove(name, next));
    inTurn([...cleaning, (next) => this.#readNote(next)], (error) => {
      if (error instanceof Damage) this.#setAside(error.message, undefined);
      else if (error !== undefined) this.#fail(error);
      else this.#read();
    });
  }

  #fail(error: Error | undefined): void {
    this.#done(error, undefined);
  }

  /** Also finishes a setting aside that was interrupted. */
  #readNote(next: Done): void {
    const inventory = this.#inventory;
    if (!inventory.hasNote)
      return next(inventory.hasAside ? new Damage("the note of data set aside is missing") : undefined);
    readNote(
      this.#disk,
      inventory,
      then(next, (note) => {
        this.#note = note;
        this.#inventory = {
          ...inventory,
          segments: inventory.segments.filter((number) => number >= note.from),
          strays: inventory.strays.filter((number) => number >= note.from),
          snapshots: inventory.snapshots.filter((number) => number >= note.from),
        };
        renameAside(this.#disk, note.from, inventory, next);
      }),
    );
  }

  #read(): void {
    const { segments, snapshots } = this.#inventory;
    if (segments.length === 0 && snapshots.length === 0) return this.#beginAnew();
    const replay = new Replay(this.#disk, this.#inventory);
    const failed: Done = (error) => {
      if (error instanceof Damage) this.#setAside(error.message, replay.clusterId);
      else this.#fail(error);
    };
    replay.run(
      then(failed, (replayed) => {
        this.#findSnapshot(
          replayed.remembered,
          then(failed, (snapshot) => {
            const lacking = whatLacks(replayed.remembered, snapshot);
            if (lacking === undefined) this.#continue(replayed, snapshot);
            else failed(new Damage(lacking));
          }),
        );
      }),
    );
  }

  #findSnapshot(remembered: Remembered, done: Got<StoredSnapshot | undefined>): void {
    const note = remembered.facts.snapshot;
    if (note === undefined) return done(undefined, undefined);
    verifySnapshot(this.#disk, note, this.#inventory.bytesOf.get(snapshotName(note.number)), done);
  }

  /** An empty log, in a directory where nothing is or where all was set aside. */
  #beginAnew(): void {
    const remembered = new Remembered();
    const number = Math.max(1, this.#note?.from ?? 1);
    makeSegment(
      this.#disk,
      number,
      remembered.checkpoint(0),
      this.#randomId(),
      then(
        (error) => this.#fail(error),
        (segment) => this.#finish(remembered, segment, undefined),
      ),
    );
  }

  #setAside(reason: string, clusterId: string | undefined): void {
    const { segments, snapshots } = this.#inventory;
    const from = Math.max(this.#note?.from ?? 1, (segments.at(-1) ?? 0) + 1, (snapshots.at(-1) ?? 0) + 1);
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
  #continue({ remembered, last, end }: Replayed, snapshot: StoredSnapshot | undefined): void {
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
          (next: Done) => file.append(block, next),
          (next: Done) => file.sync(next),
          ...this.#leftovers(snapshot),
        ];
        const segment = { number: last.number, id: last.id, file, from: last.from, bytes: end + block.length };
        inTurn(steps, (error) => (error === undefined ? this.#finish(remembered, segment, snapshot) : failed(error)));
      }),
    );
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

function whatLacks(remembered: Remembered, snapshot: StoredSnapshot | undefined): string | undefined {
  const { base } = remembered;
  if (base.seqno > (snapshot?.note.at.seqno ?? 0))
    return `the log begins after ${base.seqno}, and no snapshot covers that`;
  const isReplaced = snapshot !== undefined && remembered.isReplacedBy(snapshot.note.at);
  return remembered.isComplete || isReplaced ? undefined : "the oldest segments of the log are missing";
}
