/**
 * A simulated disk: one flat directory that outlives the processes which use it. Between the bytes a process has written and
 * those that a loss of power leaves stands only `sync`; what is not synced is lost, torn, zeroed or full of holes.
 * @module
 */

import { ViewstampError } from "../protocol/errors.ts";
import type { Done } from "../protocol/storage.ts";
import type { Disk, DiskFile, Got } from "../storage/disk.ts";
import { Inode } from "./inode.ts";
import type { Death, Host, Life } from "./process.ts";
import type { Random } from "./random.ts";

/** How long operations take, in milliseconds, and what goes wrong with them. */
export interface DiskTemper {
  readonly write: { readonly least: number; readonly most: number };
  readonly sync: { readonly least: number; readonly most: number };
}

export const QUICK_DISK: DiskTemper = { write: { least: 0, most: 0.05 }, sync: { least: 0.05, most: 1 } };
export const SLOW_DISK: DiskTemper = { write: { least: 0, most: 2 }, sync: { least: 2, most: 40 } };

const END_BYTES = 200;

/** What a process asks of its disk that changes something. */
export type DiskOperation = "append" | "sync" | "create" | "rename" | "remove" | "syncDirectory";

/** Strikes when an operation of this kind comes to its end: just before it is done, or just after, when nobody knows yet. */
export interface DiskAim {
  readonly operation: DiskOperation;
  /** So many are done before it strikes. */
  readonly spared: number;
  readonly isBefore: boolean;
  readonly strike: () => void;
}

type DirectoryChange =
  | { readonly type: "put"; readonly name: string; readonly inode: Inode }
  | { readonly type: "rename"; readonly from: string; readonly to: string; readonly inode: Inode }
  | { readonly type: "remove"; readonly name: string };

export class SimDisk {
  readonly host: Host;
  readonly random: Random;
  temper: DiskTemper = QUICK_DISK;
  /** Appends and new files fail. */
  full = false;
  /** Syncs say that they are done and are not. */
  liesAboutSync = false;
  /** Syncs fail. */
  failsSync = false;
  #files: Map<string, Inode> = new Map();
  #durable: Map<string, Inode> = new Map();
  #changes: DirectoryChange[] = [];
  #lockedBy: Life | undefined;
  #hung: (() => void)[] | undefined;
  #hangsSyncsOnly = false;
  #aim: DiskAim | undefined;
  #spared = 0;
  #lied = false;

  constructor(host: Host) {
    this.host = host;
    this.random = host.world.random.fork(`disk ${host.name}`);
  }

  /** Whether a sync of this disk was a lie: then nothing may be expected of it after a loss of power. */
  get lied(): boolean {
    return this.#lied;
  }

  get files(): ReadonlyMap<string, Inode> {
    return this.#files;
  }

  /** The disk as one process sees it. */
  for(life: Life): Disk {
    life.onEnd((death) => this.#crash(life, death));
    return {
      name: `the disk of ${this.host.name}`,
      lock: (done) => this.#lock(life, done),
      unlock: (done) => this.#do(life, done, () => this.#unlock(life)),
      list: (done) =>
        this.#get(life, done, () => [...this.#files].map(([name, inode]) => ({ name, bytes: inode.length }))),
      read: (name, offset, length, done) => this.#get(life, done, () => this.#find(name).read(offset, length)),
      create: (name, done) => this.#get(life, done, () => this.#create(life, name), "create"),
      open: (name, done) => this.#get(life, done, () => this.#open(life, this.#find(name))),
      rename: (from, to, done) => this.#do(life, done, () => this.#rename(from, to), "rename"),
      remove: (name, done) => this.#do(life, done, () => this.#remove(name), "remove"),
      syncDirectory: (done) => this.#syncDirectory(life, done),
    };
  }

  /** An empty disk takes its place; gives what puts this one back. */
  takeOut(): () => void {
    const [files, durable, changes, lied] = [this.#files, this.#durable, this.#changes, this.#lied];
    this.#files = new Map();
    this.#durable = new Map();
    this.#changes = [];
    this.#lied = false;
    return () => {
      this.#files = files;
      this.#durable = durable;
      this.#changes = changes;
      this.#lied = lied;
    };
  }

  /** Operations no longer end until `unhang`; or syncs only, so that much is written that is not synced. */
  hang(syncsOnly: boolean = false): void {
    this.host.world.story.tell(this.host.name, `has a disk that hangs${syncsOnly ? " at each sync" : ""}`);
    this.#hung ??= [];
    this.#hangsSyncsOnly = syncsOnly;
  }

  /** One aim at a time: a new one takes the place of the last. */
  aim(aim: DiskAim | undefined): void {
    this.#aim = aim;
    this.#spared = aim?.spared ?? 0;
  }

  unhang(): void {
    const hung = this.#hung;
    if (hung === undefined) return;
    this.#hung = undefined;
    this.host.world.story.tell(this.host.name, "has a disk that answers again");
    for (const go of hung) this.#later(this.temper.write, go, false);
  }

  /** All that was written is on the platter, as it is after a while without anybody's doing. */
  writeBack(): void {
    for (const change of this.#changes.splice(0)) applyChange(this.#durable, change);
    for (const inode of this.#files.values()) inode.synced(inode.mark());
  }

  /** Flips a bit of bytes that have long been written; false if there are none. */
  rot(): boolean {
    this.writeBack();
    const files = [...this.#files].filter(([, inode]) => inode.syncedLength > 0);
    if (files.length === 0) return false;
    // The end of the newest file is where torn and rotten are hardest to tell apart.
    const atEnd = this.random.chance(0.5);
    const [, inode] = atEnd ? (files[files.length - 1] as [string, Inode]) : this.random.pick(files);
    const least = atEnd ? Math.max(0, inode.syncedLength - END_BYTES) : 0;
    inode.flip(this.random.integer(least, inode.syncedLength - 1), this.random.integer(0, 7));
    return true;
  }

  #lock(life: Life, done: Done): void {
    this.#do(life, done, () => {
      if (this.#lockedBy !== undefined)
        throw new ViewstampError("DataInUse", `${this.host.name}: another replica has the disk`);
      this.#lockedBy = life;
    });
  }

  #unlock(life: Life): void {
    if (this.#lockedBy === life) this.#lockedBy = undefined;
  }

  #find(name: string): Inode {
    const inode = this.#files.get(name);
    if (inode === undefined) throw new Error(`${this.host.name}: no file ${name}`);
    return inode;
  }

  #create(life: Life, name: string): DiskFile {
    if (this.#files.has(name)) throw new Error(`${this.host.name}: ${name} is there already`);
    this.#checkSpace();
    const inode = new Inode();
    this.#files.set(name, inode);
    this.#changes.push({ type: "put", name, inode });
    return this.#open(life, inode);
  }

  #rename(from: string, to: string): void {
    const inode = this.#find(from);
    this.#files.delete(from);
    this.#files.set(to, inode);
    this.#changes.push({ type: "rename", from, to, inode });
  }

  #remove(name: string): void {
    this.#find(name);
    this.#files.delete(name);
    this.#changes.push({ type: "remove", name });
  }

  #open(life: Life, inode: Inode): DiskFile {
    return {
      append: (bytes, done) => {
        const before = inode.length;
        const work = (): void => {
          this.#checkSpace();
          inode.append(bytes);
          inode.torn = undefined;
        };
        this.#do(life, done, work, "append");
        if (life.alive && !this.full) inode.torn = { at: before, bytes };
      },
      sync: (done) => this.#sync(life, inode, done),
      truncate: (bytes, done) => this.#do(life, done, () => inode.truncate(bytes)),
      close: (done) => this.#do(life, done, () => {}),
    };
  }

  #sync(life: Life, inode: Inode, done: Done): void {
    const through = inode.mark();
    const work = (): void => {
      if (this.failsSync) throw new Error(`${this.host.name}: fsync failed`);
      if (this.liesAboutSync) this.#lied = true;
      else inode.synced(through);
    };
    this.#perform(life, this.temper.sync, done, work, "sync");
  }

  #syncDirectory(life: Life, done: Done): void {
    const through = this.#changes.length;
    const work = (): void => {
      if (this.failsSync) throw new Error(`${this.host.name}: fsync of the directory failed`);
      if (this.liesAboutSync) this.#lied = true;
      else for (const change of this.#changes.splice(0, through)) applyChange(this.#durable, change);
    };
    this.#perform(life, this.temper.sync, done, work, "syncDirectory");
  }

  #checkSpace(): void {
    if (this.full) throw Object.assign(new Error(`${this.host.name}: no space left on device`), { code: "ENOSPC" });
  }

  #do(life: Life, done: Done, work: () => void, operation?: DiskOperation): void {
    this.#perform(life, this.temper.write, done, work, operation);
  }

  #get<T>(life: Life, done: Got<T>, work: () => T, operation?: DiskOperation): void {
    let value: T | undefined;
    const finish = (error: Error | undefined): void => done(error, error === undefined ? value : undefined);
    const keep = (): void => {
      value = work();
    };
    this.#perform(life, this.temper.write, finish, keep, operation);
  }

  /** Works when the time of the operation is over, unless the process is dead by then; an error is its result. */
  #perform(
    life: Life,
    time: { readonly least: number; readonly most: number },
    done: Done,
    work: () => void,
    operation?: DiskOperation,
  ): void {
    if (!life.act()) return;
    const end = (): void => {
      if (!life.alive) return;
      const aim = this.#aim?.operation === operation && this.#spared-- <= 0 ? this.#aim : undefined;
      if (aim !== undefined) this.#aim = undefined;
      if (aim?.isBefore === true) aim.strike();
      if (!life.alive) return;
      let error: Error | undefined;
      try {
        work();
      } catch (thrown) {
        error = thrown as Error;
      }
      if (aim?.isBefore === false) aim.strike();
      life.enter(() => done(error));
    };
    this.#later(time, end, time === this.temper.sync);
  }

  #later(time: { readonly least: number; readonly most: number }, end: () => void, isSync: boolean): void {
    this.host.world.after(this.random.between(time.least, time.most), () => {
      if (this.#hung === undefined || (this.#hangsSyncsOnly && !isSync)) end();
      else this.#hung.push(end);
    });
  }

  #crash(life: Life, death: Death): void {
    this.#unlock(life);
    // What the process was writing: any part of it got as far as the page cache.
    for (const inode of this.#files.values()) inode.tear(this.random);
    if (death === "kill") return;
    const left = new Map(this.#durable);
    for (const change of survivors(this.#changes, this.random)) applyChange(left, change);
    for (const inode of new Set(left.values())) inode.losePower(this.random);
    this.#files = left;
    this.#durable = new Map(left);
    this.#changes = [];
  }
}

function applyChange(files: Map<string, Inode>, change: DirectoryChange): void {
  switch (change.type) {
    case "put":
      files.set(change.name, change.inode);
      break;
    case "rename":
      files.delete(change.from);
      files.set(change.to, change.inode);
      break;
    case "remove":
      files.delete(change.name);
      break;
  }
}

/** Changes that had not been synced: none, all, the first few, or any of them. */
function survivors(changes: readonly DirectoryChange[], random: Random): readonly DirectoryChange[] {
  switch (random.integer(0, 3)) {
    case 0:
      return [];
    case 1:
      return changes;
    case 2:
      return changes.slice(0, random.integer(0, changes.length));
    default:
      return changes.filter(() => random.chance(0.5));
  }
}
