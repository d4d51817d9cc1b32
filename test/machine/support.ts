// What the tests of machines share: calling a replicated machine as the core does.
import * as assert from "uvu/assert";
import type { AnyMachine } from "../../src/machine/definition.ts";
import type { MachineFault, MachineHooks } from "../../src/machine/parts.ts";
import { replicated } from "../../src/machine/replicated.ts";
import { type CallReply, decodeNotice, decodeReply, encodeCall } from "../../src/protocol/calls.ts";
import { type ErrorCode, ViewstampError } from "../../src/protocol/errors.ts";
import type { EntryContext, Notice, ReplicatedMachine } from "../../src/protocol/machine.ts";
import type { SessionId } from "../../src/protocol/session.ts";

export const SESSION: SessionId = "1.1";

/** A replica's machine, stepped by hand: every step is the next entry of the log. */
export class Host {
  readonly machine: ReplicatedMachine;
  readonly faults: MachineFault[] = [];
  now = 1000;
  seqno = 0;
  notices: { session: SessionId; machine: string; value: unknown }[] = [];

  constructor(machines: AnyMachine | readonly AnyMachine[], hooks: MachineHooks = {}) {
    this.machine = replicated(machines, { trace: (fault) => this.faults.push(fault), ...hooks });
  }

  context(): EntryContext {
    return { now: this.now, viewstamp: { vid: 1, seqno: ++this.seqno } };
  }

  run(machine: string, name: string, input?: unknown, session: SessionId = SESSION): CallReply {
    return decodeReply(this.runBytes(encodeCall(machine, name, input), session));
  }

  runBytes(command: Uint8Array, session: SessionId = SESSION): Uint8Array {
    const { reply, notices } = this.machine.apply(command, session, this.context());
    this.took(notices);
    return reply;
  }

  /** The value of a command that goes well. */
  value(machine: string, name: string, input?: unknown, session?: SessionId): unknown {
    return okValue(this.run(machine, name, input, session));
  }

  query(machine: string, name: string, input?: unknown): CallReply {
    return decodeReply(this.machine.query(encodeCall(machine, name, input), this.now));
  }

  ask(machine: string, name: string, input?: unknown): unknown {
    return okValue(this.query(machine, name, input));
  }

  endSession(session: SessionId, isLost = false): void {
    this.took(this.machine.endSession(session, isLost, this.context()));
  }

  tick(): void {
    this.took(this.machine.tick(this.context()));
  }

  outstanding(session: SessionId): unknown[] {
    return this.machine.outstanding(session).map((body) => decodeNotice(body).value);
  }

  restore(chunks: Iterable<Uint8Array>): this {
    const restoration = this.machine.restore();
    for (const chunk of chunks) restoration.chunk(chunk);
    restoration.finish();
    return this;
  }

  took(notices: readonly Notice[]): void {
    for (const { session, body } of notices) this.notices.push({ session, ...decodeNotice(body) });
  }
}

export function okValue(reply: CallReply): unknown {
  if (reply.type !== "ok") throw new Error(`refused: ${JSON.stringify(reply)}`);
  return reply.value;
}

export function drain<Item>(iterator: Iterator<Item>): Item[] {
  const items: Item[] = [];
  for (let next = iterator.next(); next.done !== true; next = iterator.next()) items.push(next.value);
  return items;
}

export function throwsCode(act: () => unknown, code: ErrorCode, text: RegExp = /./): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof ViewstampError)) throw error;
    assert.is(error.code, code);
    assert.match(error.message, text);
    return;
  }
  throw new Error(`nothing was thrown, ${code} was expected`);
}

/** Comparing large byte arrays with `assert.equal` does not come to an end. */
export function sameBytes(actual: Uint8Array, expected: Uint8Array): void {
  assert.is(actual.length, expected.length, "length");
  const at = actual.findIndex((byte, index) => byte !== expected[index]);
  assert.is(at, -1, `first difference at ${at}`);
}
