/**
 * Makes data directories of a new cluster from an old state. Each is made whole under a temporary name, then renamed.
 * @module
 */
import { lstat, open, readdir, realpath, rename, rm, rmdir } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { ViewstampError } from "../../protocol/errors.ts";
import type { DurableState } from "../../protocol/storage.ts";
import type { ClusterId, Member } from "../../protocol/view.ts";
import { type NewCluster, writeNewData } from "../../replica/new-cluster.ts";
import { fileStorage } from "../../storage/file.ts";
import { systemEnvironment } from "../environment.ts";
import { done, got } from "./promised.ts";

/** A fencing token is a place times 2^24 and stays below 2^63. */
const LAST_PLACE = 2 ** 39;

const NEVER: AbortSignal = new AbortController().signal;

/** Nobody has heard of it. */
export function newClusterId(): ClusterId {
  return `c${systemEnvironment.randomId()}`;
}

export function newIncarnation(): string {
  return systemEnvironment.randomId();
}

/** @throws {ViewstampError} `InvalidInput` if places would come to their end */
export function checkPlaces(last: number, skip: number): void {
  if (last + skip < LAST_PLACE) return;
  throw new ViewstampError("InvalidInput", `place ${last} moved on by ${skip} leaves no room for fencing tokens`);
}

/** The directory that a path leads to, over links; it need not be there. @throws {ViewstampError} `InvalidInput` if it is not empty */
export async function vacantPlace(directory: string): Promise<string> {
  const found = await readdir(directory).catch((error: { code?: string }) => {
    if (error.code === "ENOENT") return undefined;
    if (error.code === "ENOTDIR") throw new ViewstampError("InvalidInput", `${directory} is no directory`);
    throw error;
  });
  if (found === undefined) return await absentPlace(directory);
  if (found.length > 0) throw new ViewstampError("InvalidInput", `${directory} is not empty: name a new directory`);
  return await realpath(directory);
}

async function absentPlace(directory: string): Promise<string> {
  const link = await lstat(directory).catch(() => undefined);
  if (link === undefined) return resolve(directory);
  throw new ViewstampError(
    "InvalidInput",
    `${directory} is a link that leads nowhere: make the directory, or name another`,
  );
}

/** Makes all, then gives all their names: if one fails, or all are given up before that, nothing is left of any. */
export async function makeAll(
  cluster: NewCluster,
  wanted: readonly { readonly directory: string; readonly member: Member }[],
  signal: AbortSignal = NEVER,
): Promise<void> {
  const made: { readonly temporary: string; readonly directory: string }[] = [];
  const named: string[] = [];
  try {
    for (const { directory, member } of wanted) {
      made.push({ temporary: await makeData(directory, cluster, member, signal), directory });
    }
    for (const { temporary, directory } of made) {
      await renameDirectory(temporary, directory);
      named.push(directory);
    }
  } catch (error) {
    await discard([...made.map(({ temporary }) => temporary), ...named]);
    throw error;
  }
}

/** Makes the data, puts the old aside under another name, and then the new in its place; given up before that it leaves nothing. */
export async function replaceData(
  directory: string,
  kept: string,
  cluster: NewCluster,
  member: Member,
  signal: AbortSignal = NEVER,
): Promise<void> {
  const temporary = await makeData(directory, cluster, member, signal);
  try {
    await renameDirectory(directory, kept);
  } catch (error) {
    await discard([temporary]);
    throw error;
  }
  try {
    await renameDirectory(temporary, directory);
  } catch (error) {
    await renameDirectory(kept, directory);
    await discard([temporary]);
    throw error;
  }
}

async function discard(directories: readonly string[]): Promise<void> {
  for (const directory of directories) await rm(directory, { recursive: true, force: true });
}

/** Gives the temporary directory, complete and durable. */
async function makeData(directory: string, cluster: NewCluster, member: Member, signal: AbortSignal): Promise<string> {
  const temporary = `${resolve(directory)}.new-${systemEnvironment.randomId()}`;
  try {
    await fill(temporary, endedBy(signal, cluster), member);
    signal.throwIfAborted();
    return temporary;
  } catch (error) {
    await discard([temporary]);
    throw error;
  }
}

/** The same, but no chunk of its state can be had once the signal has aborted: whatever is being written ends. */
function endedBy(signal: AbortSignal, cluster: NewCluster): NewCluster {
  const { snapshot } = cluster;
  if (snapshot === undefined) return cluster;
  const chunk: typeof snapshot.chunk = (index, found) => {
    if (signal.aborted) found(signal.reason, undefined);
    else snapshot.chunk(index, found);
  };
  return { ...cluster, snapshot: { ...snapshot, chunk } };
}

async function fill(directory: string, cluster: NewCluster, { incarnation }: Member): Promise<void> {
  const storage = fileStorage(directory);
  await got<DurableState>((opened) => storage.open(opened));
  try {
    await done((written) => writeNewData(storage, cluster, incarnation, written));
  } finally {
    await done((closed) => storage.close(closed));
  }
}

/**
 * Gives a directory another name, durably. An empty directory may be there under it.
 * @throws {ViewstampError} `InvalidInput` for a mount point, as the volume of a container is
 */
async function renameDirectory(from: string, to: string): Promise<void> {
  try {
    await rmdir(to).catch((error: { code?: string }) => {
      if (error.code !== "ENOENT") throw error;
    });
    await rename(from, to);
  } catch (error) {
    const { code, path = to } = error as NodeJS.ErrnoException;
    if (code !== "EBUSY" && code !== "EXDEV") throw error;
    const what = `${path} is a mount point, or in use, and cannot be given another name: use a directory in it`;
    throw new ViewstampError("InvalidInput", what, { cause: error });
  }
  if (process.platform === "win32") return;
  const parent = await open(dirname(resolve(to)), "r");
  await parent.sync();
  await parent.close();
}
