/**
 * The disk contract over a real directory, by the callbacks of `node:fs`, which Node, Bun and Deno have.
 * @module
 */
import * as fs from "node:fs";
import { dirname, join, resolve } from "node:path";
import { ViewstampError } from "../protocol/errors.ts";
import type { Done } from "../protocol/storage.ts";
import type { Disk, DiskFile, FileInfo, Got } from "./disk.ts";
import { Unreadable } from "./faults.ts";
import { codeIn, isForbidden, unusable } from "./file-advice.ts";
import { openFile, READ, readFully, sizeOf, syncDirectory, syncUpwards } from "./file-calls.ts";
import type { LockTimes } from "./file-lease.ts";
import { type DirectoryLock, isLockName, lockDirectory } from "./file-lock.ts";
import { keptBeforeRecovery } from "./names.ts";
import { patiently } from "./scarcity.ts";

/** `times`: those of its lock; by default as they are good for people. */
export function fileDisk(directory: string, times?: LockTimes): Disk {
  return new FileDisk(resolve(directory), times);
}

/** Calls back when it is sure that the directory is this process's. */
type Sure = (done: Done) => void;

class FileDisk implements Disk {
  readonly name: string;
  readonly #times: LockTimes | undefined;
  #lock: DirectoryLock | undefined;

  constructor(directory: string, times: LockTimes | undefined) {
    this.name = directory;
    this.#times = times;
  }

  lock(done: Done, lost: (error: Error) => void = () => {}): void {
    const kept = keptBeforeRecovery(this.name);
    if (!fs.existsSync(this.name) && fs.existsSync(kept)) {
      // To begin with an empty directory could be to begin an empty cluster.
      const why = `there is no directory ${this.name}, but what an interrupted recovery has left: rename ${kept} to it`;
      setImmediate(() => done(new ViewstampError("StorageFailed", why)));
      return;
    }
    fs.mkdir(this.name, { recursive: true }, (error, made) => {
      if (error !== null) return done(unusable(this.name, error));
      const locked: Got<DirectoryLock> = (fault, lock) => {
        if (fault !== undefined) return done(fault instanceof ViewstampError ? fault : unusable(this.name, fault));
        this.#lock = lock;
        lock?.onLoss(lost);
        this.#syncNames(made, (failure) => (failure === undefined ? done(failure) : this.unlock(() => done(failure))));
      };
      lockDirectory(this.name, locked, this.#times);
    });
  }

  unlock(done: Done): void {
    const lock = this.#lock;
    this.#lock = undefined;
    setImmediate(() => (lock === undefined ? done(undefined) : lock.release(done)));
  }

  list(done: Got<readonly FileInfo[]>): void {
    const read = (ended: Got<string[]>): void =>
      fs.readdir(this.name, (error, names) => ended(error ?? undefined, names));
    patiently(read, (error, names) => {
      if (error !== undefined) return done(error, undefined);
      this.#measure(names!.filter((name) => !isLockName(name)).sort(), [], done);
    });
  }

  read(name: string, offset: number, length: number, done: Got<Uint8Array>): void {
    this.#readOnce(name, offset, length, (error, bytes) => {
      if (!isLost(error)) return done(error, bytes);
      // It may have been the way to the disk, rather than the disk.
      setTimeout(() => {
        this.#readOnce(name, offset, length, (again, found) => {
          const what = `bytes ${offset} to ${offset + length} of ${name} cannot be read`;
          done(isLost(again) ? new Unreadable(`${what}: ${again?.message}`, { cause: again }) : again, found);
        });
      }, READ_AGAIN_MS);
    });
  }

  #readOnce(name: string, offset: number, length: number, done: Got<Uint8Array>): void {
    openFile(this.#path(name), READ, (error, descriptor) => {
      if (descriptor === undefined) return done(error, undefined);
      readFully(descriptor, new Uint8Array(length), 0, offset, (fault, bytes) => {
        fs.close(descriptor, (failure) => {
          const problem = fault ?? failure ?? undefined;
          done(problem && new Error(`${name}: ${problem.message}`, { cause: problem }), bytes);
        });
      });
    });
  }

  create(name: string, done: Got<DiskFile>): void {
    this.#sure((lost) => {
      if (lost !== undefined) return queueMicrotask(() => done(lost, undefined));
      openFile(this.#path(name), "wx", (error, descriptor) => {
        done(error, descriptor === undefined ? undefined : new FileOnDisk(descriptor, 0, this.#sure));
      });
    });
  }

  open(name: string, done: Got<DiskFile>): void {
    openFile(this.#path(name), "r+", (error, descriptor) => {
      if (descriptor === undefined) return done(error, undefined);
      fs.fstat(descriptor, (failure, stats) => {
        done(failure ?? undefined, failure === null ? new FileOnDisk(descriptor, stats.size, this.#sure) : undefined);
      });
    });
  }

  rename(from: string, to: string, done: Done): void {
    this.#sure((lost) => {
      if (lost !== undefined) queueMicrotask(() => done(lost));
      else fs.rename(this.#path(from), this.#path(to), (error) => done(error ?? undefined));
    });
  }

  remove(name: string, done: Done): void {
    this.#sure((lost) => {
      if (lost !== undefined) queueMicrotask(() => done(lost));
      else fs.unlink(this.#path(name), (error) => done(error ?? undefined));
    });
  }

  syncDirectory(done: Done): void {
    syncDirectory(this.name, done);
  }

  /** Without a lock nobody is asked: offline tools write where no replica is. */
  readonly #sure: Sure = (done) => {
    if (this.#lock === undefined) done(undefined);
    else this.#lock.sure(done);
  };

  /**
   * Makes the directory's own name durable, and those of new ones above it. Whoever made one may have died before it did
   * that, so one without files is taken for new, and what is above it too.
   */
  #syncNames(made: string | undefined, done: Done): void {
    if (made !== undefined) return syncUpwards(dirname(this.name), dirname(made), done);
    fs.readdir(this.name, (error, names) => {
      if (error !== null || !names.every(isLockName)) return done(error ?? undefined);
      syncDirectory(dirname(this.name), (fault) => {
        if (fault !== undefined && !isForbidden(fault)) return done(fault);
        // Farther up nothing is this process's business but what it may have made.
        syncUpwards(dirname(dirname(this.name)), undefined, () => done(undefined));
      });
    });
  }

  #path(name: string): string {
    return join(this.name, name);
  }

  #measure(names: readonly string[], files: readonly FileInfo[], done: Got<readonly FileInfo[]>): void {
    const name = names[files.length];
    if (name === undefined) return done(undefined, files);
    sizeOf(this.#path(name), (error, bytes) => {
      if (error !== undefined) return done(error, undefined);
      if (bytes !== undefined) return this.#measure(names, [...files, { name, bytes }], done);
      // It has gone meanwhile: a replica that runs here has removed it, or its owner if it is a stranger's.
      const others = names.filter((one) => one !== name);
      this.#measure(others, files, done);
    });
  }
}

/** What could not be read is asked for once more after this. */
const READ_AGAIN_MS = 1000;

/** Up to this many bytes are written without the help of another thread. */
const AT_ONCE_BYTES = 16 << 10;

class FileOnDisk implements DiskFile {
  readonly #descriptor: number;
  readonly #sure: Sure;
  #bytes: number;

  constructor(descriptor: number, bytes: number, sure: Sure) {
    this.#descriptor = descriptor;
    this.#bytes = bytes;
    this.#sure = sure;
  }

  append(bytes: Uint8Array, done: Done): void {
    this.#sure((lost) => {
      if (lost !== undefined) queueMicrotask(() => done(lost));
      else if (bytes.length > AT_ONCE_BYTES) this.#write(bytes, 0, done);
      else this.#writeAtOnce(bytes, done);
    });
  }

  sync(done: Done): void {
    fs.fdatasync(this.#descriptor, (error) => done(error ?? undefined));
  }

  truncate(bytes: number, done: Done): void {
    this.#sure((lost) => {
      if (lost !== undefined) return queueMicrotask(() => done(lost));
      fs.ftruncate(this.#descriptor, bytes, (error) => {
        if (error === null) this.#bytes = bytes;
        done(error ?? undefined);
      });
    });
  }

  close(done: Done): void {
    fs.close(this.#descriptor, (error) => done(error ?? undefined));
  }

  /** A short write goes to the page cache in microseconds; by way of another thread it would take many times that. */
  #writeAtOnce(bytes: Uint8Array, done: Done): void {
    let written = 0;
    try {
      written = fs.writeSync(this.#descriptor, bytes, 0, bytes.length, this.#bytes);
    } catch (error) {
      return queueMicrotask(() => done(error as Error));
    }
    this.#bytes += written;
    if (written < bytes.length) this.#write(bytes, written, done);
    else queueMicrotask(() => done(undefined));
  }

  /** A write may take less than it was given. */
  #write(bytes: Uint8Array, start: number, done: Done): void {
    fs.write(this.#descriptor, bytes, start, bytes.length - start, this.#bytes, (error, written) => {
      if (error !== null) return done(error);
      if (written === 0) return done(new Error("the disk takes no more bytes"));
      this.#bytes += written;
      if (start + written < bytes.length) this.#write(bytes, start + written, done);
      else done(undefined);
    });
  }
}

/** The disk itself says that it cannot give the bytes back: a bad sector. */
function isLost(error: Error | undefined): boolean {
  return error?.cause !== undefined && codeIn(error.cause) === "EIO";
}
