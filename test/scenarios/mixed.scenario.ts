// A cluster with a replica on each runtime: each of the three is once the primary that is killed.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { oneWay } from "../harness/scenario.ts";
import type { RuntimeName } from "../runtimes.ts";
import { underLoad } from "./load.ts";

const orders: readonly (readonly RuntimeName[])[] = [
  ["node", "bun", "deno"],
  ["bun", "deno", "node"],
  ["deno", "node", "bun"],
];

for (const runtimes of orders) {
  const title = `the primary on ${runtimes[0]} is killed and comes back, ${runtimes[1]} takes over`;
  oneWay(title, { nodes: 3, runtimes }, async (cluster, visitors) => {
    await underLoad(visitors, async (load) => {
      await load.randomMoment();
      await cluster.kill("p0");
      assert.is((await cluster.view("p1", "p2")).primary, "p1");
      await load.goesOn();
      await cluster.restart("p0");
      assert.is((await cluster.view("p0", "p1", "p2")).primary, "p1");
      await load.goesOn();
    });
    await visitors.agree("p0", "p1", "p2");
  });
}

test.run();
