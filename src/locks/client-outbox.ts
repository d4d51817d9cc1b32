/**
 * The lock client's commands on their way: sent in the order they were posted, a bounded number at a time, and tried
 * again until they are done or their session is over.
 * @module
 */
import { Backoff } from "../client/backoff.ts";
import type { ClientCore } from "../client/contract.ts";
import { MAX_TIMEOUT_MS } from "../client/options.ts";
import type { Timer } from "../protocol/environment.ts";
import { type ErrorCode, ViewstampError } from "../protocol/errors.ts";
import type { SessionId } from "../protocol/session.ts";
import type { LockCommands } from "./machine.ts";

type LockCommand = keyof LockCommands;

/** Beyond this, commands wait here: the session's own bound is an error, and shared with its other calls. */
const MOST_UNDER_WAY = 256;

/** Trying again may help. All commands of the lock machine may be repeated in the session they were made for. */
const passing: readonly ErrorCode[] = ["Busy", "NoQuorum", "Overloaded", "Timeout"];

/** Until these are done, or the session is over, nobody else can have the lock. */
const returning: readonly LockCommand[] = ["cancel", "release", "settle"];

interface Post {
  readonly number: number;
  readonly session: SessionId;
  readonly command: LockCommand;
  readonly input: unknown;
  readonly isWanted: () => boolean;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class Outbox {
  readonly #core: ClientCore;
  readonly #backoff: Backoff;
  /** By number. */
  #waiting: Post[] = [];
  #posted = 0;
  readonly #underWay: Set<Post> = new Set();
  #pause: Timer | undefined;

  constructor(core: ClientCore) {
    this.#core = core;
    this.#backoff = new Backoff(core.environment);
  }

  /**
   * Sends a command in this session and no other. One that is not wanted any more when its turn comes is left out, and
   * its promise never settles.
   */
  post(
    session: SessionId,
    command: LockCommand,
    input: unknown,
    isWanted: () => boolean = () => true,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ number: this.#posted++, session, command, input, isWanted, resolve, reject });
      this.#send();
    });
  }

  /** Tells, whenever it is asked, whether a command that was posted before this moment is still without an answer. */
  backlog(): () => boolean {
    const end = this.#posted;
    return () => [...this.#underWay, ...this.#waiting].some(({ number }) => number < end);
  }

  /** The session is over: its commands are answered so. */
  endSession(session: SessionId): void {
    const over = this.#waiting.filter((post) => post.session === session);
    this.#waiting = this.#waiting.filter((post) => post.session !== session);
    for (const post of over) post.reject(sessionOver(session));
  }

  /** Nothing is sent from here on; the client's core ends the session. */
  close(): void {
    this.#pause?.cancel();
    for (const post of this.#waiting.splice(0)) post.reject(sessionOver(post.session));
  }

  #send(): void {
    while (this.#pause === undefined && this.#underWay.size < MOST_UNDER_WAY) {
      const post = this.#waiting.shift();
      if (post === undefined) return;
      if (!post.isWanted()) continue;
      // Opening another session is not this command's business: what it is about is gone with its own.
      if (this.#core.session?.id !== post.session) post.reject(sessionOver(post.session));
      else this.#execute(post);
    }
  }

  #execute(post: Post): void {
    this.#underWay.add(post);
    this.#core.execute("locks", post.command, post.input, { timeoutMs: MAX_TIMEOUT_MS }).then(
      (reply) => {
        this.#underWay.delete(post);
        this.#backoff.reset();
        post.resolve(reply);
        this.#send();
      },
      (error: unknown) => {
        this.#underWay.delete(post);
        if (isPassing(error) || (returning.includes(post.command) && isRefusal(error))) this.#sendLater(post);
        else post.reject(error);
        this.#send();
      },
    );
  }

  /** Puts the post back where it was, and waits with all of them, so that their order is kept. */
  #sendLater(post: Post): void {
    const index = this.#waiting.findIndex((other) => other.number > post.number);
    this.#waiting.splice(index === -1 ? this.#waiting.length : index, 0, post);
    if (this.#pause !== undefined) return;
    this.#backoff.tried();
    this.#pause = this.#core.environment.setTimer(this.#backoff.delay(), () => {
      this.#pause = undefined;
      this.#send();
    });
  }
}

/** Whether the same may succeed a little later. */
export function isPassing(error: unknown): boolean {
  return error instanceof ViewstampError && passing.includes(error.code);
}

/** No node lets this client in, but its session lives on, and one may again. Such errors name a node; a machine's do not. */
function isRefusal(error: unknown): boolean {
  return error instanceof ViewstampError && error.data["url"] !== undefined;
}

function sessionOver(session: SessionId): ViewstampError {
  return new ViewstampError("SessionExpired", `session ${session} is over, and what it held is released`);
}
