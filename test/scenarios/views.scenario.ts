// Views: who belongs, who is primary, and what a crash of a proposer leaves behind (scenarios 0 to 7).
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Cluster } from "../harness/cluster.ts";
import type { Trap } from "../harness/control.ts";
import { scenario } from "../harness/scenario.ts";
import { refusesWrites } from "./refusals.ts";

const three = { nodes: 3 };
const four = { nodes: 4 };

scenario("0: three fresh nodes agree on one view", three, async (cluster) => {
  const { primary, members } = await cluster.view("p0", "p1", "p2");
  assert.is(primary, "p0");
  assert.equal(members, ["p0", "p1", "p2"]);
});

scenario("1: a killed backup leaves the view", three, async (cluster) => {
  await cluster.kill("p2");
  assert.is((await cluster.view("p0", "p1")).primary, "p0");
});

scenario("2: a killed primary is replaced by the next in order", three, async (cluster) => {
  await cluster.kill("p0");
  assert.is((await cluster.view("p1", "p2")).primary, "p1");
});

scenario("3: a backup that was killed comes back with its data", three, async (cluster) => {
  await cluster.kill("p2");
  await cluster.view("p0", "p1");
  await cluster.restart("p2");
  assert.is((await cluster.view("p0", "p1", "p2")).primary, "p0");
});

for (const [first, second] of [
  ["p1", "p2"],
  ["p2", "p1"],
] as const) {
  scenario(`4: p0 alone decides nothing and says BUSY, until ${first} comes back`, three, async (cluster) => {
    await cluster.kill("p2");
    await cluster.view("p0", "p1");
    await cluster.kill("p1");
    await refusesWrites(cluster.node("p0").url);
    await cluster.node("p0").keepsSilentAbout("view", 5_000);
    await refusesWrites(cluster.node("p0").url);
    await cluster.restart(first);
    await cluster.view("p0", first);
    await cluster.restart(second);
    await cluster.view("p0", "p1", "p2");
  });
}

scenario("5: a proposer dies after the promises, before any accept", three, async (cluster) => {
  await cluster.trap("p0", {
    name: "before any accept",
    at: "before-send",
    message: "accept",
    actions: [{ do: "kill" }],
  });
  await cluster.kill("p2");
  await cluster.died("p0", "before any accept");
  await cluster.node("p1").keepsSilentAbout("view", 3_000);
  await cluster.restart("p2");
  assert.is((await cluster.view("p1", "p2")).primary, "p1");
});

/** With the proposer's own, the second `accepted` makes three of four: chosen, and nobody knows. */
const diesWithMajority: Trap = {
  name: "accepted by a majority",
  at: "received",
  message: "accepted",
  count: 2,
  actions: [{ do: "kill" }],
};

async function acceptedButNotDecided(cluster: Cluster): Promise<void> {
  await cluster.trap("p0", diesWithMajority);
  await cluster.kill("p3");
  await cluster.died("p0", diesWithMajority.name);
}

/** The value that p0 left behind becomes view 2; only the next view is without p0. */
async function isDecidedAfterAll(cluster: Cluster): Promise<void> {
  await cluster.view("p1", "p2", "p3");
  const adopted = ["p1", "p2", "p3"].flatMap((id) =>
    cluster.node(id).facts.filter(({ event, vid }) => event === "view" && vid === 2),
  );
  assert.ok(adopted.length > 0);
  for (const { members } of adopted) assert.equal(members, ["p0", "p1", "p2"]);
}

scenario("6: a proposer dies after a majority has accepted, before it decides", four, async (cluster) => {
  await acceptedButNotDecided(cluster);
  await Promise.all(["p1", "p2"].map((id) => cluster.node(id).keepsSilentAbout("view", 3_000)));
  await cluster.restart("p3");
  await cluster.view("p1", "p2");
  await isDecidedAfterAll(cluster);
});

scenario("7: what a majority has accepted survives on their disks", four, async (cluster) => {
  await acceptedButNotDecided(cluster);
  await cluster.kill("p1", "p2");
  await cluster.restart("p1", "p2");
  await Promise.all(["p1", "p2"].map((id) => cluster.node(id).keepsSilentAbout("active", 3_000)));
  await cluster.restart("p3");
  await isDecidedAfterAll(cluster);
});

test.run();
