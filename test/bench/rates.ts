// How many calls a second, with so many of them under way at any time.

export interface Rate {
  readonly what: string;
  readonly concurrent: number;
  readonly perSecond: number;
  /** Of one call, in milliseconds. */
  readonly medianMs: number;
  readonly p99Ms: number;
}

/** Runs `call` in so many loops: a second to warm up, then `seconds` that count. */
export async function measureRate(
  what: string,
  concurrent: number,
  seconds: number,
  call: (loop: number, round: number) => Promise<unknown>,
): Promise<Rate> {
  const countsFrom = performance.now() + 1_000;
  const until = countsFrom + seconds * 1_000;
  const times: number[] = [];
  const loop = async (index: number): Promise<void> => {
    for (let round = 0; performance.now() < until; round++) {
      const startedAt = performance.now();
      await call(index, round);
      const endedAt = performance.now();
      if (startedAt >= countsFrom && endedAt < until) times.push(endedAt - startedAt);
    }
  };
  await Promise.all(Array.from({ length: concurrent }, (_, index) => loop(index)));
  times.sort((a, b) => a - b);
  return {
    what,
    concurrent,
    perSecond: Math.round(times.length / seconds),
    medianMs: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
  };
}

/** Of a sorted list. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
