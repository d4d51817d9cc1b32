/**
 * Finds a snapshot again: the file that the log names, whole, or damage.
 * @module
 */
import type { Done, SnapshotInfo } from "../protocol/storage.ts";
import { fileIdOf, HEAD_BYTES, hexOfId } from "./blocks.ts";
import type { DiskReader, Got } from "./disk.ts";
import { Damage } from "./faults.ts";
import { snapshotName } from "./names.ts";
import type { SnapshotNote } from "./records.ts";
import { readBlock, readFileId, scanWhole } from "./scan.ts";
import { then } from "./steps.ts";

/** A durable snapshot and where its chunks begin. */
export interface StoredSnapshot {
  readonly note: SnapshotNote;
  readonly offsets: readonly number[];
}

export function infoOf({ note }: StoredSnapshot): SnapshotInfo {
  return { at: note.at, chunks: note.chunks };
}

/** Reads all of it once: a snapshot that fails its checksums is neither data nor absence. */
export function verifySnapshot(
  disk: DiskReader,
  note: SnapshotNote,
  bytes: number | undefined,
  done: Got<StoredSnapshot>,
): void {
  const name = snapshotName(note.number);
  const failed: Done = (error) => done(error, undefined);
  if (bytes !== note.bytes) {
    return failed(
      new Damage(`${name} ${bytes === undefined ? "is missing" : `has ${bytes} bytes, not ${note.bytes}`}`),
    );
  }
  const offsets: number[] = [];
  readFileId(
    disk,
    name,
    "snapshot",
    then(failed, (id) => {
      if (hexOfId(id) !== note.id) return failed(new Damage(`${name} is another snapshot`));
      const range = { name, id, from: HEAD_BYTES, limit: note.bytes };
      scanWhole(
        disk,
        range,
        ({ offset }) => offsets.push(offset),
        (error) => {
          const fault = offsets.length === note.chunks ? undefined : new Damage(`${name} has ${offsets.length} chunks`);
          const problem = error ?? fault;
          done(problem, problem === undefined ? { note, offsets } : undefined);
        },
      );
    }),
  );
}

export function readChunk(
  disk: DiskReader,
  { note, offsets }: StoredSnapshot,
  index: number,
  done: Got<Uint8Array>,
): void {
  const name = snapshotName(note.number);
  const range = { name, id: fileIdOf(note.id), from: offsets[index]!, limit: offsets[index + 1] ?? note.bytes };
  readBlock(disk, range, (error, block) => {
    const fault = error ?? (block === undefined ? new Damage(`chunk ${index} of ${name} is damaged`) : undefined);
    done(fault, block?.content);
  });
}
