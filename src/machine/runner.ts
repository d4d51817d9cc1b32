/**
 * Runs one machine: its state, and every call into the user's code, none of which may throw out of here.
 * @module
 */
import { type Call, encodeNotice, encodeReply } from "../protocol/calls.ts";
import { assert, MachineError, ViewstampError } from "../protocol/errors.ts";
import type { Applied, EntryContext, Notice } from "../protocol/machine.ts";
import type { SessionId } from "../protocol/session.ts";
import type { Viewstamp } from "../protocol/view.ts";
import { chainOf } from "./chain.ts";
import type { AnyMachine, StateRestoration } from "./definition.ts";
import { type InputIssue, parseInput } from "./input.ts";
import { type Handler, isThenable, type MachineFault, type MachineHooks, type Parts } from "./parts.ts";
import { emptyState, encodedState, restorationOf } from "./state.ts";
import { Step } from "./step.ts";

const DEFAULT_MAX_REPLY_BYTES = 256 * 1024;

const FAILED = encodeReply({
  type: "failed",
  code: "MachineFailed",
  text: "the machine threw something other than a MachineError: each replica's observer is told what",
});

export class MachineRunner {
  readonly name: string;
  /** The versions it can run, oldest first. */
  readonly versions: readonly number[];
  readonly #chain: readonly Parts[];
  /** Those of the version that runs. */
  #parts: Parts;
  readonly #step: Step;
  readonly #trace: ((fault: MachineFault) => void) | undefined;
  readonly #maxReplyBytes: number;
  #state: object;

  /** @throws {ViewstampError} `InvalidOptions` if there is no usable empty state */
  constructor(machine: AnyMachine, hooks: MachineHooks) {
    this.name = machine.name;
    this.#chain = chainOf(machine);
    this.versions = this.#chain.map(({ version }) => version);
    this.#parts = machine as unknown as Parts;
    this.#trace = hooks.trace;
    this.#maxReplyBytes = hooks.maxReplyBytes ?? DEFAULT_MAX_REPLY_BYTES;
    this.#step = new Step(machine.name, this.#maxReplyBytes);
    this.#state = emptyState(this.#parts);
  }

  /** The version that runs. */
  get version(): number {
    return this.#parts.version;
  }

  execute({ name, input, version }: Call, session: SessionId, context: EntryContext): Applied {
    const { commands } = this.#parts;
    if (version > this.version) return { reply: this.#tooNew(version), notices: [] };
    const call = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (call === undefined) return { reply: unknownCall("command", this.#parts, name), notices: [] };
    const step = this.#step.begin(context, session);
    const reply = this.#run(call, name, input, step, context.viewstamp);
    return { reply, notices: step.end() };
  }

  ask({ name, input, version }: Call, now: number): Uint8Array {
    const { queries } = this.#parts;
    if (version > this.version) return this.#tooNew(version);
    const call = Object.hasOwn(queries, name) ? queries[name] : undefined;
    if (call === undefined) return unknownCall("query", this.#parts, name);
    return this.#run(call, name, input, { now }, undefined);
  }

  /** The empty state of this version. */
  begin(version: number): void {
    const parts = this.#partsOf(version);
    if (parts === this.#parts) return;
    this.replaceState(version, emptyState(parts));
  }

  /**
   * What the state is in this version, by one migration after another; `undefined` if one of them fails. Nothing changes
   * until `replaceState`.
   */
  migrated(version: number): object | undefined {
    return this.#guard("migrate", undefined, () => {
      let state = this.#state;
      for (const { version: next, migrate } of this.#chain) {
        if (next <= this.version || next > version) continue;
        const migrated = migrate?.(state);
        if (typeof migrated !== "object" || migrated === null || isThenable(migrated)) {
          throw new TypeError(`migrate of version ${next} gave no state`);
        }
        state = migrated;
      }
      return state;
    });
  }

  endSession(session: SessionId, isLost: boolean, context: EntryContext): readonly Notice[] {
    const step = this.#step.begin(context, session, isLost);
    this.#guard("sessionEnded", context.viewstamp, () => this.#parts.sessionEnded?.(this.#state, session, step));
    return step.end();
  }

  /** Does nothing unless the machine's own deadline has come: a tick is for all machines of a cluster. */
  tick(context: EntryContext): readonly Notice[] {
    const due = this.nextDeadline();
    if (due === undefined || due > context.now) return [];
    const step = this.#step.begin(context, "");
    this.#guard("tick", context.viewstamp, () => this.#parts.tick?.(this.#state, step));
    return step.end();
  }

  nextDeadline(): number | undefined {
    if (this.#parts.deadline === undefined) return undefined;
    const due = this.#guard("deadline", undefined, () => this.#parts.deadline?.(this.#state));
    return typeof due === "number" && Number.isFinite(due) ? due : undefined;
  }

  outstanding(session: SessionId): readonly Uint8Array[] {
    const encode = (value: unknown): Uint8Array => encodeNotice(this.name, value);
    const bodies =
      this.#guard("notices", undefined, () => this.#parts.notices?.(this.#state, session).map(encode)) ?? [];
    return bodies.filter((body) => this.#isCarried(body));
  }

  /**
   * The state as it is now, as encoded values.
   * @throws {ViewstampError} `MachineFailed`, also from `next`
   */
  snapshot(): Iterator<Uint8Array> {
    return encodedState(this.#parts, this.#state, (part) => this.#must("snapshot", part));
  }

  restoration(version: number): StateRestoration<object> {
    return restorationOf(this.#partsOf(version));
  }

  /** From now on this version runs, with this state. */
  replaceState(version: number, state: object): void {
    this.#parts = this.#partsOf(version);
    this.#state = state;
  }

  #partsOf(version: number): Parts {
    const parts = this.#chain.find((one) => one.version === version);
    assert(parts !== undefined, `machine "${this.name}" is run in a version that it has`);
    return parts;
  }

  #tooNew(version: number): Uint8Array {
    const text =
      `the cluster runs version ${this.version} of machine "${this.name}", this call is of version ${version}: ` +
      "upgrade all nodes first, then the clients";
    return encodeReply({ type: "failed", code: "WrongMachine", text });
  }

  #run<Context>(
    call: Handler<Context>,
    name: string,
    input: unknown,
    ctx: Context,
    viewstamp: Viewstamp | undefined,
  ): Uint8Array {
    try {
      const parsed = parseInput(call.schema, input);
      if ("issue" in parsed) return this.#invalid(name, parsed.issue, viewstamp);
      const value = call(this.#state, parsed.value, ctx);
      if (isThenable(value))
        throw new TypeError("a handler gave a promise: machines are synchronous, let the client wait");
      return this.#bounded(encodeReply({ type: "ok", value }));
    } catch (error) {
      return this.#refusal(name, error, viewstamp);
    }
  }

  #refusal(name: string, error: unknown, viewstamp: Viewstamp | undefined): Uint8Array {
    let fault = error;
    if (error instanceof MachineError) {
      try {
        return this.#bounded(encodeReply({ type: "refused", code: `${error.code}`, data: error.data }));
      } catch (unencodable) {
        fault = unencodable;
      }
    }
    this.#report(name, viewstamp, fault);
    return FAILED;
  }

  /**
   * The reply to a command is part of the replicated state, so valibot's text, which depends on its version and
   * language, stays out of it.
   */
  #invalid(name: string, issue: InputIssue, viewstamp: Viewstamp | undefined): Uint8Array {
    const place = issue.path === "" ? "" : ` at ${issue.path}`;
    const why = viewstamp === undefined ? issue.text : `the schema's "${issue.type}" refuses it`;
    return encodeReply({ type: "failed", code: "InvalidInput", text: `input of ${this.name}.${name}${place}: ${why}` });
  }

  #bounded(reply: Uint8Array): Uint8Array {
    if (reply.length <= this.#maxReplyBytes) return reply;
    const text = `the reply has more than ${this.#maxReplyBytes} bytes`;
    return encodeReply({ type: "failed", code: "MachineFailed", text });
  }

  /** No frame carries what is longer: its primary would end with it, and so would the next. */
  #isCarried({ length }: Uint8Array): boolean {
    if (length <= this.#maxReplyBytes) return true;
    const text = `a notice has at most ${this.#maxReplyBytes} bytes, this one ${length}`;
    this.#report("notices", undefined, new RangeError(text));
    return false;
  }

  /** Runs a part that has no reply: its faults are only reported. */
  #guard<Result>(where: string, viewstamp: Viewstamp | undefined, part: () => Result): Result | undefined {
    try {
      const result = part();
      if (isThenable(result)) throw new TypeError(`${where} gave a promise`);
      return result;
    } catch (error) {
      this.#report(where, viewstamp, error);
      return undefined;
    }
  }

  #must<Result>(where: string, part: () => Result): Result {
    try {
      return part();
    } catch (cause) {
      this.#report(where, undefined, cause);
      throw new ViewstampError("MachineFailed", `${where} of machine "${this.name}" failed`, { cause });
    }
  }

  #report(where: string, viewstamp: Viewstamp | undefined, error: unknown): void {
    try {
      this.#trace?.({ machine: this.name, where, viewstamp, error });
    } catch {
      // A listener that fails must not make this replica differ from the others.
    }
  }
}

function unknownCall(kind: "command" | "query", { name: machine, version }: Parts, name: string): Uint8Array {
  const text = `version ${version} of machine "${machine}" has no ${kind} ${JSON.stringify(name.slice(0, 80))}`;
  return encodeReply({ type: "failed", code: "UnknownCommand", text });
}
