// A user's machine in the simulator: what is found, how it is said, and that it can be seen again.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { command, defineMachine, query } from "../../src/machine/define.ts";
import type { AnyMachine } from "../../src/machine/definition.ts";
import { kv } from "../../src/machine/kv.ts";
import { MachineError, ViewstampError } from "../../src/protocol/errors.ts";
import { type SimulationFailure, type SimulationReport, simulate } from "../../src/simulator/simulate.ts";

const counter = defineMachine({
  name: "counter",
  version: 1,
  init: () => ({ count: 0 }),
  commands: {
    add: command(v.number(), (state, by) => (state.count += by)),
    set: command(v.number(), (state, to) => void (state.count = to)),
  },
  queries: { count: query(v.undefined(), (state) => state.count) },
});

/** A machine whose only command does this. */
function doing(act: (state: { list: unknown[] }) => unknown, more: object = {}): AnyMachine {
  return defineMachine({
    name: "odd",
    version: 1,
    init: () => ({ list: [] as unknown[] }),
    commands: { act: command(v.undefined(), (state: { list: unknown[] }) => act(state)) },
    ...more,
  });
}

interface OddClient {
  act(): Promise<unknown>;
}

function act({ client }: { client: unknown }): Promise<unknown> {
  return (client as OddClient).act();
}

async function failureOf(report: Promise<SimulationReport>): Promise<SimulationFailure> {
  const { ok, failure } = await report;
  if (ok || failure === undefined) throw new Error("nothing was found");
  return failure;
}

/** What is found in a machine whose only command does this. */
function foundIn(machine: AnyMachine): Promise<SimulationFailure> {
  return failureOf(simulate({ machine, workload: act, seeds: 5, rounds: 5 }));
}

const good = suite("a good machine");

good("passes, and what was done adds up", async () => {
  const kinds = new Set<string>();
  const report = await simulate({
    machine: counter,
    seeds: 12,
    workload: async ({ client, random, number, round, sleep }) => {
      assert.ok(number >= 1 && round >= 1 && round <= 20);
      await client.add(random.integer(1, 3));
      await sleep(random.integer(0, 20));
      await client.count();
    },
    check: async ({ state, calls, client }) => {
      let [sure, perhaps] = [0, 0];
      for (const call of calls) {
        kinds.add(`${call.name} ${call.outcome}`);
        if (call.name === "add" && call.outcome === "done") sure += call.input;
        if (call.name === "add" && call.outcome === "unknown") perhaps += call.input;
        if (call.outcome === "done") assert.type(call.endedMs, "number");
      }
      assert.ok(state.count >= sure && state.count <= sure + perhaps);
      assert.is(await client.count(), state.count);
    },
  });
  assert.ok(report.ok, report.text);
  assert.is(report.seeds, 12);
  assert.ok(report.calls > 200 && report.steps > 1000 && report.simulatedMs > 1000);
  assert.ok(Object.keys(report.faults).length > 5, JSON.stringify(report.faults));
  assert.not("failure" in report);
  assert.ok(kinds.has("add done") && kinds.has("count done"));
  assert.match(report.text, /^12 seeds found nothing: \d+ calls/);
});

good("passes beside another one, and clients call both by name", async () => {
  const report = await simulate({
    machines: [kv, counter],
    seeds: 5,
    workload: async ({ client, random }) => {
      await client.kv.put({ key: `k${random.integer(1, 9)}`, value: "x" });
      await client.counter.add(1);
    },
    check: ({ state, calls }) => {
      const added = calls.filter((call) => call.machine === "counter" && call.outcome === "done").length;
      return state.counter.count >= added;
    },
  });
  assert.ok(report.ok, report.text);
});

good("may have a clock of its own, and its refusals are for the workload to catch", async () => {
  const alarm = defineMachine({
    name: "alarm",
    version: 1,
    init: () => ({ rings: 0, due: 100 }),
    commands: {
      refuse: command(v.undefined(), () => {
        throw new MachineError("NO");
      }),
    },
    deadline: ({ due }: { due: number }) => due,
    tick: (state: { rings: number; due: number }, { now }) => {
      state.rings++;
      state.due = now + 100;
    },
  });
  const report = await simulate({
    machine: alarm,
    seeds: 4,
    workload: async ({ client }) => {
      await client.refuse().catch((error: unknown) => {
        if (!(error instanceof MachineError)) throw error;
      });
    },
    check: ({ state, calls }) => state.rings > 0 && calls.some(({ outcome }) => outcome === "refused"),
  });
  assert.ok(report.ok, report.text);
});

good("gives the same report from the same seeds", async () => {
  const options = {
    machine: counter,
    seeds: 4,
    firstSeed: 77,
    // Clocks and chance are the simulation's in a workload too.
    workload: async ({ client }: { client: { add(by: number): Promise<number> } }) => {
      await client.add(Math.floor(Math.random() * 10) + (Date.now() % 10));
    },
  };
  const one = await simulate(options);
  const other = await simulate(options);
  assert.ok(one.ok, one.text);
  assert.equal(one, other);
  assert.is.not((await simulate({ ...options, firstSeed: 78 })).steps, one.steps);
});

good("is told about the globals again afterwards", async () => {
  const before = [Date, Date.now, Math.random, performance.now, setTimeout, "".localeCompare, crypto.randomUUID];
  await simulate({ machine: counter, seeds: 1, faults: [], workload: ({ client }) => client.add(1) });
  await foundIn(doing(() => Date.now()));
  const after = [Date, Date.now, Math.random, performance.now, setTimeout, "".localeCompare, crypto.randomUUID];
  assert.ok(before.every((one, index) => one === after[index]));
  assert.is(new Date(0).constructor, Date);
});

good.run();

const bad = suite("a bad machine");

const reads: Readonly<Record<string, () => unknown>> = {
  "Date.now()": () => Date.now(),
  "new Date()": () => new Date().toISOString(),
  "Date()": () => Date().length,
  "performance.now()": () => performance.now(),
  "Math.random()": () => Math.random(),
  "crypto.randomUUID()": () => crypto.randomUUID(),
  "crypto.getRandomValues()": () => crypto.getRandomValues(new Uint8Array(4)),
  "setTimeout()": () => void setTimeout(() => {}, 0),
  "String.prototype.localeCompare()": () => "a".localeCompare("b"),
  "Date.prototype.getHours()": () => new Date(0).getHours(),
  "Math.sin()": () => Math.sin(1) > 0,
};

for (const [what, read] of Object.entries(reads)) {
  bad(`that calls ${what} is found at once`, async () => {
    const { rule, text, seed, replay, story } = await foundIn(doing(read));
    assert.is(rule, 10);
    assert.ok(text.startsWith(`command act() of machine "odd" calls ${what}, and `), text);
    assert.match(replay, `firstSeed: ${seed}, seeds: 1`);
    assert.match(story.at(-1) ?? "", "!! rule 10");
  });
}

bad("may make dates of moments, and be asked what kind they are", async () => {
  const machine = doing((state) => {
    const date = new Date(state.list.length);
    state.list.push(date);
    return date instanceof Date && date.constructor === Date && date.toISOString();
  });
  const report = await simulate({ machine, workload: act, seeds: 2 });
  assert.ok(report.ok, report.text);
});

bad("whose schema, query, init or snapshot reads the clock is found too", async () => {
  const stamped = command(
    v.pipe(
      v.undefined(),
      v.check(() => Date.now() > 0),
    ),
    () => 1,
  );
  const bySchema = defineMachine({ name: "odd", version: 1, init: () => ({}), commands: { act: stamped } });
  assert.match((await foundIn(bySchema)).text, /act.* calls Date\.now/);
  const byQuery = doing(() => 1, { queries: { look: query(v.undefined(), () => Date.now()) } });
  const look = ({ client }: { client: unknown }) => (client as { look(): Promise<unknown> }).look();
  assert.match(
    (await failureOf(simulate({ machine: byQuery, workload: look }))).text,
    /query look\(\).* calls Date\.now/,
  );
  const byInit = doing(() => 1, { init: () => ({ list: [Date.now()] }) });
  assert.match((await foundIn(byInit)).text, /^init calls Date\.now/);
});

/** A queue whose snapshot is an object: its keys are numbers, so their order is lost. */
const queue = defineMachine({
  name: "queue",
  version: 1,
  init: () => new Map<number, string>(),
  commands: {
    join: command(v.number(), (waiting, who) => void waiting.set(who, "waits")),
    next: command(v.undefined(), (waiting) => {
      const [who] = waiting.keys();
      if (who !== undefined) waiting.delete(who);
      return who;
    }),
  },
  snapshot: (waiting: Map<number, string>) => [Object.fromEntries(waiting)][Symbol.iterator](),
  restore: () => {
    let waiting = new Map<number, string>();
    return {
      chunk: (value: unknown) => {
        waiting = new Map(Object.entries(value as object).map(([who, what]) => [Number(who), what as string]));
      },
      finish: () => waiting,
    };
  },
});

bad("that has another order after a snapshot is found, and both orders are shown", async () => {
  const failure = await failureOf(
    simulate({
      machine: queue,
      workload: async ({ client, random }) => {
        await client.join(random.integer(1, 99));
        if (random.chance(0.5)) await client.next();
      },
    }),
  );
  assert.is(failure.rule, 10);
  assert.match(
    failure.text,
    /command next\(\) of machine "queue" at \d+\.\d+ .* says \d+ on .*restored.*, \d+ in a replay.*: .* must come through snapshot and restore/,
  );
});

bad("that loses something in a snapshot is found where it is lost", async () => {
  const forgetful = doing((state) => state.list.push(1), {
    snapshot: (state: { list: unknown[] }) => [state.list.slice(0, 2)][Symbol.iterator](),
    restore: () => {
      let list: unknown[] = [];
      return { chunk: (value: unknown) => void (list = [...(value as unknown[]), "new"]), finish: () => ({ list }) };
    },
  });
  const { rule, text } = await foundIn(forgetful);
  assert.is(rule, 10);
  assert.match(text, "a machine restored from a snapshot");
});

bad("that keeps something outside of its state is found", async () => {
  let outside = 0;
  const { rule, text } = await foundIn(doing(() => ++outside));
  assert.is(rule, 10);
  assert.match(text, /says \d+ on node \w, \d+ in a replay of the whole log: .* keep nothing outside/);
});

bad("whose empty state is shared is found", async () => {
  const shared = { list: [] };
  const { text } = await foundIn(doing((state) => void state.list.splice(0, 9, 1), { init: () => shared }));
  assert.match(text, "gives the same object again");
});

bad("whose query changes the state is found, and the query named", async () => {
  const machine = doing(() => 1, {
    queries: { look: query(v.undefined(), (state: { list: unknown[] }) => void state.list.push(1)) },
  });
  const look = ({ client }: { client: unknown }) => (client as { look(): Promise<unknown> }).look();
  const { rule, text } = await failureOf(simulate({ machine, workload: look }));
  assert.is(rule, 10);
  assert.match(text, 'query look() of machine "odd" changes the state');
});

bad("whose states differ unseen is found at the end, with the place", async () => {
  let outside = 0;
  const { rule, text } = await foundIn(
    doing((state) => {
      outside++;
      state.list[0] = outside;
    }),
  );
  assert.is(rule, 10);
  assert.match(text, /after command act\(\) of .*, machine "odd" differs at state\.list\[0\]: \d+ on /);
});

bad("that throws is found with what it threw", async () => {
  const { rule, text, cause, statement } = await foundIn(
    doing(() => {
      throw new RangeError("too far");
    }),
  );
  assert.is(rule, 0);
  assert.is(text, 'machine "odd" throws in act: RangeError: too far');
  assert.instance(cause, RangeError);
  assert.ok(statement.length > 0);
});

bad("with a state that no snapshot can hold is found", async () => {
  const { text } = await foundIn(doing((state) => void state.list.push(() => 1)));
  assert.match(text, /snapshot/);
});

bad.run();

const load = suite("a workload");

load("that reads, then writes, loses updates: a check finds it, from the same seed again", async () => {
  const lossy = (more: object) =>
    simulate({
      machine: counter,
      clients: 3,
      seeds: 20,
      workload: async ({ client }) => {
        const count = await client.count();
        await client.set(count + 1);
      },
      check: ({ state, calls }) => {
        const sets = calls.filter((call) => call.name === "set" && call.outcome === "done").length;
        if (state.count < sets) throw new Error(`${sets} were counted, and ${state.count} are there`);
      },
      ...more,
    });
  const first = await failureOf(lossy({}));
  assert.is(first.rule, 0);
  assert.match(first.text, /^the check throws: \d+ were counted, and \d+ are there$/);
  assert.instance(first.cause, Error);
  const again = await failureOf(lossy({ firstSeed: first.seed, seeds: 1 }));
  assert.is(again.text, first.text);
  assert.equal(again.story, first.story);
});

load("whose check says false has failed", async () => {
  const options = { machine: counter, rounds: 1, faults: [], check: () => false };
  const { text } = await failureOf(simulate({ ...options, workload: ({ client }) => client.add(1) }));
  assert.is(text, "the check says false");
});

load("may leave what a client meets in trouble uncaught, and nothing else", async () => {
  const failing = (error: unknown) =>
    simulate({ machine: counter, seeds: 1, rounds: 2, faults: [], workload: () => Promise.reject(error) });
  assert.ok((await failing(new ViewstampError("Timeout", "late"))).ok);
  const { rule, text, cause } = await failureOf(failing(new TypeError("oops")));
  assert.is(rule, 0);
  assert.match(text, /^the workload throws in round 1 of client \d: TypeError: oops$/);
  assert.instance(cause, TypeError);
  assert.match((await failureOf(failing(new MachineError("NO")))).text, "MachineError: NO");
});

load("that never ends is found by rule 15, whatever it waits for", async () => {
  const waiting = (workload: (round: { sleep(ms: number): Promise<void> }) => Promise<unknown>) =>
    failureOf(simulate({ machine: counter, nodes: 1, clients: 1, seeds: 1, faults: [], workload }));
  const outside = await waiting(() => new Promise(() => {}));
  assert.is(outside.rule, 15);
  assert.match(outside.text, "round 1 of client 1 does not end: it waits for something outside of the simulation");
  const asleep = await waiting(async ({ sleep }) => {
    for (;;) await sleep(1000);
  });
  assert.is(asleep.rule, 15);
  assert.match(asleep.text, "it waits for sleep");
});

load("that calls without end is found by rule 15, after a bounded number of calls", async () => {
  const { rule, text } = await failureOf(
    simulate({
      machine: counter,
      nodes: 1,
      clients: 1,
      seeds: 1,
      faults: [],
      workload: async ({ client }) => {
        for (;;) await Promise.all(Array.from({ length: 100 }, () => client.add(1)));
      },
    }),
  );
  assert.is(rule, 15);
  assert.match(text, "20000 calls have been made");
});

load("that calls without end is found though each call ends at once, and lets go of the process", async () => {
  const stubborn = (before: (client: OddClient & { close(): Promise<void> }) => unknown, input: unknown) =>
    failureOf(
      simulate({
        machine: counter,
        nodes: 1,
        clients: 1,
        seeds: 1,
        faults: [],
        workload: async ({ client }) => {
          await before(client as never);
          for (;;) await client.add(input as never).catch(() => {});
        },
      }),
    );
  const withBadInput = await stubborn(() => {}, "one");
  assert.is(withBadInput.rule, 15);
  assert.match(withBadInput.text, "round 1 of client 1 does not end");
  const afterTheEnd = await stubborn((client) => client.close(), 1);
  assert.is(afterTheEnd.rule, 15);
  assert.match(afterTheEnd.text, "does not end");
});

load("with input that its machine does not take is found in the first round", async () => {
  const { rule, text } = await failureOf(
    simulate({
      machine: counter,
      seeds: 1,
      rounds: 1,
      faults: [],
      workload: ({ client }) => client.add("one" as never),
    }),
  );
  assert.is(rule, 0);
  assert.match(text, /^the workload throws in round 1 of client \d: ViewstampError: input of counter\.add/);
});

load("that sleeps for a time that is none is told so", async () => {
  const { rule, text } = await failureOf(
    simulate({ machine: counter, seeds: 1, faults: [], workload: ({ sleep }) => sleep(Number.NaN) }),
  );
  assert.is(rule, 0);
  assert.match(text, "sleep takes milliseconds, not NaN");
});

load("goes on in the next lives of its clients", async () => {
  const rounds = new Map<number, number[]>();
  const report = await simulate({
    machine: counter,
    seeds: 1,
    clients: 2,
    rounds: 30,
    faults: ["client dies"],
    workload: async ({ client, number, round, sleep }) => {
      rounds.set(number, [...(rounds.get(number) ?? []), round]);
      await client.add(1);
      await sleep(50);
    },
  });
  assert.ok(report.ok, report.text);
  assert.ok((report.faults["client dies"] ?? 0) > 0);
  assert.equal([...rounds.keys()].sort(), [1, 2]);
  for (const list of rounds.values())
    assert.equal(
      list,
      Array.from({ length: 30 }, (_, i) => i + 1),
    );
});

load.run();
