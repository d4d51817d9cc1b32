/**
 * The real parts that the simulator runs by default: the core, the client, and the tester machine.
 * @module
 */
import { startCore } from "../client/core.ts";
import { locks } from "../locks/machine.ts";
import type { AnyMachine } from "../machine/definition.ts";
import { replicated } from "../machine/replicated.ts";
import { realBrain } from "../replica/brain.ts";
import type { Parts } from "./simulation.ts";
import { watchedLocks } from "./workload/lock-checks.ts";
import { TesterWorkload } from "./workload/tester.ts";
import { tester } from "./workload/tester-machine.ts";

const VERSIONS = replicated([tester, locks]).versions;

export const REAL_PARTS: Parts = (plan) => {
  let watched: AnyMachine | undefined;
  return {
    machine: (violated) => replicated([tester, (watched ??= watchedLocks(violated))]),
    replay: () => replicated([tester, locks]),
    makeBrain: realBrain,
    connect: (transport, life, urls) =>
      startCore({
        cluster: urls,
        transport,
        environment: life,
        machines: VERSIONS,
        sessionTtlMs: plan.sessionTtlMs,
      }),
    workload: (now, violated, acts) => new TesterWorkload(plan, now, violated, acts),
  };
};
