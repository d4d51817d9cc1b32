/**
 * Holds the current session: made when it is wanted, kept alive, and given up in time, before anyone else may get what
 * it holds.
 * @module
 */
import type { KeepAlive, Open } from "../protocol/client-messages.ts";
import type { Environment, Timer } from "../protocol/environment.ts";
import type { Viewstamp } from "../protocol/view.ts";
import type { LiveSession, SessionChange } from "./contract.ts";
import { expiredError } from "./explain.ts";
import { Session } from "./session.ts";

/** Timers stand still while the machine sleeps: so soon after it has woken up it is seen that the session is over. */
const LOOK_EVERY_MS = 1000;

export interface SessionKeeperOptions {
  readonly environment: Environment;
  readonly ttlMs: number;
  readonly nextXid: () => number;
  /** Told of a loss before anything else is done because of it. */
  readonly changed: (change: SessionChange) => void;
  /** A keep-alive is due. */
  readonly due: () => void;
}

export class SessionKeeper {
  readonly #options: SessionKeeperOptions;
  #session: Session | undefined;
  #timer: Timer | undefined;
  #timerAt = 0;

  constructor(options: SessionKeeperOptions) {
    this.#options = options;
  }

  /** Open or to be opened. */
  get current(): Session | undefined {
    return this.#session;
  }

  get live(): LiveSession | undefined {
    return this.#session?.live;
  }

  /** The current session, a new one if there is none. */
  want(): Session {
    this.#session ??= new Session(this.#options.environment, this.#options.ttlMs);
    return this.#session;
  }

  /** To be called before anything that depends on the session, whenever this process gets to run. */
  check(): void {
    if (this.#session?.isOver) this.lose("no keep-alive was confirmed in time");
  }

  /** The open or keep-alive to send now, if one is due. */
  ask(): Open | KeepAlive | undefined {
    const message = this.#session?.ask(this.#options.nextXid);
    if (message !== undefined) this.#arm();
    return message;
  }

  opened(at: Viewstamp, ttlMs: number, driftPercent: number): void {
    const session = this.#session;
    session?.opened(at, ttlMs, driftPercent);
    if (session?.live === undefined) return;
    this.#arm();
    this.#options.changed({ type: "opened", session: session.live });
  }

  keptAlive(driftPercent: number): void {
    this.#session?.keptAlive(driftPercent);
    this.#arm();
  }

  /** The session is over: its unanswered commands reject. */
  lose(reason: string): void {
    const session = this.let(reason);
    const id = session?.live?.id ?? "";
    session?.requests.failAll((outcomeUnknown) => expiredError(id, reason, outcomeUnknown));
  }

  /** Lets go of the session, says so, and leaves its commands to the caller. */
  let(reason: string): Session | undefined {
    const session = this.#session;
    this.#session = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (session?.live !== undefined) this.#options.changed({ type: "lost", id: session.live.id, reason });
    return session;
  }

  #arm(): void {
    const { environment } = this.#options;
    const { wakeAt } = this.#session ?? {};
    if (wakeAt === undefined) return;
    const now = environment.now();
    const at = Math.min(wakeAt, now + LOOK_EVERY_MS);
    if (this.#timer !== undefined && this.#timerAt <= at) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = environment.setTimer(Math.max(0, at - now), () => {
      this.#timer = undefined;
      this.check();
      this.#session?.wake();
      this.#options.due();
      this.#arm();
    });
  }
}
