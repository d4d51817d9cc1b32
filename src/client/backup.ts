/**
 * Copies the whole state of a cluster: from its primary, as it is after everything acknowledged before the copy began.
 * @module
 */
import type { Copied, NodeStatus, ServerMessage } from "../protocol/client-messages.ts";
import type { Environment, Timer } from "../protocol/environment.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { MachineVersion } from "../protocol/machine.ts";
import { sameVersions } from "../protocol/machine-versions.ts";
import type { Transport } from "../protocol/transport.ts";
import { type ClusterId, sameViewstamp, type Viewstamp } from "../protocol/view.ts";
import { offAbort, onAbort } from "./aborts.ts";
import { clusterStatus, type StatusAnswer } from "./admin.ts";
import { Link, type LinkEnd, type LinkOwner } from "./link.ts";
import { type ClusterAddresses, MAX_TIMEOUT_MS } from "./options.ts";
import { visitorHello } from "./visitor-hello.ts";

export interface CopyOptions {
  readonly cluster: ClusterAddresses;
  readonly environment: Environment;
  readonly transport: Transport;
  /** Until a first chunk comes, and between chunks. */
  readonly timeoutMs: number;
  /** Takes the chunks in order; the next is asked for when it has resolved. */
  readonly take: (chunk: Uint8Array) => Promise<void>;
  /** Ends the copy with its reason; a chunk may still be being taken then. */
  readonly signal?: AbortSignal;
}

export interface CopiedState {
  readonly at: Viewstamp;
  readonly chunks: number;
  readonly clusterId: ClusterId;
  /** The machines whose state it is. */
  readonly machines: readonly MachineVersion[];
}

/**
 * Resolves when the whole state has been taken.
 * @throws {ViewstampError} `NoQuorum` if no primary takes requests, `Timeout`, or why the primary refuses. Nothing taken
 * counts then.
 */
export async function copyState(options: CopyOptions): Promise<CopiedState> {
  const { cluster, environment, transport, timeoutMs, signal } = options;
  const asked = clusterStatus(cluster, environment, transport, Math.min(timeoutMs, STATUS_MS));
  const answers = await (signal === undefined ? asked : unlessAborted(asked, signal));
  const statuses = answers.flatMap(({ status }) => status ?? []);
  const newest = Math.max(0, ...statuses.map(({ vid }) => vid));
  const view = statuses.find(({ vid }) => vid === newest);
  const primary = view?.members.find(({ id }) => id === view.primary);
  if (view === undefined || primary === undefined) throw noPrimary(answers);
  return await new Promise((resolve, reject) => {
    new Copying(primary.url, options, (error, copied) => {
      if (error === undefined) resolve({ ...(copied as Taken), clusterId: view.clusterId });
      else reject(error);
    });
  });
}

function unlessAborted<T>(asked: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    asked.then(resolve, reject).finally(() => offAbort(signal, abort));
    if (signal.aborted) abort();
    else onAbort(signal, abort);
  });
}

function noPrimary(answers: readonly StatusAnswer[]): ViewstampError {
  const silent = answers.filter(({ status }) => status === undefined);
  const why = silent.map(({ error }) => error?.message).join(", ");
  const also = why === "" ? "" : `; without an answer: ${why}`;
  const nobody = silent.length === answers.length;
  const message = nobody ? `no node answers: ${why}` : `no node that answers knows a primary${also}`;
  return new ViewstampError("NoQuorum", message, { data: { missing: silent.map(({ url }) => url) } });
}

type Taken = Omit<CopiedState, "clusterId">;

/** A node that hangs must not keep the others waiting. */
const STATUS_MS = 2000;

/** A primary that is busy is asked again after this long. */
const AGAIN_MS = 100;

/**
 * One copy over one connection: when that is lost, so is the copy. What machines the state is of, the primary says before and
 * after: versions only go up, so if it says the same they were the same in between, too.
 */
class Copying implements LinkOwner {
  readonly #options: CopyOptions;
  readonly #link: Link;
  readonly #done: (error: unknown, taken: Taken | undefined) => void;
  #machines: readonly MachineVersion[] | undefined;
  #at: Viewstamp | undefined;
  #next = 0;
  #xid = 0;
  #deadline: Timer;
  #again: Timer | undefined;
  /** Why there was no chunk so far. */
  #refusal = "";
  #over = false;
  readonly #abort = (): void => this.#finish(this.#options.signal?.reason);

  constructor(url: string, options: CopyOptions, done: (error: unknown, taken: Taken | undefined) => void) {
    this.#options = options;
    this.#done = done;
    const { transport, environment, timeoutMs } = options;
    this.#deadline = this.#limit();
    const later = Math.min(timeoutMs + 1, MAX_TIMEOUT_MS);
    this.#link = new Link(transport, environment, { url, hello: visitorHello, helloMs: later, silenceMs: later }, this);
    if (options.signal !== undefined) onAbort(options.signal, this.#abort);
  }

  welcomed(link: Link): void {
    link.settled();
    this.#askStatus();
  }

  received(_link: Link, message: ServerMessage): void {
    if (this.#over) return;
    if (message.type === "copied" && message.xid === this.#xid) this.#take(message);
    else if (message.type === "status" && message.xid === this.#xid) this.#told(message.status);
    else if (message.type === "declined" && message.xid === this.#xid) this.#declined(message.code, message.text);
  }

  frameDone(): void {}

  ended(link: Link, end: LinkEnd): void {
    const text = `${link.url}: ${end.reason}`;
    this.#finish(end.rejection ?? new ViewstampError("NoQuorum", text, { data: { missing: [link.url] } }));
  }

  isWaiting(): boolean {
    return true;
  }

  #askStatus(): void {
    this.#link.send({ type: "askStatus", xid: ++this.#xid });
  }

  #told(status: NodeStatus): void {
    const machines = status.machines.map(({ name, version }) => ({ name, version }));
    if (this.#at === undefined) {
      this.#machines = machines;
      this.#ask();
    } else if (sameVersions(machines, this.#machines ?? [])) {
      this.#finish(undefined, { at: this.#at, chunks: this.#next, machines });
    } else {
      this.#finish(new ViewstampError("Busy", `${this.#link.url}: its machines were upgraded meanwhile; ask again`));
    }
  }

  #ask(): void {
    this.#link.send({ type: "copy", xid: ++this.#xid, next: this.#next });
  }

  #take({ at, index, isEnd, body }: Copied): void {
    if (index !== this.#next || (this.#at !== undefined && !sameViewstamp(this.#at, at))) {
      return this.#finish(new ViewstampError("BadMessage", `${this.#link.url} gave another chunk than the next one`));
    }
    this.#at = at;
    if (isEnd) return this.#askStatus();
    this.#next++;
    this.#deadline.cancel();
    this.#options.take(body).then(
      () => {
        if (this.#over) return;
        this.#deadline = this.#limit();
        this.#ask();
      },
      (error: unknown) => this.#finish(error),
    );
  }

  #declined(code: string, text: string): void {
    if (this.#next > 0 || code === "INVALID" || code === "NOTPRIMARY") {
      return this.#finish(
        new ViewstampError(code === "INVALID" ? "InvalidInput" : "Busy", `${this.#link.url}: ${text}`),
      );
    }
    this.#refusal = `: it answers ${code} (${text})`;
    this.#again = this.#options.environment.setTimer(AGAIN_MS, () => this.#ask());
  }

  #limit(): Timer {
    const { environment, timeoutMs } = this.#options;
    return environment.setTimer(timeoutMs, () => {
      this.#finish(
        new ViewstampError("Timeout", `${this.#link.url} gave no chunk within ${timeoutMs} ms${this.#refusal}`),
      );
    });
  }

  #finish(error: unknown, taken?: Taken): void {
    if (this.#over) return;
    this.#over = true;
    this.#deadline.cancel();
    this.#again?.cancel();
    if (this.#options.signal !== undefined) offAbort(this.#options.signal, this.#abort);
    this.#link.drop(error === undefined ? "answered" : "given up");
    this.#done(error, taken);
  }
}
