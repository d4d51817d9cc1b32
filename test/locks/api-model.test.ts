// The whole lock API, with several clients, against a plain model of it: drawn programs, with the cache on and off.
//
//   VIEWSTAMP_MODEL_RUNS=1000 (fresh ones of each kind), VIEWSTAMP_MODEL_SEED=7 (of the fresh ones)
import * as fc from "fast-check";
import { test } from "uvu";
import type { LockClientOptions } from "../../src/locks/client-options.ts";
import { ClusterRig } from "./model/cluster-rig.ts";
import { Model } from "./model/model.ts";
import { Performance } from "./model/performance.ts";
import type { Rig, RigOptions } from "./model/rig.ts";
import { CLIENTS, CROWDED, PLAIN, type Step, StepCommand, step } from "./model/steps.ts";
import { WorldRig } from "./model/world-rig.ts";

const FIXED_SEED = 20_261_123;
const freshRuns = process.env["VIEWSTAMP_MODEL_RUNS"];
const freshSeed = Number(process.env["VIEWSTAMP_MODEL_SEED"] ?? Date.now() % 2 ** 31);

const caches: Readonly<Record<string, fc.Arbitrary<LockClientOptions["cache"]>>> = {
  off: fc.constant(false),
  on: fc.constantFrom({}, { size: 1 }, { size: 2, idleMs: 200 }, { idleMs: 50 }),
};

type MakeRig = (options: RigOptions) => Rig | Promise<Rig>;

/** How many steps and runs are enough to be told apart from luck, and few enough for every gate. */
const rigs: readonly { what: string; make: MakeRig; runs: number; steps: number }[] = [
  {
    what: "real clients and the real machine",
    make: (options) => new WorldRig(options, [3, 100, Number.POSITIVE_INFINITY][options.seed % 3]!),
    runs: 40,
    steps: 60,
  },
  { what: "a simulated cluster of three nodes", make: (options) => ClusterRig.make(options), runs: 5, steps: 60 },
];

async function play(
  rig: Rig,
  cache: LockClientOptions["cache"],
  commands: Iterable<fc.AsyncCommand<Model, Performance>>,
): Promise<void> {
  const model = new Model((name) => name === CROWDED && cache !== false);
  const performance = new Performance(rig, model);
  await fc.asyncModelRun(() => ({ model, real: performance }), commands);
  await performance.allPasses();
  for (let client = 0; client < CLIENTS; client++) await performance.query(client);
  await rig.finish();
}

for (const { what, make, runs, steps } of rigs) {
  for (const [how, cache] of Object.entries(caches)) {
    const property = fc.asyncProperty(
      fc.nat(),
      cache,
      fc.commands([step.map((one) => new StepCommand(one))], { maxCommands: steps, size: "max" }),
      async (seed, drawn, commands) => play(await make({ seed, clients: CLIENTS, cache: drawn }), drawn, commands),
    );
    test(`a program sees what the model says: ${what}, cache ${how}`, async () => {
      await fc.assert(property, { seed: FIXED_SEED, numRuns: runs, includeErrorInReport: true });
    });
    test(`and so do fresh ones (seed ${freshSeed}): ${what}, cache ${how}`, async () => {
      await fc.assert(property, {
        seed: freshSeed,
        numRuns: Number(freshRuns ?? Math.ceil(runs / 2)),
        includeErrorInReport: true,
      });
    });
  }
}

const plain = { ...PLAIN, how: "wait" } as const;

test("of two that give up in the same moment none lets in the other (found by seed 137719686)", async () => {
  const shared = { ...plain, mode: "shared", names: [CROWDED] } as const;
  const impatient = { ...shared, timeoutMs: 10_000 };
  const wishes = [shared, { ...impatient, mode: "exclusive" } as const, impatient];
  const rig = new WorldRig({ seed: 0, clients: CLIENTS, cache: false }, 100);
  await play(rig, false, program(asking(wishes), { do: "lapse", client: 0 }));
});

test("who is let in by the end of a use, while another's end is waited for, is not younger than it is (found by seed 71)", async () => {
  const short = { ...plain, maxHoldMs: 20_000 };
  const a = { ...plain, names: ["a"] };
  const b = { ...plain, names: ["b"] };
  const first = [asking([{ ...short, names: ["a"] }]), asking([a]), asking([{ ...short, names: ["b"] }, a, b])];
  const rig = await ClusterRig.make({ seed: 0, clients: CLIENTS, cache: false });
  await play(rig, false, program(...first, { do: "failOver" }, { ...asking([a]), crash: true }));
});

test("nor is who is let in by an end that follows another's (found by seed 72)", async () => {
  const permit = { ...plain, mode: "shared", names: ["pool"], permits: 1 } as const;
  const short = { ...permit, maxHoldMs: 20_000 };
  const rig = new WorldRig({ seed: 0, clients: CLIENTS, cache: {} }, 100);
  await play(rig, {}, program(asking([{ ...plain, names: ["a"], maxHoldMs: 60_000 }]), asking([short, short, permit])));
});

function asking(wishes: Extract<Step, { do: "ask" }>["wishes"]): Extract<Step, { do: "ask" }> {
  return { do: "ask", client: 0, wishes, inVain: false, crash: false };
}

function program(...steps: readonly Step[]): StepCommand[] {
  return steps.map((one) => new StepCommand(one));
}

test.run();
