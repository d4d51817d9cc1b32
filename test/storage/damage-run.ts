/**
 * The whole damage fuzz, for hand: `node --import tsx test/storage/damage-run.ts [random places] [seed] [of a huge log]`.
 * Every byte of small logs, 10,000 random places of a log of 2 MiB and as many as asked for of one of 30 MiB, and whole
 * blocks and files in wrong places. With 0 random places it is the huge log alone. It ends with the first damage that is
 * taken for data.
 */
import {
  everyByte,
  hugeSubject,
  judge,
  largeSubject,
  misplacedBlocks,
  newTally,
  randomPlaces,
  type Subject,
  smallSubject,
  type Tally,
  wrongFiles,
} from "./damage.ts";

const [places = "10000", seed = "1", hugePlaces = "1000"] = process.argv.slice(2);
let cases = 0;

async function part(name: string, run: (tally: Tally) => Promise<void>): Promise<void> {
  const began = performance.now();
  const tally = newTally();
  await run(tally);
  cases += tally.cases;
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const { setAside, whole, asAfterCrash } = tally;
  console.log(
    `${name}: ${tally.cases} cases, ${setAside} set aside, ${whole} whole, ${asAfterCrash} as after a crash, ${seconds} s`,
  );
}

function sizeOf({ files }: Subject): string {
  const bytes = [...files.values()].reduce((sum, content) => sum + content.length, 0);
  return `${files.size} files, ${bytes} bytes`;
}

async function smallAndLarge(): Promise<void> {
  const small = [
    await smallSubject(1 << 20, 7),
    await smallSubject(500),
    await smallSubject(400, 15),
    await smallSubject(1 << 20),
  ];
  for (const subject of small) {
    await part(`every byte of ${sizeOf(subject)}`, (tally) => judge(subject, everyByte(subject), tally));
    await part("  blocks in wrong places", (tally) => judge(subject, misplacedBlocks(subject, 1), tally));
    await part("  files missing, swapped, stale", (tally) => judge(subject, wrongFiles(subject), tally));
  }
  const large = await largeSubject();
  await part(`random places of ${sizeOf(large)}`, (tally) =>
    judge(large, randomPlaces(large, Number(places), Number(seed)), tally),
  );
  await part("  blocks in wrong places", (tally) => judge(large, misplacedBlocks(large, 7), tally));
  await part("  files missing, swapped, stale", (tally) => judge(large, wrongFiles(large), tally));
}

if (Number(places) > 0) await smallAndLarge();
if (Number(hugePlaces) > 0) {
  const huge = await hugeSubject();
  await part(`random places of ${sizeOf(huge)}`, (tally) =>
    judge(huge, randomPlaces(huge, Number(hugePlaces), Number(seed)), tally),
  );
}
console.log(`${cases} cases: no crash, nothing taken for data that was not written`);
