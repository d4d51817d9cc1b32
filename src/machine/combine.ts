/**
 * Several machines in one cluster.
 * @module
 */
import type { AnyMachine } from "./definition.ts";
import { checkMachines } from "./replicated.ts";

/**
 * The machines that a cluster runs side by side, for the `machines` option of replicas and clients: checked once, where
 * they are put together. Their names tell them apart, so no two may have the same; the order does not matter.
 *
 * @example
 * ```ts
 * import * as v from "valibot";
 * import { combine, defineMachine, query, startCluster } from "viewstamp";
 * import { kv } from "viewstamp/kv";
 *
 * const empty = defineMachine({
 *   name: "empty",
 *   version: 1,
 *   init: () => ({}),
 *   commands: {},
 *   queries: { size: query(v.undefined(), () => 0) },
 * });
 *
 * await using cluster = await startCluster({ nodes: 3, machines: combine(empty, kv) });
 * const client = await cluster.connect();
 * await client.kv.put({ key: "greeting", value: "hello" });
 * ```
 *
 * @throws {ViewstampError} `InvalidOptions` if there is none, one is no machine, or two have the same name
 */
export function combine<const Machines extends readonly AnyMachine[]>(...machines: Machines): Machines {
  checkMachines(machines);
  return machines;
}
