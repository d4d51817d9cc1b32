/**
 * What an operator asks a cluster: what each node says of itself, and changes of its membership.
 * @module
 */
import type { Change, NodeStatus, ServerMessage } from "../protocol/client-messages.ts";
import type { Environment, Timer } from "../protocol/environment.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { Transport } from "../protocol/transport.ts";
import { startCore } from "./core.ts";
import { Link, type LinkEnd, type LinkOwner } from "./link.ts";
import { addressesOf, type ClusterAddresses, MAX_TIMEOUT_MS } from "./options.ts";
import { visitorHello } from "./visitor-hello.ts";

/** What one address answered: a status, or why there is none. */
export type StatusAnswer =
  | { readonly url: string; readonly status: NodeStatus; readonly error: undefined }
  | { readonly url: string; readonly status: undefined; readonly error: ViewstampError };

/** Asks every address at the same time; each has `timeoutMs` to answer. Never rejects for a node's sake. */
export async function clusterStatus(
  cluster: ClusterAddresses,
  environment: Environment,
  transport: Transport,
  timeoutMs = 2000,
): Promise<StatusAnswer[]> {
  const answers = addressesOf(cluster).map(
    ({ url }) =>
      new Promise<StatusAnswer>((resolve) => new StatusProbe(url, environment, transport, timeoutMs, resolve)),
  );
  return await Promise.all(answers);
}

/** A change of membership, and where to bring it. */
export interface MembershipChange {
  readonly cluster: ClusterAddresses;
  readonly environment: Environment;
  readonly transport: Transport;
  /** `add` lets a node join, `remove` takes it out and bars it, `lift` ends the bar. */
  readonly action: Change["action"];
  readonly id: string;
  /** The address of a node to add. */
  readonly url?: string;
  /** Default 30 000. */
  readonly timeoutMs?: number;
}

/**
 * Brings a change to the primary, wherever that is, and resolves with the number of the view that has it.
 * @throws {ViewstampError} `ChangeRefused`, `Timeout`, or why every node refuses to talk
 */
export async function changeMembership(change: MembershipChange): Promise<number> {
  const { action, cluster, environment, id, timeoutMs, transport, url = "" } = change;
  const core = startCore({ cluster, environment, transport, machines: [], silenceMs: DECIDE_MS });
  try {
    return await core.change(action, id, url, timeoutMs === undefined ? {} : { timeoutMs });
  } finally {
    await core.close();
  }
}

/** A change is answered once a view is decided, and the primary has more than one try. */
const DECIDE_MS = 5000;

const XID = 1;

class StatusProbe implements LinkOwner {
  readonly #url: string;
  readonly #link: Link;
  readonly #timer: Timer;
  readonly #answer: (answer: StatusAnswer) => void;

  constructor(
    url: string,
    environment: Environment,
    transport: Transport,
    timeoutMs: number,
    answer: (answer: StatusAnswer) => void,
  ) {
    this.#url = url;
    this.#answer = answer;
    this.#timer = environment.setTimer(timeoutMs, () => {
      this.#link.drop("no answer", true);
      this.#fail(new ViewstampError("Timeout", `${url} gave no answer within ${timeoutMs} ms`));
    });
    // One limit for all of it: those of the link come later.
    const later = Math.min(timeoutMs + 1, MAX_TIMEOUT_MS);
    this.#link = new Link(transport, environment, { url, hello: visitorHello, helloMs: later, silenceMs: later }, this);
  }

  welcomed(link: Link): void {
    link.settled();
    link.send({ type: "askStatus", xid: XID });
  }

  received(link: Link, message: ServerMessage): void {
    if (message.type === "status") {
      this.#timer.cancel();
      link.drop("answered");
      this.#answer({ url: this.#url, status: message.status, error: undefined });
    } else if (message.type === "declined" && message.xid === XID) {
      link.drop("declined");
      this.#fail(new ViewstampError("Busy", `${this.#url} declined: ${message.text}`));
    }
  }

  frameDone(): void {}

  ended(_link: Link, end: LinkEnd): void {
    const text = `${this.#url}: ${end.reason}`;
    this.#fail(end.rejection ?? new ViewstampError("NoQuorum", text, { data: { missing: [this.#url] } }));
  }

  isWaiting(): boolean {
    return true;
  }

  #fail(error: ViewstampError): void {
    this.#timer.cancel();
    this.#answer({ url: this.#url, status: undefined, error });
  }
}
