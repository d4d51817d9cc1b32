/**
 * The real lock machine behind a log of one replica: what a cluster would do, without the cluster.
 * @module
 */
import { locks } from "../../src/locks/machine.ts";
import type { LockNotice } from "../../src/locks/machine-words.ts";
import { replicated } from "../../src/machine/replicated.ts";
import { decodeNotice, decodeReply, encodeCall } from "../../src/protocol/calls.ts";
import { MachineError, ViewstampError } from "../../src/protocol/errors.ts";
import type { EntryContext, Notice, ReplicatedMachine } from "../../src/protocol/machine.ts";
import type { SessionId } from "../../src/protocol/session.ts";

export interface Told {
  readonly session: SessionId;
  readonly notice: LockNotice;
}

export class LockLog {
  /** What the last entry told sessions. */
  told: Told[] = [];
  now = 0;
  #machine: ReplicatedMachine = replicated(locks);
  #seqno = 0;

  /** Executes a command; throws what the client would throw. */
  apply(session: SessionId, command: string, input: unknown): unknown {
    const { reply, notices } = this.#machine.apply(encodeCall("locks", command, input), session, this.#next());
    this.told = notices.map(toldOf);
    return resultOf(reply);
  }

  ask(query: string, input: unknown): unknown {
    return resultOf(this.#machine.query(encodeCall("locks", query, input), this.now));
  }

  end(session: SessionId, isLost = false): void {
    this.told = this.#machine.endSession(session, isLost, this.#next()).map(toldOf);
  }

  /** The primary has a tick executed when the machine's deadline has come; says whether it had. */
  tick(): boolean {
    const due = this.#machine.nextDeadline();
    this.told = [];
    if (due === undefined || due > this.now) return false;
    this.told = this.#machine.tick(this.#next()).map(toldOf);
    return true;
  }

  get deadline(): number | undefined {
    return this.#machine.nextDeadline();
  }

  outstanding(session: SessionId): LockNotice[] {
    return this.#machine.outstanding(session).map((body) => decodeNotice(body).value as LockNotice);
  }

  /** A snapshot under way; its chunks are read by whoever wants them. */
  beginSnapshot(): Iterator<Uint8Array> {
    return this.#machine.snapshot();
  }

  snapshot(): Uint8Array[] {
    return drain(this.beginSnapshot());
  }

  /** Another replica, restored from these chunks and at the same place. */
  restored(chunks: readonly Uint8Array[]): LockLog {
    const other = new LockLog();
    const restoration = other.#machine.restore();
    for (const chunk of chunks) restoration.chunk(chunk);
    restoration.finish();
    other.#seqno = this.#seqno;
    other.now = this.now;
    return other;
  }

  #next(): EntryContext {
    return { now: this.now, viewstamp: { vid: 1, seqno: ++this.#seqno } };
  }
}

export function drain(chunks: Iterator<Uint8Array>): Uint8Array[] {
  const all: Uint8Array[] = [];
  for (let next = chunks.next(); next.done !== true; next = chunks.next()) all.push(next.value);
  return all;
}

function toldOf({ session, body }: Notice): Told {
  return { session, notice: decodeNotice(body).value as LockNotice };
}

function resultOf(bytes: Uint8Array): unknown {
  const reply = decodeReply(bytes);
  if (reply.type === "ok") return reply.value;
  if (reply.type === "refused") throw new MachineError(reply.code, reply.data);
  throw new ViewstampError(reply.code, reply.text);
}
