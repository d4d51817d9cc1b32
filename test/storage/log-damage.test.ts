// The log on a disk that rots: damage is neither data nor absence.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { crc32 } from "../../src/protocol/crc32.ts";
import { ViewstampError } from "../../src/protocol/errors.ts";
import type { DurableState } from "../../src/protocol/storage.ts";
import { differenceOf } from "../protocol/arbitraries.ts";
import { CrashDisk, randomOf } from "./crash-disk.ts";
import { close, open, write } from "./drive.ts";
import { assertChunks, at, filesOf, life, SMALL_SEGMENT, storageOn } from "./life.ts";
import { after, EMPTY, entriesFrom, type Happening, textOf } from "./model.ts";

const rot = suite("a damaged log");

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
  for (const [happenings, segmentBytes, fileCount, everyNth] of [
    [life.slice(0, 5), 1 << 20, 1, 1],
    [life, SMALL_SEGMENT, 2, 1],
    [life.slice(0, 15), 400, 3, 5],
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
      for (let place = 0; place < bytes.length; place += everyNth) {
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
  assert.match(await reasonWith((some) => some.set(logs[0]!, files.get(logs[1]!)!)), /was written as/);
  assert.match(await reasonWith((some) => some.set(snapshot, files.get(logs[0]!)!)), snapshot);
  assert.match(await reasonWith((some) => some.set(logs.at(-1)!, other.get("log-00000001")!)), /was written as/);
  // Of the same number, from another directory.
  const stranger = { kind: "identity", incarnation: "fedcba9876543210", clusterId: "c1" } as const;
  const alike = await filesOf([stranger, stranger, ...life.slice(2, 15)], 400);
  const shared = logs.slice(1).filter((name) => alike.has(name));
  assert.ok(shared.length > 0, "both have such a segment");
  assert.match(await reasonWith((some) => some.set(shared[0]!, alike.get(shared[0]!)!)), /does not continue|damaged/);
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
  const bytes = files.get("log-00000001")!.slice();
  bytes[7] = 3;
  new DataView(bytes.buffer).setUint32(16, crc32(bytes, 0, 16));
  const disk = new CrashDisk(new Map([["log-00000001", bytes]]));
  const error = await open(storageOn(disk)).catch((fault: unknown) => fault);
  assert.ok(error instanceof ViewstampError && error.code === "StorageFailed");
  assert.match((error as Error).message, "written by a newer version");
  assert.equal([...disk.contents.keys()], ["log-00000001"]);
  assert.is(differenceOf(disk.contents.get("log-00000001")!, bytes), "");
});

rot.run();
