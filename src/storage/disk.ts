/**
 * What a storage needs of a file system: one flat directory of files that only grow at their end.
 *
 * Callbacks, none ever called from inside the call that it belongs to. What a crash leaves: of a file, its synced bytes
 * and then any part of the others (lost, torn, or zeros); of the directory, its state at the last `syncDirectory` and
 * then any part of the later creations, renames and removals. A created file is found again only after
 * `syncDirectory`, however often its bytes were synced.
 * @module
 */
import type { Done } from "../protocol/storage.ts";

/** The result of a read; either is `undefined`. */
export type Got<T> = (error: Error | undefined, value: T | undefined) => void;

export interface FileInfo {
  readonly name: string;
  readonly bytes: number;
}

/** A file opened for appending. One call at a time: the next after `done`. */
export interface DiskFile {
  /** Adds the bytes at the end, all of them. They must not change before `done`. */
  append(bytes: Uint8Array, done: Done): void;
  /** Makes everything appended durable (fdatasync). */
  sync(done: Done): void;
  /** Cuts the file to `bytes` bytes. */
  truncate(bytes: number, done: Done): void;
  close(done: Done): void;
}

/** What reading alone needs: offline tools have no more. */
export interface DiskReader {
  /** For people: in the texts of errors. */
  readonly name: string;
  /** All files, in any order; files of the disk's own (the lock) are left out. */
  list(done: Got<readonly FileInfo[]>): void;
  /**
   * Up to `length` bytes from `offset`; fewer only where the file ends. The bytes are the caller's. `Unreadable` if the disk
   * has lost some of them: that is damage, while any other error says nothing about the data.
   */
  read(name: string, offset: number, length: number, done: Got<Uint8Array>): void;
}

export interface Disk extends DiskReader {
  /**
   * Makes the directory if there is none, and takes its lock, which ends with the process at the latest.
   * Called first; nothing is touched before. `DataInUse` if another holds it. `lost` is called if it is found later that
   * another has taken it over.
   */
  lock(done: Done, lost?: (error: Error) => void): void;
  unlock(done: Done): void;
  /** Makes an empty file; an error if the name is taken. */
  create(name: string, done: Got<DiskFile>): void;
  /** Opens a file that exists. */
  open(name: string, done: Got<DiskFile>): void;
  /** Atomic; replaces `to`. An open file goes on under its new name. */
  rename(from: string, to: string, done: Done): void;
  remove(name: string, done: Done): void;
  /** Makes creations, renames and removals durable. */
  syncDirectory(done: Done): void;
}
