/**
 * The locks of a cluster with what is built on them.
 * @module
 */
import type { ClientCore } from "../client/contract.ts";
import { refuseUnknown } from "../client/options.ts";
import type { Environment } from "../protocol/environment.ts";
import { LockClient } from "./client.ts";
import { type LockClientOptions, readTerms } from "./client-options.ts";
import { Election, type ElectOptions } from "./election.ts";
import { type Leader, type ObserveOptions, observeLeader } from "./observer.ts";
import { type OnceResult, type RunOnceOptions, runOnceWith } from "./once.ts";

let environmentIn: (locks: ClusterLocks) => Environment;

/**
 * A lock client that also elects leaders, and has things done once. `connectLocks` makes one.
 *
 * @example
 * ```ts
 * await using election = locks.elect("scheduler");
 * for await (const { term, signal } of election) {
 *   await schedule({ fence: term, signal });
 * }
 * ```
 */
export class ClusterLocks extends LockClient {
  static {
    environmentIn = (locks) => locks.#core.environment;
  }

  readonly #core: ClientCore;
  readonly #end: AbortController = new AbortController();

  /**
   * Over a client's core, which becomes its own: closing the one closes the other.
   * @throws {ViewstampError} `InvalidOptions`
   */
  constructor(core: ClientCore, options: LockClientOptions = {}) {
    super(core, options);
    this.#core = core;
  }

  /**
   * Stands for election as the leader of `name`, until it is closed. An election is the lock of that name, held
   * exclusively: `query` shows who leads and who stands in line, and a steal unseats the leader.
   *
   * @example
   * ```ts
   * await using election = locks.elect("scheduler");
   * for await (const { term, signal } of election) await schedule({ fence: term, signal });
   * ```
   *
   * @throws {TypeError} for a name, a signal or a time that is none
   * @throws {DOMException} `NotSupportedError` for names beginning with "-"
   * @throws {ViewstampError} `InvalidInput` for a name that is too long; `InvalidOptions` for an unknown option
   */
  elect(name: string, options: ElectOptions = {}): Election {
    refuseUnknown(options, ["signal", "maxHoldMs", "lockDelayMs"], "elect");
    const { environment } = this.#core;
    const { signal, ...rest } = options;
    const terms = readTerms(name, signal === undefined || signal.aborted === true ? rest : { ...rest, signal });
    const { name: text, maxHoldMs, lockDelayMs } = terms;
    const limits = { lockDelayMs, ...(maxHoldMs !== undefined && { maxHoldMs }) };
    const acquire = (wanted: string, how: { readonly signal: AbortSignal }) =>
      this.acquire(wanted, { ...limits, ...how });
    const trouble = () => this.#core.trouble;
    return new Election({ environment, ended: this.#end.signal, acquire, trouble }, text, options);
  }

  /**
   * Who leads the election `name`: first who leads now (`undefined`: nobody), then each change, as found by asking the
   * cluster every `intervalMs` (1000) while the next one is waited for. Short terms in between may not be seen. While the
   * cluster cannot be reached the last one stands.
   *
   * @example
   * ```ts
   * for await (const leader of locks.observe("scheduler")) console.log(leader?.owner ?? "nobody", "leads");
   * ```
   *
   * @throws as `elect` does
   */
  observe(name: string, options: ObserveOptions = {}): AsyncGenerator<Leader | undefined, void, undefined> {
    return observeLeader(this.#core, this.#end.signal, readTerms(name, undefined).name, options);
  }

  /**
   * Runs the callback unless somebody in the cluster has run one for this key within `ttlMs`: of all processes that call
   * it for one key in that time, one runs. Time is the cluster's own, which stands still while no node can serve.
   *
   * It is claimed before it runs and stays claimed whatever becomes of it: a callback that throws rejects here and is not
   * run by others until the time is up, and neither is one whose process died. At most once, never twice.
   *
   * Who hears of its claim late (a failover, a pause) runs only if its time is surely not over by its own clock; else it claims
   * anew, which succeeds if nobody else has claimed since. So runs begin in the order of their claims; one that takes longer
   * than `ttlMs` may still be at it when the next begins.
   *
   * @example
   * ```ts
   * const { ran } = await locks.runOnce(`report ${day}`, { ttlMs: 24 * 3600_000 }, () => sendReport(day));
   * ```
   *
   * @throws what the callback throws
   * @throws {TypeError} for a callback that is none
   * @throws {ViewstampError} `InvalidInput`, `InvalidOptions`; `Timeout` (also if `ttlMs` is shorter than it takes to hear of a claim), `Overloaded`,
   * `Closed` … : then it did not run here, and where `outcomeUnknown` says so it may be claimed all the same
   */
  async runOnce<T>(key: string, options: RunOnceOptions, callback: () => T): Promise<OnceResult<Awaited<T>>> {
    return await runOnceWith(this.#core, key, options, callback);
  }

  /** Closes: what is built on locks first. */
  override close(): Promise<void> {
    this.#end.abort();
    return super.close();
  }
}

/** For what is built on these locks and has to tell the time. */
export function environmentOf(locks: ClusterLocks): Environment {
  return environmentIn(locks);
}
