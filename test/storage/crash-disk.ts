/**
 * A disk in memory that can lose power at any of its operations. Between what was written and what is found again
 * stands only `sync`; of the rest anything may be left, lost, torn or zeros.
 */
import { ViewstampError } from "../../src/protocol/errors.ts";
import type { Done } from "../../src/protocol/storage.ts";
import type { Disk, DiskFile, Got } from "../../src/storage/disk.ts";

interface Inode {
  bytes: Uint8Array;
  synced: number;
}

/** A creation, renaming or removal: the inode leaves one name, gets another, or both. */
interface Change {
  readonly inode: Inode;
  readonly from?: string;
  readonly to?: string;
}

function apply(files: Map<string, Inode>, { inode, from, to }: Change): void {
  if (from !== undefined && files.get(from) === inode) files.delete(from);
  if (to !== undefined) files.set(to, inode);
}

/** A number in [0, 1), the same for the same seed. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class CrashDisk implements Disk {
  readonly name = "the test disk";
  /** How many operations there have been. */
  operations = 0;
  /** Files that are open. */
  handles = 0;
  /** Power is lost in this operation. */
  crashAt: number = Number.POSITIVE_INFINITY;
  /** These operations fail. */
  fails: (operation: string) => boolean = () => false;
  readonly crashed: Promise<void>;
  #crash: () => void = () => {};
  #isDead = false;
  #isLocked = false;
  #files: Map<string, Inode>;
  #durable: Map<string, Inode>;
  #changes: Change[] = [];

  constructor(files: ReadonlyMap<string, Uint8Array> = new Map()) {
    this.#files = new Map([...files].map(([name, bytes]) => [name, { bytes, synced: bytes.length }]));
    this.#durable = new Map(this.#files);
    this.crashed = new Promise((resolve) => {
      this.#crash = resolve;
    });
  }

  /** The files as a running process sees them. */
  get contents(): Map<string, Uint8Array> {
    return new Map([...this.#files].map(([name, { bytes }]) => [name, bytes]));
  }

  /** What is found after power was lost. */
  afterCrash(random: () => number): CrashDisk {
    const files = new Map(this.#durable);
    for (const change of this.#changes) if (random() < 0.5) apply(files, change);
    const left = new Map([...files].map(([name, inode]) => [name, leftOf(inode, random)]));
    return new CrashDisk(left);
  }

  /** What is found after just the process was killed: all of it, and nothing more durable than before. */
  afterKill(): CrashDisk {
    const copies = new Map<Inode, Inode>();
    const copyOf = (inode: Inode): Inode => {
      if (!copies.has(inode)) copies.set(inode, { ...inode });
      return copies.get(inode)!;
    };
    const copied = (files: Map<string, Inode>): Map<string, Inode> =>
      new Map([...files].map(([name, inode]) => [name, copyOf(inode)]));
    const left = new CrashDisk();
    left.#files = copied(this.#files);
    left.#durable = copied(this.#durable);
    left.#changes = this.#changes.map((change) => ({ ...change, inode: copyOf(change.inode) }));
    return left;
  }

  lock(done: Done): void {
    this.#do("lock", done, () => {
      if (this.#isLocked) throw new ViewstampError("DataInUse", "the test disk is locked");
      this.#isLocked = true;
    });
  }

  unlock(done: Done): void {
    this.#do("unlock", done, () => {
      this.#isLocked = false;
    });
  }

  list(done: Got<{ name: string; bytes: number }[]>): void {
    this.#get("list", done, () => [...this.#files].map(([name, { bytes }]) => ({ name, bytes: bytes.length })));
  }

  read(name: string, offset: number, length: number, done: Got<Uint8Array>): void {
    this.#get("read", done, () => this.#find(name).bytes.slice(offset, offset + length));
  }

  create(name: string, done: Got<DiskFile>): void {
    this.#get("create", done, () => {
      if (this.#files.has(name)) throw new Error(`${name} is there already`);
      const inode: Inode = { bytes: new Uint8Array(0), synced: 0 };
      this.#change({ inode, to: name });
      return this.#handle(inode);
    });
  }

  open(name: string, done: Got<DiskFile>): void {
    this.#get("open", done, () => this.#handle(this.#find(name)));
  }

  rename(from: string, to: string, done: Done): void {
    this.#do("rename", done, () => {
      this.#change({ inode: this.#find(from), from, to });
    });
  }

  remove(name: string, done: Done): void {
    this.#do("remove", done, () => {
      this.#change({ inode: this.#find(name), from: name });
    });
  }

  syncDirectory(done: Done): void {
    this.#do("syncDirectory", done, () => {
      for (const change of this.#changes) apply(this.#durable, change);
      this.#changes = [];
    });
  }

  get isLocked(): boolean {
    return this.#isLocked;
  }

  #handle(inode: Inode): DiskFile {
    this.handles++;
    return {
      append: (bytes, done) =>
        this.#do("append", done, () => {
          const grown = new Uint8Array(inode.bytes.length + bytes.length);
          grown.set(inode.bytes);
          grown.set(bytes, inode.bytes.length);
          inode.bytes = grown;
        }),
      sync: (done) =>
        this.#do("sync", done, () => {
          inode.synced = inode.bytes.length;
        }),
      truncate: (length, done) =>
        this.#do("truncate", done, () => {
          inode.bytes = inode.bytes.slice(0, length);
          inode.synced = Math.min(inode.synced, length);
        }),
      close: (done) =>
        this.#do("close", done, () => {
          this.handles--;
        }),
    };
  }

  #find(name: string): Inode {
    const inode = this.#files.get(name);
    if (inode === undefined) throw new Error(`no file ${name}`);
    return inode;
  }

  #change(change: Change): void {
    apply(this.#files, change);
    this.#changes.push(change);
  }

  #do(operation: string, done: Done, work: () => void): void {
    this.#get(operation, (error) => done(error), work);
  }

  /** Writes have happened in part when power is lost in them; syncs have not. */
  #get<T>(operation: string, done: Got<T>, work: () => T): void {
    if (this.#isDead) return;
    const isLast = ++this.operations >= this.crashAt;
    if (isLast) {
      this.#isDead = true;
      if (!operation.startsWith("sync")) work();
      this.#crash();
      return;
    }
    queueMicrotask(() => {
      if (this.#isDead) return;
      let value: T | undefined;
      try {
        if (this.fails(operation)) throw new Error(`${operation} fails`);
        value = work();
      } catch (error) {
        done(error as Error, undefined);
        return;
      }
      done(undefined, value);
    });
  }
}

const SECTOR = 64;

function leftOf({ bytes, synced }: Inode, random: () => number): Uint8Array {
  const kind = Math.floor(random() * 4);
  const length = synced + Math.floor(random() * (bytes.length - synced + 1));
  if (kind === 0) return bytes.slice(0, length);
  if (kind === 1) return bytes.slice();
  const left = bytes.slice();
  if (kind === 2) return left.fill(0, length);
  for (let at = synced; at < left.length; at += SECTOR) if (random() < 0.4) left.fill(0, at, at + SECTOR);
  return left;
}
