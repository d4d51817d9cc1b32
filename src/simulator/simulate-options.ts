/**
 * What `simulate` takes, and the checks at its door.
 * @module
 */
import type { MachineClient, MachinesClient } from "../client/connect.ts";
import { invalid, refuseUnknown } from "../client/options.ts";
import type { AnyMachine } from "../machine/definition.ts";
import { replicated } from "../machine/replicated.ts";
import { FAULTS, PROGRAM_FAULTS } from "./faults.ts";
import { LASTING_FAULTS } from "./lasting.ts";
import type { PlanWishes } from "./plan.ts";
import type { SimulatedRound, UserSimulation } from "./workload/user.ts";
import type { SimulatedCall } from "./workload/user-calls.ts";

/** What may be asked for beside the machine and what is done with it; the seed draws the rest. */
export interface SimulateOptions {
  /** How many seeds are tried, one after another, up to the first failure. Default 100. */
  readonly seeds?: number;
  /** The first one; each is one more. Default 1: the same seeds every time. For fresh ones give `Date.now()`. */
  readonly firstSeed?: number;
  /** How many nodes, from 1 to 7. Default: drawn, mostly 3. */
  readonly nodes?: number;
  /** How many clients, from 1 to 20. Default: drawn, from 1 to 5. */
  readonly clients?: number;
  /** How often each client goes through the workload, from 1 to 1000. Default 20. */
  readonly rounds?: number;
  /** Only these kinds of faults (`faultKinds` lists all), or `[]` for none. Default: each seed draws its own mix. */
  readonly faults?: readonly string[];
}

/** Options of `simulate` for one machine. */
export interface SimulateMachineOptions<Of extends AnyMachine> extends SimulateOptions {
  /** The machine that is tested. */
  readonly machine: Of;
  /**
   * What a client does, from calls to the end: one round. A client that dies goes on with its next round in its next life.
   * `Timeout`, `SessionExpired`, `NoQuorum`, `Busy`, `Overloaded` and `Closed` may leave it uncaught and end the round;
   * anything else that it throws is a failure. It waits for calls and for `sleep` only.
   */
  readonly workload: (round: SimulatedRound<MachineClient<Of>>) => unknown;
  /** Looks at the end of each seed, when all has healed; throwing, or giving `false`, is a failure. */
  readonly check?: (end: SimulatedEnd<ReturnType<Of["init"]>, SimulatedCall<Of>, MachineClient<Of>>) => unknown;
}

/** The states of several machines, by name. */
export type StatesOf<Of extends readonly AnyMachine[]> = {
  readonly [One in Of[number] as One["name"]]: ReturnType<One["init"]>;
};

/** Options of `simulate` for several machines in one cluster. */
export interface SimulateMachinesOptions<Of extends readonly AnyMachine[]> extends SimulateOptions {
  /** The machines that are tested; clients call each by its name. */
  readonly machines: Of;
  /** As for one machine. */
  readonly workload: (round: SimulatedRound<MachinesClient<Of>>) => unknown;
  /** As for one machine. */
  readonly check?: (end: SimulatedEnd<StatesOf<Of>, SimulatedCall<Of[number]>, MachinesClient<Of>>) => unknown;
}

/** How a seed ended: all faults are over, all rounds too, and the replicas have been found equal. */
export interface SimulatedEnd<State, Call, Client> {
  /** The machine's state, which all replicas have in common; of several machines, a record of states by name. */
  readonly state: State;
  /** Every call that any client has made, in order. */
  readonly calls: readonly Call[];
  /** A fresh client, for queries. */
  readonly client: Client;
}

/** The kinds of faults, for the option `faults`. */
export const faultKinds: readonly string[] = Object.freeze([
  ...Object.keys(FAULTS).filter((kind) => !(kind in PROGRAM_FAULTS)),
  ...Object.keys(LASTING_FAULTS),
]);

const DEFAULT_SEEDS = 100;
const DEFAULT_ROUNDS = 20;
/** What a simulation is made of, for each seed. */
export type Simulation = Omit<UserSimulation, "clients" | "pauseMs">;

interface AnyOptions extends SimulateOptions {
  readonly machine?: AnyMachine;
  readonly machines?: readonly AnyMachine[];
  readonly workload: UserSimulation["workload"];
  readonly check?: UserSimulation["check"];
}

export interface Checked {
  readonly seeds: number;
  readonly firstSeed: number;
  readonly wishes: PlanWishes;
  readonly simulation: Simulation;
}

const whatNames = ["machine", "machines", "workload", "check"];
const optionNames = [...whatNames, "seeds", "firstSeed", "nodes", "clients", "rounds", "faults"];

/** @throws {ViewstampError} `InvalidOptions` */
export function checked(given: SimulateOptions): Checked {
  const options = given as AnyOptions;
  if (typeof options !== "object" || options === null) throw invalid("the options of simulate are an object", {});
  refuseUnknown(options, optionNames, "simulate");
  const { machine, machines, workload, check, nodes, clients, faults } = options;
  const seeds = whole("seeds", options.seeds ?? DEFAULT_SEEDS, 1, 1e9);
  const firstSeed = whole("firstSeed", options.firstSeed ?? 1, 0, Number.MAX_SAFE_INTEGER - 1e9);
  const rounds = whole("rounds", options.rounds ?? DEFAULT_ROUNDS, 1, 1000);
  const wishes = {
    ...(nodes !== undefined && { nodes: whole("nodes", nodes, 1, 7) }),
    ...(clients !== undefined && { clients: whole("clients", clients, 1, 20) }),
    ...(faults !== undefined && { faults: checkedFaults(faults) }),
  };
  if ((machine === undefined) === (machines === undefined))
    throw invalid("simulate takes either machine or machines", { option: "machine" });
  if (Array.isArray(machine))
    throw invalid("machine is one machine; for several there is machines", { option: "machine" });
  if (machines !== undefined && !Array.isArray(machines))
    throw invalid("machines is a list; for one there is machine", { option: "machines" });
  const all = (machine ?? machines) as UserSimulation["machines"];
  replicated(all);
  if (typeof workload !== "function")
    throw invalid("workload is what a client does: a function", { option: "workload" });
  if (check !== undefined && typeof check !== "function") throw invalid("check is a function", { option: "check" });
  return { seeds, firstSeed, wishes, simulation: { machines: all, workload, check, rounds } };
}

function whole(option: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw invalid(`${option} must be a whole number from ${least} to ${most}, not ${String(value)}`, { option });
}

function checkedFaults(faults: readonly string[]): readonly string[] {
  if (!Array.isArray(faults)) throw invalid("faults is a list of kinds of faults", { option: "faults" });
  for (const kind of faults) {
    if (!faultKinds.includes(kind))
      throw invalid(`there is no fault ${JSON.stringify(kind)}; there are: ${faultKinds.join(", ")}`, {
        option: "faults",
      });
  }
  return faults;
}
