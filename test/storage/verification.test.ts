// What offline tools say of a data directory is what a start of the node makes of it.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Piece } from "../../src/storage/survey.ts";
import { type Verification, verify } from "../../src/storage/verification.ts";
import { CrashDisk, randomOf } from "./crash-disk.ts";
import { open, perform, save, setAside, write } from "./drive.ts";
import { at, filesOf, life, SMALL_SEGMENT, storageOn } from "./life.ts";
import { entriesFrom, viewNumbered } from "./model.ts";

type Files = ReadonlyMap<string, Uint8Array>;

function copyOf(files: Files): Map<string, Uint8Array> {
  return new Map([...files].map(([name, bytes]) => [name, bytes.slice()]));
}

function verified(files: Files, visit: (file: string, piece: Piece) => void = () => {}): Promise<Verification> {
  const disk = new CrashDisk(files);
  const reader = { name: disk.name, list: disk.list.bind(disk), read: disk.read.bind(disk) };
  return new Promise((found, failed) => {
    verify(reader, visit, (error, verification) => (verification === undefined ? failed(error) : found(verification)));
  });
}

/** Verifies, then starts: both must say the same. */
async function compare(files: Files, context: string): Promise<Verification> {
  const said = await verified(files);
  const disk = new CrashDisk(copyOf(files));
  const state = await open(storageOn(disk));
  const isLost = said.verdict === "damaged" || said.verdict === "aside";
  assert.is(state.setAside !== undefined, isLost, `${context}: ${said.verdict}, but ${JSON.stringify(state.setAside)}`);
  if (isLost) {
    assert.is(state.setAside?.reason, said.reason, context);
    return said;
  }
  const { base, entries } = state;
  const end = entries.at(-1)?.seqno ?? base.seqno;
  assert.equal([said.summary?.base ?? at(0, 0), said.summary?.end.seqno ?? 0], [base, end], context);
  assert.equal(said.summary?.snapshot, state.snapshot, context);
  const faults = said.files.flatMap((file) => file.faults.map(({ what }) => what));
  assert.not(faults.includes("damaged"), `${context}: ${JSON.stringify(said.files)}`);
  return said;
}

const verification = suite("verification");

verification(
  "agrees with recovery wherever a byte is changed or a file ends early, and names a file with it",
  async () => {
    const tally = { sound: 0, torn: 0, damaged: 0, aside: 0, empty: 0 };
    for (const [happenings, segmentBytes] of [
      [life.slice(0, 5), 1 << 20],
      [life, SMALL_SEGMENT],
      [life.slice(0, 15), 400],
    ] as const) {
      const files = await filesOf(happenings, segmentBytes);
      for (const [name, bytes] of files) {
        for (let place = 0; place < bytes.length; place += 3) {
          const flipped = copyOf(files);
          flipped.get(name)![place]! ^= 1 << (place % 8);
          tally[(await compare(flipped, `${name} at ${place}`)).verdict]++;
          const cut = copyOf(files).set(name, bytes.slice(0, place));
          tally[(await compare(cut, `${name} cut at ${place}`)).verdict]++;
        }
      }
    }
    assert.ok(tally.damaged > 1000 && tally.torn > 100 && tally.sound > 10, JSON.stringify(tally));
  },
);

verification("agrees with recovery about missing, swapped and foreign files, and about every crash", async () => {
  const files = await filesOf(life.slice(0, 15), 400);
  const names = [...files.keys()];
  for (const one of names) {
    const missing = copyOf(files);
    missing.delete(one);
    await compare(missing, `without ${one}`);
    for (const other of names) await compare(copyOf(files).set(one, files.get(other)!), `${other} as ${one}`);
    await compare(copyOf(files).set("notes.txt", new Uint8Array(9)).set(`${one}.tmp`, new Uint8Array(9)), "more files");
  }
  for (let crashAt = 1; crashAt < 120; crashAt += 2) {
    const disk = new CrashDisk();
    disk.crashAt = crashAt;
    const storage = storageOn(disk);
    const all = async (): Promise<void> => {
      await open(storage);
      await perform(storage, life);
    };
    await Promise.race([disk.crashed, all()]);
    await compare(disk.afterCrash(randomOf(crashAt)).contents, `crash at ${crashAt}`);
  }
});

verification("tells what would be cut from what is damaged, and where", async () => {
  const files = await filesOf(life.slice(0, 5), 1 << 20);
  const [name, bytes] = [...files][0]!;
  const torn = await verified(new Map([[name, Uint8Array.from([...bytes, 1, 2, 3])]]));
  assert.is(torn.verdict, "torn");
  assert.equal(torn.files[0]?.faults, [{ offset: bytes.length, bytes: 3, what: "torn", why: "no whole block" }]);
  const flipped = copyOf(files);
  flipped.get(name)![bytes.length - 300]! ^= 1;
  const rotten = await verified(flipped);
  assert.is(rotten.verdict, "damaged");
  const fault = rotten.files[0]!.faults[0]!;
  assert.is(fault.what, "damaged");
  assert.ok(fault.offset <= bytes.length - 300 && fault.offset + fault.bytes > bytes.length - 300);
  assert.match(rotten.reason, `damaged at byte ${fault.offset}`);
  assert.is(rotten.files[0]!.state, "damaged");
  assert.ok(rotten.files[0]!.blocks > 0, "what is whole behind the damage is still counted");
});

verification("shows every byte of every file exactly once", async () => {
  const files = copyOf(await filesOf(life, SMALL_SEGMENT));
  const [name, bytes] = [...files].find(([one]) => one.startsWith("log-"))!;
  bytes[bytes.length - 100]! ^= 1;
  const ends = new Map([...files].map(([one]) => [one, 20]));
  await verified(files, (file, { offset, bytes: length }) => {
    assert.is(offset, ends.get(file), file);
    ends.set(file, offset + length);
  });
  for (const [one, content] of files) assert.is(ends.get(one), content.length, `${one} beside ${name}`);
});

verification("says that data was set aside until the node has been caught up", async () => {
  const disk = new CrashDisk();
  const first = storageOn(disk, 1 << 20);
  assert.is((await verified(disk.contents)).verdict, "empty");
  await open(first);
  await write(first, { kind: "identity", incarnation: "i1", clusterId: "c1" });
  await write(first, { kind: "append", entries: entriesFrom(at(0, 0), 1, 9) });
  await save(first, at(1, 5), 1);
  await setAside(first, "it lacks entry 10", "c1");
  const before = await compare(disk.contents, "set aside");
  assert.is(before.reason, "it lacks entry 10");
  assert.equal(
    before.files.map(({ name, state }) => [name, state]),
    [
      ["aside-3-log-00000001", "set aside"],
      ["aside-3-snapshot-00000002", "set aside"],
      ["set-aside", "sound"],
    ],
  );
  const second = storageOn(disk, 1 << 20);
  await open(second);
  // The cluster id is known from the note; still the node holds nothing.
  await write(second, { kind: "identity", incarnation: "i2", clusterId: "c1" });
  assert.is((await verified(disk.contents)).verdict, "aside");
  await write(second, { kind: "view", view: viewNumbered(4) });
  const told = await compare(disk.contents, "it knows a view, of which it is no member, and holds nothing");
  assert.equal([told.verdict, told.summary?.vid, told.summary?.isMember], ["aside", 4, false]);
  const admitted = copyOf(disk.contents);
  const third = new CrashDisk(admitted);
  const member = storageOn(third, 1 << 20);
  await open(member);
  await write(member, { kind: "view", view: viewNumbered(5, "i2") });
  const empty = await compare(third.contents, "a member of a cluster that has no entries yet");
  assert.equal([empty.verdict, empty.summary?.isMember], ["sound", true]);
  await write(second, { kind: "append", entries: entriesFrom(at(0, 0), 1, 2) });
  const begun = await compare(disk.contents, "it holds entries");
  assert.equal([begun.verdict, begun.summary?.isMember], ["sound", false]);
});

verification.run();
