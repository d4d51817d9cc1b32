/**
 * The arguments of `npm run sim`, and of the workers that share a campaign.
 */
import { parseArgs } from "node:util";
import { DEMANDED_FAULTS, FAULTS } from "../../src/simulator/faults.ts";
import type { PlanWishes } from "../../src/simulator/plan.ts";
import { type RuntimeName, runtimeNames } from "../runtimes.ts";

export const USAGE = `npm run sim -- [options]
  --seeds N      how many seeds (default 100; 1 with --seed)
  --seed S       the first seed (default: from the clock)
  --nodes N      instead of a drawn number; also --clients N and --calls N
  --work calls   calls and faults only: no locks, elections, upgrades, operators, nor faults that last
  --versions N   machine versions that nodes are upgraded to, instead of a drawn number
  --faults A,B   only these kinds of faults; "none" for none, "list" to see them
  --workers N    so many processes (default 2; 1 with --trace)
  --runtime R    what they run on: node, bun, deno, or current for the newest Node (default: the fastest that is here);
                 with --trace and --hash it is the one that this program runs on
  --trace        tell the story of each run
  --hash         print each run's hash
  --keep-going   do not end at the first failure
  --mutants      plant known bugs, one after another: each must be caught; --mutants=TEXT for those whose name has it
  --json         totals as one line of JSON`;

export interface SimOptions {
  readonly firstSeed: number;
  readonly seeds: number;
  readonly stride: number;
  readonly workers: number;
  readonly runtime: RuntimeName | undefined;
  readonly wishes: PlanWishes;
  readonly trace: boolean;
  readonly hash: boolean;
  readonly keepGoing: boolean;
  readonly mutants: string | undefined;
  readonly json: boolean;
  readonly help: boolean;
  readonly listFaults: boolean;
}

/** @throws {TypeError} with what is wrong, in words for whoever typed it */
export function parseOptions(args: readonly string[]): SimOptions {
  const { values } = parseArgs({
    args: args.filter((one) => one !== "--").map((one) => (one === "--mutants" ? "--mutants=" : one)),
    options: {
      seeds: { type: "string" },
      seed: { type: "string" },
      stride: { type: "string", default: "1" },
      nodes: { type: "string" },
      clients: { type: "string" },
      calls: { type: "string" },
      versions: { type: "string" },
      work: { type: "string" },
      faults: { type: "string" },
      workers: { type: "string" },
      runtime: { type: "string" },
      mutants: { type: "string" },
      trace: { type: "boolean", default: false },
      hash: { type: "boolean", default: false },
      "keep-going": { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const alone = values.trace || values.hash;
  const listFaults = values.faults === "list";
  if (alone && values.runtime !== undefined)
    throw new TypeError(
      "--trace and --hash are of this very process: start test/simulation/sim.ts on the runtime itself",
    );
  return {
    firstSeed: count("seed", values.seed, 0, Number.MAX_SAFE_INTEGER) ?? Date.now() * 1000,
    seeds:
      count("seeds", values.seeds, 1, 1e9) ??
      (values.mutants !== undefined ? 2000 : values.seed === undefined ? 100 : 1),
    stride: count("stride", values.stride, 1, 1000) ?? 1,
    workers: alone ? 1 : (count("workers", values.workers, 1, 64) ?? 2),
    runtime: runtime(values.runtime),
    wishes: {
      ...wish("nodes", count("nodes", values.nodes, 1, 7)),
      ...wish("clients", count("clients", values.clients, 1, 100)),
      ...wish("calls", count("calls", values.calls, 1, 1e6)),
      ...wish("versions", count("versions", values.versions, 1, 9)),
      ...wish("work", work(values.work)),
      ...wish("faults", listFaults ? undefined : faults(values.faults)),
    },
    trace: values.trace,
    hash: values.hash,
    keepGoing: values["keep-going"],
    mutants: values.mutants,
    json: values.json,
    help: values.help,
    listFaults,
  };
}

/** What a worker needs to draw the same plans. */
export function wishArguments(wishes: PlanWishes): string[] {
  const given = Object.entries({ ...wishes, faults: wishes.faults && (wishes.faults.join(",") || "none") });
  return given.filter(([, value]) => value !== undefined).map(([name, value]) => `--${name}=${value}`);
}

function wish<K extends string, V>(name: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [P in K]: V });
}

function count(name: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() !== "" && Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw new TypeError(`--${name} must be a whole number from ${least} to ${most}, not ${JSON.stringify(text)}`);
}

function runtime(text: string | undefined): RuntimeName | undefined {
  const name = runtimeNames.find((one) => one === text);
  if (text === undefined || name !== undefined) return name;
  throw new TypeError(`--runtime must be one of ${runtimeNames.join(", ")}, not ${JSON.stringify(text)}`);
}

function work(text: string | undefined): "calls" | undefined {
  if (text === undefined || text === "calls") return text;
  throw new TypeError(`--work must be "calls", not ${JSON.stringify(text)}`);
}

function faults(text: string | undefined): readonly string[] | undefined {
  if (text === undefined) return undefined;
  if (text === "none") return [];
  const kinds = text.split(",");
  const unknown = kinds.find((kind) => !Object.hasOwn({ ...FAULTS, ...DEMANDED_FAULTS }, kind));
  if (unknown !== undefined) throw new TypeError(`--faults: there is no fault "${unknown}"; see --faults list`);
  return kinds;
}
