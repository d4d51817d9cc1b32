/**
 * Looks at a data directory and says what is to be thought of it. Nothing is changed: recovery acts on what is found
 * here, and the offline tools report it, so the two cannot differ.
 * @module
 */
import type { Done } from "../protocol/storage.ts";
import type { ClusterId } from "../protocol/view.ts";
import type { DiskReader, Got } from "./disk.ts";
import { Damage } from "./faults.ts";
import { type Inventory, snapshotName, takeInventory } from "./names.ts";
import type { Remembered } from "./remembered.ts";
import { Replay, type Replayed } from "./replay.ts";
import { type Note, readNote } from "./set-aside.ts";
import { type StoredSnapshot, verifySnapshot } from "./snapshot-reader.ts";
import { then } from "./steps.ts";

export type Verdict =
  /** Nothing is there, or all that was is set aside. */
  | { readonly type: "empty" }
  /** The log goes on at `replayed.end`; bytes beyond that are a torn write, never acknowledged. */
  | { readonly type: "sound"; readonly replayed: Replayed; readonly snapshot: StoredSnapshot | undefined }
  /** Durable bytes are not what was written: all of it is to be set aside. */
  | { readonly type: "damaged"; readonly reason: string; readonly clusterId: ClusterId | undefined };

export interface Finding {
  /** All files. */
  readonly files: Inventory;
  /** Those that count: not what the note sets aside. */
  readonly inventory: Inventory;
  readonly note: Note | undefined;
  readonly verdict: Verdict;
}

export interface ExamineOptions {
  /** Without them a log of any length takes little memory. */
  readonly keepsEntries: boolean;
}

/** An error if the disk fails, or what is there was written by a later version. */
export function examine(disk: DiskReader, { keepsEntries }: ExamineOptions, done: Got<Finding>): void {
  const failed: Done = (error) => done(error, undefined);
  disk.list(
    then(failed, (list) => {
      const files = takeInventory(list);
      findNote(disk, files, (error, note) => {
        const inventory = note === undefined ? files : withoutAside(files, note);
        const conclude = (verdict: Verdict): void => done(undefined, { files, inventory, note, verdict });
        if (error instanceof Damage) conclude({ type: "damaged", reason: error.message, clusterId: undefined });
        else if (error !== undefined) failed(error);
        else judge(disk, inventory, keepsEntries, then(failed, conclude));
      });
    }),
  );
}

function findNote(disk: DiskReader, files: Inventory, done: Got<Note>): void {
  if (files.hasNote) readNote(disk, files, done);
  else done(files.lastAside > 0 ? new Damage("the note of data set aside is missing") : undefined, undefined);
}

/** A setting aside that was interrupted leaves files under their old names. */
function withoutAside(files: Inventory, { from }: Note): Inventory {
  return {
    ...files,
    segments: files.segments.filter((number) => number >= from),
    strays: files.strays.filter((number) => number >= from),
    snapshots: files.snapshots.filter((number) => number >= from),
  };
}

function judge(disk: DiskReader, inventory: Inventory, keepsEntries: boolean, done: Got<Verdict>): void {
  if (inventory.segments.length === 0 && inventory.snapshots.length === 0) return done(undefined, { type: "empty" });
  const replay = new Replay(disk, inventory, keepsEntries);
  const failed: Done = (error) => {
    if (error instanceof Damage) {
      done(undefined, { type: "damaged", reason: error.message, clusterId: replay.clusterId });
    } else done(error, undefined);
  };
  replay.run(
    then(failed, (replayed) =>
      findSnapshot(
        disk,
        inventory,
        replayed.remembered,
        then(failed, (snapshot) => {
          const lacking = whatLacks(replayed.remembered, snapshot);
          if (lacking === undefined) done(undefined, { type: "sound", replayed, snapshot });
          else failed(new Damage(lacking));
        }),
      ),
    ),
  );
}

/** The snapshot that the log names; an error is `Damage` if it is not whole. */
export function findSnapshot(
  disk: DiskReader,
  inventory: Inventory,
  remembered: Remembered,
  done: Got<StoredSnapshot | undefined>,
): void {
  const note = remembered.facts.snapshot;
  if (note === undefined) return done(undefined, undefined);
  verifySnapshot(disk, note, inventory.bytesOf.get(snapshotName(note.number)), done);
}

/** Why log and snapshot are not a whole state; `undefined` if they are. */
export function whatLacks(remembered: Remembered, snapshot: StoredSnapshot | undefined): string | undefined {
  const { base } = remembered;
  if (base.seqno > (snapshot?.note.at.seqno ?? 0))
    return `the log begins after ${base.seqno}, and no snapshot covers that`;
  const isReplaced = snapshot !== undefined && remembered.isReplacedBy(snapshot.note.at);
  return remembered.isComplete || isReplaced ? undefined : "the oldest segments of the log are missing";
}
