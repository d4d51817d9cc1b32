/**
 * Who leads an election, seen from outside: read from the cluster again and again, told when it has changed.
 * @module
 */
import * as v from "valibot";
import type { ClientCore } from "../client/contract.ts";
import { isSignal, MAX_TIMEOUT_MS, refuseUnknown } from "../client/options.ts";
import { ViewstampError } from "../protocol/errors.ts";
import { type Listed, pageSchema } from "./machine-words.ts";
import { firstOf, pause } from "./pause.ts";

/** Options of `observe`. Times are milliseconds. */
export interface ObserveOptions {
  /** The cluster is asked so often who leads. A change is told at most this much later. Default 1000. */
  readonly intervalMs?: number;
  /** Ends the observation: the iteration is done. */
  readonly signal?: AbortSignal;
}

/** A leader, as others see it. */
export interface Leader {
  /** Of the election. */
  readonly name: string;
  /** Its fencing token. */
  readonly term: bigint;
  /** The session of the client that leads. */
  readonly clientId: string;
  /** What that client said about itself, or `""`. */
  readonly owner: string;
}

/** So long a client has to say whether it uses a lock that it keeps; the cluster is asked this often meanwhile. */
const ANSWER_MS = 1000;
const ASKING_MS = 20;
const LEAST_INTERVAL_MS = 10;

/**
 * Yields the leader of now (`undefined`: there is none), then each one that is found to be another. Asks only while
 * somebody waits for the next one. A cluster that does not answer changes nothing: it is asked again.
 *
 * @throws {ViewstampError} `InvalidOptions`, at once
 * @throws {TypeError} for a signal that is none, at once
 */
export function observeLeader(
  core: ClientCore,
  ended: AbortSignal,
  name: string,
  options: ObserveOptions,
): AsyncGenerator<Leader | undefined, void, undefined> {
  refuseUnknown(options, ["intervalMs", "signal"], "observe");
  const { intervalMs = 1000, signal } = options;
  if (signal !== undefined && !isSignal(signal)) throw new TypeError("signal must be an AbortSignal");
  if (typeof intervalMs !== "number" || !(intervalMs >= LEAST_INTERVAL_MS && intervalMs <= MAX_TIMEOUT_MS)) {
    const range = `a number from ${LEAST_INTERVAL_MS} to ${MAX_TIMEOUT_MS}`;
    throw new ViewstampError("InvalidOptions", `intervalMs must be ${range}, not ${String(intervalMs)}`);
  }
  return begun(() => new Observer(core, name, intervalMs, firstOf([ended, signal])));
}

/** An observation that nobody ever asks for anything has no end either, and so must hold on to nothing. */
async function* begun(begin: () => Observer): AsyncGenerator<Leader | undefined, void, undefined> {
  yield* begin().leaders();
}

class Observer {
  readonly #core: ClientCore;
  readonly #name: string;
  readonly #intervalMs: number;
  readonly #end: ReturnType<typeof firstOf>;
  /** The last tenure whose client was asked whether it uses it, and until when its answer is waited for. */
  #asked = { tenure: "", until: 0 };

  constructor(core: ClientCore, name: string, intervalMs: number, end: ReturnType<typeof firstOf>) {
    this.#core = core;
    this.#name = name;
    this.#intervalMs = intervalMs;
    this.#end = end;
  }

  async *leaders(): AsyncGenerator<Leader | undefined, void, undefined> {
    const { signal } = this.#end;
    let told: bigint | undefined;
    try {
      for (let isFirst = true; !signal.aborted; ) {
        const seen = await this.#look();
        if (signal.aborted) return;
        if (seen !== "unknown" && (isFirst || seen?.term !== told)) {
          isFirst = false;
          told = seen?.term;
          yield seen;
        }
        await pause(this.#core.environment, this.#isAsking ? ASKING_MS : this.#intervalMs, signal);
      }
    } finally {
      this.#end.release();
    }
  }

  get #isAsking(): boolean {
    return this.#core.environment.now() < this.#asked.until;
  }

  async #look(): Promise<Leader | undefined | "unknown"> {
    try {
      const holder = await this.#holder();
      if (holder?.kept !== undefined) await this.#ask(holder, holder.kept);
      else this.#asked.until = 0;
      if (holder === undefined) return undefined;
      const { name, session, owner, token = 0n } = holder;
      return this.#isAsking ? "unknown" : { name, term: token, clientId: session, owner };
    } catch (error) {
      if (isOver(error)) this.#end.abort();
      if (isLasting(error)) throw error;
      return "unknown";
    }
  }

  async #holder(): Promise<Listed | undefined> {
    const from = { name: this.#name, index: 0 };
    const page = v.parse(pageSchema, await this.#core.ask("locks", "list", from, { signal: this.#end.signal }));
    const [first] = page.requests;
    const isIt = first?.name === this.#name && first.token !== undefined && first.mode === "exclusive";
    // Who is lost with its session leads no more, though nobody else can for a while.
    return isIt && first.availableInMs === undefined ? first : undefined;
  }

  /** Has the client of a kept tenure say whether it uses it. One that does not answer is taken to. */
  async #ask({ name, session }: Listed, xid: number): Promise<void> {
    const tenure = `${session} ${xid}`;
    if (this.#asked.tenure === tenure) return;
    const { signal } = this.#end;
    await this.#core.openSession({ signal });
    await this.#core.execute("locks", "survey", [{ name, session, xid }], { signal });
    this.#asked = { tenure, until: this.#core.environment.now() + ANSWER_MS };
  }
}

/** What asking again does not change; all else passes. */
function isLasting(error: unknown): boolean {
  return error instanceof ViewstampError && ["InvalidInput", "UnknownCommand", "WrongMachine"].includes(error.code);
}

function isOver(error: unknown): boolean {
  return error instanceof ViewstampError && error.code === "Closed";
}
