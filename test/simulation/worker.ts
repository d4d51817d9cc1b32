/**
 * A part of a campaign: runs its seeds, prints each failure as a line of JSON when it is found, and last the totals.
 */
import { campaign } from "../../src/simulator/campaign.ts";
import { REAL_PARTS } from "../../src/simulator/parts.ts";
import { parseOptions } from "./options.ts";
import type { Line } from "./workers.ts";

// Errors are made all the time here, and nobody reads where.
Error.stackTraceLimit = 1;

const { firstSeed, seeds, stride, wishes, keepGoing } = parseOptions(process.argv.slice(2));
const say = (line: Line): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const totals = await campaign({ firstSeed, seeds, stride, wishes, failFast: !keepGoing }, REAL_PARTS, (outcome) => {
  if (outcome.violation !== undefined) say({ failure: { seed: outcome.seed, ...outcome.violation } });
});
say({ totals });
