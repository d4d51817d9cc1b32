// One client that never stops asking, one request after the other.

export interface Steadiness {
  /** How many requests were done. */
  readonly done: number;
  /** The longest time between two answers. */
  readonly longestGapMs: number;
  /** By the wall clock: when the longest gap ended. */
  readonly longestGapAt: number;
}

/** Waits for ten more answers, and at least for so many milliseconds. */
export type GoesOn = (atLeastMs?: number) => Promise<void>;

/** Asks from before the story begins until after it has ended. Fails if any request does. */
export async function steadily(
  ask: () => Promise<unknown>,
  story: (goesOn: GoesOn) => Promise<void>,
): Promise<Steadiness> {
  let done = 0;
  let longestGapMs = 0;
  let longestGapAt = 0;
  let over = false;
  let failure: { readonly error: unknown } | undefined;
  let answered = (): void => {};
  const asking = async (): Promise<void> => {
    let last = performance.now();
    while (!over) {
      await ask();
      const now = performance.now();
      if (now - last > longestGapMs) {
        longestGapMs = now - last;
        longestGapAt = Date.now();
      }
      last = now;
      done++;
      answered();
    }
  };
  const finished = asking().catch((error: unknown) => {
    failure = { error };
    answered();
  });
  const goesOn: GoesOn = (atLeastMs = 0) => {
    const target = done + 10;
    const until = performance.now() + atLeastMs;
    return new Promise((resolve, reject) => {
      answered = () => {
        if (failure !== undefined) reject(failure.error);
        else if (done >= target && performance.now() >= until) resolve();
      };
      answered();
    });
  };
  try {
    await story(goesOn);
  } finally {
    over = true;
    await finished;
  }
  if (failure !== undefined) throw failure.error;
  return { done, longestGapMs, longestGapAt };
}
