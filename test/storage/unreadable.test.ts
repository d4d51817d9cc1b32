// Bytes that the disk cannot give back are damage, like bytes that are not what was written; a disk that fails as a whole is not.
import fs, { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Unreadable } from "../../src/storage/faults.ts";
import { fileStorage } from "../../src/storage/file.ts";
import { fileDisk } from "../../src/storage/file-disk.ts";
import { type Salvaged, salvage } from "../../src/storage/salvage.ts";
import { type Verification, verify } from "../../src/storage/verification.ts";
import { CrashDisk } from "./crash-disk.ts";
import { close, codeOf, open, perform } from "./drive.ts";
import { filesOf, life, storageOn } from "./life.ts";
import { after, EMPTY, textOf } from "./model.ts";

const folder = mkdtempSync(join(tmpdir(), "viewstamp-unreadable-"));
const INTACT = textOf(life.slice(0, 5).reduce(after, EMPTY));
/** Only Node lets its `node:fs` be replaced. */
const isNode = !("bun" in process.versions) && !("deno" in process.versions);
/** A file that is there, and whose bytes the system cannot give. */
const LOST = "/proc/self/mem";
let made = 0;

/** A disk that cannot give back this byte of this file. */
function diskWithout(files: ReadonlyMap<string, Uint8Array>, lost: string, place: number): CrashDisk {
  const disk = new CrashDisk(files);
  const { read } = disk;
  disk.read = (name, offset, length, done) => {
    const isHit = name === lost && offset <= place && place < offset + length;
    if (isHit) queueMicrotask(() => done(new Unreadable(`${name} cannot be read`), undefined));
    else read.call(disk, name, offset, length, done);
  };
  return disk;
}

function verified(disk: CrashDisk | ReturnType<typeof fileDisk>): Promise<Verification> {
  return new Promise((resolve, reject) => {
    verify(
      disk,
      () => {},
      (error, found) => (found === undefined ? reject(error) : resolve(found)),
    );
  });
}

const unreadable = suite("a place that cannot be read");

unreadable("sets the data aside wherever it is, and the tools say where", async () => {
  for (const [happenings, segmentBytes] of [
    [life.slice(0, 5), 1 << 20],
    [life.slice(0, 15), 400],
  ] as const) {
    const files = await filesOf(happenings, segmentBytes);
    for (const [name, bytes] of files) {
      for (let place = 0; place < bytes.length; place += 23) {
        const where = `${name} at ${place}`;
        const { verdict, files: reports } = await verified(diskWithout(files, name, place));
        const state = await open(storageOn(diskWithout(files, name, place), segmentBytes));
        // The end of a segment that another follows, its seal, counts for nothing.
        if (state.setAside === undefined) assert.is(textOf(state), textOf(happenings.reduce(after, EMPTY)), where);
        assert.is(verdict, state.setAside === undefined ? "sound" : "damaged", where);
        const report = reports.find((one) => one.name === name);
        const [fault] = report?.faults ?? [];
        assert.ok(fault !== undefined && fault.offset <= place && fault.offset + fault.bytes > place, where);
        if (verdict === "damaged") assert.is(report?.state, "damaged", where);
      }
    }
  }
});

unreadable("leaves what stands before it to a forced recovery", async () => {
  const files = await filesOf(life.slice(0, 5), 1 << 20);
  const bytes = files.get("log-00000001")!;
  const found = await new Promise<Salvaged>((resolve, reject) => {
    salvage(diskWithout(files, "log-00000001", bytes.length - 40), (error, salvaged) =>
      salvaged === undefined ? reject(error) : resolve(salvaged),
    );
  });
  assert.is(found.entries.length, 7);
  assert.match(found.damage ?? "", "cannot be read");
});

(process.platform === "linux" ? unreadable : unreadable.skip)("of a real disk is set aside", async () => {
  const directory = join(folder, `data-${++made}`);
  const storage = fileStorage(directory);
  await open(storage);
  await perform(storage, life.slice(0, 5));
  await close(storage);
  rmSync(join(directory, "log-00000001"));
  symlinkSync(LOST, join(directory, "log-00000001"));
  assert.is((await verified(fileDisk(directory))).verdict, "damaged");
  const again = fileStorage(directory);
  const { setAside } = await open(again);
  await close(again);
  assert.match(setAside?.reason ?? "", /bytes 0 to 20 of log-00000001 cannot be read.*EIO/);
  assert.ok(existsSync(join(directory, "set-aside")));
  assert.ok(readdirSync(directory).some((name) => /^aside-\d+-log-00000001$/.test(name)));
});

/** Opens where reading fails so often in this way. */
async function openFailing(code: string, times: number): Promise<unknown> {
  const directory = join(folder, `data-${++made}`);
  const storage = fileStorage(directory);
  await open(storage);
  await perform(storage, life.slice(0, 5));
  await close(storage);
  const { read } = fs;
  let left = times;
  const failing = (...args: unknown[]): void => {
    const done = args.at(-1) as (error: Error) => void;
    if (left-- > 0) setImmediate(() => done(Object.assign(new Error(`${code}: made up`), { code })));
    else (read as unknown as (...all: unknown[]) => void)(...args);
  };
  fs.read = failing as unknown as typeof read;
  syncBuiltinESMExports();
  try {
    const again = fileStorage(directory);
    const state = await open(again);
    await close(again);
    return state.setAside === undefined ? textOf(state) : "set aside";
  } catch (error) {
    return await codeOf(Promise.reject(error));
  } finally {
    fs.read = read;
    syncBuiltinESMExports();
  }
}

(isNode ? unreadable : unreadable.skip)("is asked for once more before it is believed", async () => {
  assert.is(await openFailing("EIO", 1), INTACT);
  assert.is(await openFailing("EIO", 2), "set aside");
});

(isNode ? unreadable : unreadable.skip)("is not what other errors mean", async () => {
  assert.is(await openFailing("ESTALE", 9), "StorageFailed");
});

unreadable.after(() => rmSync(folder, { recursive: true, force: true }));
unreadable.run();
