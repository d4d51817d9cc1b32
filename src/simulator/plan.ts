/**
 * What one seed draws: how many nodes and clients, options, the mix of faults.
 * @module
 */
import { CORE_DEFAULTS, type CoreOptions } from "../protocol/options.ts";
import { FAULTS, MOST_DRIFT, PROGRAM_FAULTS } from "./faults.ts";
import { FOUNDING_FAULTS, INSTANTS } from "./instants.ts";
import { LASTING_FAULTS } from "./lasting.ts";
import type { Random } from "./random.ts";
import type { LeadingOptions } from "./workload/leading.ts";
import { drawWishes } from "./workload/lock-wishes.ts";
import type { LockingOptions } from "./workload/locking.ts";
import type { LoadOptions } from "./workload/registers.ts";

/** What a run is made of, all of it drawn from the seed unless asked for. */
export interface Plan {
  readonly nodes: number;
  readonly clients: number;
  /** Calls that one client has under way at once. */
  readonly lanes: number;
  readonly load: LoadOptions;
  readonly locking: LockingOptions;
  readonly leading: LeadingOptions;
  readonly options: CoreOptions;
  readonly sessionTtlMs: number;
  readonly turnMs: number;
  /** A segment of the log on disk ends at about this size. */
  readonly segmentBytes: number;
  /** The clocks of nodes run fast or slow by up to this share. */
  readonly drift: number;
  readonly faults: readonly string[];
  /** What befalls the cluster while it is founded. */
  readonly founding: string | undefined;
  /** Mean time from fault to fault. */
  readonly faultEveryMs: number;
  /** Faults end at the latest after this long. */
  readonly troubleMs: number;
  /** The nodes start within this time. */
  readonly startMs: number;
  /** The newest machine version that there is; with 1 nothing is upgraded. */
  readonly newestProgram: number;
  /** The newest machine version that each node's first program can run. */
  readonly programs: readonly number[];
  /** Of what healing leaves, one after another: each lasts until the others have answered every client without the victim. */
  readonly lasting: readonly string[];
  /** Whether other nodes may be restarted as one of these begins. */
  readonly restarts: boolean;
  /** How often an operator asks for a copy of the state in the trouble; if ever, also after it, and a new cluster is made. */
  readonly copies: number;
  /** How often an operator asks for a change of the membership in the trouble. */
  readonly changes: number;
}

/** What may be asked for instead of drawn. */
export type PlanWishes = Partial<Pick<Plan, "nodes" | "clients" | "faults" | "faultEveryMs">> & {
  /** `newestProgram`. */
  readonly versions?: number;
  readonly calls?: number;
  /** Only calls, and what goes wrong: see `callsAlone`. */
  readonly work?: "calls";
};

const SIZES: readonly (readonly [number, number])[] = [
  [4, 1],
  [4, 2],
  [60, 3],
  [10, 4],
  [16, 5],
  [3, 6],
  [3, 7],
];

const CALLS = 200;

/** Calls under way at one key, on an average: the orders of more are too many to try. */
const MOST_AT_A_KEY = 12;

/** Longer than any run: such calls are answered, or nobody gives them up. */
const NEVER_MS = 3_600_000;

/** What else happens to programs. */
const WITH_PROGRAMS: readonly (readonly string[])[] = [[], ["older program"], ["left behind"]];

export function drawPlan(random: Random, wishes: PlanWishes = {}): Plan {
  const plan = drawWhole(random, wishes);
  return wishes.work === "calls" ? callsAlone(plan, wishes.calls ?? CALLS) : plan;
}

/** No locks, elections, upgrades, operators, nor faults that last into the healing: what a core alone goes through. */
function callsAlone(plan: Plan, calls: number): Plan {
  const { load, locking, leading, faults, founding, programs } = plan;
  return {
    ...plan,
    load: { ...load, calls, mayBeTooNew: false },
    locking: { ...locking, rounds: 0 },
    leading: { ...leading, rounds: 0, runs: 0 },
    newestProgram: 1,
    programs: programs.map(() => 1),
    faults: faults.filter((kind) => !(kind in PROGRAM_FAULTS)),
    founding: founding === OLDER_PROGRAM ? undefined : founding,
    copies: 0,
    changes: 0,
    lasting: [],
  };
}

function drawWhole(random: Random, wishes: PlanWishes): Plan {
  const nodes = wishes.nodes ?? random.weighted(SIZES);
  const kinds = Object.keys(FAULTS);
  const density = random.pick([0.1, 0.25, 0.5, 0.8]);
  const calls = wishes.calls ?? CALLS;
  const clients = wishes.clients ?? random.integer(1, 5);
  const lanes = random.pick([1, 2, 4, 8, 16]);
  // A round of the lock tester is two calls or so.
  const rounds = Math.round(calls * random.pick([0, 0.1, 0.25]));
  const instants = random.fork("instants");
  const drawn = kinds.filter((kind) => (kind in INSTANTS ? instants : random).chance(density));
  const founding = wishes.faults === undefined ? drawFounding(random.fork("founding")) : undefined;
  const upgrade = random.fork("upgrade");
  const newestProgram = wishes.versions ?? upgrade.pick([1, 1, 1, 2, 2, 3]);
  // Programs are replaced whatever else goes wrong.
  const faults = newestProgram > 1 ? [...new Set([...drawn, "newer program", ...upgrade.pick(WITH_PROGRAMS)])] : drawn;
  const programs = Array.from({ length: nodes }, () => upgrade.pick([1, 1, upgrade.integer(1, newestProgram)]));
  return {
    nodes,
    clients,
    lanes,
    load: {
      calls: calls - 2 * rounds,
      keys: Math.max(random.integer(1, 6), Math.ceil((clients * lanes) / MOST_AT_A_KEY)),
      thinkMs: random.pick([0, 0, 2, 10, 30]),
      reads: random.pick([0.2, 0.5]),
      kv: random.fork("kv").pick([0, 0, 0.1, 0.3]),
      timeoutMs: random.pick([1000, 5000, 30_000, NEVER_MS]),
      mayBeTooNew: newestProgram > 1,
    },
    locking: {
      rounds,
      names: random.integer(1, 3),
      holdMs: random.pick([0, 10, 100]),
      shared: random.pick([0, 0.3]),
      steals: random.chance(0.2),
      cache: drawCache(random.fork("cache")),
      wishes: drawWishes(random.fork("lock wishes")),
    },
    leading: drawLeading(random.fork("leading"), calls),
    options: drawOptions(random, nodes),
    sessionTtlMs: random.pick([500, 500, 1000, 2000]),
    turnMs: random.pick([0, 0.2, 0.5, 2]),
    segmentBytes: random.pick([8000, 30_000, 1 << 20]),
    drift: MOST_DRIFT,
    newestProgram,
    // A cluster begins with what all can run.
    programs: founding === OLDER_PROGRAM ? programs.map(() => newestProgram) : programs,
    faults: wishes.faults ?? faults,
    founding,
    faultEveryMs: wishes.faultEveryMs ?? random.pick([40, 100, 200, 500]),
    troubleMs: random.pick([1500, 2500, 4000, 6000]),
    startMs: random.pick([0, 50, 1000]),
    copies: random.fork("copies").pick([0, 0, 0, 0, 0, 0, 0, 1, 3, 8]),
    changes: nodes < 3 || wishes.faults !== undefined ? 0 : random.fork("changes").pick([0, 0, 0, 0, 0, 0, 1, 2, 4]),
    restarts: wishes.faults === undefined,
    lasting: nodes < 3 || wishes.faults?.length === 0 ? [] : drawLasting(random),
  };
}

const OLDER_PROGRAM = "older program at genesis";
/** Of so many clusters all come to be in peace. */
const FOUNDED_IN_PEACE = 0.8;

function drawFounding(random: Random): string | undefined {
  return random.chance(FOUNDED_IN_PEACE) ? undefined : random.pick(Object.keys(FOUNDING_FAULTS));
}

function drawCache(random: Random): LockingOptions["cache"] {
  return {
    share: random.pick([0, 0.5, 1, 1]),
    size: random.pick([1, 2, 100]),
    idleMs: random.pick([20, 200, 10_000]),
  };
}

function drawLeading(random: Random, calls: number): LeadingOptions {
  return {
    rounds: Math.round(calls * random.pick([0, 0, 0.05, 0.1])),
    names: random.integer(1, 2),
    termMs: random.pick([0, 10, 100]),
    ttlMs: random.pick([100, 500, 2000]),
    runs: Math.round(calls * random.pick([0, 0.05, 0.2])),
    drift: MOST_DRIFT,
  };
}

function drawLasting(random: Random): string[] {
  const kinds = Object.keys(LASTING_FAULTS);
  return Array.from({ length: random.pick([0, 0, 1, 2]) }, () => random.pick(kinds));
}

function drawOptions(random: Random, nodes: number): CoreOptions {
  return {
    ...CORE_DEFAULTS,
    heartbeatMs: random.pick([50, 100, 100]),
    suspectMs: random.pick([300, 500, 500, 1000]),
    minCopies: nodes === 1 ? 1 : 2,
    // Of three nobody is ever forgotten.
    forgetAfterMs: nodes === 3 ? undefined : random.fork("forgetting").pick([undefined, 600, 1500]),
    maxInvokeBytes: random.pick([200, 2000, CORE_DEFAULTS.maxInvokeBytes]),
    maxInFlightBytes: random.pick([1000, 20_000, CORE_DEFAULTS.maxInFlightBytes]),
    maxPendingEntries: random.pick([10, 1000, CORE_DEFAULTS.maxPendingEntries]),
    snapshotEveryBytes: random.pick([1000, 5000, 20_000, CORE_DEFAULTS.snapshotEveryBytes]),
  };
}
