/**
 * A user's own machine in the simulator: many seeds, what they found, and how to see it again.
 * @module
 */
import { startCore } from "../client/core.ts";
import type { AnyMachine } from "../machine/definition.ts";
import type { Environment } from "../protocol/environment.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { MachineVersion } from "../protocol/machine.ts";
import { realBrain } from "../replica/brain.ts";
import { FAULTS, PROGRAM_FAULTS } from "./faults.ts";
import { FOUNDING_FAULTS } from "./instants.ts";
import { LASTING_FAULTS } from "./lasting.ts";
import { drawPlan, type Plan, type PlanWishes } from "./plan.ts";
import { Random } from "./random.ts";
import {
  checked,
  faultKinds,
  type SimulateMachineOptions,
  type SimulateMachinesOptions,
  type SimulateOptions,
  type Simulation,
} from "./simulate-options.ts";
import { type Outcome, type Parts, simulateSeed } from "./simulation.ts";
import { programsOf } from "./workload/programs.ts";
import { setTraps } from "./workload/traps.ts";
import { type UserSimulation, UserWorkload } from "./workload/user.ts";
import { type Found, UserMachines } from "./workload/user-machine.ts";

/** What went wrong in one seed. */
export interface SimulationFailure {
  /** The seed that shows it. */
  readonly seed: number;
  /** The rule that was broken, from 1 to 15; 0 if the machine, the workload or the check threw. */
  readonly rule: number;
  /** What that rule says. */
  readonly statement: string;
  /** What happened. */
  readonly text: string;
  /** What the machine, the workload or the check threw, if that was it. */
  readonly cause?: unknown;
  /** Who did what, line by line, from the beginning of the seed to the failure. */
  readonly story: readonly string[];
  /** How to see it again. */
  readonly replay: string;
}

/** What many seeds came to. Plain data. */
export interface SimulationReport {
  /** Whether nothing was found. */
  readonly ok: boolean;
  /** All of it in a few lines, for people: `assert.ok(report.ok, report.text)`. */
  readonly text: string;
  /** Seeds that were run, the failed one included. */
  readonly seeds: number;
  /** Events in all of them. */
  readonly steps: number;
  /** Calls that were answered. */
  readonly calls: number;
  /** Simulated time, in milliseconds. */
  readonly simulatedMs: number;
  /** How often each kind of fault happened. */
  readonly faults: Readonly<Record<string, number>>;
  /** What was found first. */
  readonly failure?: SimulationFailure;
}

const PAUSES_MS = [0, 20, 100, 200];
const NEVER_THROWS = "Never an error from the machine, the workload or the check.";

/**
 * Runs a machine on simulated clusters in which nodes crash, lose power and disks, clocks drift, the network drops and cuts,
 * and clients die; every choice comes from the seed. Found are: replicas that differ (a machine that reads a clock or
 * chance, keeps something outside of its state, or is another after a snapshot), errors that a machine or the workload
 * throws, waits without end, and whatever `check` refuses. It resolves with a report, whatever was found.
 *
 * A machine with `previous` is upgraded in each seed by rolling restarts: nodes begin with older programs, get newer ones, and
 * switch. Clients are of any of its versions, but all have the newest one's calls: until the switch a round may also end with
 * `WrongMachine`, `UnknownCommand` or `InvalidInput`.
 *
 * @example
 * ```ts
 * const report = await simulate({
 *   machine: stock,
 *   workload: ({ client, random }) => client.add({ sku: "bolt", by: random.integer(1, 5) }),
 *   check: ({ state, calls }) => {
 *     const added = calls.flatMap((call) => (call.name === "add" && call.outcome === "done" ? [call.input.by] : []));
 *     const sure = added.reduce((sum, by) => sum + by, 0);
 *     if ((state.get("bolt") ?? 0) < sure) throw new Error(`${sure} were added, and ${state.get("bolt")} are there`);
 *   },
 * });
 * if (!report.ok) throw new Error(report.text);
 * ```
 *
 * @throws {ViewstampError} `InvalidOptions`
 */
export function simulate<Of extends AnyMachine>(options: SimulateMachineOptions<Of>): Promise<SimulationReport>;
/** The same for several machines in one cluster: `client.stock.add(…)`, `state.stock`. */
export function simulate<const Of extends readonly AnyMachine[]>(
  options: SimulateMachinesOptions<Of>,
): Promise<SimulationReport>;
export async function simulate(options: SimulateOptions): Promise<SimulationReport> {
  const { seeds, firstSeed, wishes, simulation } = checked(options);
  const tally = new Tally();
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    const run = await inTurn(() => runSeed(seed, simulation, wishes, false));
    tally.take(run.outcome);
    const { violation } = run.outcome;
    if (violation === undefined) continue;
    const again = await inTurn(() => runSeed(seed, simulation, wishes, true));
    return tally.report(failureOf(run, again));
  }
  return tally.report(undefined);
}

interface SeedRun {
  readonly outcome: Outcome;
  readonly cause: unknown;
}

async function runSeed(seed: number, simulation: Simulation, wishes: PlanWishes, tell: boolean): Promise<SeedRun> {
  const random = new Random(seed);
  const plan = planOf(random, { ...wishes, versions: programsOf(simulation.machines).length });
  const pauseMs = random.fork("pauses").pick(PAUSES_MS);
  const scene = new Scene({ ...simulation, clients: plan.clients, pauseMs });
  const removeTraps = setTraps({ nowMs: () => scene.now(), random: random.fork("outside") });
  try {
    const outcome = await simulateSeed(seed, plan, scene.parts, tell);
    return { outcome, cause: scene.cause };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ViewstampError("Internal", `the simulator failed in seed ${seed}: ${why}`, { cause });
  } finally {
    scene.over();
    removeTraps();
  }
}

/** Faults that last are drawn beside the others; asked for by name, they are among them. */
function planOf(random: Random, wishes: PlanWishes): Plan {
  const plan = drawPlan(random.fork("plan"), { ...wishes, calls: 0 });
  if (wishes.faults === undefined) return plan;
  const faults = plan.faults.filter((kind) => kind in FAULTS);
  return { ...plan, faults, lasting: wishes.faults.filter((kind) => kind in LASTING_FAULTS && plan.nodes >= 3) };
}

/** The parts of one run. */
class Scene {
  readonly #simulation: UserSimulation;
  now: () => number = () => 0;
  cause: unknown;
  #machines: UserMachines | undefined;
  #workload: UserWorkload | undefined;

  constructor(simulation: UserSimulation) {
    this.#simulation = simulation;
  }

  readonly parts: Parts = (plan) => ({
    machine: (_, node, program) => (this.#machines as UserMachines).machineOf(node, program),
    makeBrain: realBrain,
    connect: (transport, life, urls) =>
      startCore({
        cluster: urls,
        transport,
        environment: life,
        machines: this.#versionsOf(life),
        sessionTtlMs: plan.sessionTtlMs,
        timeoutMs: plan.load.timeoutMs,
      }),
    workload: (now, violated) => {
      const found: Found = (rule, text, cause) => {
        this.cause ??= cause;
        violated(rule, text);
      };
      this.now = now;
      this.#machines = new UserMachines(this.#programs, found);
      this.#workload = new UserWorkload(this.#simulation, this.#machines, now, found);
      return this.#workload;
    },
  });

  over(): void {
    this.#workload?.over();
  }

  get #programs(): readonly (readonly AnyMachine[])[] {
    return programsOf(this.#simulation.machines);
  }

  /** A client is of any program; of which its session says. */
  #versionsOf(life: Pick<Environment, "random">): MachineVersion[] {
    const programs = this.#programs;
    const program = programs.length === 1 ? 0 : Math.floor(life.random() * programs.length);
    return (programs[program] ?? []).map(({ name, version }) => ({ name, version }));
  }
}

let last: Promise<unknown> = Promise.resolve();

/** One seed at a time, for the globals are replaced while it runs; between seeds the process may do other things. */
function inTurn(run: () => Promise<SeedRun>): Promise<SeedRun> {
  const turn = last.then(() => new Promise((resolve) => setTimeout(resolve))).then(run);
  last = turn.catch(() => {});
  return turn;
}

class Tally {
  readonly #faults: Record<string, number> = {};
  #seeds = 0;
  #steps = 0;
  #calls = 0;
  #simulatedMs = 0;

  take({ steps, calls, simulatedMs, counts }: Outcome): void {
    this.#seeds++;
    this.#steps += steps;
    this.#calls += calls;
    this.#simulatedMs += simulatedMs;
    for (const kind of [...faultKinds, ...Object.keys({ ...PROGRAM_FAULTS, ...FOUNDING_FAULTS })]) {
      const count = counts.get(kind) ?? 0;
      if (count > 0) this.#faults[kind] = (this.#faults[kind] ?? 0) + count;
    }
  }

  report(failure: SimulationFailure | undefined): SimulationReport {
    const numbers = { seeds: this.#seeds, steps: this.#steps, calls: this.#calls, simulatedMs: this.#simulatedMs };
    const faults = { ...this.#faults };
    if (failure !== undefined) return { ok: false, text: failedText(failure), ...numbers, faults, failure };
    const count = Object.values(faults).reduce((sum, one) => sum + one, 0);
    const seconds = Math.round(this.#simulatedMs / 1000);
    const text = `${this.#seeds} seeds found nothing: ${this.#calls} calls, ${count} faults, ${seconds} simulated seconds`;
    return { ok: true, text, ...numbers, faults };
  }
}

function failedText({ seed, rule, statement, text, replay }: SimulationFailure): string {
  return `seed ${seed} breaks rule ${rule}: ${text}\n  the rule: ${statement}\n  to see it again: ${replay}`;
}

/** What is still told in the turn in which it happened says no more. */
function upToFailure(story: readonly string[]): readonly string[] {
  const at = story.findIndex((line) => line.includes(" !! rule "));
  return at === -1 ? story : story.slice(0, at + 1);
}

/** The second run is the same as the first, and has told its story. */
function failureOf({ outcome, cause }: SeedRun, again: SeedRun): SimulationFailure {
  const { seed, violation } = outcome;
  const { rule = 0, statement = "", text = "" } = violation ?? {};
  const same = again.outcome.violation?.text === text;
  const unsure = " (run again, this seed went another way: something depends on the world outside of the simulation)";
  return {
    seed,
    rule,
    statement: statement === "" ? NEVER_THROWS : statement,
    text: same ? text : `${text}${unsure}`,
    ...(cause !== undefined && { cause }),
    story: upToFailure(again.outcome.story),
    replay: `simulate({ ...the same options, firstSeed: ${seed}, seeds: 1 })`,
  };
}
