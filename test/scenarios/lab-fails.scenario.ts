// Where the lab's design itself fails, and ours must not (scenarios 20 to 24, 26 and 27).
import { test } from "uvu";
import * as assert from "uvu/assert";
import { CORE_DEFAULTS } from "../../src/protocol/options.ts";
import type { Cluster } from "../harness/cluster.ts";
import { scenario } from "../harness/scenario.ts";
import { patience, STEP_MS, within } from "../harness/within.ts";
import { reachesOnly } from "./moments.ts";
import { steadily } from "./steady.ts";

const three = { nodes: 3 };

/** What a view change may take. The benchmark measures what it does take. */
const viewChangeMs = 1_000;

/** Restarts nodes as fast as a process can end and another start: a few hundredths of a second on a quiet machine. */
async function restartAtOnce(cluster: Cluster, ...ids: string[]): Promise<void> {
  await cluster.warmUp(...ids);
  await cluster.kill(...ids);
  await cluster.restart(...ids);
}

/** While the others stand still nobody can miss the node, however slow the machine is. */
async function restartUnnoticed(cluster: Cluster, id: string): Promise<void> {
  const others = cluster.ids.filter((other) => other !== id);
  await cluster.warmUp(id);
  for (const other of others) cluster.node(other).pause();
  await cluster.kill(id);
  await cluster.restart(id);
  for (const other of others) cluster.node(other).resume();
}

for (const [how, restart] of [
  ["at once", restartAtOnce],
  ["before anyone missed it", restartUnnoticed],
] as const) {
  scenario(`20: the founder is killed and restarted ${how}`, three, async (cluster, visitors) => {
    const locks = await visitors.locks();
    const others = await visitors.locks();
    const held = await locks.acquire("house");
    await restart(cluster, "p0");
    const second = others.request("house", { ifAvailable: true }, (lock) => lock?.token ?? null);
    assert.is(await within(STEP_MS, "the second client is answered", second), null);
    held.assertHeld();
    await held.release();
    const next = await within(STEP_MS, "the lock is granted again", others.acquire("house"));
    assert.ok(next.token > held.token);
    await cluster.view("p0", "p1", "p2");
    for (const { members } of cluster.viewsSeen()) assert.ok(members.length >= 2, `a view of ${members}`);
  });
}

scenario("21: all nodes are killed at once and restarted", three, async (cluster, visitors) => {
  const client = await visitors.client();
  const locks = await visitors.locks();
  const others = await visitors.locks();
  const held = await locks.acquire("house");
  const keys = Array.from({ length: 30 }, (_, index) => `key ${index}`);
  await Promise.all(keys.map((key) => client.kv.put({ key, value: key })));
  await restartAtOnce(cluster, ...cluster.ids);
  await cluster.view("p0", "p1", "p2");
  for (const key of keys) {
    const found = await within(STEP_MS, `${key} is read`, client.kv.get(key));
    assert.is(found?.value, key);
  }
  held.assertHeld();
  const second = others.request("house", { ifAvailable: true }, (lock) => lock);
  assert.is(await within(STEP_MS, "the second client is answered", second), null);
  await client.kv.put({ key: "after", value: "all" });
  await visitors.agree("p0", "p1", "p2");
});

for (const [has, misses, fate] of [
  ["p1", "p2", "is done, for the next primary has it"],
  ["p2", "p1", "is undone, for the next primary lacks it"],
] as const) {
  scenario(`22: a request that reached one backup ${fate}; all are equal`, three, async (cluster, visitors) => {
    const [client, die] = await visitors.mortal();
    const witness = await visitors.client();
    assert.is(await client.tally.add({ name: "t", by: 1 }), 1);
    await cluster.trap("p0", reachesOnly(has, misses));
    client.tally.add({ name: "t", by: 10 }).catch(() => {});
    await cluster.node("p0").trapped(`${misses} misses an entry`);
    die();
    await cluster.died("p0", `only ${has} has the entry`);
    await cluster.view("p1", "p2");
    assert.is(await witness.tally.sum("t"), has === "p1" ? 11 : 1);
    await cluster.restart("p0");
    await cluster.view("p0", "p1", "p2");
    assert.is(await witness.tally.add({ name: "t", by: 100 }), has === "p1" ? 111 : 101);
    await visitors.agree("p0", "p1", "p2");
  });
}

for (const [how, restart] of [
  ["at once", restartAtOnce],
  ["before anyone missed it", restartUnnoticed],
] as const) {
  scenario(`23: a backup is killed and restarted ${how}`, three, async (cluster, visitors) => {
    const client = await visitors.client();
    const before = await cluster.view("p0", "p1", "p2");
    await client.tally.add({ name: "t", by: 1 });
    const restarted = restart(cluster, "p2");
    const next = client.tally.add({ name: "t", by: 1 });
    await restarted;
    assert.is(await within(STEP_MS, "service continues", next), 2);
    const changes = cluster.node("p0").standing!.vid - before.vid;
    assert.ok(changes <= 1, `${changes} view changes until service continued`);
    await cluster.view("p0", "p1", "p2");
  });
}

scenario("24: a backup is paused for 10 s", three, async (cluster, visitors) => {
  const client = await visitors.client();
  const { longestGapMs } = await steadily(
    () => client.tally.add({ name: "t", by: 1 }),
    async (goesOn) => {
      await goesOn();
      cluster.node("p2").pause();
      await goesOn();
      await cluster.view("p0", "p1");
      await goesOn(10_000);
      cluster.node("p2").resume();
      await cluster.view("p0", "p1", "p2");
      await goesOn();
    },
  );
  const limitMs = (CORE_DEFAULTS.suspectMs + viewChangeMs) * patience;
  assert.ok(longestGapMs < limitMs, `writes stalled for ${Math.round(longestGapMs)} ms`);
  await visitors.agree("p0", "p1", "p2");
});

scenario("26: a joiner is admitted and the old primary dies before anything else", three, async (cluster, visitors) => {
  const client = await visitors.client();
  await client.tally.add({ name: "t", by: 1 });
  await cluster.kill("p0");
  assert.is((await cluster.view("p1", "p2")).primary, "p1");
  for (let round = 0; round < 20; round++) await client.tally.add({ name: "t", by: 1 });
  await cluster.trap("p1", {
    name: "p0 is admitted",
    at: "happened",
    event: "view",
    members: ["p0", "p1", "p2"],
    actions: [{ do: "kill" }],
  });
  await cluster.restart("p0");
  await cluster.died("p1", "p0 is admitted");
  assert.is((await cluster.view("p0", "p2")).primary, "p0", "the joiner is the smallest of the last view");
  assert.is(await within(STEP_MS, "the joiner answers", client.tally.sum("t")), 21);
  assert.is(await client.tally.add({ name: "t", by: 1 }), 22);
  await visitors.agree("p0", "p2");
});

scenario("27: replicas are killed and restarted one by one, ten rounds", three, async (cluster, visitors) => {
  const client = await visitors.client();
  const { done } = await steadily(
    () => client.tally.add({ name: "t", by: 1 }),
    async (goesOn) => {
      for (let round = 0; round < 10; round++) {
        const victim = cluster.ids[round % 3]!;
        await cluster.warmUp(victim);
        await cluster.kill(victim);
        await cluster.view(...cluster.ids.filter((id) => id !== victim));
        await goesOn();
        await cluster.restart(victim);
        await cluster.view("p0", "p1", "p2");
        await goesOn();
      }
    },
  );
  assert.is(await client.tally.sum("t"), done, "nothing is lost or done twice");
  await visitors.agree("p0", "p1", "p2");
});

test.run();
