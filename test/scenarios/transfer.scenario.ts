// State transfer: a large one under load (scenario 31), one whose connection breaks, and one that is overtaken.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { CORE_DEFAULTS } from "../../src/protocol/options.ts";
import type { Cluster } from "../harness/cluster.ts";
import { type Pause, textOf } from "../harness/pause-probe.ts";
import { scenario } from "../harness/scenario.ts";
import type { TestClient } from "../harness/visitors.ts";
import { patience, within } from "../harness/within.ts";
import { type Steadiness, steadily } from "./steady.ts";

const VALUE_BYTES = 100_000;

/** `VIEWSTAMP_MEGABYTES=1000` for more. */
const megabytes = Number(process.env["VIEWSTAMP_MEGABYTES"] ?? 100);

/** Keys of 100 KB each, a few at a time. */
async function fill(client: TestClient, total: number): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < total * 10) {
      const key = `large ${next++}`;
      await client.kv.put({ key, value: new Uint8Array(VALUE_BYTES).fill(next) });
    }
  };
  await Promise.all([lane(), lane(), lane(), lane()]);
}

/** Waits until the primary has a snapshot and its log begins after it: nobody can be caught up from the log alone. */
async function compacted(cluster: Cluster, primary: string, limitMs: number): Promise<void> {
  const isCompacted = cluster.node(primary).until(({ facts }) => facts.some((one) => one["name"] === "logCompacted"));
  await within(limitMs, `${primary} has compacted its log`, isCompacted);
}

/** With `VIEWSTAMP_PAUSES=20`: which event loop stood still when. */
function tellPauses(cluster: Cluster, since: number, gapEndedAt: number): void {
  for (const id of cluster.ids) {
    for (const fact of cluster.node(id).facts) {
      const at = fact["at"] as number;
      if (fact.event !== "paused" || at < since) continue;
      console.log(`  ${id} at ${at - gapEndedAt} ms: ${textOf(fact as unknown as Pause)}`);
    }
  }
}

function countOf(cluster: Cluster, id: string, name: string): number {
  return cluster.node(id).facts.filter((fact) => fact.event === "path" && fact["name"] === name).length;
}

async function loseP2(cluster: Cluster): Promise<void> {
  await cluster.kill("p2");
  cluster.wipe("p2");
  await cluster.view("p0", "p1");
}

async function joinUnderLoad(cluster: Cluster, client: TestClient): Promise<Steadiness> {
  await cluster.warmUp("p2");
  const began = Date.now();
  const steadiness = await steadily(
    () => client.tally.add({ name: "t", by: 1 }),
    async (goesOn) => {
      await goesOn(500);
      await cluster.restart("p2");
      await cluster.view("p0", "p1", "p2");
      await goesOn(500);
    },
  );
  const { done, longestGapMs, longestGapAt } = steadiness;
  console.log(`31: ${megabytes} MB, longest pause of commits ${Math.round(longestGapMs)} ms, ${done} commits`);
  tellPauses(cluster, began, longestGapAt);
  assert.is(countOf(cluster, "p2", "snapshotInstalled"), 1, "the state came as a snapshot");
  return steadiness;
}

scenario(
  `31: one node joins under load, with a state of ${megabytes} MB`,
  { nodes: 3, viewMs: 60_000 },
  async (cluster, visitors) => {
    const client = await visitors.client();
    await loseP2(cluster);
    await fill(client, megabytes);
    await compacted(cluster, "p0", 20_000);
    const limitMs = CORE_DEFAULTS.suspectMs * patience;
    const joins = [await joinUnderLoad(cluster, client)];
    // A transfer that stops the commits stops them each time, a disk that is slow for a moment does not.
    if (joins[0]!.longestGapMs >= limitMs) {
      await loseP2(cluster);
      joins.push(await joinUnderLoad(cluster, client));
    }
    const { longestGapMs } = joins.at(-1)!;
    assert.ok(longestGapMs < limitMs, `commits stood still for ${longestGapMs} ms`);
    const done = joins.reduce((sum, join) => sum + join.done, 0);
    assert.is(await client.tally.sum("t"), done);
    await visitors.agree("p0", "p1", "p2");
  },
  300_000,
);

const small = { nodes: 3, viewMs: 20_000, core: { snapshotEveryBytes: 2_000_000 } };

async function largeWithoutP2(cluster: Cluster, client: TestClient): Promise<void> {
  await loseP2(cluster);
  await fill(client, 10);
  await compacted(cluster, "p0", 10_000);
  await cluster.warmUp("p2");
}

scenario(
  "31: the connection breaks during the transfer, which goes on where it was",
  small,
  async (cluster, visitors) => {
    const client = await visitors.client();
    await largeWithoutP2(cluster, client);
    const half = { name: "half of it is there", at: "sent", message: "snapshotChunk", peer: "p2", count: 60 } as const;
    await cluster.trap("p0", { ...half, actions: [{ do: "cut", peer: "p2", direction: "both" }] });
    await cluster.restart("p2");
    await cluster.node("p0").trapped(half.name, 10_000);
    await cluster.node("p1").cut("p2");
    const offered = countOf(cluster, "p0", "snapshotOffered");
    // By now the log is long enough for another snapshot, and the one that p2 has a part of would be gone.
    await fill(client, 4);
    await cluster.node("p0").heal("p2");
    await cluster.node("p1").heal("p2");
    await cluster.view("p0", "p1", "p2");
    assert.is(countOf(cluster, "p0", "snapshotOffered"), offered, "it does not begin again");
    assert.is(countOf(cluster, "p2", "snapshotInstalled"), 1);
    await visitors.agree("p0", "p1", "p2");
  },
);

scenario(
  "31: a learner that falls behind while it loads is admitted all the same",
  small,
  async (cluster, visitors) => {
    const client = await visitors.client();
    await largeWithoutP2(cluster, client);
    await cluster.trap("p0", { name: "on its way", at: "sent", message: "snapshotChunk", peer: "p2", actions: [] });
    await cluster.restart("p2");
    await cluster.node("p0").trapped("on its way", 10_000);
    cluster.node("p2").pause();
    await fill(client, 10);
    cluster.node("p2").resume();
    await cluster.view("p0", "p1", "p2");
    await visitors.agree("p0", "p1", "p2");
  },
);

test.run();
