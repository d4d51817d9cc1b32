/**
 * The real parts that the simulator runs by default: the core, the client, and the tester machine.
 * @module
 */
import { startCore } from "../client/core.ts";
import { locks } from "../locks/machine.ts";
import type { AnyMachine } from "../machine/definition.ts";
import { kv } from "../machine/kv.ts";
import { replicated } from "../machine/replicated.ts";
import { realBrain } from "../replica/brain.ts";
import type { Parts } from "./simulation.ts";
import { watchedLocks } from "./workload/lock-checks.ts";
import { TesterWorkload } from "./workload/tester.ts";
import { testerOf } from "./workload/tester-machine.ts";

export const REAL_PARTS: Parts = (plan) => {
  let watched: AnyMachine | undefined;
  return {
    machine: (violated, _node, program) => replicated([testerOf(program), (watched ??= watchedLocks(violated)), kv]),
    replay: () => replicated([testerOf(plan.newestProgram), locks, kv]),
    makeBrain: realBrain,
    connect: (transport, life, urls) =>
      startCore({
        cluster: urls,
        transport,
        environment: life,
        machines: [
          { name: "kv", version: kv.version },
          { name: "locks", version: locks.version },
          {
            name: "tester",
            version: plan.newestProgram === 1 ? 1 : 1 + Math.floor(life.random() * plan.newestProgram),
          },
        ],
        sessionTtlMs: plan.sessionTtlMs,
      }),
    workload: (now, violated, witness) => new TesterWorkload(plan, now, violated, witness),
  };
};
