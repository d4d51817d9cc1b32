/**
 * The lock of a data directory: a file with the owner's process. The lock of a process that is gone, also by SIGKILL,
 * is taken over at once; one whose owner cannot be seen from here (another container, another machine) when it has not
 * changed for a while, for an owner that lives writes it again and again (`file-lease.ts`).
 *
 * Locks are numbered. To take over number n is to create number n + 1, which only one can; nobody removes a lock but
 * its owner or whoever holds a higher one. So two that find the same dead owner cannot both win.
 * @module
 */
import {
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { ViewstampError } from "../protocol/errors.ts";
import type { Done } from "../protocol/storage.ts";
import type { Got } from "./disk.ts";
import { isGone, Lease, LOCK_TIMES, type LockTimes, lockText } from "./file-lease.ts";
import { nameOf, type Owner, thisProcess, verdictOn } from "./file-owner.ts";

const NAME = /^lock-(\d{1,15})$/;
const ATTEMPTS = 100;
const LOOKS_PER_WATCH = 12;

/** A lock that is held. */
export interface DirectoryLock {
  /** Calls back, at once as a rule, before anything is written: with `DataInUse` if the lock is lost. */
  sure(done: Done): void;
  /** Calls back when the lock is found to be lost: then another process may be who this one was. */
  onLoss(told: (loss: Error) => void): void;
  release(done: Done): void;
}

/** Directories that this very program holds: it may run several replicas. */
const held = new Set<string>();
/** Locks of this very program that it has given back, though the disk did not let it remove them. */
const givenBack = new Set<string>();

export function isLockName(name: string): boolean {
  return NAME.test(name);
}

/** Takes the lock of a directory that exists. An error may be `DataInUse`. */
export function lockDirectory(directory: string, done: Got<DirectoryLock>, times: LockTimes = LOCK_TIMES): void {
  attempt(directory, times, 0, done);
}

/** Who holds the lock, for people; nothing is touched. `undefined` if nobody does. */
export function holderOf(directory: string, done: Got<string>, times: LockTimes = LOCK_TIMES): void {
  const found = failing(() => locksIn(directory), done);
  if (found !== undefined) judge(found, times, done);
}

function attempt(directory: string, times: LockTimes, count: number, done: Got<DirectoryLock>): void {
  const failed = (who: string): void => done(inUse(directory, who), undefined);
  if (count === ATTEMPTS) return failed("others that take it again and again");
  const real = failing(() => realpathSync(directory), done);
  if (real === undefined) return;
  if (held.has(real)) return failed("another replica in this process");
  const found = failing(() => locksIn(directory), done);
  if (found === undefined) return;
  judge(found, times, (error, holder) => {
    if (error !== undefined) return done(error, undefined);
    const newest = found.at(-1)?.path;
    if (holder !== undefined) return failed(`${holder} (if you are sure that it is not, delete ${newest})`);
    const taken = failing(() => take(directory, real, found, times), done);
    if (taken === "lost a race") attempt(directory, times, count + 1, done);
    else if (taken !== undefined) done(undefined, taken);
  });
}

interface FoundLock {
  readonly number: number;
  readonly path: string;
  readonly text: string;
}

/** Those that are there, with what they say. */
function locksIn(directory: string): FoundLock[] {
  return readdirSync(directory)
    .map((name) => NAME.exec(name)?.[1])
    .filter((number) => number !== undefined)
    .map(Number)
    .sort((a, b) => a - b)
    .flatMap((number) => {
      const path = join(directory, `lock-${number}`);
      const text = read(path);
      return text === undefined ? [] : [{ number, path, text }];
    });
}

/** Who holds one of these locks; `undefined` if nobody does. */
function judge(locks: readonly FoundLock[], { watchMs }: LockTimes, done: Got<string>): void {
  const verdicts = locks.map(({ text }) => (isGivenBack(text) ? "dead" : verdictOn(ownerIn(text))));
  const alive = locks[verdicts.indexOf("alive")];
  if (alive !== undefined) return done(undefined, nameOf(ownerIn(alive.text)));
  const doubtful = locks.filter((_, index) => verdicts[index] === "unknown");
  const look = (looks: number): void => {
    const seen = failing(() => watched(doubtful), done);
    if (seen === undefined) return;
    if (seen.living !== undefined) done(undefined, nameOf(ownerIn(seen.living.text)));
    else if (looks === LOOKS_PER_WATCH || !seen.isAnyLeft) done(undefined, undefined);
    else setTimeout(() => look(looks + 1), watchMs / LOOKS_PER_WATCH);
  };
  look(0);
}

function watched(locks: readonly FoundLock[]): { living: FoundLock | undefined; isAnyLeft: boolean } {
  return { living: locks.find(hasChanged), isAnyLeft: locks.some(({ path }) => read(path) !== undefined) };
}

/** Its owner has written it since it was found. */
function hasChanged({ path, text }: FoundLock): boolean {
  const now = read(path);
  return now !== undefined && now !== text;
}

function isAmong(found: readonly FoundLock[], { path, text }: FoundLock): boolean {
  return found.some((one) => one.path === path && one.text === text);
}

/** Nobody holds any of the locks that were found. */
function take(
  directory: string,
  real: string,
  found: readonly FoundLock[],
  times: LockTimes,
): DirectoryLock | "lost a race" {
  const number = (found.at(-1)?.number ?? 0) + 1;
  const path = join(directory, `lock-${number}`);
  const owner = thisProcess();
  const id = crypto.randomUUID();
  // Behind its back the lock that it has watched may have gone, and others have taken theirs, of any number.
  const isOvertaken = (): boolean => locksIn(directory).some((lock) => lock.path !== path && !isAmong(found, lock));
  if (isOvertaken() || !create(path, lockText(owner, id, 0))) return "lost a race";
  try {
    if (isOvertaken()) {
      remove(path);
      return "lost a race";
    }
    for (const old of found) remove(old.path);
  } catch (error) {
    giveBack(path, id);
    throw error;
  }
  held.add(real);
  const lease = new Lease(path, owner, id, times, (name) => Number(NAME.exec(name)?.[1] ?? 0) > number);
  return {
    sure: (done) => lease.sure(done),
    onLoss: (told) => lease.onLoss(told),
    release: (done) =>
      lease.end((error) => {
        held.delete(real);
        if (error !== undefined) givenBack.add(id);
        done(error);
      }),
  };
}

function giveBack(path: string, id: string): void {
  try {
    remove(path);
  } catch {
    givenBack.add(id);
  }
}

function isGivenBack(text: string): boolean {
  return [...givenBack].some((id) => text.includes(id));
}

function create(path: string, text: string): boolean {
  let descriptor: number;
  try {
    descriptor = openSync(path, "wx");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
  try {
    writeSync(descriptor, text);
  } catch (error) {
    remove(path);
    throw error;
  } finally {
    closeSync(descriptor);
  }
  return true;
}

/** `undefined` if it is gone. */
function read(path: string): string | undefined {
  checkKind(path);
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Whoever opens a pipe waits for its other end, and no link that leads nowhere can be overwritten. */
function checkKind(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile() === true) return;
  if (found === undefined && lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return;
  const what = `${path} has the name of a lock, but is no file: move it away`;
  throw new ViewstampError("StorageFailed", what);
}

/** Of a lock that is just being written nothing is known. */
function ownerIn(text: string): Partial<Owner> {
  try {
    const owner: unknown = JSON.parse(text);
    return typeof owner === "object" && owner !== null ? owner : {};
  } catch {
    return {};
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/** What `work` gives; an error goes to `done`. */
function failing<T>(work: () => T, done: Got<never>): T | undefined {
  try {
    return work();
  } catch (error) {
    done(error as Error, undefined);
    return undefined;
  }
}

function inUse(directory: string, owner: string): ViewstampError {
  return new ViewstampError(
    "DataInUse",
    `${directory} is in use by ${owner}: stop that first, or give this replica a directory of its own`,
    { data: { directory } },
  );
}
