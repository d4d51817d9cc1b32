// The file storage keeps the contract on real files, and its lock outlives no process.
import { spawn, spawnSync } from "node:child_process";
import fs, { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ViewstampError } from "../../src/protocol/errors.ts";
import type { Disk, DiskFile } from "../../src/storage/disk.ts";
import { fileStorage } from "../../src/storage/file.ts";
import { fileDisk } from "../../src/storage/file-disk.ts";
import { logStorage } from "../../src/storage/log-storage.ts";
import { getRuntime, type RuntimeName } from "../runtimes.ts";
import { testStorage } from "./conformance.ts";
import { close, codeOf, open, write } from "./drive.ts";
import { at } from "./life.ts";
import { entriesFrom } from "./model.ts";

const folder = mkdtempSync(join(tmpdir(), "viewstamp-storage-"));
let made = 0;

function newDirectory(): string {
  return join(folder, `data-${++made}`, "inner");
}

testStorage({
  name: "file",
  make: () => {
    const directory = newDirectory();
    return () => fileStorage(directory);
  },
  runs: 8,
});

const files = suite("file storage");

files("makes nothing before it is opened, and the directory then", async () => {
  const directory = newDirectory();
  const storage = fileStorage(directory);
  assert.not(existsSync(directory));
  await open(storage);
  assert.ok(existsSync(directory));
  await close(storage);
  assert.equal(readdirSync(directory), ["log-00000001"]);
});

/** A real disk that counts its syncs, and can keep them from being reported. */
function countingDisk(directory: string): { disk: Disk; syncs: () => number; hold: () => () => void } {
  let count = 0;
  let held: (() => void)[] | undefined;
  const wrapped = (file: DiskFile): DiskFile => ({
    append: (bytes, done) => file.append(bytes, done),
    truncate: (bytes, done) => file.truncate(bytes, done),
    close: (done) => file.close(done),
    sync: (done) => {
      count++;
      file.sync((error) => (held === undefined ? done(error) : held.push(() => done(error))));
    },
  });
  const disk = fileDisk(directory);
  const { create, open } = disk;
  disk.create = (name, done) => create.call(disk, name, (error, file) => done(error, file && wrapped(file)));
  disk.open = (name, done) => open.call(disk, name, (error, file) => done(error, file && wrapped(file)));
  const hold = (): (() => void) => {
    const waiting: (() => void)[] = [];
    held = waiting;
    return () => {
      held = undefined;
      for (const release of waiting) release();
    };
  };
  return { disk, syncs: () => count, hold };
}

files("while one sync runs, whatever is written meanwhile shares the next", async () => {
  const { disk, syncs, hold } = countingDisk(newDirectory());
  const randomId = (): string => "0123456789abcdef";
  const storage = logStorage({ disk, randomId, defer: (callback) => setImmediate(callback) });
  await open(storage);
  const before = syncs();
  const release = hold();
  const acknowledged: number[] = [];
  const writes: Promise<void>[] = [];
  for (let seqno = 1; seqno <= 50; seqno++) {
    const written = write(storage, { kind: "append", entries: entriesFrom(at(1, seqno - 1), 1, 1) });
    writes.push(written.then(() => void acknowledged.push(seqno)));
    // Each comes in a turn of its own.
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.is(syncs() - before, 1, "the first is under way");
  assert.equal(acknowledged, [], "nothing is acknowledged before it is synced");
  release();
  await Promise.all(writes);
  assert.is(syncs() - before, 2, "all others share one");
  assert.equal(
    acknowledged,
    Array.from({ length: 50 }, (_, index) => index + 1),
  );
  await close(storage);
});

files("says what to do where it cannot write", async () => {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "a-file");
  writeFileSync(file, "");
  for (const [directory, advice] of [
    [file, "it is a file: name a directory"],
    [join(file, "data"), "a part of this path is a file: name a directory"],
  ] as const) {
    const error = await open(fileStorage(directory)).catch((fault: unknown) => fault);
    assert.ok(error instanceof ViewstampError && error.code === "StorageFailed", String(error));
    assert.match((error as Error).message, advice);
  }
});

files("keeps batches of every size", async () => {
  const directory = newDirectory();
  const storage = fileStorage(directory);
  await open(storage);
  let seqno = 0;
  for (const [count, size] of [
    [1, 10],
    [200, 20_000],
    [5000, 1],
  ] as const) {
    await write(storage, { kind: "append", entries: entriesFrom({ vid: 1, seqno }, 1, count, size) });
    seqno += count;
  }
  await close(storage);
  const again = fileStorage(directory);
  const { entries } = await open(again);
  assert.is(entries.length, seqno);
  assert.ok(entries.every(({ body }, index) => body.every((byte) => byte === (index + 1) % 251)));
  await close(again);
});

files("can be opened again after close, as the same object", async () => {
  const storage = fileStorage(newDirectory());
  await open(storage);
  await write(storage, { kind: "identity", incarnation: "i", clusterId: undefined });
  await close(storage);
  assert.is((await open(storage)).identity?.incarnation, "i");
  await write(storage, { kind: "identity", incarnation: "i", clusterId: "c" });
  await close(storage);
});

/** Which paths are synced while `run` does; only Node lets its `node:fs` be watched. */
async function syncedBy(run: () => Promise<void>): Promise<Set<string>> {
  const { open: realOpen, fsync: realSync } = fs;
  const paths = new Map<number, string>();
  const synced = new Set<string>();
  const patched = {
    open: (path: string, flags: string, done: (error: Error | null, descriptor: number) => void) =>
      realOpen(path, flags, (error, descriptor) => {
        paths.set(descriptor, path);
        done(error, descriptor);
      }),
    fsync: (descriptor: number, done: (error: Error | null) => void) => {
      synced.add(paths.get(descriptor) ?? "");
      realSync(descriptor, done);
    },
  };
  Object.assign(fs, patched);
  syncBuiltinESMExports();
  try {
    await run();
  } finally {
    Object.assign(fs, { open: realOpen, fsync: realSync });
    syncBuiltinESMExports();
  }
  return synced;
}

const isNode = !("bun" in process.versions) && !("deno" in process.versions);

// Whoever made the directory may have been killed before it made its name durable: then a loss of power takes all of it.
(isNode ? files : files.skip)("makes the name of an empty directory durable, whoever made that", async () => {
  const directory = newDirectory();
  mkdirSync(directory, { recursive: true });
  const start = async (): Promise<void> => {
    const storage = fileStorage(directory);
    await open(storage);
    await close(storage);
  };
  const first = await syncedBy(start);
  for (const path of [directory, dirname(directory), folder]) assert.ok(first.has(path), path);
  const second = await syncedBy(start);
  assert.not(second.has(dirname(directory)), "once is enough");
});

files.run();

const killed = suite("file storage of a killed process");
const holder = fileURLToPath(new URL("holder.ts", import.meta.url));

/** Runs a program as number 1 among its own processes, as a container does. */
const CONTAINER = ["unshare", "-Urfp", "--mount-proc", "--kill-child"];
const hasContainers = spawnSync(CONTAINER[0]!, [...CONTAINER.slice(1), "true"]).status === 0;

/** Holds the directory in another process, until it has acknowledged some writes. */
function hold(runtime: RuntimeName, directory: string, within: readonly string[] = []) {
  const [file, ...flags] = [...within, ...getRuntime(runtime).command];
  const child = spawn(file!, [...flags, holder, directory], { stdio: ["ignore", "pipe", "pipe"] });
  let complaint = "";
  child.stderr.on("data", (data: Uint8Array) => {
    complaint += new TextDecoder().decode(data);
  });
  let last = -1;
  let rest = "";
  const gone = new Promise<void>((resolve) => child.on("close", () => resolve()));
  const busy = new Promise<void>((resolve) => {
    child.stdout.on("data", (data: Uint8Array) => {
      const lines = (rest + new TextDecoder().decode(data)).split("\n");
      rest = lines.pop()!;
      for (const line of lines) last = Number(line.replace("open ", ""));
      if (last >= 150) resolve();
    });
  });
  const kill = async (): Promise<number> => {
    child.kill("SIGKILL");
    await gone;
    return last;
  };
  return { kill, busy: Promise.race([busy, gone]), gone: gone.then(() => complaint) };
}

killed(
  "is refused to others while it lives, and free at once when it is dead, with all that was acknowledged",
  async () => {
    for (const runtime of ["node", "bun", "deno"] as const) {
      const directory = newDirectory();
      const other = hold(runtime, directory);
      await other.busy;
      const error = await open(fileStorage(directory)).catch((fault: unknown) => fault);
      assert.is((error as ViewstampError).code, "DataInUse");
      assert.match((error as Error).message, /in use by process \d+/);
      const acknowledged = await other.kill();
      const storage = fileStorage(directory);
      const { entries } = await open(storage);
      assert.ok(
        acknowledged >= 150 && entries.length >= acknowledged,
        `${entries.length} of ${acknowledged} on ${runtime}`,
      );
      await close(storage);
    }
  },
);

// Not where the system lets nobody have processes of its own: then there is no container to ask about.
(hasContainers ? killed : killed.skip)(
  "is refused to another container with the same directory, in which it has the same number, and free when it is dead",
  async () => {
    const directory = newDirectory();
    const first = hold("node", directory, CONTAINER);
    await first.busy;
    const second = hold("node", directory, CONTAINER);
    assert.match(await second.gone, "DataInUse");
    const error = await open(fileStorage(directory)).catch((fault: unknown) => fault);
    assert.match((error as Error).message, "in use by process 1 of another container or machine");
    const acknowledged = await first.kill();
    const storage = fileStorage(directory);
    const { entries } = await open(storage);
    assert.ok(acknowledged >= 150 && entries.length >= acknowledged, `${entries.length} of ${acknowledged}`);
    await close(storage);
  },
);

killed("may be another's in the same process: that is refused too", async () => {
  const directory = newDirectory();
  const storage = fileStorage(directory);
  await open(storage);
  assert.is(await codeOf(open(fileStorage(directory))), "DataInUse");
  await close(storage);
});

killed.after(() => rmSync(folder, { recursive: true, force: true }));
killed.run();
