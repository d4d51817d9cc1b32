// How fast locks are taken: again by the client that keeps one, and in turn by two that want the same.
import type { LockClient } from "../../src/entry/locks.ts";
import { measureRate, type Rate } from "./rates.ts";

/** Between two looks at the clock, which costs as much as a lock. */
const BATCH = 10_000;

/** One loop at a time, without end: what is measured is a batch, what is told is one call. */
async function measureBatches(what: string, seconds: number, batch: () => Promise<void>): Promise<Rate> {
  const { perSecond, medianMs, p99Ms, ...rest } = await measureRate(what, 1, seconds, batch);
  return { ...rest, perSecond: perSecond * BATCH, medianMs: medianMs / BATCH, p99Ms: p99Ms / BATCH };
}

/** Each holds the lock until the other stands in line: what is counted is one hand-off. */
async function measureHandOff(one: LockClient, other: LockClient, seconds: number): Promise<Rate> {
  let held = await one.acquire("wanted");
  return measureRate("lock from client to client", 1, seconds, async (_, round) => {
    const next = (round % 2 === 0 ? other : one).acquire("wanted");
    await held.release();
    held = await next;
  });
}

export async function measureLocks(connect: () => Promise<LockClient>, seconds: number): Promise<Rate[]> {
  const [one, other] = [await connect(), await connect()];
  return [
    await measureBatches("kept lock, acquire and release", seconds, async () => {
      for (let n = 0; n < BATCH; n++) {
        const lock = await one.acquire("kept");
        await lock.release();
      }
    }),
    await measureBatches("kept lock, request with a callback", seconds, async () => {
      for (let n = 0; n < BATCH; n++) await one.request("kept", () => {});
    }),
    await measureHandOff(one, other, seconds),
  ];
}
