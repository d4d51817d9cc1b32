// A user's machine that is upgraded by rolling restarts, in the simulator.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { command, defineMachine, query } from "../../src/machine/define.ts";
import { type SimulationFailure, type SimulationReport, simulate } from "../../src/simulator/simulate.ts";

type Counts = Map<string, number>;
interface Stock {
  counts: Counts;
  reserved: Counts;
}

const item = v.object({ sku: v.string(), by: v.number() });

function raise(counts: Counts, { sku, by }: { readonly sku: string; readonly by: number }): number {
  const next = (counts.get(sku) ?? 0) + by;
  counts.set(sku, next);
  return next;
}

const stock1 = defineMachine({
  name: "stock",
  version: 1,
  init: (): Counts => new Map(),
  commands: { add: command(item, raise) },
  queries: { count: query(v.string(), (counts, sku) => counts.get(sku) ?? 0) },
});

/** Version 3, whose state is made of the first one's like this. */
function stockBy(migrate: (counts: Counts) => Stock) {
  return defineMachine({
    name: "stock",
    version: 3,
    previous: stock1,
    migrate,
    init: (): Stock => ({ counts: new Map(), reserved: new Map() }),
    commands: {
      add: command(item, ({ counts }: Stock, given) => raise(counts, given)),
      reserve: command(item, ({ reserved }: Stock, given) => raise(reserved, given)),
    },
    queries: { count: query(v.string(), ({ counts }: Stock, sku) => counts.get(sku) ?? 0) },
  });
}

const seen = { before: 0, after: 0 };

function run(migrate: (counts: Counts) => Stock, seeds: number): Promise<SimulationReport> {
  return simulate({
    machine: stockBy(migrate),
    seeds,
    rounds: 30,
    workload: async ({ client, random }) => {
      await client.add({ sku: "bolt", by: random.integer(1, 5) });
      if (random.chance(0.3)) await client.reserve({ sku: "bolt", by: 1 });
    },
    check: ({ state, calls }) => {
      const added = calls.filter(({ name }) => name === "add");
      const [sure, possible] = [["done"], ["done", "unknown", "pending"]].map((outcomes) =>
        added
          .filter(({ outcome }) => outcomes.includes(outcome))
          .reduce((sum, { input }) => sum + (input as { by: number }).by, 0),
      );
      const count = state.counts.get("bolt") ?? 0;
      if (count < sure! || count > possible!) throw new Error(`${count} are there, ${sure} to ${possible} were added`);
      const firstReserved = calls.findIndex(({ name, outcome }) => name === "reserve" && outcome === "done");
      seen.before += calls.findIndex(({ outcome }) => outcome === "done") < firstReserved ? 1 : 0;
      seen.after += firstReserved < 0 ? 0 : 1;
    },
  });
}

async function failureOf(report: Promise<SimulationReport>): Promise<SimulationFailure> {
  const { failure } = await report;
  if (failure === undefined) throw new Error("nothing was found");
  return failure;
}

test("a machine with a version before it is upgraded in each seed, and keeps what was done", async () => {
  const report = await run((counts) => ({ counts, reserved: new Map() }), 15);
  assert.ok(report.ok, report.text);
  assert.ok((report.faults["newer program"] ?? 0) > 0, JSON.stringify(report.faults));
  assert.ok(seen.before > 0, "calls were done before the switch");
  assert.ok(seen.after > 5, "calls of the new version were done after it");
});

test("a migration that loses something is found by the check", async () => {
  const failure = await failureOf(run(() => ({ counts: new Map(), reserved: new Map() }), 30));
  assert.is(failure.rule, 0);
  assert.match(failure.text, /are there, .* were added/);
});

test("a migration that is not the same everywhere is found", async () => {
  let calls = 0;
  const uneven = (counts: Counts): Stock => ({ counts: counts.set("odd", ++calls), reserved: new Map() });
  const failure = await failureOf(run(uneven, 30));
  assert.is(failure.rule, 10);
  assert.match(failure.text, /machine "stock" differs at|differ in their snapshots at/);
});

test("a migration that throws is found", async () => {
  const failure = await failureOf(
    run(() => {
      throw new Error("no");
    }, 30),
  );
  assert.is(failure.rule, 0);
  assert.match(failure.text, /throws in migrate/);
});

test.run();
