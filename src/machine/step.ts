/**
 * What a handler sees of the entry that is executed: the one context of a machine, filled anew for each step.
 * @module
 */
import { encodeNotice } from "../protocol/calls.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { EntryContext, Notice } from "../protocol/machine.ts";
import { parseSessionId, type SessionId } from "../protocol/session.ts";
import { ORIGIN, type Viewstamp } from "../protocol/view.ts";
import type { CommandContext, SessionEndContext } from "./definition.ts";

const NO_NOTICES: readonly Notice[] = [];

export class Step implements CommandContext, SessionEndContext {
  now = 0;
  viewstamp: Viewstamp = ORIGIN;
  session: SessionId = "";
  isLost = false;
  /** Bound, so that a handler may take it out of its context. */
  readonly random: () => number;
  readonly notify: (session: SessionId, value: unknown) => void;
  #under = false;
  #notices: Notice[] | undefined;
  #random: Sfc32 | undefined;

  constructor(machine: string, maxNoticeBytes: number) {
    this.random = () => {
      this.#check();
      this.#random ??= new Sfc32(this.viewstamp);
      return this.#random.next();
    };
    this.notify = (session, value) => {
      this.#check();
      if (parseSessionId(session) === undefined) throw new ViewstampError("InvalidInput", "notify needs a session id");
      const body = encodeNotice(machine, value);
      if (body.length > maxNoticeBytes) {
        throw new ViewstampError("InvalidInput", `a notice has at most ${maxNoticeBytes} bytes`);
      }
      (this.#notices ??= []).push({ session, body });
    };
  }

  begin(context: EntryContext, session: SessionId, isLost = false): this {
    this.now = context.now;
    this.viewstamp = context.viewstamp;
    this.session = session;
    this.isLost = isLost;
    this.#under = true;
    return this;
  }

  /** Gives what was notified; from now on the context is dead. */
  end(): readonly Notice[] {
    const notices = this.#notices ?? NO_NOTICES;
    this.#under = false;
    this.#notices = undefined;
    this.#random = undefined;
    return notices;
  }

  /** Whatever outlives its handler runs at another moment on every replica. */
  #check(): void {
    if (!this.#under) throw new ViewstampError("MachineFailed", "a context was used after its handler had returned");
  }
}

/** sfc32 by Chris Doty-Humphrey (PractRand), seeded as there with three words and 15 rounds. */
class Sfc32 {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor({ vid, seqno }: Viewstamp) {
    this.#a = vid | 0;
    this.#b = seqno | 0;
    this.#c = (Math.floor(vid / 2 ** 32) << 11) ^ Math.floor(seqno / 2 ** 32);
    for (let round = 0; round < 15; round++) this.#word();
  }

  /** 53 bits as a fraction. */
  next(): number {
    const high = this.#word() >>> 5;
    const low = this.#word() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  #word(): number {
    const word = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + word) | 0;
    return word;
  }
}
