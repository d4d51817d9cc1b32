/**
 * What every storage must do. A driver says how to make data, and how a process that starts finds it again.
 */
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Storage } from "../../src/protocol/storage.ts";
import type { Viewstamp } from "../../src/protocol/view.ts";
import { differenceOf } from "../protocol/arbitraries.ts";
import { close, codeOf, commit, open, perform, readChunk, save, setAside, write, writeChunk } from "./drive.ts";
import { history } from "./history.ts";
import { after, chunkOf, EMPTY, entriesFrom, type Happening, textOf, viewNumbered } from "./model.ts";

export interface StorageDriver {
  readonly name: string;
  /** New data. The function gives a storage over it, as each start of a replica would. */
  make(): () => Storage;
  /** Called at the end. */
  cleanUp?(): void;
  readonly runs: number;
}

const IDENTITY = { kind: "identity", incarnation: "i1", clusterId: "c1" } as const;
const FIRST: Viewstamp = { vid: 0, seqno: 0 };

export function testStorage(driver: StorageDriver): void {
  const test = suite(`${driver.name} storage`);

  test("begins empty", async () => {
    const storage = driver.make()();
    assert.equal(await open(storage), EMPTY);
    await close(storage);
  });

  test("gives back what was acknowledged", async () => {
    const start = driver.make();
    const happenings: Happening[] = [
      IDENTITY,
      { kind: "view", view: viewNumbered(3) },
      { kind: "append", entries: entriesFrom(FIRST, 3, 5) },
      { kind: "promised", instance: 4, ballot: { round: 7, node: "b" } },
      { kind: "level", vid: 3, through: { vid: 3, seqno: 5 } },
    ];
    const first = start();
    await open(first);
    await perform(first, happenings);
    await close(first);
    const second = start();
    assert.is(textOf(await open(second)), textOf(happenings.reduce(after, EMPTY)));
    await close(second);
  });

  test("acknowledges in order, each write once, never from inside the call", async () => {
    const storage = driver.make()();
    await open(storage);
    const order: number[] = [];
    const writes = Array.from({ length: 20 }, async (_, index) => {
      await write(storage, { kind: "append", entries: entriesFrom({ vid: 1, seqno: index }, 1, 1) });
      order.push(index);
    });
    await Promise.all([...writes, write(storage)]);
    assert.equal(
      order,
      Array.from({ length: 20 }, (_, index) => index),
    );
    await close(storage);
  });

  test("waits at close for writes under way", async () => {
    const start = driver.make();
    const storage = start();
    await open(storage);
    const writing = write(storage, IDENTITY, { kind: "append", entries: entriesFrom(FIRST, 1, 100, 5000) });
    await Promise.all([writing, close(storage)]);
    const again = start();
    assert.is((await open(again)).entries.length, 100);
    await close(again);
  });

  test("drops the promises of an instance with the view that ends it, and the level promise with a newer one", async () => {
    const start = driver.make();
    const storage = start();
    await open(storage);
    const accepted = { ballot: { round: 5, node: "a" }, value: viewNumbered(2) };
    await write(
      storage,
      { kind: "view", view: viewNumbered(1) },
      { kind: "accepted", instance: 2, accepted },
      { kind: "promised", instance: 2, ballot: { round: 4, node: "a" } },
      { kind: "level", vid: 1, through: FIRST },
    );
    await close(storage);
    const second = start();
    const before = await open(second);
    assert.equal(before.accepted, accepted);
    assert.equal(before.promised, { round: 5, node: "a" }, "accepting promises");
    await write(second, { kind: "view", view: viewNumbered(2) });
    await close(second);
    const third = start();
    const { promised, accepted: dropped, level } = await open(third);
    assert.equal([promised, dropped, level], [undefined, undefined, undefined]);
    await close(third);
  });

  test("keeps the newest snapshot, chunk by chunk", async () => {
    const start = driver.make();
    const storage = start();
    await open(storage);
    await write(storage, IDENTITY, { kind: "append", entries: entriesFrom(FIRST, 1, 9) });
    const at = { vid: 1, seqno: 4 };
    const newer = { vid: 1, seqno: 7 };
    await save(storage, at, 2);
    assert.is(differenceOf(await readChunk(storage, at, 1), chunkOf(at, 1)), "");
    await save(storage, newer, 3);
    assert.is(await codeOf(readChunk(storage, at, 1)), "StorageFailed");
    assert.is(await codeOf(readChunk(storage, newer, 3)), "StorageFailed");
    await write(storage, { kind: "base", at: newer });
    await close(storage);
    const again = start();
    const state = await open(again);
    assert.equal(state.snapshot, { at: newer, chunks: 3 });
    assert.equal(state.base, newer);
    assert.equal(
      state.entries.map(({ seqno }) => seqno),
      [8, 9],
    );
    for (let index = 0; index < 3; index++) {
      assert.is(differenceOf(await readChunk(again, newer, index), chunkOf(newer, index)), "");
    }
    await close(again);
  });

  test("forgets a snapshot that was aborted or not committed, and takes another one at once", async () => {
    const start = driver.make();
    const storage = start();
    await open(storage);
    await write(storage, { kind: "append", entries: entriesFrom(FIRST, 1, 9) });
    const aborted = storage.writeSnapshot({ vid: 1, seqno: 3 });
    await writeChunk(aborted, new Uint8Array(10));
    const writing = codeOf(writeChunk(aborted, new Uint8Array(10)));
    aborted.abort();
    await writing;
    assert.is(await codeOf(commit(aborted)), "Closed");
    await save(storage, { vid: 1, seqno: 5 }, 1);
    await writeChunk(storage.writeSnapshot({ vid: 1, seqno: 8 }), new Uint8Array(10));
    await close(storage);
    const again = start();
    assert.equal((await open(again)).snapshot, { at: { vid: 1, seqno: 5 }, chunks: 1 });
    await close(again);
  });

  test("drops a log that an installed snapshot replaces, also without its base record", async () => {
    const start = driver.make();
    const at = { vid: 4, seqno: 100 };
    const storage = start();
    await open(storage);
    await write(storage, { kind: "append", entries: entriesFrom(FIRST, 1, 9) });
    await save(storage, at, 1);
    await close(storage);
    const second = start();
    const { base, entries, snapshot } = await open(second);
    assert.equal([base, entries.length, snapshot?.at], [at, 0, at]);
    await write(second, { kind: "append", entries: entriesFrom(at, 4, 2) });
    await close(second);
    const third = start();
    const later = await open(third);
    assert.equal([later.base, later.entries.length], [at, 2]);
    await close(third);
  });

  test("belongs to one at a time, and to the next as soon as it is closed", async () => {
    const start = driver.make();
    const storage = start();
    await open(storage);
    assert.is(await codeOf(open(start())), "DataInUse");
    await close(storage);
    const next = start();
    await open(next);
    await close(next);
  });

  test("refuses what comes before open and after close", async () => {
    const start = driver.make();
    const storage = start();
    const refused = async (): Promise<void> => {
      assert.is(await codeOf(write(storage, IDENTITY)), "Closed");
      const writer = storage.writeSnapshot({ vid: 1, seqno: 1 });
      assert.is(await codeOf(writeChunk(writer, new Uint8Array(1))), "Closed");
      assert.is(await codeOf(commit(writer)), "Closed");
      writer.abort();
      assert.is(await codeOf(setAside(storage, "test", undefined)), "Closed");
    };
    await refused();
    await open(storage);
    await close(storage);
    await refused();
    await close(storage);
  });

  test("fails every write after one that contradicts the log", async () => {
    const storage = driver.make()();
    await open(storage);
    assert.is(
      await codeOf(write(storage, { kind: "append", entries: entriesFrom({ vid: 1, seqno: 5 }, 1, 1) })),
      "Internal",
    );
    assert.is(await codeOf(write(storage, IDENTITY)), "Internal");
    await close(storage);
  });

  test("set aside is never fresh again, until it holds something of its cluster", async () => {
    const start = driver.make();
    const storage = start();
    await open(storage);
    await write(storage, IDENTITY, { kind: "append", entries: entriesFrom(FIRST, 1, 9) });
    await save(storage, { vid: 1, seqno: 5 }, 1);
    await setAside(storage, "it lacks entry 10", "c1");
    assert.is(await codeOf(write(storage, IDENTITY)), "Closed");

    const second = start();
    const note = { clusterId: "c1", reason: "it lacks entry 10" };
    assert.equal(await open(second), { ...EMPTY, setAside: note });
    await write(second, { kind: "identity", incarnation: "i2", clusterId: undefined });
    await close(second);

    const third = start();
    assert.equal((await open(third)).setAside, note);
    await write(third, { kind: "identity", incarnation: "i2", clusterId: "c1" });
    await close(third);

    const knowing = start();
    assert.equal((await open(knowing)).setAside, note, "it knows its cluster, and nothing of what is in it");
    await write(knowing, { kind: "view", view: viewNumbered(4) });
    await close(knowing);

    const told = start();
    assert.equal((await open(told)).setAside, note, "it knows a view of which it is no member");
    await write(told, { kind: "append", entries: entriesFrom(FIRST, 1, 1) });
    await close(told);

    const fourth = start();
    const { identity, setAside: over } = await open(fourth);
    assert.equal([identity, over], [{ incarnation: "i2", clusterId: "c1" }, undefined]);
    await setAside(fourth, "once more", undefined);

    const fifth = start();
    assert.equal((await open(fifth)).setAside, { clusterId: undefined, reason: "once more" });
    await close(fifth);
  });

  test("is after any history what the contract says, over any number of restarts", async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.integer({ min: 1, max: 12 }), async (happenings, everyNth) => {
        const start = driver.make();
        let storage = start();
        let state = await open(storage);
        assert.equal(state, EMPTY);
        for (let from = 0; from < happenings.length; from += everyNth) {
          const some = happenings.slice(from, from + everyNth);
          await perform(storage, some);
          await close(storage);
          storage = start();
          const expected = some.reduce(after, state);
          state = await open(storage);
          assert.is(textOf(state), textOf(expected));
        }
        await close(storage);
      }),
      { numRuns: driver.runs },
    );
  });

  test.after(() => driver.cleanUp?.());
  test.run();
}
