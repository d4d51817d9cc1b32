// A backup is there whole or not at all, whatever the disk does.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Done } from "../../src/protocol/storage.ts";
import { type Backup, BackupWriter, readBackup, readBackupChunk } from "../../src/storage/backup.ts";
import { CrashDisk } from "./crash-disk.ts";

const backups = suite("a backup");
const NAME = "state.backup";
const INFO = { clusterId: "c1", at: { vid: 2, seqno: 7 }, savedAt: 1, machines: [{ name: "kv", version: 1 }] };

function step(run: (done: Done) => void): Promise<void> {
  return new Promise((resolve, reject) => run((error) => (error === undefined ? resolve() : reject(error))));
}

async function save(disk: CrashDisk, chunks: number): Promise<void> {
  const writer = new BackupWriter(disk, NAME, "0123456789abcdef");
  try {
    await step((done) => writer.begin(done));
    for (let index = 0; index < chunks; index++) await step((done) => writer.chunk(Uint8Array.of(index), done));
    await step((done) => writer.finish(INFO, done));
  } catch (error) {
    await step((done) => writer.abandon(done));
    throw error;
  }
}

function read(files: ReadonlyMap<string, Uint8Array>): Promise<Backup> {
  return new Promise((resolve, reject) => {
    readBackup(new CrashDisk(files), NAME, files.get(NAME)?.length ?? 0, (error, backup) =>
      backup === undefined ? reject(error) : resolve(backup),
    );
  });
}

backups("leaves nothing behind where any call of the disk fails, and says what failed", async () => {
  const whole = new CrashDisk();
  await save(whole, 3);
  for (let failing = 1; failing <= whole.operations; failing++) {
    const disk = new CrashDisk();
    let failed = "";
    disk.fails = (operation) => {
      if (disk.operations !== failing) return false;
      failed = operation;
      return true;
    };
    const error = await save(disk, 3).catch((fault: unknown) => fault);
    assert.is((error as Error).message, `${failed} fails`);
    // Only its last call comes when the file has its name.
    assert.equal([...disk.contents.keys()], failed === "syncDirectory" ? [NAME] : [], `${failing}: ${failed}`);
  }
});

backups("closes its file once", async () => {
  const disk = new CrashDisk();
  const { create } = disk;
  let closed = 0;
  disk.create = (name, done) =>
    create.call(disk, name, (error, file) =>
      done(
        error,
        file && {
          ...file,
          close: (ended) => {
            closed++;
            file.close(ended);
          },
        },
      ),
    );
  disk.fails = (operation) => operation === "rename";
  await save(disk, 1).catch(() => {});
  assert.is(closed, 1, "its number may be another file's by then");
});

backups("with one bit changed, or cut anywhere, is no backup", async () => {
  const disk = new CrashDisk();
  await save(disk, 3);
  const bytes = disk.contents.get(NAME)!;
  const backup = await read(disk.contents);
  assert.equal([backup.info, backup.offsets.length], [INFO, 3]);
  const chunk = await new Promise<Uint8Array>((resolve) => {
    readBackupChunk(disk, backup, 2, (_, found) => resolve(found!));
  });
  assert.equal([...chunk], [2]);
  for (let place = 0; place < bytes.length; place++) {
    const flipped = bytes.map((byte, at) => (at === place ? byte ^ (1 << (place % 8)) : byte));
    for (const damaged of [flipped, bytes.slice(0, place)]) {
      const error = await read(new Map([[NAME, damaged]])).catch((fault: unknown) => fault);
      assert.is((error as Error).name, "Damage", `byte ${place}: ${String(error)}`);
    }
  }
  const longer = await read(new Map([[NAME, Uint8Array.from([...bytes, 0])]])).catch((fault: unknown) => fault);
  assert.is((longer as Error).name, "Damage");
});

backups.run();
