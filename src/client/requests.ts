/**
 * The commands of one session: consecutive numbers, sent in their order, each until its reply has come (design.md 4.7).
 * @module
 */
import type { Request } from "../protocol/client-messages.ts";
import type { Viewstamp } from "../protocol/view.ts";
import type { Call, Holder } from "./call.ts";

const NOTHING: Uint8Array = new Uint8Array(0);

/** A number that has no reply yet, or whose reply has come before those of lower numbers. */
export class Pending implements Holder {
  readonly number: number;
  /** `undefined` once given up: the number is then filled by a skip, so that later ones can go on. */
  call: Call | undefined;
  body: Uint8Array;
  /** Where it is: not sent on this connection, sent and unanswered, or answered. */
  state: "unsent" | "sent" | "answered" = "unsent";
  /** Whether it may have been stamped by an earlier sending. */
  #inDoubt = false;

  constructor(number: number, body: Uint8Array, call: Call) {
    this.number = number;
    this.body = body;
    this.call = call;
  }

  abandon(): boolean {
    this.call = undefined;
    this.body = NOTHING;
    return this.mayBeDone;
  }

  get mayBeDone(): boolean {
    return this.#inDoubt || this.state !== "unsent";
  }

  /** The cluster will never do it: only its number is still to be filled. */
  reject(reason: Error): void {
    const { call } = this;
    this.abandon();
    call?.failed(reason);
  }

  /** To be sent again. `inDoubt`: what was sent may have been stamped. */
  unsend(inDoubt: boolean): void {
    this.state = "unsent";
    if (inDoubt) this.#inDoubt = true;
  }
}

export class Requests {
  /** A ring by number; it holds all from `#oldest` up to but without `#next`. */
  #ring: (Pending | undefined)[] = new Array(64).fill(undefined);
  /** All numbers before it are answered. */
  #oldest = 1;
  #next = 1;
  /** All numbers before it are sent or answered. */
  #firstUnsent = 1;
  #inFlight = 0;

  /** How many numbers the cluster keeps or may still have to keep a reply for. */
  get size(): number {
    return this.#next - this.#oldest;
  }

  /** Sent on this connection and unanswered. */
  get inFlight(): number {
    return this.#inFlight;
  }

  get hasUnsent(): boolean {
    return this.#firstUnsent < this.#next;
  }

  add(body: Uint8Array, call: Call): void {
    if (this.size === this.#ring.length) this.#grow();
    const pending = new Pending(this.#next, body, call);
    call.holder = pending;
    this.#ring[this.#next & (this.#ring.length - 1)] = pending;
    this.#next++;
  }

  /** Hands over what is to be sent, in the order of the numbers. */
  sendUnsent(session: Viewstamp, send: (request: Request) => void): void {
    for (let number = this.#firstUnsent; number < this.#next; number++) {
      const pending = this.find(number);
      if (pending?.state !== "unsent") continue;
      pending.state = "sent";
      this.#inFlight++;
      const skip = pending.call === undefined;
      send({ type: "request", session, number, acknowledgedThrough: this.#oldest - 1, skip, body: pending.body });
    }
    this.#firstUnsent = this.#next;
  }

  /** The number, unless its reply has come already. */
  find(number: number): Pending | undefined {
    if (number < this.#oldest || number >= this.#next) return undefined;
    const pending = this.#ring[number & (this.#ring.length - 1)];
    return pending?.state === "answered" ? undefined : pending;
  }

  /** Its reply has come. Gives the call that waits for it; nothing for a reply that came before. */
  answered(number: number): Call | undefined {
    const pending = this.find(number);
    if (pending === undefined) return undefined;
    const { call } = pending;
    if (pending.state === "sent") this.#inFlight--;
    pending.state = "answered";
    pending.call = undefined;
    pending.body = NOTHING;
    this.#advance();
    return call;
  }

  /** It was refused and is to be sent again. */
  refused(pending: Pending, mayBeStamped: boolean): void {
    if (pending.state === "sent") this.#inFlight--;
    pending.unsend(mayBeStamped);
    if (pending.number < this.#firstUnsent) this.#firstUnsent = pending.number;
  }

  /** The connection is gone: everything unanswered is to be sent again. */
  resendAll(): void {
    for (const pending of this.unanswered()) {
      if (pending.state === "sent") pending.unsend(true);
    }
    this.#inFlight = 0;
    this.#firstUnsent = this.#oldest;
  }

  /** In the order of the numbers. */
  unanswered(): Pending[] {
    const list: Pending[] = [];
    for (let number = this.#oldest; number < this.#next; number++) {
      const pending = this.find(number);
      if (pending !== undefined) list.push(pending);
    }
    return list;
  }

  /** Rejects every call that waits here; the numbers stay. */
  failAll(reason: (outcomeUnknown: boolean) => Error): void {
    for (const pending of this.unanswered()) {
      const { call } = pending;
      if (call !== undefined) call.failed(reason(pending.abandon()));
    }
  }

  #advance(): void {
    const mask = this.#ring.length - 1;
    while (this.#oldest < this.#next && this.#ring[this.#oldest & mask]?.state === "answered") {
      this.#ring[this.#oldest & mask] = undefined;
      this.#oldest++;
    }
    if (this.#firstUnsent < this.#oldest) this.#firstUnsent = this.#oldest;
  }

  #grow(): void {
    const grown: (Pending | undefined)[] = new Array(this.#ring.length * 2).fill(undefined);
    for (let number = this.#oldest; number < this.#next; number++) {
      grown[number & (grown.length - 1)] = this.#ring[number & (this.#ring.length - 1)];
    }
    this.#ring = grown;
  }
}
