// SIGKILL again and again, on real files: `node --import tsx test/scenarios/torture.ts --rounds 500`. Each round one, two
// or all replicas die at a random moment under load and come back; then every acknowledged write must be there.
//
//   --rounds=500    how many
//   --runtimes=node,bun,deno   the hosts of the three replicas, in turn
import { parseArgs } from "node:util";
import { Cluster } from "../harness/cluster.ts";
import { Visitors } from "../harness/visitors.ts";
import type { RuntimeName } from "../runtimes.ts";
import { torture, VIEW_MS } from "./torturing.ts";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "500" },
    runtimes: { type: "string", default: "node,bun,deno" },
  },
});

const runtimes = options.runtimes.split(",") as RuntimeName[];
const cluster = await Cluster.make({ nodes: 3, runtimes, viewMs: VIEW_MS });
const visitors = new Visitors(cluster.urls);
try {
  await cluster.start();
  await torture(cluster, visitors, Number(options.rounds), (text) => console.log(text));
} catch (error) {
  console.log(cluster.story());
  console.error(error);
  process.exitCode = 1;
} finally {
  await visitors.leave().catch(() => {});
  await cluster.dispose();
}
