// Storage that fails, fills up, hangs, rots or is lost (scenarios 25 and 33 to 35).
import { closeSync, openSync, readdirSync, readSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Cluster } from "../harness/cluster.ts";
import type { DiskFault } from "../harness/control.ts";
import { oneWay, scenario } from "../harness/scenario.ts";
import type { TestClient, Visitors } from "../harness/visitors.ts";
import { STEP_MS, within } from "../harness/within.ts";
import { underLoad } from "./load.ts";
import { steadily } from "./steady.ts";

const three = { nodes: 3 };

function addOne(client: TestClient): () => Promise<number> {
  return () => client.tally.add({ name: "t", by: 1 });
}

async function incarnationOf(visitors: Visitors, id: string): Promise<string | undefined> {
  return (await visitors.statuses()).get(id)?.incarnation;
}

async function nothingIsLost(client: TestClient, done: number): Promise<void> {
  assert.is(await client.tally.sum("t"), done, "nothing is lost or done twice");
}

for (const [victim, others, primary] of [
  ["p2", ["p0", "p1"], "p0"],
  ["p0", ["p1", "p2"], "p1"],
] as const) {
  oneWay(`25: ${victim} answers heartbeats, but its disk hangs`, three, async (cluster, visitors) => {
    const client = await visitors.client();
    await underLoad(visitors, async (load) => {
      await load.goesOn();
      const { done } = await steadily(addOne(client), async (goesOn) => {
        await goesOn();
        await cluster.node(victim).disk("hangs");
        assert.is((await cluster.view(...others)).primary, primary);
        await goesOn();
        await load.goesOn();
        assert.ok(cluster.node(victim).isUp);
        await cluster.node(victim).disk(undefined);
        await cluster.view("p0", "p1", "p2");
        await goesOn();
      });
      await nothingIsLost(client, done);
    });
    await visitors.agree("p0", "p1", "p2");
  });
}

const complaints: Readonly<Record<Exclude<DiskFault, "hangs">, RegExp>> = {
  full: /ENOSPC/,
  "fails to sync": /EIO/,
};

async function stopsWith(cluster: Cluster, id: string, complaint: RegExp): Promise<void> {
  const { error } = await cluster.node(id).happened("stopped");
  const { code, text } = error as { code: string; text: string };
  assert.is(code, "StorageFailed");
  assert.match(text, complaint);
}

for (const fault of ["full", "fails to sync"] as const) {
  for (const [where, victim, others] of [
    ["one node", "p2", ["p0", "p1"]],
    ["the primary", "p0", ["p1", "p2"]],
  ] as const) {
    scenario(`35: the disk of ${where} ${fault === "full" ? "is full" : fault}`, three, async (cluster, visitors) => {
      const client = await visitors.client();
      const { done } = await steadily(addOne(client), async (goesOn) => {
        await goesOn();
        await cluster.node(victim).disk(fault);
        await stopsWith(cluster, victim, complaints[fault]);
        await cluster.view(...others);
        await goesOn();
        await cluster.kill(victim);
        await cluster.restart(victim);
        await cluster.view("p0", "p1", "p2");
        await goesOn();
      });
      await nothingIsLost(client, done);
      await visitors.agree("p0", "p1", "p2");
    });
  }
}

scenario("33: a node's data is wiped, and it restarts under the same id", three, async (cluster, visitors) => {
  const client = await visitors.client();
  const before = await incarnationOf(visitors, "p1");
  const { done } = await steadily(addOne(client), async (goesOn) => {
    await goesOn();
    await cluster.kill("p1");
    cluster.wipe("p1");
    await cluster.restart("p1");
    await cluster.view("p0", "p1", "p2");
    await goesOn();
  });
  await nothingIsLost(client, done);
  await visitors.agree("p0", "p1", "p2");
  assert.is.not(await incarnationOf(visitors, "p1"), before, "it is another incarnation");
});

/** In the middle of what was acknowledged long ago. */
function flipOneBit(cluster: Cluster, id: string): void {
  const directory = cluster.dataOf(id);
  const name = readdirSync(directory).find((file) => file.startsWith("log-"))!;
  const path = join(directory, name);
  const at = Math.floor((statSync(path).size / 2) * (0.5 + Math.random()));
  const file = openSync(path, "r+");
  const byte = new Uint8Array(1);
  readSync(file, byte, 0, 1, at);
  byte[0]! ^= 1 << Math.floor(Math.random() * 8);
  writeSync(file, byte, 0, 1, at);
  closeSync(file);
}

for (const victim of ["p0", "p2"]) {
  scenario(`34: one bit of the log of ${victim} is flipped while it is down`, three, async (cluster, visitors) => {
    const client = await visitors.client();
    for (let round = 0; round < 200; round++) await client.tally.add({ name: "t", by: 1 });
    const before = await incarnationOf(visitors, victim);
    await cluster.kill(victim);
    flipOneBit(cluster, victim);
    await cluster.restart(victim);
    const { reason } = await cluster.node(victim).happened("setAside");
    assert.match(String(reason), /damaged|missing|not/);
    await cluster.view("p0", "p1", "p2");
    assert.is(await within(STEP_MS, "a read", client.tally.sum("t")), 200);
    await client.tally.add({ name: "t", by: 1 });
    await visitors.agree("p0", "p1", "p2");
    assert.is.not(await incarnationOf(visitors, victim), before, "it is another incarnation");
    const aside = readdirSync(cluster.dataOf(victim)).filter((file) => file.startsWith("aside-"));
    assert.ok(aside.length > 0, "the damaged data is kept");
  });
}

test.run();
