// `npm run bench`: a real cluster of three processes with file storage on this machine, and one process of clients.
//
//   --json               one JSON object instead of tables
//   --seconds=3          how long each rate is measured
//   --rounds=10          how often a replica is killed, for each kind of gap
//   --runtimes=node      of the three replicas, in turn
import { cpus, release, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { columns } from "../../src/entry/cli/table.ts";
import { Cluster } from "../harness/cluster.ts";
import { Visitors } from "../harness/visitors.ts";
import { getRuntime, type RuntimeName } from "../runtimes.ts";
import { type Gap, measureGap } from "./gaps.ts";
import { measureLocks } from "./locks.ts";
import { measureRate, type Rate } from "./rates.ts";

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    seconds: { type: "string", default: "3" },
    rounds: { type: "string", default: "10" },
    runtimes: { type: "string", default: "node" },
  },
});
const runtimes = options.runtimes.split(",") as RuntimeName[];
const concurrencies = [1, 64, 256];
const value = "x".repeat(100);

interface Results {
  readonly machine: string;
  readonly replicas: string;
  readonly clients: string;
  readonly rates: readonly Rate[];
  readonly gaps: readonly Gap[];
}

async function main(): Promise<void> {
  const cluster = await Cluster.make({ nodes: 3, runtimes, viewMs: 30_000 });
  const visitors = new Visitors(cluster.urls);
  try {
    await cluster.start();
    const { rates, gaps } = await measure(cluster, visitors);
    print({ ...describe(), rates, gaps });
  } catch (error) {
    console.error(cluster.story());
    throw error;
  } finally {
    await visitors.leave();
    await cluster.dispose();
  }
}

async function measure(cluster: Cluster, visitors: Visitors): Promise<Pick<Results, "rates" | "gaps">> {
  const client = await visitors.client();
  const seconds = Number(options.seconds);
  const rates: Rate[] = [];
  for (const concurrent of concurrencies) {
    const put = (loop: number) => client.kv.put({ key: `key ${loop}`, value });
    rates.push(await measureRate("put", concurrent, seconds, put));
  }
  for (const concurrent of concurrencies) {
    rates.push(await measureRate("get", concurrent, seconds, (loop) => client.kv.get(`key ${loop}`)));
  }
  rates.push(...(await measureLocks(() => visitors.locks(), seconds)));
  const gaps: Gap[] = [];
  for (const role of ["primary", "backup"] as const) {
    const ask = () => client.kv.put({ key: "gap", value });
    gaps.push(await measureGap(cluster, role, Number(options.rounds), ask));
  }
  return { rates, gaps };
}

function describe(): Pick<Results, "machine" | "replicas" | "clients"> {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  const versions = [0, 1, 2].map((index) => {
    const { name, version } = getRuntime(runtimes[index % runtimes.length]!);
    return `${name} ${version}`;
  });
  return {
    machine: `${cpus().length} x ${cpu?.model.trim() ?? "CPU"}, ${memory} GiB, ${process.platform} ${release()}`,
    replicas: `${versions.join(", ")}; file storage`,
    clients: `one on node ${process.versions.node}; values of ${value.length} bytes`,
  };
}

function print(results: Results): void {
  if (options.json) return console.log(JSON.stringify(results));
  const { machine, replicas, clients, rates, gaps } = results;
  console.log(`machine   ${machine}\nreplicas  ${replicas}\nclients   ${clients}\n`);
  const rateRows = rates.map((rate) => [
    `${rate.what}${rate.what === "get" ? " (linearizable)" : ""}`,
    String(rate.concurrent),
    String(rate.perSecond),
    shown(rate.medianMs),
    shown(rate.p99Ms),
  ]);
  const gapRows = gaps.map(({ what, rounds, medianMs, leastMs, mostMs }) => [
    what,
    String(rounds),
    ...[medianMs, leastMs, mostMs].map((ms) => ms.toFixed(0)),
  ]);
  for (const line of columns([["call", "concurrent", "per second", "median ms", "p99 ms"], ...rateRows]))
    console.log(line);
  console.log();
  for (const line of columns([["gap", "rounds", "median ms", "least", "most"], ...gapRows])) console.log(line);
}

/** Milliseconds; those of local calls have more digits. */
function shown(ms: number): string {
  return ms.toFixed(ms < 0.01 ? 5 : 2);
}

await main();
