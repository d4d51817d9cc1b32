// Rounds of SIGKILL of one, two or all replicas at random moments under load; after each every acknowledged write is there.
import type { Cluster } from "../harness/cluster.ts";
import type { TestClient, Visitors } from "../harness/visitors.ts";
import { within } from "../harness/within.ts";
import { Acknowledged } from "./acknowledged.ts";

const LANES = 6;
/** In which a view of all three is to be there again, on a busy machine. */
export const VIEW_MS = 20_000;
/** Every round looks at what was written in so many rounds before it; the end looks at all. */
const LOOK_BACK = 10;

/** One death in two is that of a single node. */
const HOW_MANY = [1, 1, 1, 2, 2, 3];

function pick<Value>(values: readonly Value[]): Value {
  return values[Math.floor(Math.random() * values.length)]!;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function victimsOf(ids: readonly string[]): string[] {
  const shuffled = [...ids].sort(() => Math.random() - 0.5);
  return shuffled.slice(0, pick(HOW_MANY));
}

/** Writes on all lanes until the story has ended and everything asked is answered. */
async function underWrites(
  clients: readonly TestClient[],
  written: Acknowledged,
  round: number,
  story: () => Promise<void>,
): Promise<void> {
  let over = false;
  const lane = async (number: number): Promise<void> => {
    while (!over) await written.write(clients[number % clients.length]!, round);
  };
  const lanes = Array.from({ length: LANES }, (_, number) => lane(number));
  try {
    await story();
  } finally {
    over = true;
    await Promise.all(lanes);
  }
}

async function oneRound(
  cluster: Cluster,
  clients: readonly TestClient[],
  written: Acknowledged,
  round: number,
): Promise<number> {
  const victims = victimsOf(cluster.ids);
  await cluster.warmUp(...victims);
  await underWrites(clients, written, round, async () => {
    await pause(Math.random() * 200);
    await cluster.kill(...victims);
    await pause(Math.random() < 0.5 ? 0 : Math.random() * 1000);
    for (const victim of victims) {
      await cluster.restart(victim);
      await pause(Math.random() < 0.5 ? 0 : Math.random() * 200);
    }
    await cluster.view(...cluster.ids);
  });
  return victims.length;
}

/** Of a cluster that is up. Says how it gets on. @throws if anything acknowledged is missing */
export async function torture(
  cluster: Cluster,
  visitors: Visitors,
  rounds: number,
  say: (text: string) => void,
): Promise<void> {
  const clients = [await visitors.client(), await visitors.client()];
  const written = new Acknowledged();
  let kills = 0;
  const began = performance.now();
  for (let round = 1; round <= rounds; round++) {
    kills += await within(120_000, `round ${round}`, oneRound(cluster, clients, written, round));
    await written.check(clients[0]!, round - LOOK_BACK);
    if (round % 10 === 0) say(`${round} rounds, ${kills} kills, ${written.count} writes acknowledged, none lost`);
  }
  const checked = await written.check(clients[0]!, 0);
  await visitors.agree(...cluster.ids);
  const seconds = Math.round((performance.now() - began) / 1000);
  say(`torture: ${rounds} rounds, ${kills} kills, ${checked} acknowledged writes checked, none lost, in ${seconds} s`);
}
