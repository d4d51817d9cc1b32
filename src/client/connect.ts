/**
 * The typed client: its calls and their types come from the machine's definition.
 * @module
 */
import { isMachine } from "../machine/define.ts";
import type { AnyCommand, AnyMachine, AnyQuery, InputOf, NoticeOf, OutputOf } from "../machine/definition.ts";
import { checkInput } from "../machine/input.ts";
import type { Environment } from "../protocol/environment.ts";
import type { SessionId } from "../protocol/session.ts";
import type { Transport } from "../protocol/transport.ts";
import type { CallOptions, ClientCore, QueryOptions, SessionChange } from "./contract.ts";
import { connectCore } from "./core.ts";
import { type ClientTuning, type ClusterAddresses, invalid, refuseUnknown, TUNING_NAMES } from "./options.ts";

/** A call with its input, which may be left out where the schema allows `undefined`. */
export type Caller<Input, Options, Output> = undefined extends Input
  ? (input?: Input, options?: Options) => Promise<Output>
  : (input: Input, options?: Options) => Promise<Output>;

/** How a client calls a command. */
export type CommandCaller<Of extends AnyCommand> = Caller<InputOf<Of>, CallOptions, OutputOf<Of>>;

/** How a client calls a query. */
export type QueryCaller<Of extends AnyQuery> = Caller<InputOf<Of>, QueryOptions, OutputOf<Of>>;

/** The commands and queries of a machine, as a client calls them. */
export type CallsOf<Of extends AnyMachine> = {
  readonly [Name in keyof Of["commands"]]: CommandCaller<Of["commands"][Name]>;
} & {
  readonly [Name in keyof Of["queries"]]: QueryCaller<Of["queries"][Name]>;
};

/** What every typed client has beside its calls. */
export interface ClientMembers {
  /** The session's id; `undefined` before the first command and after a loss. */
  readonly session: SessionId | undefined;
  /** Opens a session if there is none, so that notices come before the first command. */
  openSession(options?: CallOptions): Promise<SessionId>;
  /** Calls back when a session is opened or lost. Returns the undo. */
  onSession(handler: (change: SessionChange) => void): () => void;
  /**
   * Ends the session in good order, within a bounded time, and every connection. Calls under way reject with `Closed`.
   * It may be called again.
   */
  close(): Promise<void>;
  /** The same as `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** A client of one machine: `client.add(…)`. */
export type MachineClient<Of extends AnyMachine> = CallsOf<Of> &
  ClientMembers & {
    /** Calls back for each notice to this client's session; one may come twice. Returns the undo. */
    onNotice(handler: (notice: NoticeOf<Of>, session: SessionId) => void): () => void;
  };

/** A client of several machines: `client.stock.add(…)`. */
export type MachinesClient<Of extends readonly AnyMachine[]> = {
  readonly [One in Of[number] as One["name"]]: CallsOf<One>;
} & ClientMembers & {
    /** Calls back for each notice of that machine to this client's session; one may come twice. Returns the undo. */
    onNotice<Name extends Of[number]["name"]>(
      machine: Name,
      handler: (notice: NoticeOf<Extract<Of[number], { readonly name: Name }>>, session: SessionId) => void,
    ): () => void;
  };

/** What every typed client is made from. */
export interface TypedClientOptions extends ClientTuning {
  readonly cluster: ClusterAddresses;
  readonly transport: Transport;
  readonly environment: Environment;
}

/** Options of a client of one machine. */
export interface MachineClientOptions<Of extends AnyMachine> extends TypedClientOptions {
  readonly machine: Of;
}

/** Options of a client of several machines. */
export interface MachinesClientOptions<Of extends readonly AnyMachine[]> extends TypedClientOptions {
  readonly machines: Of;
}

const optionNames = ["cluster", "transport", "environment", "machine", "machines", ...TUNING_NAMES];

/**
 * Connects a typed client; resolves once a node has accepted it.
 *
 * @example
 * ```ts
 * const client = await connectClient({ cluster, machine: stock, transport: webSocket(), environment });
 * await client.add({ sku: "bolt", by: 3 });
 * await client.count("bolt", { consistency: "local" });
 * await client.close();
 * ```
 *
 * @throws {ViewstampError} `InvalidOptions`, `Timeout` after `timeoutMs`, or why every node refused: `WrongMachine`,
 * `WrongCluster`, `WrongProtocol`
 */
export function connectClient<Of extends AnyMachine>(options: MachineClientOptions<Of>): Promise<MachineClient<Of>>;
export function connectClient<const Of extends readonly AnyMachine[]>(
  options: MachinesClientOptions<Of>,
): Promise<MachinesClient<Of>>;
export async function connectClient(
  options: TypedClientOptions & { readonly machine?: AnyMachine; readonly machines?: readonly AnyMachine[] },
): Promise<ClientMembers> {
  refuseUnknown(options, optionNames, "a client");
  const { machine, machines, ...rest } = options;
  const all = checkMachines(machine, machines);
  const versions = all.map(({ name, version }) => ({ name, version }));
  const core = await connectCore({ ...rest, machines: versions });
  return typedClient(core, machine ?? all);
}

/** Gives a client's core the calls of its machine, or of each of its machines by name. */
export function typedClient(core: ClientCore, machines: AnyMachine | readonly AnyMachine[]): ClientMembers {
  return isMachine(machines) ? clientOfOne(core, machines) : clientOfMany(core, machines);
}

function checkMachines(machine: unknown, machines: unknown): readonly AnyMachine[] {
  if ((machine === undefined) === (machines === undefined))
    throw invalid("a client takes either machine or machines", { option: "machine" });
  const all: readonly unknown[] = machine !== undefined ? [machine] : Array.isArray(machines) ? machines : [];
  if (all.length === 0) throw invalid("machines is a list of at least one machine", { option: "machines" });
  const names = new Set<string>();
  const checked: AnyMachine[] = [];
  for (const one of all) {
    if (!isMachine(one)) throw invalid("a machine of a client is what defineMachine gave", { option: "machine" });
    if (names.has(one.name)) throw invalid(`machines holds two named ${one.name}`, { option: "machines" });
    names.add(one.name);
    checked.push(one);
  }
  return checked;
}

/** What clients of one machine and of several share; the names of its members are reserved. */
class Members implements ClientMembers {
  readonly #core: ClientCore;

  constructor(core: ClientCore) {
    this.#core = core;
  }

  get session(): SessionId | undefined {
    return this.#core.session?.id;
  }

  async openSession(options?: CallOptions): Promise<SessionId> {
    return (await this.#core.openSession(options)).id;
  }

  onSession(handler: (change: SessionChange) => void): () => void {
    return this.#core.onSession(handler);
  }

  close(): Promise<void> {
    return this.#core.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#core.close();
  }
}

type NoticeHandler = (notice: unknown, session: SessionId) => void;

function clientOfOne(core: ClientCore, machine: AnyMachine): ClientMembers {
  const onNotice = (handler: NoticeHandler): (() => void) => core.onNotice(machine.name, handler);
  return Object.freeze(Object.assign(new Members(core), callsOf(core, machine), { onNotice }));
}

function clientOfMany(core: ClientCore, machines: readonly AnyMachine[]): ClientMembers {
  const onNotice = (name: string, handler: NoticeHandler): (() => void) => core.onNotice(name, handler);
  const calls = machines.map((machine) => [machine.name, Object.freeze(callsOf(core, machine))] as const);
  return Object.freeze(Object.assign(new Members(core), Object.fromEntries(calls), { onNotice }));
}

type UntypedCaller = (input: unknown, options?: QueryOptions) => Promise<unknown>;

function callsOf(core: ClientCore, machine: AnyMachine): Record<string, UntypedCaller> {
  const calls: Record<string, UntypedCaller> = {};
  for (const name of Object.keys(machine.commands)) {
    calls[name] = checked(machine, "command", name, (input, options) =>
      core.execute(machine.name, name, input, options),
    );
  }
  for (const name of Object.keys(machine.queries)) {
    calls[name] = checked(machine, "query", name, (input, options) => core.ask(machine.name, name, input, options));
  }
  return calls;
}

/** Bad input rejects before anything is sent. */
function checked(machine: AnyMachine, kind: "command" | "query", name: string, call: UntypedCaller): UntypedCaller {
  return (input, options) => {
    try {
      checkInput(machine, kind, name, input);
    } catch (error) {
      return Promise.reject(error);
    }
    return call(input, options);
  };
}
