// What can be read of damaged data: everything before the damage, as it was, or nothing.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { DurableState } from "../../src/protocol/storage.ts";
import { numberAbove, takeInventory } from "../../src/storage/names.ts";
import { type Salvaged, salvage } from "../../src/storage/salvage.ts";
import { readChunk } from "../../src/storage/snapshot-reader.ts";
import { differenceOf } from "../protocol/arbitraries.ts";
import { hexOf } from "../protocol/hex.ts";
import { CrashDisk } from "./crash-disk.ts";
import { close, codeOf, open, setAside, write } from "./drive.ts";
import { at, filesOf, life, SMALL_SEGMENT, storageOn } from "./life.ts";
import { after, chunkOf, EMPTY, entriesFrom, type Happening, single, viewNumbered } from "./model.ts";

type Files = ReadonlyMap<string, Uint8Array>;

function salvaged(files: Files): Promise<Salvaged | Error> {
  return new Promise((resolve) => {
    salvage(new CrashDisk(files), (error, found) => resolve(found ?? (error as Error)));
  });
}

/** The end of the log and its entries, from the snapshot's place on if it has one. */
function textOf(base: { readonly seqno: number }, entries: DurableState["entries"]): string {
  const after = entries.filter(({ seqno }) => seqno > base.seqno);
  return `${base.seqno}: ${after.map(({ bytes }) => hexOf(bytes)).join()}`;
}

const test = suite("salvage");

test("gives all of sound data", async () => {
  for (const [happenings, segmentBytes] of [
    [life, SMALL_SEGMENT],
    [life.slice(0, 15), 400],
    [life.slice(0, 5), 1 << 20],
  ] as const) {
    const expected = (happenings as readonly Happening[]).reduce(after, EMPTY);
    const found = (await salvaged(await filesOf(happenings, segmentBytes))) as Salvaged;
    assert.is(found.damage, undefined);
    const base = expected.snapshot?.at ?? expected.base;
    assert.is(textOf(found.base, found.entries), textOf(base, expected.entries));
    assert.equal([found.facts.view?.vid, found.facts.identity], [expected.view?.vid, expected.identity]);
    for (let index = 0; index < (expected.snapshot?.chunks ?? 0); index++) {
      const chunk = await new Promise<Uint8Array>((resolve) => {
        readChunk(found.disk, found.snapshot!, index, (_, bytes) => resolve(bytes!));
      });
      assert.is(differenceOf(chunk, chunkOf(expected.snapshot!.at, index)), "");
    }
  }
});

test("gives a state that was once, wherever a byte is changed, also after the data was set aside", async () => {
  const states = new Set<string>([textOf(EMPTY.base, [])]);
  let reached = EMPTY;
  const happenings = life.slice(0, 15);
  for (const what of happenings.flatMap(single)) {
    reached = after(reached, what);
    for (const base of [reached.base, reached.snapshot?.at ?? reached.base]) states.add(textOf(base, reached.entries));
    if (reached.snapshot !== undefined) states.add(textOf(reached.snapshot.at, []));
  }
  const files = await filesOf(happenings, 400);
  let given = 0;
  for (const [name, bytes] of files) {
    for (let place = 0; place < bytes.length; place += 5) {
      const damaged = new Map([...files].map(([one, content]) => [one, content.slice()]));
      damaged.get(name)![place]! ^= 1 << (place % 8);
      const disk = new CrashDisk(new Map([...damaged].map(([one, content]) => [one, content.slice()])));
      const storage = storageOn(disk);
      const { setAside } = await open(storage);
      await close(storage);
      const direct = await salvaged(damaged);
      const aside = await salvaged(disk.contents);
      const context = `${name} at ${place}`;
      if (direct instanceof Error) {
        assert.instance(aside, Error, context);
        continue;
      }
      assert.not.instance(aside, Error, context);
      given++;
      assert.ok(states.has(textOf(direct.base, direct.entries)), `${context}: ${direct.base.seqno}, ${direct.damage}`);
      assert.is(direct.damage !== undefined, setAside !== undefined, context);
      const fromAside = aside as Salvaged;
      assert.is(textOf(fromAside.base, fromAside.entries), textOf(direct.base, direct.entries), context);
      assert.equal([fromAside.aside !== undefined, fromAside.damage], [setAside !== undefined, direct.damage], context);
    }
  }
  assert.ok(given > 100, `${given} could be read`);
});

test("gives all that stands before a segment that is damaged at its head, empty, or missing", async () => {
  const happenings = [...life.slice(0, 5), ...manyViews(20)];
  const files = await filesOf(happenings, 400);
  const logs = [...files.keys()].sort();
  assert.ok(logs.length >= 4, logs.join());
  for (const spoil of ["damaged", "empty", "missing"] as const) {
    for (let index = 1; index < logs.length; index++) {
      const spoilt = new Map(files);
      if (spoil === "missing") spoilt.delete(logs[index]!);
      else
        spoilt.set(
          logs[index]!,
          spoil === "empty" ? new Uint8Array(0) : files.get(logs[index]!)!.map((byte) => byte ^ 1),
        );
      const found = (await salvaged(spoilt)) as Salvaged;
      assert.not.instance(found, Error, `${spoil} ${index}: ${String(found)}`);
      assert.ok(found.damage !== undefined);
      assert.is(found.entries.length, 7, `${spoil} ${index}`);
      const before = await salvaged(new Map(logs.slice(0, index).map((name) => [name, files.get(name)!])));
      assert.equal([found.facts.view?.vid, found.entries.length], [(before as Salvaged).facts.view?.vid, 7]);
    }
    const headless = new Map(files).set(logs[0]!, new Uint8Array(0));
    assert.instance(await salvaged(headless), Error, "without its beginning it is nothing");
  }
});

function manyViews(count: number): Happening[] {
  return Array.from({ length: count }, (_, index) => ({ kind: "view", view: viewNumbered(index + 2) }));
}

test("gives at least the snapshot where the beginning of the log is damaged, or missing", async () => {
  const more = [12, 17, 22, 27, 32].map(
    (seqno): Happening => ({ kind: "append", entries: entriesFrom(at(1, seqno), 1, 5, 60) }),
  );
  const begun = [...life.slice(0, 3), { kind: "append", entries: entriesFrom(at(0, 0), 1, 12, 40) } as const];
  const saved = [{ kind: "saved", at: at(1, 8), chunks: 2 } as const, { kind: "base", at: at(1, 8) } as const];
  const files = await filesOf([...begun, ...saved, ...more], 400);
  const logs = [...files.keys()].filter((name) => name.startsWith("log-")).sort();
  assert.ok(logs.length >= 4, logs.join());
  const reached: number[] = [];
  for (let index = 0; index < logs.length; index++) {
    for (const spoil of ["damaged", "missing"] as const) {
      const spoilt = new Map(files);
      if (spoil === "missing") spoilt.delete(logs[index]!);
      else spoilt.set(logs[index]!, files.get(logs[index]!)!.slice(0, 30));
      const found = (await salvaged(spoilt)) as Salvaged;
      const context = `${logs[index]} ${spoil}: ${found instanceof Error ? found.message : found.damage}`;
      assert.not.instance(found, Error, context);
      assert.equal(found.base, found.snapshot?.note.at ?? at(0, 0), context);
      assert.ok(found.damage !== undefined && found.facts.identity?.clusterId === "c1", context);
      const places = found.entries.map(({ seqno }) => seqno);
      assert.equal(
        places,
        places.map((_, place) => found.base.seqno + 1 + place),
        context,
      );
      reached.push(places.at(-1) ?? found.base.seqno);
    }
  }
  assert.equal(reached.slice(0, 2), [8, 8], "without its beginning there is nothing to go on from but the snapshot");
  assert.ok(reached.slice(2).every((place) => place >= 12) && reached.at(-1)! > 20, reached.join());
});

test("of a log with a stranger's segment behind a gap gives the log", async () => {
  const files = await filesOf(life.slice(0, 5), 1 << 20);
  const other = await filesOf(life.slice(0, 3), 1 << 20);
  const found = (await salvaged(new Map(files).set("log-00000007", other.get("log-00000001")!))) as Salvaged;
  assert.is(found.entries.length, 7);
  assert.match(found.damage ?? "", "log-00000007 was written as log-00000001");
});

test("gives all of data whose setting aside was interrupted, at whichever file", async () => {
  const files = await filesOf(life.slice(0, 15), 400);
  const whole = (await salvaged(files)) as Salvaged;
  for (let spared = 0; spared <= files.size; spared++) {
    const disk = new CrashDisk(new Map([...files].map(([name, bytes]) => [name, bytes.slice()])));
    const storage = storageOn(disk);
    await open(storage);
    let renames = 0;
    const aside = numberAbove(takeInventory([...disk.contents].map(([name]) => ({ name, bytes: 0 }))));
    // The first gives the note its name.
    disk.fails = (operation) => operation === "rename" && renames++ > spared;
    const fault = await codeOf(setAside(storage, "why", "c1"));
    assert.is(fault, spared < files.size ? "StorageFailed" : "none");
    const found = (await salvaged(disk.contents)) as Salvaged;
    assert.not.instance(found, Error, `${spared} renamed: ${String(found)}`);
    assert.is(textOf(found.base, found.entries), textOf(whole.base, whole.entries));
    assert.equal([found.aside, found.damage, found.snapshot?.note.at], [aside, undefined, whole.snapshot?.note.at]);
    const chunk = await new Promise<Uint8Array>((resolve) => {
      readChunk(found.disk, found.snapshot!, 0, (_, bytes) => resolve(bytes!));
    });
    assert.is(differenceOf(chunk, chunkOf(whole.snapshot!.note.at, 0)), "");
  }
});

/** A node's data after it was set aside twice: first with entries, then with nothing but an identity. */
async function asideTwice(): Promise<CrashDisk> {
  const disk = new CrashDisk(await filesOf(life.slice(0, 4), 1 << 20));
  const first = storageOn(disk, 1 << 20);
  await open(first);
  await setAside(first, "first", "c1");
  const second = storageOn(disk, 1 << 20);
  await open(second);
  await write(second, { kind: "identity", incarnation: "i2", clusterId: "c1" });
  await setAside(second, "second", "c1");
  return disk;
}

test("takes of all that was set aside what reaches furthest, also without the note, and names the others", async () => {
  const disk = await asideTwice();
  const damagedNote = new Map([...disk.contents].map(([name, bytes]) => [name, bytes.slice()]));
  damagedNote.get("set-aside")![30]! ^= 1;
  const withoutNote = new Map(disk.contents);
  withoutNote.delete("set-aside");
  for (const files of [disk.contents, damagedNote, withoutNote]) {
    const found = (await salvaged(files)) as Salvaged;
    assert.not.instance(found, Error, String(found));
    assert.equal([found.aside, found.entries.length, found.facts.view?.vid], [2, 7, 1]);
    assert.equal(
      found.others.filter(({ aside }) => aside !== undefined),
      [{ aside: 3, vid: 0, through: { vid: 0, seqno: 0 } }],
    );
  }
});

test("takes what was set aside rather than a log that has not come as far, and a member's log rather than that", async () => {
  const disk = await asideTwice();
  const third = storageOn(disk, 1 << 20);
  await open(third);
  await write(third, { kind: "identity", incarnation: "i3", clusterId: "c1" }, { kind: "view", view: viewNumbered(2) });
  const told = (await salvaged(disk.contents)) as Salvaged;
  assert.equal([told.aside, told.entries.length], [2, 7], "it knows a newer view, and holds nothing");
  await write(third, { kind: "append", entries: entriesFrom(at(0, 0), 1, 3) });
  const begun = (await salvaged(disk.contents)) as Salvaged;
  assert.equal([begun.aside, begun.entries.length], [2, 7]);
  assert.equal(begun.others.at(-1), { aside: undefined, vid: 2, through: at(1, 3) });
  await write(third, { kind: "view", view: viewNumbered(3, "i3") });
  const member = (await salvaged(disk.contents)) as Salvaged;
  assert.equal([member.aside, member.entries.length], [undefined, 3], "the others had dropped what was not committed");
});

test("gives nothing where nothing is", async () => {
  assert.match(((await salvaged(new Map())) as Error).message, "there is no data");
});

test.run();
