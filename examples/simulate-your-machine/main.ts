/**
 * Three versions of one machine in the simulator: two with a bug, which it finds, and the right one, which passes.
 *
 *     node --import tsx examples/simulate-your-machine/main.ts
 *
 * The exit code is 0 if both bugs were found and the right machine passed.
 */
import * as v from "valibot";
import { command, defineMachine, query } from "viewstamp";
import { type SimulationReport, simulate } from "viewstamp/simulator";
import { empty, giveBack, restore, SEATS, seatOf, snapshot, type Theatre, take } from "./theatre.ts";

const SEEDS = 30;

const guest = v.object({ guest: v.number() });
const queries = { seat: query(v.number(), (theatre: Theatre, guest) => seatOf(theatre, guest)) };
const sit = command(guest, (theatre: Theatre, { guest }, ctx) => take(theatre, guest, ctx.now));
const leave = command(guest, (theatre: Theatre, { guest }, ctx) => {
  theatre.line.delete(guest);
  const seat = seatOf(theatre, guest);
  if (seat !== undefined) giveBack(theatre, seat, ctx.now);
});

const right = defineMachine({ name: "seats", version: 1, init: empty, commands: { sit, leave }, queries });

/** Each replica executes a command at a moment of its own: their wall clocks differ. */
const sitByClock = command(guest, (theatre: Theatre, { guest }) => take(theatre, guest, Date.now()));
const byClock = defineMachine({
  name: "seats",
  version: 1,
  init: empty,
  commands: { sit: sitByClock, leave },
  queries,
});

/** A replica that was restored from this snapshot has another line than one that was there all the time. */
const byNumber = defineMachine({
  name: "seats",
  version: 1,
  init: empty,
  commands: { sit, leave },
  queries,
  snapshot,
  restore,
});

function test(machine: typeof right): Promise<SimulationReport> {
  return simulate({
    machine,
    seeds: SEEDS,
    // What a client does, again and again, while nodes crash and the network breaks.
    workload: async ({ client, random, sleep }) => {
      const guest = random.integer(1, 99);
      await client.sit({ guest });
      await sleep(random.integer(0, 300));
      await client.leave({ guest });
    },
    // What must be true when all has healed.
    check: ({ state }) => state.taken.size + state.free.length === SEATS,
  });
}

function show(title: string, { text, failure }: SimulationReport): void {
  console.log(`\n${title}\n  ${text.replaceAll("\n", "\n  ")}`);
  if (failure === undefined) return;
  console.log("  the end of its story:");
  for (const line of failure.story.slice(-6)) console.log(`  ${line.slice(0, 150)}`);
}

const clock = await test(byClock);
show("A machine that reads the wall clock", clock);

const order = await test(byNumber);
show("A machine whose snapshot forgets who came first", order);

const repaired = await test(right);
show("The same machine without the bugs", repaired);

const found = clock.failure?.rule === 10 && order.failure?.rule === 10;
const [bugs, end] = [found ? "Both bugs were found" : "A bug was missed", repaired.ok ? "passed" : "failed"];
console.log(`\n${bugs}; the right machine ${end}.`);
process.exitCode = found && repaired.ok ? 0 : 1;
