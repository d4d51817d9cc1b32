/**
 * The client without promises: what was asked for goes to the primary, in order and until it is answered. Synchronous
 * and deterministic; time, randomness and the network come from its options.
 * @module
 */
import type { ClientMessage, Declined, RefusalCode, ServerMessage } from "../protocol/client-messages.ts";
import type { Environment, Timer } from "../protocol/environment.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { SessionId } from "../protocol/session.ts";
import { MAX_FRAME_BYTES } from "../protocol/transport.ts";
import { ORIGIN, type Viewstamp } from "../protocol/view.ts";
import { Addresses } from "./addresses.ts";
import { type AnswerOwner, Answers } from "./answers.ts";
import { Hold } from "./backoff.ts";
import { Call, type CallAnswer, type CallDesk, WaitingCalls } from "./call.ts";
import type { CallOptions, LiveSession, SessionChange } from "./contract.ts";
import { Deadlines } from "./deadlines.ts";
import {
  causeOf,
  closedError,
  overloadedError,
  type Refusal,
  type Situation,
  sameError,
  timeoutError,
} from "./explain.ts";
import { Follower, type FollowerOwner } from "./follower.ts";
import type { ClientOptions, ClientSettings } from "./options.ts";
import { type Asked, Questions } from "./questions.ts";
import { SessionKeeper } from "./session-keeper.ts";

export interface EngineObserver {
  /** A loss is told before anything else is done because of it. */
  sessionChanged(change: SessionChange): void;
  noticed(body: Uint8Array, session: SessionId): void;
}

/** A message without the number that the engine gives it. */
type Unnumbered<T extends Asked> = T extends Asked ? Omit<T, "xid"> : never;

/** What is left to do after `close`: end the session in good order. */
interface Ending {
  readonly session: Viewstamp;
  readonly timer: Timer;
  readonly done: () => void;
  /** The `end` under way on this connection. */
  xid: number | undefined;
}

/** A body and what is around it fit into one frame. */
const MAX_BODY_BYTES = MAX_FRAME_BYTES - 1024;

export class Engine implements FollowerOwner, AnswerOwner, CallDesk {
  readonly #environment: Environment;
  readonly #settings: ClientSettings;
  readonly #addresses: Addresses;
  readonly #follower: Follower;
  readonly #keeper: SessionKeeper;
  readonly #deadlines: Deadlines;
  readonly #hold: Hold;
  readonly #questions: Questions = new Questions();
  readonly #connecting: WaitingCalls = new WaitingCalls();
  readonly #opening: WaitingCalls = new WaitingCalls();
  readonly #answers: Answers;
  readonly #send: (message: ClientMessage) => void;
  readonly #nextXid: () => number;
  readonly #observer: EngineObserver;
  #refusal: Refusal | undefined;
  #closed = false;
  #ending: Ending | undefined;
  /** The session has been checked since this frame began. */
  #inFrame = false;

  constructor(options: ClientOptions, settings: ClientSettings, observer: EngineObserver) {
    const { environment, machines, transport } = options;
    const { addresses, sessionTtlMs: ttlMs, silenceMs } = settings;
    this.#environment = environment;
    this.#settings = settings;
    this.#observer = observer;
    this.#addresses = new Addresses(addresses, environment.random());
    this.#follower = new Follower({ transport, environment, addresses: this.#addresses, machines, silenceMs }, this);
    let xid = 0;
    this.#nextXid = () => ++xid;
    this.#keeper = new SessionKeeper({
      environment,
      ttlMs,
      nextXid: this.#nextXid,
      changed: (change) => observer.sessionChanged(change),
      due: () => this.#pump(),
    });
    this.#answers = new Answers(this.#keeper, this.#questions, this.#opening, this);
    this.#deadlines = new Deadlines(environment, () => {
      this.#keeper.check();
      this.#deadlines.expire();
    });
    this.#hold = new Hold(environment, () => this.#tryAgain());
    this.#send = (message) => this.#follower.home?.send(message);
  }

  start(): void {
    this.#follower.start();
  }

  /** The session, unless it is over. */
  get session(): LiveSession | undefined {
    this.#keeper.check();
    return this.#keeper.live;
  }

  /** Begins a call, or rejects it at once. */
  begin(
    what: string,
    options: CallOptions,
    resolve: (answer: CallAnswer) => void,
    reject: (reason: unknown) => void,
  ): Call | undefined {
    const { signal, timeoutMs = this.#settings.timeoutMs } = options;
    this.#keeper.check();
    if (signal?.aborted === true) reject(signal.reason);
    else if (this.#closed) reject(closedError(false));
    else if (this.#isFull) reject(overloadedError(this.#settings.maxOutstanding));
    else {
      const call = new Call(what, this.#environment.now(), timeoutMs, signal, this, resolve, reject);
      this.#deadlines.add(call);
      return call;
    }
    return undefined;
  }

  /** Answered once a node has accepted this client. */
  connect(call: Call): void {
    if (this.#follower.home === undefined) this.#connecting.add(call);
    else call.answered(undefined);
  }

  /** Answered once a session is open. */
  openSession(call: Call): void {
    this.#keeper.want();
    if (this.#keeper.live !== undefined) {
      call.answered(undefined);
      return;
    }
    this.#opening.add(call);
    this.#pump();
  }

  execute(call: Call, body: Uint8Array): void {
    if (this.#isTooLarge(call, body)) return;
    this.#keeper.want().requests.add(body, call);
    this.#pump();
  }

  ask(call: Call, question: Unnumbered<Asked>): void {
    if (question.type === "query" && this.#isTooLarge(call, question.body)) return;
    this.#questions.add({ ...question, xid: this.#nextXid() }, call);
    this.#pump();
  }

  /** Ends the session in good order, then every connection; `done` is called within `closeMs`. Only once. */
  close(done: () => void): void {
    this.#keeper.check();
    this.#closed = true;
    const session = this.#keeper.let("the client was closed");
    session?.requests.failAll(closedError);
    this.#failOthers(closedError);
    const timer = this.#environment.setTimer(this.#settings.closeMs, () => this.#finish());
    this.#ending = { session: session?.at ?? ORIGIN, timer, done, xid: undefined };
    if (session?.at === undefined) this.#finish();
    else this.#pump();
  }

  noticed(body: Uint8Array, session: SessionId): void {
    this.#observer.noticed(body, session);
  }

  ended(call: Call): void {
    this.#deadlines.remove(call);
  }

  timeout(call: Call, outcomeUnknown: boolean): Error {
    return timeoutError(call.what, call.timeoutMs, outcomeUnknown, this.#situation);
  }

  /** Why calls are not answered now, if there is a reason. */
  get trouble(): ViewstampError | undefined {
    return causeOf(this.#situation);
  }

  arrived(): void {
    this.#keeper.check();
    this.#hold.lift();
    for (const call of this.#connecting.takeAll()) call.answered(undefined);
    this.#tryAgain();
  }

  left(): void {
    this.#keeper.check();
    this.#keeper.current?.resendAll();
    this.#questions.resendAll();
    if (this.#ending !== undefined) this.#ending.xid = undefined;
  }

  woken(): void {
    this.#keeper.check();
    this.#keeper.current?.attachAgain();
    this.#hold.lift();
    this.#tryAgain();
  }

  isWaiting(): boolean {
    const inFlight = (this.#keeper.current?.inFlight ?? 0) + this.#questions.inFlight;
    return inFlight > 0 || this.#ending?.xid !== undefined;
  }

  refusedEverywhere(error: ViewstampError): void {
    this.#keeper.check();
    const again = (outcomeUnknown: boolean): ViewstampError => sameError(error, outcomeUnknown);
    const session = this.#keeper.live === undefined ? this.#keeper.let(error.message) : this.#keeper.current;
    session?.requests.failAll(again);
    this.#failOthers(again);
  }

  received(message: ServerMessage): void {
    if (!this.#inFrame) this.#keeper.check();
    this.#inFrame = true;
    const ending = this.#ending;
    if (ending === undefined) this.#answers.received(message, this.#follower.home?.welcome);
    else if (message.type === "ended" && message.xid === ending.xid) this.#finish();
    else if (message.type === "declined" && message.xid === ending.xid) this.#endDeclined(ending, message);
  }

  frameDone(): void {
    this.#inFrame = false;
    this.#pump();
  }

  progress(): void {
    this.#refusal = undefined;
    this.#hold.progress();
    this.#follower.progress();
  }

  refused(code: RefusalCode, text: string): void {
    this.#refusal = {
      code,
      text,
      url: this.#follower.home?.url ?? "",
      since: this.#refusal?.since ?? this.#environment.now(),
    };
    this.#hold.start();
    if (code === "BUSY") this.#follower.doubt();
    if (code === "NOTPRIMARY") this.#follower.disown();
  }

  get #situation(): Situation {
    const { home, isAtPrimary } = this.#follower;
    return {
      now: this.#environment.now(),
      connection: home === undefined ? "none" : isAtPrimary ? "primary" : "other",
      missing: this.#addresses.missing(),
      refusal: this.#refusal,
    };
  }

  get #isFull(): boolean {
    const requests = this.#keeper.current?.requests.size ?? 0;
    const others = this.#questions.size + this.#opening.size + this.#connecting.size;
    return requests + others >= this.#settings.maxOutstanding;
  }

  #isTooLarge(call: Call, body: Uint8Array): boolean {
    const most = Math.min(MAX_BODY_BYTES, this.#follower.home?.welcome?.maxBodyBytes ?? MAX_BODY_BYTES);
    if (body.length <= most) return false;
    const message = `${call.what} takes ${body.length} bytes, at most ${most} may be sent`;
    call.failed(new ViewstampError("InvalidInput", message, { data: { bytes: body.length, most } }));
    return true;
  }

  /** Sends what can be sent. It leaves at the end of this turn, in one frame. */
  #pump(): void {
    const { home } = this.#follower;
    if (home === undefined) return;
    this.#questions.sendToAny(this.#send);
    if (this.#hold.isHeld || !this.#follower.isAtPrimary) return;
    const message = this.#keeper.ask();
    if (message !== undefined) home.send(message);
    const session = this.#keeper.current;
    if (session?.at !== undefined) session.requests.sendUnsent(session.at, this.#send);
    this.#questions.sendToPrimary(this.#send);
    const ending = this.#ending;
    if (ending === undefined || ending.xid !== undefined) return;
    ending.xid = this.#nextXid();
    home.send({ type: "end", xid: ending.xid, session: ending.session });
  }

  #tryAgain(): void {
    this.#keeper.check();
    this.#questions.release();
    this.#pump();
  }

  #endDeclined(ending: Ending, { code, text }: Declined): void {
    if (code === "SESSION_EXPIRED" || code === "INVALID") {
      this.#finish();
      return;
    }
    ending.xid = undefined;
    this.refused(code, text);
  }

  #failOthers(reason: (outcomeUnknown: boolean) => Error): void {
    this.#questions.failAll(reason);
    this.#opening.failAll(reason);
    this.#connecting.failAll(reason);
  }

  /** Nothing is left that could call back. */
  #finish(): void {
    const { timer, done } = this.#ending as Ending;
    timer.cancel();
    this.#hold.lift();
    this.#deadlines.stop();
    this.#follower.close("the client was closed");
    done();
  }
}
