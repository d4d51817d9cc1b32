/**
 * A part of a campaign: runs its seeds and prints the totals as one line of JSON.
 */
import { campaign } from "../../src/simulator/campaign.ts";
import { REAL_PARTS } from "../../src/simulator/parts.ts";
import { parseOptions } from "./options.ts";

// Errors are made all the time here, and nobody reads where.
Error.stackTraceLimit = 1;

const { firstSeed, seeds, stride, wishes, keepGoing } = parseOptions(process.argv.slice(2));
const totals = await campaign({ firstSeed, seeds, stride, wishes, failFast: !keepGoing }, REAL_PARTS);
process.stdout.write(`${JSON.stringify(totals)}\n`);
