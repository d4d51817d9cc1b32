// The lock of a data directory: one process at a time, and none that is gone.
import { execFileSync, spawn } from "node:child_process";
import fs, {
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
import { basename, join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ViewstampError } from "../../src/protocol/errors.ts";
import { fileStorage } from "../../src/storage/file.ts";
import { fileDisk } from "../../src/storage/file-disk.ts";
import type { LockTimes } from "../../src/storage/file-lease.ts";
import { type DirectoryLock, lockDirectory } from "../../src/storage/file-lock.ts";
import { logStorage } from "../../src/storage/log-storage.ts";
import { PROCESS_START_MS, within } from "../harness/within.ts";
import { close, codeOf, open, write } from "./drive.ts";
import { viewNumbered } from "./model.ts";

const folder = mkdtempSync(join(tmpdir(), "viewstamp-lock-"));
const files = suite("the lock of a directory");
/** Only Node lets its `node:fs` be replaced. */
const isNode = !("bun" in process.versions) && !("deno" in process.versions);
let made = 0;

function newDirectory(): string {
  return join(folder, `data-${++made}`, "inner");
}

files.after(() => rmSync(folder, { recursive: true, force: true }));

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

(isNode ? files : files.skip)("waits, rather than fail, while too many files are open", async () => {
  const directory = newDirectory();
  const times = { beatMs: 20, trustMs: 60, watchMs: 120 };
  const options = { randomId: () => "0123456789abcdef", defer: setImmediate, segmentBytes: 100 };
  const storage = logStorage({ disk: fileDisk(directory, times), ...options });
  await open(storage);
  const calls = ["open", "readFile", "writeFile", "readdir"] as const;
  const real = Object.fromEntries(calls.map((call) => [call, fs[call]]));
  const scarce = (...args: unknown[]): void => {
    const error = Object.assign(new Error("EMFILE: too many open files"), { code: "EMFILE" });
    setImmediate(() => (args.at(-1) as (error: Error) => void)(error));
  };
  const put = (kind: Record<string, unknown>): void => {
    Object.assign(fs, kind);
    syncBuiltinESMExports();
  };
  try {
    put(Object.fromEntries(calls.map((call) => [call, scarce])));
    // Longer than the lock is trusted unseen, and a segment is full meanwhile.
    await new Promise((later) => setTimeout(later, 2 * times.trustMs));
    const writes = [1, 2, 3].map((seqno) => {
      return write(storage, { kind: "view", view: viewNumbered(seqno) });
    });
    await new Promise((later) => setTimeout(later, 2 * times.trustMs));
    put(real);
    await Promise.all(writes);
  } finally {
    put(real);
  }
  await write(storage, { kind: "view", view: viewNumbered(4) });
  await close(storage);
  const again = fileStorage(directory);
  assert.is((await open(again)).view?.vid, 4);
  await close(again);
});

(isNode ? files : files.skip)("is given back also while too many files are open", async () => {
  const directory = newDirectory();
  const disk = fileDisk(directory, { beatMs: 10_000, trustMs: 0, watchMs: 120 });
  const { readFile } = fs;
  await new Promise<void>((resolve, reject) => disk.lock((error) => (error === undefined ? resolve() : reject(error))));
  try {
    fs.readFile = ((...args: unknown[]) => {
      setImmediate(() =>
        (args.at(-1) as (error: Error) => void)(Object.assign(new Error("EMFILE"), { code: "EMFILE" })),
      );
    }) as unknown as typeof readFile;
    syncBuiltinESMExports();
    const removed = new Promise((done) => disk.remove("nothing", done));
    const unlocked = new Promise((done) => disk.unlock(done));
    assert.match(String(await removed), "EMFILE");
    assert.match(String(await unlocked), "EMFILE");
  } finally {
    fs.readFile = readFile;
    syncBuiltinESMExports();
  }
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

function locked(directory: string, watchMs: number): Promise<DirectoryLock> {
  return new Promise((resolve, reject) => {
    const times = { beatMs: 20, trustMs: 100, watchMs };
    lockDirectory(directory, (error, lock) => (error === undefined ? resolve(lock!) : reject(error)), times);
  });
}

(process.platform === "win32" ? files.skip : files)(
  "refuses what has the name of a lock and is no file, in words",
  async () => {
    const strangers: Readonly<Record<string, (path: string) => void>> = {
      pipe: (path) => void execFileSync("mkfifo", [path]),
      folder: (path) => void mkdirSync(path),
      "link to a pipe": (path) => {
        execFileSync("mkfifo", [`${path}-pipe`]);
        symlinkSync(`${path}-pipe`, path);
      },
      "link that leads nowhere": (path) => symlinkSync("/nowhere/at/all", path),
      "device without an end": (path) => symlinkSync("/dev/zero", path),
    };
    for (const [what, make] of Object.entries(strangers)) {
      for (const leftOver of [[], ["lock-1"]]) {
        const directory = newDirectory();
        mkdirSync(directory, { recursive: true });
        for (const name of leftOver) writeFileSync(join(directory, name), "");
        const stranger = join(directory, `lock-${leftOver.length + 1}`);
        make(stranger);
        const opened = open(quickStorage(directory)).catch((fault: unknown) => fault);
        const error = (await within(PROCESS_START_MS, "the start ends", opened)) as ViewstampError;
        assert.is(error.code, "StorageFailed", what);
        assert.match(error.message, `${stranger} has the name of a lock, but is no file: move it away`);
        assert.ok(readdirSync(directory).includes(basename(stranger)), "it is nobody's to remove");
      }
    }
  },
);

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
  const late = codeOf(locked(directory, 2400));
  rmSync(join(directory, "lock-7"));
  const mine = await locked(directory, 240);
  assert.is(await late, "DataInUse");
  assert.equal(readdirSync(directory), ["lock-1"]);
  await new Promise((released) => mine.release(released));
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
  const parent = spawn("sh", ["-c", "sleep 60 & echo $!; exec sleep 60"], { stdio: ["ignore", "pipe", "ignore"] });
  try {
    const pid = await new Promise<number>((resolve) => parent.stdout.once("data", (said) => resolve(Number(said))));
    const stat = (): string[] => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
    const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10));
    // A shell would bury it.
    while (!readFileSync(`/proc/${parent.pid}/comm`, "utf8").startsWith("sleep")) await soon();
    process.kill(pid, "SIGKILL");
    while (stat()[0] !== "Z") await soon();
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
