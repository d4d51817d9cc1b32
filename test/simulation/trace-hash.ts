/**
 * Prints the hash of everything that happens in a few seeds, faults included: a line for each.
 */
import { campaign } from "../../src/simulator/campaign.ts";
import { REAL_PARTS } from "../../src/simulator/parts.ts";

// Among these are some with copies of the state, and new clusters made of them.
const firstSeed = 8;
const seeds = 6;

await campaign({ firstSeed, seeds }, REAL_PARTS, ({ seed, hash, steps }) => {
  process.stdout.write(`${seed} ${hash} ${steps}\n`);
});
