// A cluster whose programs are replaced one by one, under load: old clients notice nothing.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { connect } from "../../src/entry/client.ts";
import { ViewstampError } from "../../src/protocol/errors.ts";
import { webSocket } from "../../transports/websocket.ts";
import { basket1, basket2 } from "../harness/basket.ts";
import type { Cluster } from "../harness/cluster.ts";
import { scenario } from "../harness/scenario.ts";
import { steadily } from "./steady.ts";

const IDS = ["p0", "p1", "p2"];

async function upgraded(cluster: Cluster): Promise<void> {
  const runsBoth = ({ name, version }: { name: string; version: number }): boolean =>
    name === "basket" && version === 2;
  for (const id of IDS) {
    await cluster.node(id).happened("upgraded", (fact) => (fact["machines"] as []).some(runsBoth));
  }
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "answered";
  } catch (error) {
    if (error instanceof ViewstampError) return error.code;
    throw error;
  }
}

for (const how of ["stop", "kill"] as const) {
  scenario(`a rolling restart (${how}) upgrades the cluster under load`, { nodes: 3 }, async (cluster, visitors) => {
    const transport = webSocket();
    const old = await connect({ cluster: cluster.urls, machine: basket1, transport });
    const young = await connect({ cluster: cluster.urls, machine: basket2, transport });
    try {
      let puts = 0;
      const put = async (): Promise<void> => {
        const { total } = await old.put({ name: "apples", by: 1 });
        assert.is(total, ++puts);
      };
      const { longestGapMs } = await steadily(put, async (goesOn) => {
        await goesOn();
        assert.is(await codeOf(young.put({ name: "pears", by: 1 })), "WrongMachine");
        for (const id of ["p2", "p1", "p0"]) {
          if (how === "stop") await cluster.node(id).stop();
          await cluster.kill(id);
          await cluster.restartWith(id, 2);
          await cluster.view(...IDS);
          await goesOn();
        }
        await upgraded(cluster);
        await goesOn();
        assert.equal(await young.put({ name: "pears", by: 1 }), { total: 1, version: 2 });
        assert.equal(await old.put({ name: "pears", by: 1 }), { total: 2, version: 2 });
        assert.is(await young.empty("pears"), 2);
      });
      assert.is(await old.total("apples"), puts);
      await visitors.agree(...IDS);
      if (process.env["VIEWSTAMP_VERBOSE"] !== undefined)
        console.log(`  ${puts} puts, the longest pause ${Math.round(longestGapMs)} ms`);
    } finally {
      await Promise.all([old.close(), young.close()]);
    }
  });
}

scenario(
  "an old program does not start on newer data, and is not admitted with none",
  { nodes: 3 },
  async (cluster) => {
    for (const id of ["p2", "p1", "p0"]) {
      await cluster.kill(id);
      await cluster.restartWith(id, 2);
      await cluster.view(...IDS);
    }
    await upgraded(cluster);
    await cluster.kill("p2");
    await cluster.view("p0", "p1");
    let text = "it started";
    await cluster.restartWith("p2", 1).catch((error: Error) => {
      text = error.message;
    });
    assert.match(text, /"basket" version 2.*this program can run .*"basket" version 1.*start this node with a program/);
    await cluster.kill("p2");
    cluster.wipe("p2");
    await cluster.restartWith("p2", 1);
    const refusal = await cluster.node("p2").happened("tooOld");
    assert.match(String(refusal["text"]), /the cluster runs .*"basket" version 2/);
    await cluster.view("p0", "p1");
    await cluster.kill("p2");
    await cluster.restartWith("p2", 2);
    await cluster.view(...IDS);
  },
);

test.run();
