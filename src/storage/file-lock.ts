/**
 * The lock of a data directory: a file with the owner's process. The lock of a process that is gone, also by SIGKILL,
 * is taken over at once.
 *
 * Locks are numbered. To take over number n is to create number n + 1, which only one can; nobody removes a lock but
 * its owner or whoever holds a higher one. So two that find the same dead owner cannot both win.
 * @module
 */
import { closeSync, openSync, readdirSync, readFileSync, statSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { ViewstampError } from "../protocol/errors.ts";

const NAME = /^lock-(\d{1,15})$/;
/** A lock without an owner in it is still being written, if it is younger than this. */
const WRITING_MS = 1000;
const ATTEMPTS = 100;

interface Owner {
  readonly pid: number;
  /** When the process began, in the system's own words; tells it from a later one with the same number. */
  readonly began: string | undefined;
}

/** Directories that this very process holds: it may run several replicas. */
const held = new Set<string>();

export function isLockName(name: string): boolean {
  return NAME.test(name);
}

/**
 * Takes the lock; the result gives it back.
 * @throws {ViewstampError} `DataInUse`
 */
export function lockDirectory(directory: string): () => void {
  if (held.has(directory)) throw inUse(directory, "another replica in this process");
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const numbers = lockNumbers(directory);
    const newest = numbers.at(-1) ?? 0;
    const lock = join(directory, `lock-${newest}`);
    const owner = newest === 0 ? undefined : liveOwner(lock);
    if (owner !== undefined) throw inUse(directory, `${owner} (if you are sure that it is not, delete ${lock})`);
    const path = join(directory, `lock-${newest + 1}`);
    if (!create(path)) continue;
    for (const number of numbers) remove(join(directory, `lock-${number}`));
    held.add(directory);
    return () => {
      held.delete(directory);
      remove(path);
    };
  }
  throw inUse(directory, "others that take it again and again");
}

/** Who holds the lock, for people; nothing is touched. `undefined` if nobody does. */
export function holderOf(directory: string): string | undefined {
  const newest = lockNumbers(directory).at(-1);
  return newest === undefined ? undefined : liveOwner(join(directory, `lock-${newest}`));
}

function lockNumbers(directory: string): number[] {
  return readdirSync(directory)
    .map((name) => NAME.exec(name)?.[1])
    .filter((number) => number !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
}

function create(path: string): boolean {
  let descriptor: number;
  try {
    descriptor = openSync(path, "wx");
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
  const owner: Owner = { pid: process.pid, began: beginningOf(process.pid) };
  writeSync(descriptor, JSON.stringify(owner));
  closeSync(descriptor);
  return true;
}

/** The process that holds the lock; `undefined` if it is gone. */
function liveOwner(path: string): string | undefined {
  let owner: Partial<Owner>;
  try {
    owner = JSON.parse(readFileSync(path, "utf8")) as Partial<Owner>;
  } catch {
    return isYoung(path) ? "a process that is just starting" : undefined;
  }
  const { pid, began } = owner;
  // What this process holds is known from `held`: a lock with its number is left from a process before it.
  if (typeof pid !== "number" || pid === process.pid || !isAlive(pid)) return undefined;
  const beginning = beginningOf(pid);
  return began !== undefined && beginning !== undefined && began !== beginning ? undefined : `process ${pid}`;
}

function isYoung(path: string): boolean {
  try {
    return Date.now() - statSync(path).mtimeMs < WRITING_MS;
  } catch {
    return false;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== "ESRCH";
  }
}

/** On Linux, field 22 of `/proc/PID/stat`; elsewhere unknown. */
function beginningOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function inUse(directory: string, owner: string): ViewstampError {
  return new ViewstampError(
    "DataInUse",
    `${directory} is in use by ${owner}: stop that first, or give this replica a directory of its own`,
    { data: { directory } },
  );
}
