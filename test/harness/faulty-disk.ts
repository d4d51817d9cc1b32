// A real disk that can be made to hang, to be full, or to fail its syncs, as a disk under a running process does.

import type { Done } from "../../src/protocol/storage.ts";
import type { Disk, DiskFile, FileInfo, Got } from "../../src/storage/disk.ts";
import type { DiskFault } from "./control.ts";

export class FaultyDisk implements Disk {
  readonly name: string;
  readonly #disk: Disk;
  #fault: DiskFault | undefined;
  /** What waits for a disk that hangs. */
  #waiting: (() => void)[] = [];

  constructor(disk: Disk) {
    this.#disk = disk;
    this.name = disk.name;
  }

  /** From now on. `undefined`: it is whole again, and what waited is done. */
  set(fault: DiskFault | undefined): void {
    this.#fault = fault;
    if (fault === "hangs") return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const act of waiting) act();
  }

  lock(done: Done): void {
    this.#disk.lock(done);
  }

  unlock(done: Done): void {
    this.#disk.unlock(done);
  }

  list(done: Got<readonly FileInfo[]>): void {
    this.#disk.list(done);
  }

  read(name: string, offset: number, length: number, done: Got<Uint8Array>): void {
    this.#unlessHanging(() => this.#disk.read(name, offset, length, done));
  }

  create(name: string, done: Got<DiskFile>): void {
    this.#growing(
      (error) => done(error, undefined),
      () => this.#disk.create(name, (error, file) => done(error, file && this.#wrapped(file))),
    );
  }

  open(name: string, done: Got<DiskFile>): void {
    this.#disk.open(name, (error, file) => done(error, file && this.#wrapped(file)));
  }

  rename(from: string, to: string, done: Done): void {
    this.#unlessHanging(() => this.#disk.rename(from, to, done));
  }

  remove(name: string, done: Done): void {
    this.#unlessHanging(() => this.#disk.remove(name, done));
  }

  syncDirectory(done: Done): void {
    this.#syncing(done, () => this.#disk.syncDirectory(done));
  }

  #wrapped(file: DiskFile): DiskFile {
    return {
      append: (bytes, done) => this.#growing(done, () => file.append(bytes, done)),
      sync: (done) => this.#syncing(done, () => file.sync(done)),
      truncate: (bytes, done) => this.#unlessHanging(() => file.truncate(bytes, done)),
      close: (done) => this.#unlessHanging(() => file.close(done)),
    };
  }

  #unlessHanging(act: () => void): void {
    if (this.#fault === "hangs") this.#waiting.push(act);
    else act();
  }

  #growing(failed: (error: Error) => void, act: () => void): void {
    if (this.#fault === "full") setImmediate(() => failed(diskError("ENOSPC", "no space left on device")));
    else this.#unlessHanging(act);
  }

  #syncing(failed: (error: Error) => void, act: () => void): void {
    if (this.#fault === "fails to sync") setImmediate(() => failed(diskError("EIO", "i/o error")));
    else this.#unlessHanging(act);
  }
}

function diskError(code: string, text: string): Error {
  return Object.assign(new Error(`${code}: ${text}`), { code });
}
