// A large state goes to a node that joins, while a client goes on: how long commits stand still, and how long each
// event loop does. Real processes: `node --import tsx test/bench/transfer.ts --runtimes=deno --state=locks --megabytes=100`.
import { parseArgs } from "node:util";
import type { Member, View } from "../../src/protocol/view.ts";
import { Cluster } from "../harness/cluster.ts";
import type { Fact } from "../harness/control.ts";
import { type Pause, textOf } from "../harness/pause-probe.ts";
import { Visitors } from "../harness/visitors.ts";
import type { RuntimeName } from "../runtimes.ts";
import { steadily } from "../scenarios/steady.ts";
import { prepare, type StateName, stateEntries } from "./prepared.ts";

const { values: options } = parseArgs({
  options: {
    runtimes: { type: "string", default: "node,bun,deno" },
    state: { type: "string", default: "kv" },
    megabytes: { type: "string", default: "100" },
    sessions: { type: "string", default: "1000" },
  },
});
process.env["VIEWSTAMP_PAUSES"] = "5";

/** Two of three have the state, as if the third had lost its data. */
async function makeData(cluster: Cluster): Promise<void> {
  const nodes = Object.entries(cluster.addresses).map(
    ([id, url], index): Member => ({ id, incarnation: `${index + 1}`.repeat(16), url }),
  );
  const members = nodes.slice(0, 2);
  const view: View = { vid: 1, members, acceptors: nodes, barred: [], invited: [], primary: "p0" };
  for (const member of members) {
    const entries = stateEntries(options.state as StateName, Number(options.megabytes), Number(options.sessions));
    await prepare(cluster.dataOf(member.id), member, view, entries);
  }
}

function pausesOf(facts: readonly Fact[], since: number): string {
  const pauses = facts.filter(({ event, at }) => event === "paused" && (at as number) >= since) as unknown as Pause[];
  const text = (by: keyof Pause): string =>
    pauses.length === 0 ? "below 5 ms" : textOf(pauses.reduce((a, b) => (b[by] > a[by] ? b : a)));
  const worked = pauses.filter(({ threadMs }) => threadMs > 20).length;
  return `longest ${text("ms")}; most work ${text("threadMs")}; ${worked} of more than 20 ms of work`;
}

const cluster = await Cluster.make({
  nodes: 3,
  runtimes: options.runtimes.split(",") as RuntimeName[],
  viewMs: 120_000,
  core: { snapshotEveryBytes: (Number(options.megabytes) / 4) * 2 ** 20 },
});
const visitors = new Visitors(cluster.urls);
try {
  await makeData(cluster);
  await cluster.warmUp(...cluster.ids);
  await cluster.restart("p0", "p1");
  await cluster.view("p0", "p1");
  const started = Date.now();
  const isCompacted = (fact: Fact): boolean => fact["name"] === "logCompacted";
  await cluster.node("p0").until(({ facts }) => facts.some(isCompacted));
  for (const id of ["p0", "p1"]) console.log(`${id} taking a snapshot: ${pausesOf(cluster.node(id).facts, started)}`);
  const client = await visitors.client();
  const began = Date.now();
  const { done, longestGapMs } = await steadily(
    () => client.tally.add({ name: "t", by: 1 }),
    async (goesOn) => {
      await goesOn(500);
      await cluster.restart("p2");
      await cluster.view("p0", "p1", "p2");
      await goesOn(500);
    },
  );
  const seconds = ((Date.now() - began) / 1000).toFixed(1);
  console.log(
    `${options.state}, ${options.megabytes} MB: ${done} commits in ${seconds} s, longest pause ${longestGapMs.toFixed(0)} ms`,
  );
  for (const id of cluster.ids) {
    const { runtime, facts } = cluster.node(id);
    console.log(`${id} (${runtime.name}): ${pausesOf(facts, began)}`);
  }
} catch (error) {
  console.error(cluster.story());
  throw error;
} finally {
  await visitors.leave();
  await cluster.dispose();
}
