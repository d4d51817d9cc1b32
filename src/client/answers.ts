/**
 * What each answer of the cluster means for the session and the calls that wait.
 * @module
 */
import type { Declined, RefusalCode, RequestRefused, ServerMessage } from "../protocol/client-messages.ts";
import type { Welcome } from "../protocol/hello.ts";
import type { SessionId } from "../protocol/session.ts";
import { sameViewstamp, type Viewstamp } from "../protocol/view.ts";
import type { WaitingCalls } from "./call.ts";
import { refusedError } from "./explain.ts";
import type { Questions } from "./questions.ts";
import type { SessionKeeper } from "./session-keeper.ts";

export interface AnswerOwner {
  /** The primary did what it was asked. */
  progress(): void;
  /** Something was refused for now, and is to be sent again. */
  refused(code: RefusalCode, text: string): void;
  noticed(body: Uint8Array, session: SessionId): void;
}

export class Answers {
  readonly #keeper: SessionKeeper;
  readonly #questions: Questions;
  readonly #opening: WaitingCalls;
  readonly #owner: AnswerOwner;

  constructor(keeper: SessionKeeper, questions: Questions, opening: WaitingCalls, owner: AnswerOwner) {
    this.#keeper = keeper;
    this.#questions = questions;
    this.#opening = opening;
    this.#owner = owner;
  }

  /** `welcome` is that of the node which says it. What belongs to nothing that waits is a late repetition. */
  received(message: ServerMessage, welcome: Welcome | undefined): void {
    const driftPercent = welcome?.driftPercent ?? 0;
    switch (message.type) {
      case "reply":
        if (this.#isOwn(message.session)) this.#replied(message.number, message.body);
        return;
      case "requestRefused":
        if (this.#isOwn(message.session)) this.#requestRefused(message);
        return;
      case "answer":
        this.#answered(message.xid, message.body);
        return;
      case "changed":
        this.#answered(message.xid, message.vid);
        return;
      case "opened":
        if (this.#isAsking(message.xid)) this.#opened(message.session, message.ttlMs, driftPercent);
        return;
      case "keptAlive":
        if (this.#isAsking(message.xid)) this.#keptAlive(driftPercent);
        return;
      case "declined":
        if (this.#isAsking(message.xid)) this.#sessionDeclined(message);
        else this.#questionDeclined(message);
        return;
      case "notice":
        if (this.#isOwn(message.session)) this.#owner.noticed(message.body, this.#keeper.live?.id as SessionId);
        return;
      case "ended":
      case "news":
      case "status":
        return;
    }
  }

  #isOwn(session: Viewstamp): boolean {
    const at = this.#keeper.current?.at;
    return at !== undefined && sameViewstamp(at, session);
  }

  #isAsking(xid: number): boolean {
    return this.#keeper.current?.isAsking(xid) ?? false;
  }

  #replied(number: number, body: Uint8Array): void {
    this.#owner.progress();
    this.#keeper.current?.requests.answered(number)?.answered(body);
  }

  #answered(xid: number, answer: Uint8Array | number): void {
    // Any node answers a local query: that says nothing about the primary.
    if (this.#questions.isForPrimary(xid)) this.#owner.progress();
    this.#questions.answered(xid)?.answered(answer);
  }

  #opened(session: Viewstamp, ttlMs: number, driftPercent: number): void {
    this.#owner.progress();
    this.#keeper.opened(session, ttlMs, driftPercent);
    if (this.#keeper.live === undefined) return;
    for (const call of this.#opening.takeAll()) call.answered(undefined);
  }

  #keptAlive(driftPercent: number): void {
    this.#owner.progress();
    this.#keeper.keptAlive(driftPercent);
  }

  #requestRefused({ number, code, outcomeUnknown, text }: RequestRefused): void {
    const requests = this.#keeper.current?.requests;
    const pending = requests?.find(number);
    if (requests === undefined || pending === undefined) return;
    if (code === "SESSION_EXPIRED") {
      this.#keeper.lose("the cluster has ended it");
      return;
    }
    requests.refused(pending, outcomeUnknown);
    if (code === "INVALID") pending.reject(refusedError("InvalidInput", pending.call?.what ?? "a command", text));
    this.#owner.refused(code, text);
  }

  #sessionDeclined({ code, text }: Declined): void {
    const session = this.#keeper.current;
    if (session?.live === undefined && code === "INVALID") {
      const refused = (): Error => refusedError("InvalidOptions", "opening a session", text);
      this.#keeper.let(text)?.requests.failAll(refused);
      this.#opening.failAll(refused);
    } else if (session?.live !== undefined && code === "SESSION_EXPIRED") {
      this.#keeper.lose("the cluster has ended it");
    } else {
      session?.askAgain();
      this.#owner.refused(code, text);
    }
  }

  #questionDeclined({ xid, code, outcomeUnknown, text }: Declined): void {
    const question = this.#questions.find(xid);
    if (question === undefined) return;
    if (code === "INVALID") {
      const call = this.#questions.answered(xid);
      call?.failed(refusedError(question.type === "change" ? "ChangeRefused" : "InvalidInput", call.what, text));
      return;
    }
    this.#questions.refused(xid, outcomeUnknown);
    this.#owner.refused(code, text);
  }
}
