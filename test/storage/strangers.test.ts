// Files in a data directory that are not this storage's, or not where it left them: never removed, never taken for data.
import { execFileSync } from "node:child_process";
import fs, {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { crc32 } from "../../src/protocol/crc32.ts";
import type { Storage } from "../../src/protocol/storage.ts";
import { blockOf, fileIdOf, headOf } from "../../src/storage/blocks.ts";
import { fileStorage } from "../../src/storage/file.ts";
import { fileDisk } from "../../src/storage/file-disk.ts";
import { Remembered } from "../../src/storage/remembered.ts";
import { encodeCheckpoint } from "../../src/storage/segment.ts";
import { type Verification, verify } from "../../src/storage/verification.ts";
import { PROCESS_START_MS, within } from "../harness/within.ts";
import { CrashDisk } from "./crash-disk.ts";
import { close, codeOf, open, perform } from "./drive.ts";
import { at, filesOf, life, SMALL_SEGMENT, storageOn } from "./life.ts";
import { after, EMPTY, entriesFrom, type Happening, textOf, viewNumbered } from "./model.ts";

const folder = mkdtempSync(join(tmpdir(), "viewstamp-strangers-"));
/** Only Node lets its `node:fs` be replaced. */
const isNode = !("bun" in process.versions) && !("deno" in process.versions);
let made = 0;

async function lived(happenings: readonly Happening[] = life.slice(0, 5)): Promise<string> {
  const directory = join(folder, `data ${++made} ü`);
  const storage = fileStorage(directory);
  await open(storage);
  await perform(storage, happenings);
  await close(storage);
  return directory;
}

function stateAfter(happenings: readonly Happening[]): string {
  return textOf(happenings.reduce(after, EMPTY));
}

async function opened(disk: CrashDisk): Promise<Storage> {
  const storage = storageOn(disk);
  await open(storage);
  return storage;
}

const strangers = suite("files of others in a data directory");

strangers("are left alone, and say nothing about the data", async () => {
  const kept = ["notes.tmp", "folder.tmp", "aside-notes", "log-000000001", "log-1", ".#link", "log-00000001.bak"];
  const directory = await lived();
  for (const name of ["notes.tmp", "aside-notes", "log-1", "log-00000001.bak"])
    writeFileSync(join(directory, name), "x");
  mkdirSync(join(directory, "folder.tmp"));
  copyFileSync(join(directory, "log-00000001"), join(directory, "log-000000001"));
  symlinkSync(join(folder, "nowhere"), join(directory, ".#link"));
  const verification = await new Promise<Verification>((found, failed) => {
    verify(
      fileDisk(directory),
      () => {},
      (error, value) => (value === undefined ? failed(error) : found(value)),
    );
  });
  assert.is(verification.verdict, "sound");
  for (const name of kept) assert.is(verification.files.find((file) => file.name === name)?.state, "foreign", name);
  for (let start = 1; start <= 2; start++) {
    const storage = fileStorage(directory);
    const state = await open(storage);
    await close(storage);
    assert.is(textOf(state), stateAfter(life.slice(0, 5)), `start ${start}`);
    assert.equal(readdirSync(directory).sort(), [...kept, "log-00000001"].sort());
  }
});

strangers("that stand where the data should be are no absence", async () => {
  const linked = await lived();
  rmSync(join(linked, "log-00000001"));
  symlinkSync(join(folder, "nowhere"), join(linked, "log-00000001"));
  const other = await lived();
  rmSync(join(other, "log-00000001"));
  mkdirSync(join(other, "log-00000001"));
  for (const directory of [linked, other]) {
    const error = await open(fileStorage(directory)).catch((fault: unknown) => fault);
    assert.is((error as { code?: string }).code, "StorageFailed");
    assert.match((error as Error).message, "log-00000001");
    assert.equal(readdirSync(directory), ["log-00000001"]);
  }
});

(isNode ? strangers : strangers.skip)("may go while they are looked at", async () => {
  const directory = await lived();
  const passing = join(directory, "passing");
  writeFileSync(passing, "");
  const { readdir } = fs;
  const slowly = (path: string, done: (error: Error | null, names: string[]) => void): void =>
    readdir(path, (error, names) => {
      rmSync(passing, { force: true });
      done(error, names);
    });
  try {
    fs.readdir = slowly as unknown as typeof readdir;
    syncBuiltinESMExports();
    const storage = fileStorage(directory);
    assert.is(textOf(await open(storage)), stateAfter(life.slice(0, 5)));
    await close(storage);
  } finally {
    fs.readdir = readdir;
    syncBuiltinESMExports();
  }
});

(process.platform === "win32" ? strangers.skip : strangers)(
  "a pipe where a segment should be is waited for by nobody",
  async () => {
    const directory = await lived();
    rmSync(join(directory, "log-00000001"));
    execFileSync("mkfifo", [join(directory, "log-00000001")]);
    const opened = open(fileStorage(directory)).catch((fault: unknown) => fault);
    const error = await within(PROCESS_START_MS, "the start ends", opened);
    assert.is((error as { code?: string }).code, "StorageFailed");
    assert.match((error as Error).message, "log-00000001");
    assert.equal(readdirSync(directory), ["log-00000001"]);
  },
);

strangers("a path that no system takes is refused at the door", () => {
  for (const path of ["a\0b", "", undefined, 7]) {
    assert.throws(
      () => fileStorage(path as string),
      (error: { code?: string }) => error.code === "InvalidOptions",
    );
  }
});

strangers.run();

const misplaced = suite("a segment under a number that it never had");

misplaced("behind a gap is no reason to remove those before it: it may be the older one", async () => {
  const happenings = life.slice(0, 15);
  const now = await filesOf(happenings, 400);
  const intact = stateAfter(happenings);
  const logs = [...now.keys()].filter((name) => name.startsWith("log-")).sort();
  const beyond = `log-${String(Number(logs.at(-1)!.slice(4)) + 2).padStart(8, "0")}`;
  const stranger = await filesOf([...life.slice(0, 2), ...life.slice(3, 4)], 1 << 20);
  const candidates = [...stranger.values()];
  for (let count = 1; count <= happenings.length; count++) {
    const then = await filesOf(happenings.slice(0, count), 400);
    for (const name of new Set(["log-00000001", ...logs]))
      candidates.push(...(then.has(name) ? [then.get(name)!] : []));
  }
  let setAside = 0;
  for (const [index, candidate] of candidates.entries()) {
    const state = await open(storageOn(new CrashDisk(new Map(now).set(beyond, candidate)), 400));
    if (state.setAside !== undefined) setAside++;
    else assert.is(textOf(state), intact, `candidate ${index}`);
  }
  assert.ok(setAside > candidates.length / 2, `${setAside} of ${candidates.length}`);
});

misplaced("is damage also as a copy of one that was removed since, though a snapshot goes with it", async () => {
  const begun = [
    ...life.slice(0, 3),
    { kind: "append", entries: entriesFrom(at(0, 0), 1, 5, 100) },
    { kind: "append", entries: entriesFrom(at(1, 5), 1, 2, 40) },
    { kind: "saved", at: at(1, 7), chunks: 1 },
    { kind: "base", at: at(1, 7) },
  ] as const;
  const early = await filesOf(begun, 400);
  const [copied] = [...early.keys()]
    .filter((name) => name.startsWith("log-"))
    .sort()
    .slice(-1);
  // Its own place is full before any other entry comes: nothing in it is needed any more.
  const views = [2, 3, 4].map((vid) => ({ kind: "view", view: viewNumbered(vid) }) as const);
  const more = [...views, { kind: "append", entries: entriesFrom(at(1, 7), 4, 9, 100) }] as const;
  const now = await filesOf([...begun, ...more], 400);
  assert.not(now.has(copied!), "it was removed");
  const state = await open(storageOn(new CrashDisk(new Map(now).set("log-00000099", early.get(copied!)!)), 400));
  assert.is(state.setAside?.reason, `log-00000099 was written as ${copied}`);
});

misplaced("is found by its kind of fault", async () => {
  const reason = async (files: Map<string, Uint8Array>): Promise<string | undefined> =>
    (await open(storageOn(new CrashDisk(files)))).setAside?.reason;
  const rolled = await filesOf(life, SMALL_SEGMENT);
  const [last = ""] = [...rolled.keys()]
    .filter((one) => one.startsWith("log-"))
    .sort()
    .slice(-1);
  const twin = new Map(rolled).set("log-00000099", rolled.get(last)!);
  assert.is(await reason(twin), `log-00000099 was written as ${last}`);
  // Data that was set aside elsewhere, and begun anew, begins at a higher number.
  const anew = new CrashDisk(new Map([["log-00000008", Uint8Array.of(1)]]));
  await close(await opened(anew));
  const beginning = anew.contents.get("log-00000009")!;
  const files = new Map(await filesOf(life.slice(0, 4), 1 << 20)).set("log-00000009", beginning);
  assert.is(await reason(files), "log-00000009 begins a log, beside log-00000001");
});

misplaced(
  "that does not say which one it is was written by an earlier version: it is read, and gone on with",
  async () => {
    const bytes = blockOf(
      encodeCheckpoint(new Remembered().checkpoint(undefined, 0)),
      fileIdOf("00".repeat(8)),
      20,
      20,
    );
    const file = Uint8Array.from([...headOf("log", fileIdOf("00".repeat(8))), ...bytes]);
    file[7] = 1;
    new DataView(file.buffer).setUint32(16, crc32(file, 0, 16));
    const disk = new CrashDisk(new Map([["log-00000001", file]]));
    const storage = storageOn(disk, 400);
    assert.is((await open(storage)).setAside, undefined);
    await perform(storage, life.slice(0, 15));
    await close(storage);
    assert.is(textOf(await open(storageOn(new CrashDisk(disk.contents)))), stateAfter(life.slice(0, 15)));
  },
);

misplaced.run();

const aside = suite("data set aside");

aside("is never written over, also when its note is lost and all begins anew", async () => {
  let files = new Map<string, Uint8Array>();
  for (let round = 1; round <= 4; round++) {
    const disk = new CrashDisk(files.set("log-00000001", Uint8Array.of(round)));
    assert.ok((await open(storageOn(disk))).setAside !== undefined);
    files = new Map([...disk.contents].filter(([name]) => name.startsWith("aside-")));
    const kept = [...files.values()].map(([first]) => first).sort();
    assert.equal(
      kept,
      Array.from({ length: round }, (_, index) => index + 1),
    );
  }
});

aside.run();

const failing = suite("a start that the disk does not let happen");

function filesOpen(): number {
  return readdirSync("/proc/self/fd").length;
}

function fails(code: string): (...args: unknown[]) => void {
  return (...args) => {
    const error = Object.assign(new Error(`${code}: made up`), { code });
    const done = args.at(-1);
    if (typeof done !== "function") throw error;
    setImmediate(() => done(error));
  };
}

/** Starts where these calls fail; gives the code. */
async function startWithout(calls: readonly (keyof typeof fs)[], code: string, directory: string): Promise<unknown> {
  const real = Object.fromEntries(calls.map((call) => [call, fs[call]]));
  try {
    Object.assign(fs, Object.fromEntries(calls.map((call) => [call, fails(code)])));
    syncBuiltinESMExports();
    return await codeOf(open(fileStorage(directory)));
  } finally {
    Object.assign(fs, real);
    syncBuiltinESMExports();
  }
}

(isNode && process.platform === "linux" ? failing : failing.skip)(
  "leaves no file open and no lock behind",
  async () => {
    for (const [calls, code] of [
      [["writeSync"], "ENOSPC"],
      [["fdatasync"], "EIO"],
      [["rename"], "EIO"],
    ] as const) {
      const fresh = join(folder, `data-${++made}`);
      const before = filesOpen();
      assert.is(await startWithout(calls, code, fresh), "StorageFailed", calls.join());
      assert.is(filesOpen(), before, calls.join());
      assert.equal(
        readdirSync(fresh).filter((name) => name.startsWith("lock-")),
        [],
        calls.join(),
      );
    }
    const directory = await lived();
    const before = filesOpen();
    assert.is(await startWithout(["fdatasync"], "EIO", directory), "StorageFailed");
    assert.is(filesOpen(), before);
  },
);

(isNode ? failing : failing.skip)("and not let its lock go, can be tried again by the same process", async () => {
  const directory = await lived();
  const calls = ["fdatasync", "readFile", "unlink"] as const;
  assert.is(await startWithout(calls, "EMFILE", directory), "StorageFailed");
  assert.ok(existsSync(join(directory, "lock-1")), "its lock is still there");
  const storage = fileStorage(directory);
  assert.is(textOf(await open(storage)), stateAfter(life.slice(0, 5)));
  assert.not(existsSync(join(directory, "lock-1")));
  await close(storage);
});

failing.after(() => rmSync(folder, { recursive: true, force: true }));
failing.run();
