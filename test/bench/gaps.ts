// The longest time without an answer that a client sees when a replica is killed.
import type { Cluster } from "../harness/cluster.ts";
import { steadily } from "../scenarios/steady.ts";
import { quantile } from "./rates.ts";

export interface Gap {
  readonly what: string;
  readonly rounds: number;
  readonly medianMs: number;
  readonly leastMs: number;
  readonly mostMs: number;
}

type Role = "primary" | "backup";

/** Each round: a client that asks again and again, SIGKILL, a new view, the victim back in. */
export async function measureGap(
  cluster: Cluster,
  role: Role,
  rounds: number,
  ask: () => Promise<unknown>,
): Promise<Gap> {
  const gaps: number[] = [];
  for (let round = 0; round < rounds; round++) gaps.push(await oneGap(cluster, role, ask));
  gaps.sort((a, b) => a - b);
  return {
    what: `longest gap after SIGKILL of ${role === "primary" ? "the primary" : "a backup"}`,
    rounds,
    medianMs: quantile(gaps, 0.5),
    leastMs: gaps[0] ?? Number.NaN,
    mostMs: gaps.at(-1) ?? Number.NaN,
  };
}

async function oneGap(cluster: Cluster, role: Role, ask: () => Promise<unknown>): Promise<number> {
  const { primary, members } = await cluster.view(...cluster.ids);
  const victim = role === "primary" ? primary : members.filter((id) => id !== primary).at(-1)!;
  // Loading a process takes CPU time that the others need now.
  await cluster.warmUp(victim);
  const { longestGapMs } = await steadily(ask, async (goesOn) => {
    await goesOn(300);
    await cluster.kill(victim);
    await cluster.view(...cluster.ids.filter((id) => id !== victim));
    await goesOn(300);
  });
  await cluster.restart(victim);
  return longestGapMs;
}
