/**
 * A part of a campaign: runs its seeds, and prints what it comes to as lines of JSON. It ends
 * with its standard input: whoever started it is gone then, and nobody reads what it says.
 */
import process from "node:process";
import { addTotals, campaign, noTotals } from "../../src/simulator/campaign.ts";
import { REAL_PARTS } from "../../src/simulator/parts.ts";
import { parseOptions } from "./options.ts";
import type { Line } from "./workers.ts";

// Errors are made all the time here, and nobody reads where.
Error.stackTraceLimit = 1;

const { firstSeed, seeds, stride, wishes, keepGoing } = parseOptions(process.argv.slice(2));
const say = (line: Line): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

process.stdin.on("end", () => process.exit(1));
process.stdin.resume();

const totals = noTotals();
for (let index = 0; index < seeds; index++) {
  const seed = firstSeed + index * stride;
  const outcome = await campaign({ firstSeed: seed, seeds: 1, wishes }, REAL_PARTS);
  addTotals(totals, outcome);
  for (const failure of outcome.failures) say({ failure });
  say({ done: seed });
  if (totals.failures.length > 0 && !keepGoing) break;
  // A seed is one long turn: the end of the input is seen between two.
  await new Promise((resolve) => setTimeout(resolve));
}
// Its input is still open, which on Deno keeps it alive whatever is done to the stream.
process.stdout.write(`${JSON.stringify({ totals } satisfies Line)}\n`, () => process.exit(0));
