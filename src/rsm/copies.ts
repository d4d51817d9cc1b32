/**
 * Copies of the whole state for operators. One is begun where a linearizable query would be answered, and stays as the
 * state was then; its chunks are made as the client asks for them, one in a frame.
 * @module
 */
import type { ClientMessage } from "../protocol/client-messages.ts";
import type { Viewstamp } from "../protocol/view.ts";
import type { ReplicatedLog } from "./replicated-log.ts";

/** Each keeps what changes since it was begun in memory twice. */
const MOST_COPIES = 4;

interface Begun {
  readonly at: Viewstamp;
  readonly chunks: Iterator<Uint8Array>;
  /** The chunk to be given next. */
  next: number;
}

export class Copies {
  readonly #replica: ReplicatedLog;
  readonly #byClient: Map<number, Begun> = new Map();

  constructor(replica: ReplicatedLog) {
    this.#replica = replica;
  }

  /** A client has one at a time: a new one replaces it. */
  begin(client: number, xid: number): void {
    this.forget(client);
    if (this.#byClient.size >= MOST_COPIES) {
      return this.#decline(client, xid, "OVERLOADED", `${MOST_COPIES} copies are under way`);
    }
    const { state } = this.#replica;
    const chunks = attempt(() => state.snapshot());
    if (chunks === undefined) return this.#failed(client, xid);
    const begun = { at: state.applied, chunks, next: 0 };
    this.#byClient.set(client, begun);
    this.#replica.output.path("copyBegun");
    return this.#give(client, xid, begun);
  }

  next(client: number, { xid, next }: Extract<ClientMessage, { type: "copy" }>): void {
    const begun = this.#byClient.get(client);
    if (begun?.next === next) return this.#give(client, xid, begun);
    return this.#decline(client, xid, "INVALID", `chunk ${next} is not the next one of a copy under way`);
  }

  forget(client: number): void {
    const begun = this.#byClient.get(client);
    this.#byClient.delete(client);
    attempt(() => begun?.chunks.return?.());
  }

  #give(client: number, xid: number, begun: Begun): void {
    const chunk = attempt(() => begun.chunks.next());
    if (chunk === undefined) return this.#failed(client, xid);
    const { at, next: index } = begun;
    const isEnd = chunk.done === true;
    const body = isEnd ? new Uint8Array(0) : (chunk.value as Uint8Array);
    begun.next++;
    if (isEnd) this.forget(client);
    return this.#replica.output.answer(client, { type: "copied", xid, at, index, isEnd, body });
  }

  #failed(client: number, xid: number): void {
    this.forget(client);
    this.#decline(client, xid, "INVALID", "a machine could not make its snapshot");
  }

  #decline(client: number, xid: number, code: "OVERLOADED" | "INVALID", text: string): void {
    this.#replica.output.answer(client, { type: "declined", xid, code, outcomeUnknown: false, text });
  }
}

/** A machine that cannot make its snapshot is no reason to stop the replica; its runner has told of it. */
function attempt<Result>(part: () => Result): Result | undefined {
  try {
    return part();
  } catch {
    return undefined;
  }
}
