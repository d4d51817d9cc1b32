/**
 * Prints the hash of everything that happens in a few seeds, faults included: a line for each.
 */
import { campaign } from "../../src/simulator/campaign.ts";
import { REAL_PARTS } from "../../src/simulator/parts.ts";

const firstSeed = 1;
const seeds = 6;

await campaign({ firstSeed, seeds }, REAL_PARTS, ({ seed, hash, steps }) => {
  process.stdout.write(`${seed} ${hash} ${steps}\n`);
});
