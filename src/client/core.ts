/**
 * The client with promises: what typed clients and the lock client build on.
 * @module
 */
import { decodeNotice, decodeReply, encodeCall, type MachineNotice } from "../protocol/calls.ts";
import type { Change } from "../protocol/client-messages.ts";
import type { Environment } from "../protocol/environment.ts";
import { MachineError, ViewstampError } from "../protocol/errors.ts";
import type { SessionId } from "../protocol/session.ts";
import type { CallAnswer } from "./call.ts";
import type { CallOptions, ClientCore, LiveSession, QueryOptions, SessionChange } from "./contract.ts";
import { Engine, type EngineObserver } from "./engine.ts";
import { Handlers } from "./handlers.ts";
import {
  type ClientOptions,
  type ClientSettings,
  checkCallOptions,
  checkQueryOptions,
  invalid,
  refuseUnknown,
  settingsOf,
  TUNING_NAMES,
} from "./options.ts";

type NoticeHandler = (notice: unknown, session: SessionId) => void;

const optionNames = ["cluster", "transport", "environment", "machines", ...TUNING_NAMES];

/** A client's core that an operator's commands can go through as well. */
export interface AdminCore extends ClientCore {
  /** Resolves once a node has accepted this client. */
  connected(options?: CallOptions): Promise<void>;
  /** Changes the membership; resolves with the number of the view that has it. */
  change(action: Change["action"], id: string, url: string, options?: CallOptions): Promise<number>;
}

/**
 * Starts a client; it looks for the primary at once. Calls may be made before it has found one.
 * @throws {ViewstampError} `InvalidOptions`
 */
export function startCore(options: ClientOptions): AdminCore {
  refuseUnknown(options, optionNames, "a client");
  if (typeof options.transport?.dial !== "function")
    throw invalid("transport is missing: give one, such as webSocket()", { option: "transport" });
  const settings = settingsOf(options.cluster, options);
  for (const { url } of settings.addresses) {
    const refusal = options.transport.refusal?.(url);
    if (refusal !== undefined) throw invalid(`cluster: ${refusal}`, { url });
  }
  return new Core(options, settings);
}

/**
 * Starts a client and waits until a first node has accepted it, so that a wrong address or machine is found out early.
 * @throws {ViewstampError} `InvalidOptions`, `Timeout` after `timeoutMs`, or why every node refused: `WrongMachine`,
 * `WrongCluster`, `WrongProtocol`
 */
export async function connectCore(options: ClientOptions): Promise<ClientCore> {
  const core = startCore(options);
  try {
    await core.connected();
    return core;
  } catch (error) {
    await core.close();
    throw error;
  }
}

class Core implements AdminCore, EngineObserver {
  readonly environment: Environment;
  readonly #engine: Engine;
  readonly #sessionHandlers: Handlers<[SessionChange]>;
  readonly #noticeHandlers = new Map<string, Handlers<[unknown, SessionId]>>();
  readonly #versions: ReadonlyMap<string, number>;
  #closing: Promise<void> | undefined;

  constructor(options: ClientOptions, settings: ClientSettings) {
    this.environment = options.environment;
    this.#versions = new Map(options.machines.map(({ name, version }) => [name, version]));
    this.#sessionHandlers = new Handlers(options.environment);
    this.#engine = new Engine(options, settings, this);
    this.#engine.start();
  }

  get session(): LiveSession | undefined {
    return this.#engine.session;
  }

  get trouble(): ViewstampError | undefined {
    return this.#engine.trouble;
  }

  connected(options: CallOptions = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      checkCallOptions(options);
      const call = this.#engine.begin("connect", options, () => resolve(), reject);
      if (call !== undefined) this.#engine.connect(call);
    });
  }

  openSession(options: CallOptions = {}): Promise<LiveSession> {
    return new Promise((resolve, reject) => {
      checkCallOptions(options);
      const opened = (): void => resolve(this.#engine.session as LiveSession);
      const call = this.#engine.begin("opening a session", options, opened, reject);
      if (call !== undefined) this.#engine.openSession(call);
    });
  }

  execute(machine: string, command: string, input: unknown, options: CallOptions = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      checkCallOptions(options);
      const body = encodeCall(machine, command, input, this.#versionOf(machine));
      const what = `${machine}.${command}`;
      const call = this.#engine.begin(what, options, (answer) => resolve(outcomeOf(what, answer)), reject);
      if (call !== undefined) this.#engine.execute(call, body);
    });
  }

  ask(machine: string, query: string, input: unknown, options: QueryOptions = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      checkQueryOptions(options);
      const { consistency = "linearizable" } = options;
      const body = encodeCall(machine, query, input, this.#versionOf(machine));
      const what = `${machine}.${query}`;
      const call = this.#engine.begin(what, options, (answer) => resolve(outcomeOf(what, answer)), reject);
      if (call !== undefined) this.#engine.ask(call, { type: "query", consistency, body });
    });
  }

  change(action: Change["action"], id: string, url: string, options: CallOptions = {}): Promise<number> {
    return new Promise((resolve, reject) => {
      checkCallOptions(options);
      const call = this.#engine.begin(`${action} ${id}`, options, (vid) => resolve(vid as number), reject);
      if (call !== undefined) this.#engine.ask(call, { type: "change", action, id, url });
    });
  }

  onNotice(machine: string, handler: NoticeHandler): () => void {
    let handlers = this.#noticeHandlers.get(machine);
    if (handlers === undefined) {
      handlers = new Handlers(this.environment);
      this.#noticeHandlers.set(machine, handlers);
    }
    return handlers.add(handler);
  }

  onSession(handler: (change: SessionChange) => void): () => void {
    return this.#sessionHandlers.add(handler);
  }

  close(): Promise<void> {
    if (this.#closing === undefined) {
      let done: () => void = () => {};
      this.#closing = new Promise((resolve) => {
        done = resolve;
      });
      this.#engine.close(done);
    }
    return this.#closing;
  }

  #versionOf(machine: string): number {
    return this.#versions.get(machine) ?? 1;
  }

  sessionChanged(change: SessionChange): void {
    this.#sessionHandlers.call(change);
  }

  noticed(body: Uint8Array, session: SessionId): void {
    const notice = readNotice(body);
    if (notice !== undefined) this.#noticeHandlers.get(notice.machine)?.call(notice.value, session);
  }
}

/** Nobody can be told of a notice that cannot be read; it says nothing against the connection. */
function readNotice(body: Uint8Array): MachineNotice | undefined {
  try {
    return decodeNotice(body);
  } catch (error) {
    if (error instanceof ViewstampError) return undefined;
    throw error;
  }
}

/** @throws {MachineError | ViewstampError} what the machine answered, if that is no value */
function outcomeOf(what: string, answer: CallAnswer): unknown {
  const reply = decodeReply(answer as Uint8Array);
  switch (reply.type) {
    case "ok":
      return reply.value;
    case "refused":
      throw new MachineError(reply.code, reply.data);
    case "failed":
      throw new ViewstampError(reply.code, `${what}: ${reply.text}`);
  }
}
