/**
 * The real parts that the simulator runs by default: the core, the client, and the tester machine.
 * @module
 */
import { startCore } from "../client/core.ts";
import { locks } from "../locks/machine.ts";
import { replicated } from "../machine/replicated.ts";
import { realBrain } from "../replica/brain.ts";
import type { Parts } from "./simulation.ts";
import { watchedLocks } from "./workload/lock-checks.ts";
import { tester } from "./workload/tester-machine.ts";

const VERSIONS = replicated([tester, locks]).versions;

export const REAL_PARTS: Parts = {
  machine: (violated) => replicated([tester, watchedLocks(violated)]),
  makeBrain: realBrain,
  connect: (transport, life, urls, plan) =>
    startCore({
      cluster: urls,
      transport,
      environment: life,
      machines: VERSIONS,
      sessionTtlMs: plan.sessionTtlMs,
    }),
};
