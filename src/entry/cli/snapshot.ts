/**
 * `viewstamp snapshot save` and `restore`: the whole state of a cluster as a file, and a new cluster from it.
 * @module
 */

import { stat } from "node:fs/promises";
import { basename, dirname, resolve, sep } from "node:path";
import { webSocket } from "../../../transports/websocket.ts";
import { type CopiedState, copyState } from "../../client/backup.ts";
import { MAX_TIMEOUT_MS } from "../../client/options.ts";
import { ViewstampError } from "../../protocol/errors.ts";
import type { Member } from "../../protocol/view.ts";
import { clusterOfCopy, DEFAULT_SKIP, type NewCluster, type SavedState } from "../../replica/new-cluster.ts";
import { type Backup, BackupWriter, readBackup, readBackupChunk } from "../../storage/backup.ts";
import type { DiskReader } from "../../storage/disk.ts";
import { asStorageError, Damage, OtherKind } from "../../storage/faults.ts";
import { fileDisk } from "../../storage/file-disk.ts";
import { systemEnvironment } from "../environment.ts";
import type { Arguments } from "./arguments.ts";
import { parseClusterList, parseNamedCluster } from "./cluster-list.ts";
import { type Command, clusterOption, DEFAULT_TIMEOUT_MS, timeoutOption } from "./command.ts";
import { exitCode, UsageError } from "./exit-codes.ts";
import { interruptible } from "./interruption.ts";
import { existingDirectory } from "./log.ts";
import { placeOf } from "./log-report.ts";
import { checkPlaces, makeAll, newClusterId, newIncarnation, vacantPlace } from "./new-data.ts";
import { done, got } from "./promised.ts";
import type { Terminal } from "./terminal.ts";

export const snapshot: Command = {
  name: "snapshot",
  summary: "Save the whole state of a running cluster to a file, or make a new cluster from one",
  positionals: ["save|restore", "FILE"],
  options: {
    cluster: {
      ...clusterOption,
      help: "save: addresses of nodes; restore: every node of the new cluster, a=URL,b=URL,…",
    },
    data: { type: "string", value: "LIST", help: "restore: new data directories, a=DIR,b=DIR,…; one is enough" },
    skip: { type: "string", value: "N", help: `restore: go on N places later (default ${DEFAULT_SKIP})` },
    "timeout-ms": timeoutOption,
    json: { type: "boolean", help: "as one JSON object" },
  },
  details: [
    "save asks the primary for a copy: of the state after everything that was acknowledged before it began. Commands",
    "go on meanwhile. FILE appears when it is complete; it must not exist.",
    "restore makes a cluster with an id of its own: nodes and clients of the old one are refused. The nodes in --data",
    "begin with the state; those that only --cluster names are started with empty directories and are caught up.",
    "Fencing tokens and session ids come from places in the log. So that none is given twice, the new cluster goes on",
    "N places later: more than were committed since FILE was saved. Sessions of the old cluster, and the locks they",
    "held, end when their TTL is over. Stop the old cluster first: its clients know nothing of the new one.",
    "The exit code is 6 if FILE is damaged.",
  ],
  run,
};

async function run(args: Arguments, terminal: Terminal): Promise<number> {
  const [action, file = ""] = args.positionals;
  if (file === "") throw new UsageError("FILE is empty: name a file");
  if (action === "save") return await save(file, args, terminal);
  if (action === "restore") return await restore(file, args, terminal);
  throw new UsageError(`snapshot ${action}: there are save and restore`);
}

async function save(file: string, args: Arguments, terminal: Terminal): Promise<number> {
  for (const name of ["data", "skip"]) if (args.has(name)) throw new UsageError(`--${name} goes with restore`);
  if ((await sizeOf(file)) !== undefined) throw new UsageError(`${file} is there already`);
  await existingDirectory(dirname(file));
  const { at, chunks, clusterId } = await interruptible((interrupted) => saveTo(file, args, interrupted));
  const bytes = await sizeOf(file);
  if (args.has("json")) terminal.data(JSON.stringify({ file, clusterId, at, chunks, bytes }));
  else terminal.data(`${file}: the state of cluster ${clusterId} at ${placeOf(at)}, ${bytes} bytes`);
  return exitCode.ok;
}

async function saveTo(file: string, args: Arguments, interrupted: AbortSignal): Promise<CopiedState> {
  const savedAt = Date.now();
  const writer = new BackupWriter(fileDisk(dirname(resolve(file))), basename(file), systemEnvironment.randomId());
  let taking: Promise<void> = Promise.resolve();
  const take = (chunk: Uint8Array): Promise<void> => {
    taking = done((taken) => writer.chunk(chunk, taken));
    return taking;
  };
  try {
    await done((begun) => writer.begin(begun));
    const copied = await copyState({
      cluster: parseClusterList(args.text("cluster")).map(({ url }) => url),
      environment: systemEnvironment,
      transport: webSocket(),
      timeoutMs: args.number("timeout-ms", DEFAULT_TIMEOUT_MS, 1, MAX_TIMEOUT_MS),
      take,
      signal: interrupted,
    });
    const { at, clusterId, machines } = copied;
    await done((finished) => writer.finish({ clusterId, at, savedAt, machines }, finished));
    return copied;
  } catch (error) {
    // Why it failed is what counts, not what else the disk refuses. No file is closed while it is written to.
    await taking.catch(() => {});
    await done((abandoned) => writer.abandon(abandoned)).catch(() => {});
    throw error;
  }
}

async function restore(file: string, args: Arguments, terminal: Terminal): Promise<number> {
  if (args.has("timeout-ms")) throw new UsageError("--timeout-ms goes with save");
  const urls = parseNamedCluster(args.text("cluster"));
  const named = directoriesOf(args.text("data"), urls);
  const skip = args.number("skip", DEFAULT_SKIP);
  if (!Number.isInteger(skip)) throw new UsageError("--skip must be a whole number");
  const bytes = await sizeOf(file);
  if (bytes === undefined) throw new UsageError(`there is no file ${file}`);
  const disk = fileDisk(dirname(resolve(file)));
  const backup = await got<Backup>((read) => readBackup(disk, basename(file), bytes, read)).catch((error: unknown) => {
    if (error instanceof OtherKind) throw new ViewstampError("InvalidInput", whatElse(file, error.kind));
    if (!(error instanceof Damage)) throw asStorageError(error, file);
    terminal.message(`viewstamp: ${file} is damaged: ${error.message}`);
    return undefined;
  });
  if (backup === undefined) return exitCode.damaged;
  const { at } = backup.info;
  checkPlaces(at.seqno, skip);
  const directories: [id: string, directory: string][] = [];
  for (const [id, directory] of named) directories.push([id, await vacantPlace(directory)]);
  checkApart(directories);
  const members = directories.map(([id]): Member => ({ id, incarnation: newIncarnation(), url: urls[id]! }));
  const cluster = clusterOfCopy(newClusterId(), savedState(disk, backup), members, skip);
  const wanted = directories.map(([, directory], index) => ({ directory, member: members[index]! }));
  await interruptible((interrupted) => makeAll(cluster, wanted, interrupted));
  return tell(cluster, backup, directories, Object.keys(urls), args, terminal);
}

function savedState(disk: DiskReader, backup: Backup): SavedState {
  return {
    at: backup.info.at,
    machines: backup.info.machines,
    count: backup.offsets.length,
    chunk: (index, read) => readBackupChunk(disk, backup, index, read),
  };
}

function tell(
  { clusterId, snapshot: moved }: NewCluster,
  { info }: Backup,
  directories: readonly (readonly [id: string, directory: string])[],
  ids: readonly string[],
  args: Arguments,
  terminal: Terminal,
): number {
  const at = moved!.at;
  if (args.has("json")) {
    terminal.data(JSON.stringify({ clusterId, of: info, at, data: Object.fromEntries(directories) }));
    return exitCode.ok;
  }
  const saved = new Date(info.savedAt).toISOString();
  terminal.data(`cluster ${clusterId}: the state of cluster ${info.clusterId} at ${placeOf(info.at)}, saved ${saved}`);
  terminal.data(`it goes on at ${placeOf(at)}`);
  for (const [id, directory] of directories) terminal.data(`${id}: ${directory}`);
  const others = ids.filter((id) => !directories.some(([one]) => one === id));
  if (others.length > 0) terminal.data(`start ${others.join(" ")} with empty directories`);
  return exitCode.ok;
}

function directoriesOf(list: string, urls: Readonly<Record<string, string>>): [id: string, directory: string][] {
  const directories = list.split(",").map((part): [string, string] => {
    const [, id = "", directory = ""] = /^([^=]+)=(.+)$/.exec(part.trim()) ?? [];
    if (id === "") throw new UsageError(`--data holds "${part}": it looks like a=DIR`);
    if (!Object.hasOwn(urls, id)) throw new UsageError(`--data names ${id}, and --cluster does not`);
    return [id, directory];
  });
  const twice = directories.find(([id, directory], index) =>
    directories.slice(0, index).some((one) => one[0] === id || resolve(one[1]) === resolve(directory)),
  );
  if (twice !== undefined) throw new UsageError(`--data names ${twice[0]} or its directory twice`);
  return directories;
}

function whatElse(file: string, kind: string): string {
  return `${file} is a ${kind} of a data directory, not a file of \`viewstamp snapshot save\``;
}

/** Each is made by itself and then renamed. @throws {UsageError} if one would be in another */
function checkApart(directories: readonly (readonly [id: string, directory: string])[]): void {
  for (const [index, [id, inner]] of directories.entries()) {
    const isAround = (outer: string): boolean => inner === outer || inner.startsWith(outer + sep);
    const around = directories.find((one, at) => at !== index && isAround(one[1]));
    if (around !== undefined) throw new UsageError(`the directory of ${id} is in the directory of ${around[0]}`);
  }
}

async function sizeOf(file: string): Promise<number | undefined> {
  const found = await stat(file).catch(() => undefined);
  if (found !== undefined && !found.isFile()) throw new ViewstampError("InvalidInput", `${file} is no file`);
  return found?.size;
}
