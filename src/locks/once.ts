/**
 * Doing something once in the whole cluster, for schedulers.
 * @module
 */
import type { ClientCore } from "../client/contract.ts";
import { refuseUnknown } from "../client/options.ts";
import { Trust, WakefulClock } from "../client/trust.ts";
import { MachineError, ViewstampError } from "../protocol/errors.ts";
import { MAX_ONCE_TTL_MS, type OnceClaim } from "./machine-once.ts";
import { MAX_NAME_LENGTH } from "./machine-words.ts";

/** Options of `runOnce`. Times are milliseconds. */
export interface RunOnceOptions {
  /** For how long nobody else runs it, counted from when it is claimed: from 1 to 366 days. */
  readonly ttlMs: number;
  /** Ends the attempt to claim it; without effect on what runs. */
  readonly signal?: AbortSignal;
}

/** So often it is claimed, and heard of too late, before that is said. */
const MOST_CLAIMS = 3;

/** What has become of a call of `runOnce`. */
export type OnceResult<T> =
  /** It ran here, and this came out. */
  | { readonly ran: true; readonly value: T }
  /** Another has claimed it within `ttlMs`. */
  | { readonly ran: false };

export async function runOnceWith<T>(
  core: ClientCore,
  key: string,
  options: RunOnceOptions,
  callback: () => T,
): Promise<OnceResult<Awaited<T>>> {
  const { ttlMs, signal } = readOptions(key, options);
  if (typeof callback !== "function") throw new TypeError("the callback of runOnce must be a function");
  let claim: OnceClaim = { key, id: core.environment.randomId(), ttlMs };
  for (let n = 0; n < MOST_CLAIMS; n++) {
    const trust = await claimed(core, claim, signal);
    if (trust === undefined) return { ran: false };
    // Else the time of the claim may be over by now, and another may run it on a claim of its own.
    if (!trust.isOver()) return { ran: true, value: await callback() };
    claim = { key, id: core.environment.randomId(), ttlMs, instead: claim.id };
  }
  throw new ViewstampError("Timeout", `a claim for ${ttlMs} ms is over before it is heard of; use a longer time`);
}

/**
 * How long the claim can be relied on, if it counts: from before it was said first, for it may be executed at once. It is the
 * same in each session, so it may be made again where nobody knows whether it was.
 */
async function claimed(
  core: ClientCore,
  claim: OnceClaim,
  signal: AbortSignal | undefined,
): Promise<Trust | undefined> {
  const options = signal === undefined ? {} : { signal };
  const clock = new WakefulClock(core.environment);
  for (let trust: Trust | undefined; ; ) {
    const { driftPercent } = await core.openSession(options);
    trust ??= new Trust(clock, claim.ttlMs, clock.earliest(), driftPercent);
    try {
      return (await core.execute("locks", "once", claim, options)) === true ? trust : undefined;
    } catch (error) {
      if (error instanceof MachineError && error.code === "TooManyClaims") {
        throw new ViewstampError("Overloaded", "too much is claimed to be done once; use shorter times", {
          cause: error,
        });
      }
      if (!(error instanceof ViewstampError && error.code === "SessionExpired")) throw error;
    }
  }
}

/** @throws {ViewstampError} */
function readOptions(key: unknown, options: RunOnceOptions): RunOnceOptions {
  if (typeof key !== "string" || key.length > MAX_NAME_LENGTH) {
    throw new ViewstampError("InvalidInput", `a key is a string of at most ${MAX_NAME_LENGTH} characters`);
  }
  refuseUnknown(options, ["ttlMs", "signal"], "runOnce");
  const { ttlMs } = options;
  if (typeof ttlMs !== "number" || !(ttlMs >= 1 && ttlMs <= MAX_ONCE_TTL_MS)) {
    throw new ViewstampError(
      "InvalidOptions",
      `ttlMs must be a number from 1 to ${MAX_ONCE_TTL_MS}, not ${String(ttlMs)}`,
    );
  }
  return options;
}
