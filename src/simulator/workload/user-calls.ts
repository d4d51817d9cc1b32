/**
 * The calls that simulated clients of a user's machine make, written down as they end.
 * @module
 */
import type { CallOptions, ClientCore, LiveSession, QueryOptions, SessionChange } from "../../client/contract.ts";
import type { AnyCommand, AnyMachine, AnyQuery, InputOf, OutputOf } from "../../machine/definition.ts";
import type { Environment } from "../../protocol/environment.ts";
import { MachineError, ViewstampError } from "../../protocol/errors.ts";
import type { SessionId } from "../../protocol/session.ts";

/** How a call ended. `unknown`: it may have been done, or may not; `failed`: it surely was not. */
export type SimulatedOutcome<Reply> =
  | { readonly outcome: "done"; readonly reply: Reply }
  | { readonly outcome: "refused"; readonly error: MachineError }
  | { readonly outcome: "failed"; readonly error: ViewstampError }
  | { readonly outcome: "unknown" };

/** Who made a call, and when: in milliseconds since the seed began. */
export interface CallFacts {
  /** The client's number, from 1. */
  readonly client: number;
  /** When it was made. */
  readonly madeMs: number;
  /** When its end was learned; `undefined` if that never happened. */
  readonly endedMs: number | undefined;
}

/** A call of one command or query. */
export type NamedCall<Machine extends string, Name, Call extends AnyCommand | AnyQuery> = CallFacts & {
  /** The machine's name. */
  readonly machine: Machine;
  /** The command's or query's name. */
  readonly name: Name;
  /** As it was given. */
  readonly input: InputOf<Call>;
} & SimulatedOutcome<OutputOf<Call>>;

/** Any call of a machine: compare `name` and `outcome`, and the compiler knows the rest. */
export type SimulatedCall<Of extends AnyMachine> = Of extends AnyMachine
  ?
      | { [Name in keyof Of["commands"]]: NamedCall<Of["name"], Name, Of["commands"][Name]> }[keyof Of["commands"]]
      | { [Name in keyof Of["queries"]]: NamedCall<Of["name"], Name, Of["queries"][Name]> }[keyof Of["queries"]]
  : never;

/** A call as it is written down. */
interface WrittenCall extends CallFacts {
  readonly machine: string;
  readonly name: string;
  readonly input: unknown;
  endedMs: number | undefined;
  outcome: "done" | "refused" | "failed" | "unknown";
  reply?: unknown;
  error?: unknown;
}

/** As many calls in one run are taken for a workload that never ends. */
export const MOST_CALLS = 20_000;

/** All calls of a run, in the order they were made. */
export class CallBook {
  readonly calls: WrittenCall[] = [];
  readonly #now: () => number;
  readonly #tooMany: () => void;
  readonly #open: Map<number, Set<WrittenCall>> = new Map();
  answered = 0;

  constructor(now: () => number, tooMany: () => void) {
    this.#now = now;
    this.#tooMany = tooMany;
  }

  /** The calls of this client that wait for their end. */
  openOf(client: number): readonly WrittenCall[] {
    return [...(this.#open.get(client) ?? [])];
  }

  /** A client is dead: nobody will learn how its calls end. */
  died(client: number): void {
    this.#open.delete(client);
  }

  async write(client: number, machine: string, name: string, input: unknown, made: Promise<unknown>): Promise<void> {
    const open = this.#open.get(client) ?? new Set();
    this.#open.set(client, open);
    const madeMs = this.#now();
    const call: WrittenCall = { client, machine, name, input, madeMs, endedMs: undefined, outcome: "unknown" };
    this.calls.push(call);
    open.add(call);
    if (this.calls.length === MOST_CALLS) this.#tooMany();
    try {
      call.reply = await made;
      call.outcome = "done";
    } catch (error) {
      Object.assign(call, endOf(error));
    }
    call.endedMs = this.#now();
    open.delete(call);
    if (call.outcome !== "unknown") this.answered++;
  }
}

function endOf(error: unknown): Pick<WrittenCall, "outcome" | "error"> {
  if (error instanceof MachineError) return { outcome: "refused", error };
  if (error instanceof ViewstampError && !error.outcomeUnknown) return { outcome: "failed", error };
  return { outcome: "unknown" };
}

/** A client's core whose calls are written down. */
export class WrittenCore implements ClientCore {
  readonly environment: Environment;
  readonly #core: ClientCore;
  readonly #client: number;
  readonly #book: CallBook;

  constructor(core: ClientCore, client: number, book: CallBook) {
    this.environment = core.environment;
    this.#core = core;
    this.#client = client;
    this.#book = book;
  }

  get session(): LiveSession | undefined {
    return this.#core.session;
  }

  get trouble(): ViewstampError | undefined {
    return this.#core.trouble;
  }

  openSession(options?: CallOptions): Promise<LiveSession> {
    return this.#core.openSession(options);
  }

  execute(machine: string, command: string, input: unknown, options?: CallOptions): Promise<unknown> {
    const made = this.#core.execute(machine, command, input, options);
    void this.#book.write(this.#client, machine, command, input, made);
    return made;
  }

  ask(machine: string, query: string, input: unknown, options?: QueryOptions): Promise<unknown> {
    const made = this.#core.ask(machine, query, input, options);
    void this.#book.write(this.#client, machine, query, input, made);
    return made;
  }

  onNotice(machine: string, handler: (notice: unknown, session: SessionId) => void): () => void {
    return this.#core.onNotice(machine, handler);
  }

  onSession(handler: (change: SessionChange) => void): () => void {
    return this.#core.onSession(handler);
  }

  close(): Promise<void> {
    return this.#core.close();
  }
}
