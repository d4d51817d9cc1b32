// Time limits for waiting. Each says what was waited for.

/** Multiplies every limit on slow machines: `VIEWSTAMP_PATIENCE=3`. */
export const patience: number = Number(process.env["VIEWSTAMP_PATIENCE"] ?? 1);

/** What scenarios.md allows for one step with default options. */
export const STEP_MS = 2_000;

/** For what scenarios.md sets no time: a killed process is gone, a client stands in line. Only a hang takes longer. */
export const HANG_MS = 5_000;

/** Starting a runtime and loading the program; no part of a scenario's limits. */
export const PROCESS_START_MS = 30_000;

export async function within<Value>(ms: number, what: string, promise: Promise<Value>): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms * patience);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}
