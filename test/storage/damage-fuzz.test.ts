// A slice of the damage fuzz; `node --import tsx test/storage/damage-run.ts` runs all of it.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  everyByte,
  judge,
  largeSubject,
  misplacedBlocks,
  newTally,
  randomPlaces,
  smallSubject,
  wrongFiles,
} from "./damage.ts";

const fuzz = suite("a damaged log is set aside or whole, never taken for something else");

fuzz("at every byte of a small log", async () => {
  const subject = await smallSubject(1 << 20, 7);
  const tally = newTally();
  await judge(subject, everyByte(subject), tally);
  assert.ok(tally.cases > 1000 && tally.setAside > tally.cases * 0.9, JSON.stringify(tally));
  assert.ok(tally.whole <= 32, "the last mark alone is of no meaning");
});

fuzz("at random places, with zeros, with bytes from elsewhere, and cut short", async () => {
  for (const subject of [await smallSubject(500), await smallSubject(1 << 20)]) {
    const tally = newTally();
    await judge(subject, randomPlaces(subject, 800, 7), tally);
    assert.ok(tally.setAside > 500, JSON.stringify(tally));
  }
  const large = await largeSubject();
  assert.ok(large.files.size >= 8, [...large.files.keys()].join());
  const tally = newTally();
  await judge(large, randomPlaces(large, 60, 1), tally);
  assert.ok(tally.setAside > 40, JSON.stringify(tally));
});

fuzz("with blocks and files in the place of others, missing, or older than the rest", async () => {
  for (const subject of [await smallSubject(500), await smallSubject(400, 15)]) {
    const tally = newTally();
    await judge(subject, misplacedBlocks(subject, 1), tally);
    await judge(subject, wrongFiles(subject), tally);
    assert.ok(tally.setAside > tally.cases / 2, JSON.stringify(tally));
  }
});

fuzz.run();
