/**
 * Reads and keep-alives wait here until a majority of the acceptors has confirmed, in a round started since they came,
 * that no later view was active (design.md 4.6). All that wait at a moment share one round. A read then waits until all
 * is executed that was committed at that moment.
 * @module
 */
import type { Confirmed as ConfirmedMessage } from "../protocol/messages.ts";
import { type Identity, includesIdentity, type NodeId, quorumOf, sameIdentity, type View } from "../protocol/view.ts";
import type { ReplicatedLog } from "./replicated-log.ts";

/** What waits; the round does not care what for. */
export type Waiting =
  | { readonly kind: "query"; readonly client: number; readonly xid: number; readonly body: Uint8Array }
  | { readonly kind: "copy"; readonly client: number; readonly xid: number }
  | { readonly kind: "keepAlive"; readonly client: number; readonly xid: number; readonly seqno: number };

/** What is answered from the state. */
export type Read = Exclude<Waiting, { kind: "keepAlive" }>;

export type KeptAlive = Extract<Waiting, { kind: "keepAlive" }>;

interface Round {
  readonly number: number;
  readonly waiting: readonly Waiting[];
  readonly confirmed: Set<NodeId>;
  readonly startedAt: number;
  sentAt: number;
}

/** Confirmed reads that are answered once the state is that of `through`. */
interface Confirmed {
  readonly through: number;
  readonly reads: readonly Read[];
  /** Those before this one have been answered. */
  next: number;
}

export class Confirmation {
  readonly #replica: ReplicatedLog;
  readonly #view: View;
  #queue: Waiting[] = [];
  #round: Round | undefined;
  #rounds = 0;
  #confirmed: Confirmed[] = [];
  /** Of the questions of all that wait. */
  #bytes = 0;

  constructor(replica: ReplicatedLog, view: View) {
    this.#replica = replica;
    this.#view = view;
  }

  get size(): number {
    const confirmed = this.#confirmed.reduce((sum, { reads, next }) => sum + reads.length - next, 0);
    return this.#queue.length + (this.#round?.waiting.length ?? 0) + confirmed;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(waiting: Waiting): void {
    this.#bytes += bytesOf(waiting);
    this.#queue.push(waiting);
  }

  /** Whether a round is due. */
  get awaitsRound(): boolean {
    return this.#round === undefined && this.#queue.length > 0;
  }

  /** At the end of a turn: starts a round if one is due; gives the keep-alives confirmed at once (a cluster of one). */
  startRound(now: number): readonly KeptAlive[] {
    if (!this.awaitsRound) return [];
    this.#rounds++;
    this.#round = { number: this.#rounds, waiting: this.#queue, confirmed: new Set(), startedAt: now, sentAt: now };
    this.#queue = [];
    this.#send(this.#round);
    return this.#countSelf(this.#round);
  }

  /** Gives the keep-alives that are confirmed by this. */
  onConfirmed(from: Identity, message: ConfirmedMessage): readonly KeptAlive[] {
    const round = this.#round;
    if (!includesIdentity(this.#view.acceptors, from)) return [];
    if (message.accepted) {
      this.#replica.config.runInstance();
      return [];
    }
    if (round === undefined || message.round !== round.number) return [];
    round.confirmed.add(from.id);
    return this.#countSelf(round);
  }

  /** The next confirmed read, if enough has been executed for it by now. */
  get readable(): Read | undefined {
    const first = this.#confirmed[0];
    return first === undefined || first.through > this.#replica.applied ? undefined : first.reads[first.next];
  }

  /** The next confirmed read has been answered. */
  answered(): void {
    const first = this.#confirmed[0];
    if (first === undefined) return;
    this.#bytes -= bytesOf(first.reads[first.next] as Read);
    if (++first.next === first.reads.length) this.#confirmed.shift();
  }

  /** Sends a round again to those that have not answered; gives what has waited too long. */
  tick(now: number): readonly Waiting[] {
    const round = this.#round;
    if (round === undefined) return [];
    const { heartbeatMs, suspectMs } = this.#replica.options;
    if (now - round.startedAt > suspectMs) {
      this.#round = undefined;
      for (const waiting of round.waiting) this.#bytes -= bytesOf(waiting);
      return round.waiting;
    }
    if (now - round.sentAt >= heartbeatMs) {
      round.sentAt = now;
      this.#send(round);
    }
    return [];
  }

  /** The view or its primary's right to answer has ended: gives everything that waits. */
  cancel(): readonly Waiting[] {
    const confirmed = this.#confirmed.flatMap(({ reads, next }) => reads.slice(next));
    const all = [...confirmed, ...(this.#round?.waiting ?? []), ...this.#queue];
    this.#confirmed = [];
    this.#round = undefined;
    this.#queue = [];
    this.#bytes = 0;
    return all;
  }

  #send(round: Round): void {
    const { output, config } = this.#replica;
    for (const acceptor of this.#view.acceptors) {
      if (sameIdentity(acceptor, config.self) || round.confirmed.has(acceptor.id)) continue;
      output.send(acceptor.id, { type: "confirm", vid: this.#view.vid, round: round.number }, config.viewWrite);
    }
  }

  /** The primary is an acceptor too, and is asked the same. */
  #countSelf(round: Round): readonly KeptAlive[] {
    const { config } = this.#replica;
    if (config.acceptor.accepted !== undefined) {
      config.runInstance();
      return [];
    }
    if (round.confirmed.size + 1 < quorumOf(this.#view)) return [];
    this.#round = undefined;
    return this.#answerable(round.waiting);
  }

  /** A keep-alive asks nothing of the state; whoever reads must see everything that was committed when it was confirmed. */
  #answerable(waiting: readonly Waiting[]): readonly KeptAlive[] {
    const { applied, commit } = this.#replica;
    const reads = waiting.filter((one) => one.kind !== "keepAlive");
    if (reads.length > 0) this.#confirmed.push({ through: commit, reads, next: 0 });
    if (reads.length > 0 && applied < commit) this.#replica.output.path("readWaitsForExecution");
    return waiting.filter((one) => one.kind === "keepAlive");
  }
}

function bytesOf(waiting: Waiting): number {
  return waiting.kind === "query" ? waiting.body.length : 0;
}
