// The log on a disk that loses power: what was acknowledged stays.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CrashDisk, randomOf } from "./crash-disk.ts";
import { close, open, perform } from "./drive.ts";
import { assertChunks, assertPrefix, live, SMALL_SEGMENT, storageOn } from "./life.ts";
import { after, type Happening, textOf, viewNumbered } from "./model.ts";

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

crashes(
  "between a new segment and the end of the old one leaves no log whose newest segment could go unnoticed",
  async () => {
    const { operations } = (await liveUntil(Number.POSITIVE_INFINITY, SMALL_SEGMENT)).disk;
    let removed = 0;
    for (let crashAt = 1; crashAt <= operations; crashAt++) {
      const { disk } = await liveUntil(crashAt, SMALL_SEGMENT);
      for (const left of [disk.afterKill(), disk.afterCrash(randomOf(crashAt))]) {
        const storage = storageOn(left, 1 << 20);
        await open(storage);
        await close(storage);
        const files = left.contents;
        const logs = [...files.keys()].filter((name) => name.startsWith("log-")).sort();
        if (logs.length < 2) continue;
        removed++;
        files.delete(logs.at(-1)!);
        const { setAside } = await open(storageOn(new CrashDisk(files)));
        assert.is(setAside?.reason, `${logs.at(-1)} is missing`, `crash at ${crashAt}`);
      }
    }
    assert.ok(removed > 10, `${removed}`);
  },
);

crashes.run();
