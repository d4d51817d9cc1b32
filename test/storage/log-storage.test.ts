// The log storage keeps the contract on a disk in memory, stops at the first error, and stays small.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { testStorage } from "./conformance.ts";
import { CrashDisk } from "./crash-disk.ts";
import { close, codeOf, commit, open, readChunk, save, write, writeChunk } from "./drive.ts";
import { at, storageOn } from "./life.ts";
import { entriesFrom, viewNumbered } from "./model.ts";

testStorage({
  name: "log",
  make: () => {
    const disk = new CrashDisk();
    return () => storageOn(disk);
  },
  runs: 200,
});

testStorage({
  name: "log in one segment",
  make: () => {
    const disk = new CrashDisk();
    return () => storageOn(disk, 1 << 20);
  },
  runs: 100,
});

const failures = suite("log storage on a failing disk");

failures("stops at the first error and never tries again", async () => {
  for (const operation of ["append", "sync"]) {
    const disk = new CrashDisk();
    const storage = storageOn(disk);
    await open(storage);
    await write(storage, { kind: "identity", incarnation: "i", clusterId: "c" });
    disk.fails = (one) => one === operation;
    const writes = [1, 2].map((vid) => codeOf(write(storage, { kind: "view", view: viewNumbered(vid) })));
    assert.equal(await Promise.all(writes), ["StorageFailed", "StorageFailed"]);
    disk.fails = () => false;
    const before = disk.operations;
    assert.is(await codeOf(write(storage, { kind: "view", view: viewNumbered(3) })), "StorageFailed");
    const writer = storage.writeSnapshot(at(1, 1));
    assert.is(await codeOf(writeChunk(writer, new Uint8Array(1))), "StorageFailed");
    assert.is(await codeOf(readChunk(storage, at(1, 1), 0)), "StorageFailed");
    assert.is(disk.operations, before, "the disk is left alone");
    await close(storage);
    await open(storageOn(disk));
  }
});

failures("during a snapshot, a roll or open are reported too", async () => {
  const disk = new CrashDisk();
  const storage = storageOn(disk, 100);
  await open(storage);
  await write(storage, { kind: "append", entries: entriesFrom(at(0, 0), 1, 9) });
  disk.fails = (operation) => operation === "rename";
  assert.is(await codeOf(write(storage, { kind: "truncate", seqno: 5 })), "StorageFailed", "the roll fails");
  await close(storage);
  const again = storageOn(disk, 1 << 20);
  disk.fails = () => false;
  await open(again);
  disk.fails = (operation) => operation === "syncDirectory";
  const writer = again.writeSnapshot(at(1, 3));
  await writeChunk(writer, new Uint8Array(1));
  assert.is(await codeOf(commit(writer)), "StorageFailed");
  await close(again);
  disk.fails = (operation) => operation === "read";
  assert.is(await codeOf(open(storageOn(disk))), "StorageFailed");
  disk.fails = () => false;
  const last = await open(storageOn(disk));
  assert.equal([last.entries.length, last.snapshot], [9, undefined]);
});

failures("of a full disk are over once what the last life left half done is removed", async () => {
  const disk = new CrashDisk();
  const storage = storageOn(disk, 1 << 20);
  await open(storage);
  await write(storage, { kind: "append", entries: entriesFrom(at(0, 0), 1, 9) });
  await save(storage, at(1, 3), 2);
  await writeChunk(storage.writeSnapshot(at(1, 8)), new Uint8Array(100));
  const restarted = disk.afterKill();
  const snapshots = (): number => [...restarted.contents.keys()].filter((name) => name.startsWith("snapshot-")).length;
  assert.is(snapshots(), 2);
  restarted.fails = (operation) => operation === "append" && snapshots() > 1;
  const { entries, snapshot } = await open(storageOn(restarted, 1 << 20));
  assert.equal([entries.length, snapshot?.at], [9, at(1, 3)]);
});

failures.run();

const economy = suite("log storage");

economy("writes once for everything that came during a sync", async () => {
  const disk = new CrashDisk();
  const storage = storageOn(disk, 1 << 20);
  await open(storage);
  const before = disk.operations;
  const writes = Array.from({ length: 100 }, (_, index) =>
    write(storage, { kind: "append", entries: entriesFrom(at(1, index), 1, 1) }),
  );
  await Promise.all(writes);
  await close(storage);
  assert.ok(disk.operations - before <= 8, `${disk.operations - before} operations`);
});

economy("stays small while the log goes on for ever", async () => {
  const disk = new CrashDisk();
  const storage = storageOn(disk, 5000);
  await open(storage);
  let largest = 0;
  for (let round = 0; round < 40; round++) {
    await write(storage, { kind: "append", entries: entriesFrom(at(1, round * 20), 1, 20, 100) });
    const place = at(1, round * 20 + 15);
    await save(storage, place, 2);
    await write(storage, { kind: "base", at: place });
    largest = Math.max(
      largest,
      [...disk.contents.values()].reduce((sum, bytes) => sum + bytes.length, 0),
    );
  }
  assert.ok(largest < 20_000, `${largest} bytes`);
  await close(storage);
  assert.is((await open(storageOn(disk))).entries.length, 5);
});

economy("splits an append of many entries into blocks of a bounded size", async () => {
  const disk = new CrashDisk();
  const storage = storageOn(disk, 1 << 24);
  await open(storage);
  await write(storage, { kind: "append", entries: entriesFrom(at(0, 0), 1, 60, 50_000) });
  await close(storage);
  assert.is((await open(storageOn(disk))).entries.length, 60);
});

economy.run();
