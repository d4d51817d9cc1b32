/**
 * What is asked without a session's number and may be asked again at will: queries, and an operator's changes.
 * @module
 */
import type { Change, Query } from "../protocol/client-messages.ts";
import type { Call, Holder } from "./call.ts";

export type Asked = Query | Change;

interface Question {
  readonly message: Asked;
  readonly call: Call;
  sent: boolean;
  /** A change may have been decided by an earlier asking. */
  inDoubt: boolean;
}

export class Questions implements Holder {
  /** By xid, in the order they were asked. */
  readonly #all = new Map<number, Question>();
  readonly #byCall = new Map<Call, Question>();
  /** Not sent on this connection: those for the primary, and those any node answers. */
  #forPrimary: Question[] = [];
  #forAny: Question[] = [];
  /** Those for any node that were refused: they wait for the back-off. */
  #refused: Question[] = [];
  #inFlight = 0;

  get size(): number {
    return this.#all.size;
  }

  /** Sent on this connection and unanswered. */
  get inFlight(): number {
    return this.#inFlight;
  }

  add(message: Asked, call: Call): void {
    const question: Question = { message, call, sent: false, inDoubt: false };
    call.holder = this;
    this.#all.set(message.xid, question);
    this.#byCall.set(call, question);
    (isLocal(question) ? this.#forAny : this.#forPrimary).push(question);
  }

  abandon(call: Call): boolean {
    const question = this.#byCall.get(call);
    if (question === undefined) return false;
    this.#remove(question);
    return question.message.type === "change" && (question.sent || question.inDoubt);
  }

  sendToAny(send: (message: Asked) => void): void {
    const list = this.#forAny;
    if (list.length === 0) return;
    this.#forAny = [];
    this.#send(list, send);
  }

  sendToPrimary(send: (message: Asked) => void): void {
    const list = this.#forPrimary;
    if (list.length === 0) return;
    this.#forPrimary = [];
    this.#send(list, send);
  }

  /** The answer has come. Gives the call that waits for it; nothing for an answer that came before. */
  answered(xid: number): Call | undefined {
    const question = this.#all.get(xid);
    if (question === undefined) return undefined;
    this.#remove(question);
    return question.call;
  }

  /** The question numbered so, if its answer has not come. */
  find(xid: number): Asked | undefined {
    return this.#all.get(xid)?.message;
  }

  /** Whether it waits for an answer that only the primary gives. */
  isForPrimary(xid: number): boolean {
    const question = this.#all.get(xid);
    return question !== undefined && !isLocal(question);
  }

  /** It was refused and is to be asked again. `mayBeDone`: a change may have been decided. */
  refused(xid: number, mayBeDone: boolean): void {
    const question = this.#all.get(xid);
    if (question === undefined || !question.sent) return;
    question.sent = false;
    if (mayBeDone) question.inDoubt = true;
    this.#inFlight--;
    (isLocal(question) ? this.#refused : this.#forPrimary).push(question);
  }

  /** The back-off is over. */
  release(): void {
    for (const question of this.#refused) this.#forAny.push(question);
    this.#refused = [];
  }

  /** The connection is gone: everything unanswered is to be asked again. */
  resendAll(): void {
    this.#inFlight = 0;
    this.#forPrimary = [];
    this.#forAny = [];
    this.#refused = [];
    for (const question of this.#all.values()) {
      if (question.sent) question.inDoubt = true;
      question.sent = false;
      (isLocal(question) ? this.#forAny : this.#forPrimary).push(question);
    }
  }

  /** Rejects every call that waits here. */
  failAll(reason: (outcomeUnknown: boolean) => Error): void {
    for (const call of [...this.#byCall.keys()]) call.failed(reason(this.abandon(call)));
  }

  #send(list: readonly Question[], send: (message: Asked) => void): void {
    for (const question of list) {
      if (!this.#all.has(question.message.xid)) continue;
      question.sent = true;
      this.#inFlight++;
      send(question.message);
    }
  }

  #remove(question: Question): void {
    this.#all.delete(question.message.xid);
    this.#byCall.delete(question.call);
    if (question.sent) this.#inFlight--;
  }
}

function isLocal({ message }: Question): boolean {
  return message.type === "query" && message.consistency === "local";
}
