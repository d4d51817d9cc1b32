/**
 * Setting data aside: first a durable note, then the files get other names. Interrupted, it is finished at the next
 * open, for the note says which files it is about.
 * @module
 */
import * as v from "valibot";
import type { Done } from "../protocol/storage.ts";
import { decodeValue, encodeValue } from "../protocol/values.ts";
import type { ClusterId } from "../protocol/view.ts";
import { clusterId, count, parse, type Schema, text } from "../protocol/wire-schemas.ts";
import { blockOf, fileIdOf, HEAD_BYTES, headOf } from "./blocks.ts";
import type { Disk, DiskReader, Got } from "./disk.ts";
import { Damage } from "./faults.ts";
import { asideName, type Inventory, NOTE_NAME, segmentName, snapshotName } from "./names.ts";
import { makeFile } from "./new-file.ts";
import { readBlock, readFileId } from "./scan.ts";
import { errorOf, inTurn, then } from "./steps.ts";

export interface Note {
  readonly clusterId: ClusterId | undefined;
  readonly reason: string;
  /** Files with smaller numbers are set aside; later data begins here. */
  readonly from: number;
}

const MAX_REASON_LENGTH = 500;

const noteSchema: Schema<Note> = v.strictObject({ clusterId: v.undefinedable(clusterId), reason: text, from: count });

/** Writes the note, then renames every segment and snapshot below `note.from`. */
export function setFilesAside(disk: Disk, note: Note, randomId: string, inventory: Inventory, done: Done): void {
  const id = fileIdOf(randomId);
  const said = { ...note, reason: note.reason.slice(0, MAX_REASON_LENGTH) };
  const block = blockOf(encodeValue(said), id, HEAD_BYTES, HEAD_BYTES);
  makeFile(
    disk,
    NOTE_NAME,
    Uint8Array.from([...headOf("note", id), ...block]),
    then(done, (file) =>
      inTurn([(next) => file.close(next), (next) => renameAside(disk, note.from, inventory, next)], done),
    ),
  );
}

/** Gives every segment and snapshot below `from` a name under which it is no longer read. */
export function renameAside(disk: Disk, from: number, inventory: Inventory, done: Done): void {
  const old = namesBelow(inventory, from);
  if (old.length === 0) return done(undefined);
  const renames = old.map((name) => (next: Done) => disk.rename(name, asideName(name, from), next));
  inTurn([...renames, (next) => disk.syncDirectory(next)], done);
}

/** Segments and snapshots that a note with this number sets aside, and that have their old names still. */
export function namesBelow({ strays, segments, snapshots }: Inventory, from: number): string[] {
  return [
    ...[...strays, ...segments].filter((number) => number < from).map(segmentName),
    ...snapshots.filter((number) => number < from).map(snapshotName),
  ];
}

/** The note of this directory. An error is `Damage` if it cannot be read. */
export function readNote(disk: DiskReader, inventory: Inventory, done: Got<Note>): void {
  const failed: Done = (error) => done(error, undefined);
  const limit = inventory.bytesOf.get(NOTE_NAME) ?? 0;
  readFileId(
    disk,
    NOTE_NAME,
    "note",
    then(failed, (id) =>
      readBlock(
        disk,
        { name: NOTE_NAME, id, from: HEAD_BYTES, limit },
        then(failed, (block) => {
          let note: Note | undefined;
          const fault = errorOf(() => {
            if (block !== undefined) note = parse(noteSchema, decodeValue(block.content), "note");
          });
          const isRead = fault === undefined && note !== undefined;
          done(isRead ? undefined : new Damage(`${NOTE_NAME} is damaged`), note);
        }),
      ),
    ),
  );
}
