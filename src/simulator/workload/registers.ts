/**
 * The load of a run: clients that read and write registers and add to tallies, with values that never repeat, and write
 * down what they were told.
 * @module
 */
import type { ClientCore } from "../../client/contract.ts";
import { ViewstampError } from "../../protocol/errors.ts";
import type { HistoryEntry, RegisterOp } from "../checkers/history.ts";
import type { Random } from "../random.ts";
import type { Witness } from "./contract.ts";
import { KvCalls } from "./kv-calls.ts";

export interface LoadOptions {
  /** How many calls all clients together make. */
  readonly calls: number;
  readonly keys: number;
  /** Milliseconds between a lane's calls, at most. */
  readonly thinkMs: number;
  /** Of the calls, how many are reads. */
  readonly reads: number;
  /** Of the calls, how many are for the kv machine. */
  readonly kv?: number;
  readonly timeoutMs: number;
  /** Whether clients may know a newer machine than the cluster runs; not by default. */
  readonly mayBeTooNew?: boolean;
}

interface OpenOp {
  readonly key: string;
  readonly client: number;
  readonly call: number;
  readonly op: RegisterOp;
}

/** Asks the tester machine's state after all that was committed. */
export type AskTester = (query: string, input: unknown) => unknown;

/** What was called and answered, by all clients over all their lives. */
export class Load {
  readonly options: LoadOptions;
  readonly histories: Map<string, HistoryEntry<RegisterOp>[]> = new Map();
  readonly #now: () => number;
  readonly #violated: (rule: number, text: string) => void;
  readonly #witness: Witness;
  readonly #open: Map<number, OpenOp> = new Map();
  /** Sums of a tally: what was confirmed, and what may have been added beyond. */
  readonly tallies: Map<string, { sure: number; perhaps: number }> = new Map();
  /** Commands whose reply a client has seen. */
  readonly #acknowledged: number[] = [];
  readonly #kv: KvCalls;
  #left: number;
  #op = 0;
  answered = 0;
  refused = 0;
  unknown = 0;

  constructor(
    options: LoadOptions,
    now: () => number,
    violated: (rule: number, text: string) => void,
    witness: Witness,
  ) {
    this.options = options;
    this.#witness = witness;
    this.#left = options.calls;
    this.#now = now;
    this.#violated = violated;
    this.#kv = new KvCalls(
      {
        begin: (client, key, op) => this.#begin(client, key, op),
        close: (number, op) => this.#close(number, op),
        failed: (number, error) => this.#failed(number, error),
        drop: (number) => void this.#open.delete(number),
      },
      violated,
    );
  }

  /** Calls not yet made. */
  get left(): number {
    return this.#left;
  }

  /** Calls made whose end nobody has learned, by clients that live. */
  get under(): number {
    return this.#open.size;
  }

  /** When all is over: what was answered was done, nothing was done twice, and tallies are what was added to them. */
  judge(ask: AskTester): void {
    const repeated = ask("repeated", null) as number[];
    if (repeated.length > 0) this.#violated(9, `commands ${repeated.join(", ")} were executed more than once`);
    const missing = ask("missing", this.#acknowledged) as number[];
    if (missing.length > 0) this.#violated(7, `commands ${missing.join(", ")} were answered and are lost`);
    for (const [name, { sure, perhaps }] of this.tallies) {
      const total = ask("total", name) as number;
      if (total < sure) this.#violated(7, `tally ${name} is ${total}, and ${sure} adds were confirmed`);
      if (total > sure + perhaps)
        this.#violated(9, `tally ${name} is ${total}, and only ${sure + perhaps} adds were asked`);
    }
  }

  /** One lane of a client: calls one after another until the load is done. */
  async lane(client: number, core: ClientCore, random: Random, sleep: (ms: number) => Promise<void>): Promise<void> {
    while (this.#left > 0) {
      this.#left--;
      await this.#call(client, core, random);
      if (this.options.thinkMs > 0) await sleep(random.between(0, this.options.thinkMs));
    }
  }

  /** A client is dead: what it had asked may happen at any time, or never. */
  died(client: number): void {
    for (const [op, open] of [...this.#open]) if (open.client === client) this.#close(op, undefined);
    for (const [op, add] of [...this.#adds]) {
      if (add.client !== client) continue;
      this.#adds.delete(op);
      this.#tally(add.name).perhaps++;
    }
  }

  readonly #adds: Map<number, { readonly client: number; readonly name: string }> = new Map();

  async #call(client: number, core: ClientCore, random: Random): Promise<void> {
    const { session } = core;
    if (session !== undefined) this.#witness.relies(client, session.id);
    const { kv = 0, timeoutMs } = this.options;
    if (kv > 0 && random.chance(kv)) return this.#kv.call(client, core, random, timeoutMs);
    const key = `k${random.integer(1, this.options.keys)}`;
    const read = random.chance(this.options.reads);
    if (read && random.chance(0.1)) return this.#readTotal(core, key);
    if (read) return this.#read(client, core, key);
    switch (random.integer(0, 3)) {
      case 0:
        return this.#add(client, core, key);
      case 1:
        return this.#compareAndSet(client, core, key);
      default:
        return this.#put(client, core, key);
    }
  }

  async #read(client: number, core: ClientCore, key: string): Promise<void> {
    const { timeoutMs } = this.options;
    const op = this.#begin(client, key, { type: "get", value: null });
    try {
      const value = (await core.ask("tester", "get", key, { timeoutMs })) as string | null;
      this.#close(op, { type: "get", value });
    } catch (error) {
      this.#failed(op, error);
    }
  }

  async #readTotal(core: ClientCore, key: string): Promise<void> {
    const { sure } = this.#tally(key);
    try {
      const total = (await core.ask("tester", "total", key, { timeoutMs: this.options.timeoutMs })) as number;
      this.answered++;
      if (total < sure)
        this.#violated(8, `tally ${key} reads ${total}, and ${sure} had been confirmed before it was asked`);
    } catch (error) {
      this.#expected(error);
    }
  }

  async #put(client: number, core: ClientCore, key: string): Promise<void> {
    const op = this.#begin(client, key, { type: "put", value: `v${this.#op + 1}` });
    const value = `v${op}`;
    await this.#execute(op, core, "put", { op, key, value }, (reply) => ({
      type: "put",
      value,
      found: reply.found ?? null,
    }));
  }

  async #compareAndSet(client: number, core: ClientCore, key: string): Promise<void> {
    const history = this.histories.get(key);
    const last = history?.[history.length - 1]?.op;
    const from = last?.type === "get" || last?.type === "put" ? last.value : null;
    const to = `v${this.#op + 1}`;
    const op = this.#begin(client, key, { type: "cas", from, to, done: true });
    await this.#execute(op, core, "cas", { op, key, from, to }, (reply) => ({
      type: "cas",
      from,
      to,
      done: reply.done === true,
      found: reply.found ?? null,
    }));
  }

  async #add(client: number, core: ClientCore, name: string): Promise<void> {
    const op = ++this.#op;
    const tally = this.#tally(name);
    const { sure } = tally;
    this.#adds.set(op, { client, name });
    try {
      const reply = (await core.execute("tester", "add", { op, name, by: 1 }, this.#callOptions())) as Reply;
      if (!this.#adds.delete(op)) return;
      this.answered++;
      tally.sure++;
      this.#once(op, reply);
      if ((reply.total ?? 0) <= sure)
        this.#violated(7, `tally ${name} is ${reply.total} after an add, and ${sure} had been confirmed before`);
    } catch (error) {
      if (this.#adds.delete(op) && this.#expected(error)) tally.perhaps++;
    }
  }

  async #execute(
    op: number,
    core: ClientCore,
    command: string,
    input: unknown,
    done: (reply: Reply) => RegisterOp,
  ): Promise<void> {
    try {
      const reply = (await core.execute("tester", command, input, this.#callOptions())) as Reply;
      this.#once(op, reply);
      this.#close(op, done(reply));
    } catch (error) {
      this.#failed(op, error);
    }
  }

  #callOptions(): { timeoutMs: number } {
    return { timeoutMs: this.options.timeoutMs };
  }

  #once(op: number, { times }: Reply): void {
    this.#acknowledged.push(op);
    if (times !== 1) this.#violated(9, `command ${op} was executed ${times} times`);
  }

  #begin(client: number, key: string, op: RegisterOp): number {
    const number = ++this.#op;
    this.#open.set(number, { key, client, call: this.#now(), op });
    return number;
  }

  /** `undefined`: the outcome is unknown. */
  #close(number: number, op: RegisterOp | undefined): void {
    const open = this.#open.get(number);
    if (open === undefined) return;
    this.#open.delete(number);
    const { client, call, key } = open;
    if (op === undefined) this.unknown++;
    else this.answered++;
    let history = this.histories.get(key);
    if (history === undefined) this.histories.set(key, (history = []));
    history.push({ client, call, end: op === undefined ? undefined : this.#now(), op: op ?? open.op });
  }

  #failed(number: number, error: unknown): void {
    if (this.#expected(error)) this.#close(number, undefined);
    else this.#open.delete(number);
  }

  /** Whether the outcome is unknown; an error that no client may ever meet is a violation. */
  #expected(error: unknown): boolean {
    if (!(error instanceof ViewstampError)) {
      this.#violated(9, `a client was given ${String(error)}`);
      return true;
    }
    switch (error.code) {
      case "WrongMachine":
        // A client that is newer than its cluster.
        if (this.options.mayBeTooNew !== true) this.#violated(9, `a client was given ${error.code}: ${error.message}`);
        this.refused++;
        return false;
      case "Timeout":
      case "SessionExpired":
      case "NoQuorum":
      case "Busy":
      case "Overloaded":
      case "Closed":
        if (!error.outcomeUnknown) this.refused++;
        return error.outcomeUnknown;
      default:
        this.#violated(9, `a client was given ${error.code}: ${error.message}`);
        return true;
    }
  }

  #tally(name: string): { sure: number; perhaps: number } {
    let tally = this.tallies.get(name);
    if (tally === undefined) this.tallies.set(name, (tally = { sure: 0, perhaps: 0 }));
    return tally;
  }
}

interface Reply {
  readonly times: number;
  readonly done?: boolean;
  readonly found?: string | null;
  readonly total?: number;
}
