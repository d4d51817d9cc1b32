// The file storage keeps the contract on real files, and its lock outlives no process.
import { spawn, spawnSync } from "node:child_process";
import fs, {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
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
import type { LockTimes } from "../../src/storage/file-lease.ts";
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
  for (const directory of [file, join(file, "data")]) {
    const error = await open(fileStorage(directory)).catch((fault: unknown) => fault);
    assert.ok(error instanceof ViewstampError && error.code === "StorageFailed", String(error));
    assert.match((error as Error).message, "name a directory that this process may create and write");
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

(isNode ? files : files.skip)("holds nothing after a start that failed", async () => {
  const directory = newDirectory();
  const { fsync } = fs;
  try {
    fs.fsync = ((_: number, done: (error: Error) => void) => done(new Error("no sync"))) as unknown as typeof fsync;
    syncBuiltinESMExports();
    assert.is(await codeOf(open(fileStorage(directory))), "StorageFailed");
  } finally {
    fs.fsync = fsync;
    syncBuiltinESMExports();
  }
  assert.equal(readdirSync(directory), []);
  const storage = fileStorage(directory);
  await open(storage);
  await close(storage);
});

/** What a lock of this very process says. */
async function ownLock(): Promise<Record<string, unknown>> {
  const directory = newDirectory();
  const storage = fileStorage(directory);
  await open(storage);
  const said = JSON.parse(readFileSync(join(directory, "lock-1"), "utf8")) as Record<string, unknown>;
  await close(storage);
  return said;
}

function leaveLock(lock: unknown, name = "lock-7"): string {
  const directory = newDirectory();
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, name), typeof lock === "string" ? lock : JSON.stringify(lock));
  return directory;
}

/** A storage whose lock is quick to judge, and slow to be sure of itself only if wanted. */
function quickStorage(directory: string, times: Partial<LockTimes> = {}) {
  return logStorage({
    disk: fileDisk(directory, { beatMs: 20, trustMs: 100, watchMs: 240, ...times }),
    randomId: () => "0123456789abcdef",
    defer: (callback) => setImmediate(callback),
  });
}

files("takes over from a lock whose owner is gone or was another process of the same number", async () => {
  const own = await ownLock();
  for (const lock of [
    { ...own, pid: 2 ** 22 + 1 },
    { ...own, began: "1" },
    { ...own, pid: 1, began: "another beginning" },
  ]) {
    const directory = leaveLock(lock);
    const storage = fileStorage(directory);
    await open(storage);
    assert.equal(readdirSync(directory).sort(), ["lock-8", "log-00000001"]);
    await close(storage);
  }
});

files("is refused to another copy of the program in the same process", async () => {
  assert.is(await codeOf(open(fileStorage(leaveLock(await ownLock())))), "DataInUse");
});

files("is refused under another name of the same directory", async () => {
  const directory = newDirectory();
  const storage = fileStorage(directory);
  await open(storage);
  const other = `${directory}-link`;
  symlinkSync(directory, other);
  assert.is(await codeOf(open(fileStorage(other))), "DataInUse");
  await close(storage);
});

files("a lock of a process that cannot be seen from here holds as long as it changes", async () => {
  const own = await ownLock();
  // The first process of another container is number 1, as this one may be.
  for (const foreign of [{ ...own, home: "elsewhere" }, { pid: 1 }, "{"]) {
    const directory = leaveLock(foreign);
    let beat = 0;
    const beats = setInterval(
      () => writeFileSync(join(directory, "lock-7"), `${JSON.stringify(foreign)} ${++beat}`),
      50,
    );
    const error = await open(quickStorage(directory)).catch((fault: unknown) => fault);
    clearInterval(beats);
    assert.is((error as ViewstampError).code, "DataInUse");
    assert.equal(readdirSync(directory), ["lock-7"], "nothing was touched");
    const storage = quickStorage(directory);
    await open(storage);
    assert.equal(readdirSync(directory).sort(), ["lock-8", "log-00000001"], "it stands still: its owner is gone");
    await close(storage);
    assert.equal(readdirSync(directory), ["log-00000001"]);
  }
});

files("an older lock that is alive counts beside a newer one that is left over", async () => {
  const own = await ownLock();
  const directory = leaveLock({ ...own, pid: 2 ** 22 + 1 });
  writeFileSync(join(directory, "lock-3"), JSON.stringify(own));
  assert.is(await codeOf(open(fileStorage(directory))), "DataInUse");
});

files("of those that wait for the same lock to go only one gets the directory", async () => {
  const directory = leaveLock({ ...(await ownLock()), home: "elsewhere" });
  const late = codeOf(open(quickStorage(directory, { watchMs: 2400 })));
  await new Promise((resolve) => setTimeout(resolve, 60));
  rmSync(join(directory, "lock-7"));
  const storage = quickStorage(directory);
  await open(storage);
  assert.is(await late, "DataInUse");
  assert.equal(readdirSync(directory).sort(), ["lock-1", "log-00000001"]);
  await close(storage);
});

(isNode ? files : files.skip)(
  "a look in which it stood still proves nothing: others may have come and gone",
  async () => {
    const directory = newDirectory();
    const storage = quickStorage(directory, { beatMs: 1e6, trustMs: 0 });
    await open(storage);
    const { size } = statSync(join(directory, "log-00000001"));
    const { readdir } = fs;
    const slowly = (path: string, done: (error: Error | null, names: string[]) => void): void => {
      rmSync(join(directory, "lock-1"), { force: true });
      setTimeout(() => readdir(path, done), 200);
    };
    try {
      fs.readdir = slowly as unknown as typeof fs.readdir;
      syncBuiltinESMExports();
      const refused = await codeOf(write(storage, { kind: "identity", incarnation: "i", clusterId: undefined }));
      assert.is(refused, "DataInUse");
    } finally {
      fs.readdir = readdir;
      syncBuiltinESMExports();
    }
    assert.is(statSync(join(directory, "log-00000001")).size, size);
    await close(storage);
  },
);

files("says at once that its lock is lost, though nothing is written", async () => {
  const directory = newDirectory();
  const storage = quickStorage(directory);
  let tell = (_loss: Error): void => {};
  const told = new Promise<Error>((resolve) => {
    tell = resolve;
  });
  await new Promise<void>((resolve, reject) => {
    storage.open((error) => (error === undefined ? resolve() : reject(error)), tell);
  });
  writeFileSync(join(directory, "lock-2"), "{}");
  // No lock keeps its process alive.
  const alive = setInterval(() => {}, 1000);
  assert.is(((await told) as ViewstampError).code, "DataInUse");
  clearInterval(alive);
  await close(storage);
});

files("gives back no lock but its own, and that also when it is lost", async () => {
  const directory = newDirectory();
  const robbed = quickStorage(directory, { beatMs: 1e6, trustMs: 1e9 });
  await open(robbed);
  writeFileSync(join(directory, "lock-1"), "another's");
  await close(robbed);
  assert.is(readFileSync(join(directory, "lock-1"), "utf8"), "another's");

  const frightened = quickStorage(directory, { beatMs: 1e6, trustMs: 0 });
  await open(frightened);
  writeFileSync(join(directory, "lock-3"), "{}");
  const refused = await codeOf(write(frightened, { kind: "identity", incarnation: "i", clusterId: undefined }));
  assert.is(refused, "DataInUse");
  await close(frightened);
  assert.equal(readdirSync(directory).sort(), ["lock-3", "log-00000001"]);
});

files("takes over from a process that is dead and that nobody has buried", async () => {
  if (process.platform !== "linux") return;
  const parent = spawn("sh", ["-c", "sleep 0 & echo $!; exec sleep 60"], { stdio: ["ignore", "pipe", "ignore"] });
  try {
    const pid = await new Promise<number>((resolve) => parent.stdout.once("data", (said) => resolve(Number(said))));
    const stat = (): string[] => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
    while (stat()[0] !== "Z") await new Promise((resolve) => setTimeout(resolve, 10));
    const directory = leaveLock({ ...(await ownLock()), pid, began: stat()[19] });
    const storage = fileStorage(directory);
    await open(storage);
    await close(storage);
  } finally {
    parent.kill("SIGKILL");
  }
});

files("writes nothing any more once its lock is lost, however long it stood still", async () => {
  for (const lose of [
    (directory: string) => rmSync(join(directory, "lock-1")),
    (directory: string) => writeFileSync(join(directory, "lock-1"), "another's"),
    (directory: string) => writeFileSync(join(directory, "lock-2"), "{}"),
  ]) {
    const directory = newDirectory();
    // It never looks by itself, and trusts nothing: like a process that stood still.
    const storage = quickStorage(directory, { beatMs: 1e6, trustMs: 0 });
    await open(storage);
    await write(storage, { kind: "identity", incarnation: "i", clusterId: undefined });
    const { size } = statSync(join(directory, "log-00000001"));
    lose(directory);
    const refused = await codeOf(write(storage, { kind: "identity", incarnation: "i", clusterId: "c" }));
    assert.is(refused, "DataInUse");
    assert.is(statSync(join(directory, "log-00000001")).size, size);
    await close(storage);
  }
});

files("who holds a lock looks at it by itself, too", async () => {
  const directory = newDirectory();
  const storage = quickStorage(directory, { trustMs: 1e9 });
  await open(storage);
  writeFileSync(join(directory, "lock-2"), "{}");
  let refused: unknown = "none";
  for (let tries = 0; tries < 200 && refused === "none"; tries++) {
    refused = await codeOf(write(storage, { kind: "identity", incarnation: `i${tries}`, clusterId: undefined }));
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.is(refused, "DataInUse");
  await close(storage);
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
