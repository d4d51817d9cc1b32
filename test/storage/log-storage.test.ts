// The log on a disk that crashes and rots: what was acknowledged stays, and damage is neither data nor absence.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ViewstampError } from "../../src/protocol/errors.ts";
import type { DurableState, Storage } from "../../src/protocol/storage.ts";
import { logStorage } from "../../src/storage/log-storage.ts";
import { differenceOf } from "../protocol/arbitraries.ts";
import { testStorage } from "./conformance.ts";
import { CrashDisk, randomOf } from "./crash-disk.ts";
import { close, codeOf, commit, open, perform, readChunk, save, write, writeChunk } from "./drive.ts";
import { after, chunkOf, EMPTY, entriesFrom, type Happening, single, textOf, viewNumbered } from "./model.ts";

const SMALL_SEGMENT = 500;

function storageOn(disk: CrashDisk, segmentBytes: number = SMALL_SEGMENT): Storage {
  const random = randomOf(1);
  const digits = (): string =>
    Math.floor(random() * 2 ** 32)
      .toString(16)
      .padStart(8, "0");
  return logStorage({ disk, randomId: () => digits() + digits(), defer: queueMicrotask, segmentBytes });
}

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

const at = (vid: number, seqno: number) => ({ vid, seqno });

/** A node's life: views, promises, entries, a truncation, snapshots, one of them received. */
const life: readonly Happening[] = [
  { kind: "identity", incarnation: "0123456789abcdef", clusterId: undefined },
  { kind: "identity", incarnation: "0123456789abcdef", clusterId: "c1" },
  { kind: "view", view: viewNumbered(1) },
  { kind: "append", entries: entriesFrom(at(0, 0), 1, 7, 40) },
  { kind: "promised", instance: 2, ballot: { round: 1, node: "b" } },
  { kind: "append", entries: entriesFrom(at(1, 7), 1, 5, 60) },
  { kind: "accepted", instance: 2, accepted: { ballot: { round: 1, node: "b" }, value: viewNumbered(2) } },
  { kind: "view", view: viewNumbered(2) },
  { kind: "truncate", seqno: 10 },
  { kind: "append", entries: entriesFrom(at(1, 10), 2, 6, 50) },
  { kind: "saved", at: at(2, 14), chunks: 3 },
  { kind: "append", entries: entriesFrom(at(2, 16), 2, 8, 50) },
  { kind: "base", at: at(2, 14) },
  { kind: "level", vid: 2, through: at(2, 24) },
  { kind: "append", entries: entriesFrom(at(2, 24), 2, 8, 50) },
  { kind: "saved", at: at(2, 30), chunks: 2 },
  { kind: "base", at: at(2, 30) },
  { kind: "append", entries: entriesFrom(at(2, 32), 2, 3, 50) },
  { kind: "view", view: viewNumbered(5) },
  { kind: "saved", at: at(4, 50), chunks: 2 },
  { kind: "base", at: at(4, 50) },
  { kind: "append", entries: entriesFrom(at(4, 50), 5, 9, 70) },
];

/** The states that a crash may leave: one after each step, numbered; `state` and the steps done when it was reached. */
const steps = life.flatMap((what, index) => single(what).map((part) => ({ part, index })));
const states: { readonly text: string; readonly done: number }[] = [{ text: textOf(EMPTY), done: 0 }];
let reached: DurableState = EMPTY;
for (const { part, index } of steps) {
  reached = after(reached, part);
  states.push({ text: textOf(reached), done: index });
}

/** Does it all, several writes at once between snapshots; says how many happenings were acknowledged. */
async function live(storage: Storage, acknowledged: (count: number) => void): Promise<void> {
  await open(storage);
  let count = 0;
  let pending: Promise<void>[] = [];
  for (const what of life) {
    if (what.kind === "saved") {
      await Promise.all(pending);
      pending = [];
      await save(storage, what.at, what.chunks);
      acknowledged(++count);
    } else {
      pending.push(write(storage, what).then(() => acknowledged(++count)));
    }
  }
  await Promise.all(pending);
}

/** Everything acknowledged is there, and nothing that was not done. */
function assertPrefix(state: DurableState, acknowledged: number, context: string): void {
  const text = textOf(state);
  const matching = states.filter((one) => one.text === text);
  assert.ok(matching.length > 0, `${context}: a state that never was: ${text}`);
  const last = matching.at(-1)!;
  const complete = states.filter((one) => one.done < acknowledged).at(-1)!;
  const isLater = states.indexOf(last) >= states.indexOf(complete);
  assert.ok(
    isLater || acknowledged === 0,
    `${context}: ${acknowledged} happenings were acknowledged, ${last.done} are left`,
  );
}

async function assertChunks(storage: Storage, { snapshot }: DurableState): Promise<void> {
  for (let index = 0; index < (snapshot?.chunks ?? 0); index++) {
    const chunk = await readChunk(storage, snapshot!.at, index);
    assert.is(differenceOf(chunk, chunkOf(snapshot!.at, index)), "");
  }
}

const crashes = suite("log storage after a crash");

/** A life that power is lost in, and how much of it was acknowledged by then. */
async function liveUntil(crashAt: number, segmentBytes: number): Promise<{ disk: CrashDisk; acknowledged: number }> {
  const disk = new CrashDisk();
  disk.crashAt = crashAt;
  let acknowledged = 0;
  const living = live(storageOn(disk, segmentBytes), (count) => {
    acknowledged = count;
  });
  await Promise.race([disk.crashed, living]);
  return { disk, acknowledged };
}

for (const [size, segmentBytes] of [
  ["small", SMALL_SEGMENT],
  ["large", 1 << 20],
] as const) {
  crashes(
    `at any operation has everything acknowledged and no more than was written, in ${size} segments`,
    async () => {
      const { operations } = (await liveUntil(Number.POSITIVE_INFINITY, segmentBytes)).disk;
      assert.ok(operations > 50, `${operations} operations`);
      for (let crashAt = 1; crashAt <= operations; crashAt++) {
        const { disk, acknowledged } = await liveUntil(crashAt, segmentBytes);
        for (let seed = 0; seed < 4; seed++) {
          const left = seed === 0 ? disk.afterKill() : disk.afterCrash(randomOf(crashAt * 10 + seed));
          const storage = storageOn(left);
          const state = await open(storage);
          assertPrefix(state, acknowledged, `crash at ${crashAt}, seed ${seed}`);
          await assertChunks(storage, state);
          await close(storage);
        }
      }
    },
  );

  crashes(`of just its process gives nothing away that a loss of power could take, in ${size} segments`, async () => {
    const { operations } = (await liveUntil(Number.POSITIVE_INFINITY, segmentBytes)).disk;
    for (let crashAt = 1; crashAt <= operations; crashAt++) {
      const { disk } = await liveUntil(crashAt, segmentBytes);
      const restarted = disk.afterKill();
      const storage = storageOn(restarted, segmentBytes);
      const newest: Happening = { kind: "view", view: viewNumbered(9) };
      const state = after(await open(storage), newest);
      await perform(storage, [newest]);
      for (let seed = 0; seed < 3; seed++) {
        const later = await open(storageOn(restarted.afterCrash(randomOf(crashAt + seed))));
        assert.is(textOf(later), textOf(state), `crash at ${crashAt}, seed ${seed}`);
      }
    }
  });
}

crashes("while it recovers recovers again, to the same", async () => {
  const { operations } = (await liveUntil(Number.POSITIVE_INFINITY, SMALL_SEGMENT)).disk;
  const random = randomOf(7);
  for (let round = 0; round < 100; round++) {
    const { disk, acknowledged } = await liveUntil(1 + Math.floor(random() * operations), SMALL_SEGMENT);
    let left = disk.afterKill();
    for (let restart = 0; restart < 3; restart++) {
      left.crashAt = 1 + Math.floor(random() * 16);
      await Promise.race([left.crashed, open(storageOn(left))]);
      left = random() < 0.4 ? left.afterKill() : left.afterCrash(random);
    }
    assertPrefix(await open(storageOn(left)), acknowledged, `round ${round}`);
  }
});

crashes("and a second one, as a restart marks what it found, is not taken for rot", async () => {
  const { operations } = (await liveUntil(Number.POSITIVE_INFINITY, 1 << 20)).disk;
  for (let crashAt = 10; crashAt <= operations; crashAt++) {
    const { disk, acknowledged } = await liveUntil(crashAt, 1 << 20);
    const whole = disk.afterKill();
    await open(storageOn(whole));
    for (let seed = 0; seed < 12; seed++) {
      const restarted = disk.afterKill();
      restarted.crashAt = whole.operations - (seed % 2);
      await Promise.race([restarted.crashed, open(storageOn(restarted))]);
      const state = await open(storageOn(restarted.afterCrash(randomOf(crashAt * 100 + seed))));
      assertPrefix(state, acknowledged, `crash at ${crashAt}, seed ${seed}`);
    }
  }
});

crashes.run();

const rot = suite("log storage with damage");

async function filesOf(happenings: readonly Happening[], segmentBytes?: number): Promise<Map<string, Uint8Array>> {
  const disk = new CrashDisk();
  const storage = storageOn(disk, segmentBytes);
  await open(storage);
  await perform(storage, happenings);
  await close(storage);
  return disk.contents;
}

/** Opens the files with a byte changed in one; says whether the data was set aside. */
async function openDamaged(files: ReadonlyMap<string, Uint8Array>, name: string, place: number): Promise<DurableState> {
  const damaged = new Map([...files].map(([one, bytes]) => [one, bytes.slice()]));
  const bytes = damaged.get(name)!;
  bytes[place] = bytes[place]! ^ (1 << (place % 8));
  const storage = storageOn(new CrashDisk(damaged));
  const state = await open(storage);
  await assertChunks(storage, state);
  return state;
}

rot("at any byte sets the data aside, unless only the last mark is hit", async () => {
  for (const [happenings, segmentBytes, fileCount] of [
    [life.slice(0, 5), 1 << 20, 1],
    [life, SMALL_SEGMENT, 2],
    [life.slice(0, 15), 400, 3],
  ] as const) {
    const files = await filesOf(happenings, segmentBytes);
    assert.ok(files.size >= fileCount, [...files.keys()].join());
    const intact = textOf((happenings as readonly Happening[]).reduce(after, EMPTY));
    const lastLog = [...files.keys()]
      .filter((name) => name.startsWith("log-"))
      .sort()
      .at(-1)!;
    let kept = 0;
    for (const [name, bytes] of files) {
      for (let place = 0; place < bytes.length; place++) {
        const state = await openDamaged(files, name, place);
        const isMark = name === lastLog && place >= bytes.length - 32;
        if (state.setAside === undefined) {
          kept++;
          assert.is(textOf(state), intact, `${name} at ${place}`);
        } else {
          assert.is(textOf({ ...state, setAside: undefined }), textOf(EMPTY), `${name} at ${place}`);
        }
        const isSealed = name !== lastLog && name.startsWith("log-") && place >= bytes.length - 70;
        assert.ok(isMark || isSealed || state.setAside !== undefined, `${name} at ${place} went unnoticed`);
      }
    }
    assert.ok(kept > 0 && kept < 300, `${kept} bytes may be hit`);
  }
});

rot("names the cluster that the data belonged to", async () => {
  const files = await filesOf(life.slice(0, 5), 1 << 20);
  const state = await openDamaged(files, "log-00000001", files.get("log-00000001")!.length - 200);
  assert.is(state.setAside?.clusterId, "c1");
  assert.match(state.setAside?.reason ?? "", "log-00000001 is damaged at byte");
});

rot("that hits the file of a missing, swapped or foreign segment or snapshot sets aside", async () => {
  const files = await filesOf(life.slice(0, 15), 400);
  const logs = [...files.keys()].filter((name) => name.startsWith("log-")).sort();
  const snapshot = [...files.keys()].find((name) => name.startsWith("snapshot-"))!;
  assert.ok(logs.length >= 2);
  const reasonWith = async (change: (files: Map<string, Uint8Array>) => unknown): Promise<string> => {
    const changed = new Map(files);
    change(changed);
    return (await open(storageOn(new CrashDisk(changed)))).setAside?.reason ?? "taken as it was";
  };
  const other = await filesOf([...life.slice(0, 3), { kind: "append", entries: entriesFrom(at(0, 0), 1, 30, 100) }]);
  assert.match(await reasonWith((some) => some.delete(logs[0]!)), /missing|no snapshot/);
  assert.match(await reasonWith((some) => some.delete(logs.at(-1)!)), "is missing");
  assert.match(await reasonWith((some) => some.delete(snapshot)), "is missing");
  assert.match(await reasonWith((some) => logs.map((name) => some.delete(name))), "without a log");
  assert.match(await reasonWith((some) => some.set(logs[0]!, files.get(logs[1]!)!)), /does not continue|damaged/);
  assert.match(await reasonWith((some) => some.set(snapshot, files.get(logs[0]!)!)), snapshot);
  assert.match(await reasonWith((some) => some.set(logs.at(-1)!, other.get("log-00000001")!)), /continue|damaged/);
});

rot("by blocks in the place of others is noticed, though each is whole", async () => {
  const promises = Array.from({ length: 6 }, (_, round): Happening => {
    return { kind: "promised", instance: 1, ballot: { round, node: "a" } };
  });
  const name = "log-00000001";
  const bytes = (await filesOf(promises, 1 << 20)).get(name)!;
  const blocks = blocksOf(bytes).filter(({ length }) => length > 32);
  for (let index = 1; index + 1 < blocks.length; index++) {
    const [one, other] = [blocks[index]!, blocks[index + 1]!];
    assert.is(one.length, other.length);
    const changed = bytes.slice();
    changed.copyWithin(one.start, other.start, other.start + other.length);
    const state = await open(storageOn(new CrashDisk(new Map([[name, changed]]))));
    assert.match(state.setAside?.reason ?? "", "damaged at byte");
  }
});

/** The blocks after the head of an intact file. */
function blocksOf(bytes: Uint8Array): { readonly start: number; readonly length: number }[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const blocks: { start: number; length: number }[] = [];
  for (let start = 20; start < bytes.length; start += blocks.at(-1)!.length) {
    blocks.push({ start, length: 32 + view.getUint32(start + 4) });
  }
  return blocks;
}

rot("after the last acknowledged record, or without any, is cut off", async () => {
  const files = await filesOf(life.slice(0, 5), 1 << 20);
  const name = "log-00000001";
  const bytes = files.get(name)!;
  for (const garbage of [new Uint8Array(1), new Uint8Array(5000), new Uint8Array(100).fill(255), bytes.slice(0, 60)]) {
    const disk = new CrashDisk(new Map([[name, Uint8Array.from([...bytes, ...garbage])]]));
    const first = storageOn(disk, 1 << 20);
    const state = await open(first);
    assert.is(textOf(state), textOf(life.slice(0, 5).reduce(after, EMPTY)));
    await write(first, { kind: "truncate", seqno: 3 });
    await close(first);
    assert.is((await open(storageOn(disk, 1 << 20))).entries.length, 3);
  }
});

rot("leaves the damaged files under another name, and the note survives any crash", async () => {
  const files = await filesOf(life.slice(0, 5), 1 << 20);
  const damaged = files.get("log-00000001")!.slice();
  damaged[100] = damaged[100]! ^ 1;
  for (let crashAt = 1; crashAt < 40; crashAt++) {
    for (let seed = 0; seed < 3; seed++) {
      const disk = new CrashDisk(new Map([["log-00000001", damaged]]));
      disk.crashAt = crashAt;
      await Promise.race([disk.crashed, open(storageOn(disk))]);
      const left = disk.afterCrash(randomOf(crashAt * 3 + seed));
      const state = await open(storageOn(left));
      assert.ok(state.setAside !== undefined && state.identity === undefined, `crash at ${crashAt}`);
      assert.ok([...left.contents.keys()].some((name) => /^aside-\d+-log-00000001$/.test(name)));
    }
  }
});

rot("of the note, or its loss, sets everything aside again", async () => {
  const disk = new CrashDisk(new Map([["log-00000001", new Uint8Array(100)]]));
  const first = storageOn(disk);
  assert.ok((await open(first)).setAside !== undefined);
  await write(first, { kind: "identity", incarnation: "i", clusterId: "c9" });
  await close(first);
  const note = disk.contents.get("set-aside")!.slice();
  note[30] = note[30]! ^ 1;
  const bad = new Map([...disk.contents, ["set-aside", note]]);
  assert.match((await open(storageOn(new CrashDisk(bad)))).setAside?.reason ?? "", "set-aside is damaged");
  const lost = new Map([...disk.contents].filter(([name]) => name !== "set-aside"));
  assert.match((await open(storageOn(new CrashDisk(lost)))).setAside?.reason ?? "", "note");
});

rot("is not what a later format is: that is refused and left alone", async () => {
  const files = await filesOf(life.slice(0, 5), 1 << 20);
  const { crc32 } = await import("../../src/storage/crc32.ts");
  const bytes = files.get("log-00000001")!.slice();
  bytes[7] = 2;
  new DataView(bytes.buffer).setUint32(16, crc32(bytes, 0, 16));
  const disk = new CrashDisk(new Map([["log-00000001", bytes]]));
  const error = await open(storageOn(disk)).catch((fault: unknown) => fault);
  assert.ok(error instanceof ViewstampError && error.code === "StorageFailed");
  assert.match((error as Error).message, "written by a newer version");
  assert.equal([...disk.contents.keys()], ["log-00000001"]);
  assert.is(differenceOf(disk.contents.get("log-00000001")!, bytes), "");
});

rot.run();

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
