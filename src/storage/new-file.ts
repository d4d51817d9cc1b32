/**
 * Makes a small file that is there whole or not at all: written under a temporary name, synced, renamed, and the
 * directory synced.
 * @module
 */
import type { Disk, DiskFile, Got } from "./disk.ts";
import { temporaryName } from "./names.ts";
import { inTurn, then } from "./steps.ts";

/** Gives the file, still open; after an error it is closed. */
export function makeFile(disk: Disk, name: string, bytes: Uint8Array, done: Got<DiskFile>): void {
  const temporary = temporaryName(name);
  const failed = (error: Error | undefined): void => done(error, undefined);
  disk.create(
    temporary,
    then(failed, (file) =>
      inTurn(
        [
          (next) => file.append(bytes, next),
          (next) => file.sync(next),
          (next) => disk.rename(temporary, name, next),
          (next) => disk.syncDirectory(next),
        ],
        (error) => (error === undefined ? done(undefined, file) : file.close(() => failed(error))),
      ),
    ),
  );
}
