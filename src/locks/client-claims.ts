/**
 * A client's standing with the lock machine: one claim for each of its requests there. Replies and notices may come in
 * any order and more than once; a claim takes each step once.
 * @module
 */
import * as v from "valibot";
import type { ClientCore, SessionChange } from "../client/contract.ts";
import { MachineError, ViewstampError } from "../protocol/errors.ts";
import type { SessionId } from "../protocol/session.ts";
import type { Terms } from "./client-options.ts";
import { Outbox } from "./client-outbox.ts";
import { acquireReplySchema, type LockNotice, noticeSchema } from "./machine-words.ts";

/** Whoever waits for a claim; told one of these once. */
export interface ClaimWaiter {
  granted(claim: Claim): void;
  /** The lock was not free, and the request asked not to wait. */
  unavailable(): void;
  failed(error: unknown): void;
  /** The session ended while it waited: it has to claim anew. */
  again(): void;
}

/**
 * - `acquiring`: asked for, and not known to be granted; perhaps in line.
 * - `locked`: granted, and in use.
 * - `releasing`: on its way back; nothing that is said about it matters any more.
 * - `none`: the cluster knows of no such claim, or will not when it reads on.
 */
export type ClaimState = "acquiring" | "locked" | "releasing" | "none";

export interface Claim {
  readonly terms: Terms;
  readonly session: SessionId;
  readonly xid: number;
  readonly waiter: ClaimWaiter;
  state: ClaimState;
  /** Of the tenure, once it is granted. */
  token: bigint;
  /** Why a claim that was locked is not any more. */
  loss: ViewstampError | undefined;
  onLoss: ((loss: ViewstampError) => void) | undefined;
  /** Settles when a claim that is let go is back. */
  returned: Promise<void> | undefined;
}

/** Why a lock was lost. */
export type LossReason = "session" | "stolen" | "closed";

export class Claims {
  readonly #core: ClientCore;
  readonly #owner: string;
  readonly #outbox: Outbox;
  /** Acquiring or locked, by xid. */
  readonly #claims: Map<number, Claim> = new Map();
  readonly #undo: readonly (() => void)[];
  #xids = 0;

  constructor(core: ClientCore, owner: string) {
    this.#core = core;
    this.#owner = owner;
    this.#outbox = new Outbox(core);
    this.#undo = [
      core.onSession((change) => this.#onSession(change)),
      core.onNotice("locks", (notice) => this.#onNotice(notice)),
    ];
  }

  /** The session in which claims can be made now. Asking may find that one is over. */
  get session(): SessionId | undefined {
    return this.#core.session?.id;
  }

  /** Asks the cluster for a lock; only while there is a session. */
  open(session: SessionId, terms: Terms, waiter: ClaimWaiter): Claim {
    const claim: Claim = {
      terms,
      session,
      xid: ++this.#xids,
      waiter,
      state: "acquiring",
      token: 0n,
      loss: undefined,
      onLoss: undefined,
      returned: undefined,
    };
    this.#claims.set(claim.xid, claim);
    const { name, mode, how } = terms;
    const input = { name, xid: claim.xid, mode, owner: this.#owner, how };
    this.#outbox
      .post(session, "acquire", input, () => claim.state === "acquiring")
      .then(
        (reply) => this.#onReply(claim, reply),
        (error: unknown) => this.#onRefusal(claim, error),
      );
    return claim;
  }

  /** Gives a claim up, waiting or held. Resolves when the cluster has done so, also if the session ends before. */
  letGo(claim: Claim): Promise<void> {
    if (claim.state === "acquiring" || claim.state === "locked") this.#return(claim);
    return claim.returned ?? Promise.resolve();
  }

  /** Whether the cluster cannot have given the lock to another by now. Looks at the clock. */
  isTrusted(claim: Claim): boolean {
    const session = this.#core.session;
    return session?.id === claim.session && this.#core.environment.now() < session.trustedUntil;
  }

  /** Ends a lock that its holder has found to be lost before anyone said so. */
  distrust(claim: Claim): void {
    if (claim.state !== "locked") return;
    this.#return(claim);
    lose(claim, lossOf(claim, "session"));
  }

  /** The client is closing: nobody may rely on any claim from here on. */
  close(): void {
    for (const undo of this.#undo) undo();
    this.#endAll([...this.#claims.values()], "closed");
    this.#outbox.close();
  }

  #onReply(claim: Claim, reply: unknown): void {
    if (claim.state !== "acquiring") return;
    const parsed = v.safeParse(acquireReplySchema, reply);
    if (!parsed.success) {
      this.#fail(claim, new ViewstampError("BadMessage", "the cluster's answer to a lock request is none"));
    } else if (parsed.output.status === "granted") {
      this.#grant(claim, parsed.output.token);
    } else if (parsed.output.status === "unavailable") {
      this.#forget(claim);
      claim.waiter.unavailable();
    }
  }

  #onRefusal(claim: Claim, error: unknown): void {
    if (claim.state !== "acquiring") return;
    const expired = error instanceof ViewstampError && error.code === "SessionExpired";
    if (!expired) {
      this.#fail(claim, refusalOf(error));
      return;
    }
    this.#forget(claim);
    claim.waiter.again();
  }

  #fail(claim: Claim, error: unknown): void {
    // Whatever was refused, a claim that nobody waits for must not come to hold the lock.
    this.#return(claim);
    claim.waiter.failed(error);
  }

  #grant(claim: Claim, token: bigint): void {
    const trusted = this.isTrusted(claim);
    // It was told before; or looking at the clock has ended the session, and the claim with it.
    if (claim.state !== "acquiring") return;
    if (!trusted) {
      // The news is older than the session's trust: it may be somebody else's by now.
      this.#return(claim);
      claim.waiter.again();
      return;
    }
    claim.state = "locked";
    claim.token = token;
    claim.waiter.granted(claim);
  }

  #onNotice(value: unknown): void {
    const parsed = v.safeParse(noticeSchema, value);
    if (!parsed.success) return;
    const notice = parsed.output;
    const claim = this.#claims.get(notice.xid);
    // Notices repeat and come late: one about a claim that was let go, or of an earlier session, finds none, for a
    // client never uses an xid again.
    if (claim === undefined || claim.terms.name !== notice.name) return;
    if (notice.type === "stolen") this.#onStolen(claim, notice);
    else this.#grant(claim, notice.token);
  }

  #onStolen(claim: Claim, { token }: LockNotice): void {
    const wasHeld = claim.state === "locked";
    if (wasHeld && claim.token !== token) return;
    // Its return is also the receipt: the cluster repeats the notice until then.
    this.#return(claim);
    if (wasHeld) lose(claim, lossOf(claim, "stolen"));
    else claim.waiter.failed(stolenError(claim.terms.name));
  }

  #onSession(change: SessionChange): void {
    if (change.type !== "lost") return;
    this.#endAll(
      [...this.#claims.values()].filter(({ session }) => session === change.id),
      "session",
    );
    this.#outbox.endSession(change.id);
  }

  /** Locks are lost first, all of them before anyone is told; then those that wait are sent to claim anew. */
  #endAll(claims: readonly Claim[], reason: LossReason): void {
    const locked = claims.filter(({ state }) => state === "locked");
    const acquiring = claims.filter(({ state }) => state === "acquiring");
    for (const claim of claims) this.#forget(claim);
    for (const claim of locked) claim.loss = lossOf(claim, reason);
    for (const claim of locked) claim.onLoss?.(claim.loss!);
    for (const { waiter } of acquiring) {
      if (reason === "closed") waiter.failed(closedError());
      else waiter.again();
    }
  }

  #return(claim: Claim): void {
    const { session, xid, token, terms } = claim;
    const wasLocked = claim.state === "locked";
    this.#forget(claim);
    claim.state = "releasing";
    const request = { name: terms.name, xid };
    const sent = wasLocked
      ? this.#outbox.post(session, "release", { ...request, token })
      : this.#outbox.post(session, "cancel", request);
    claim.returned = sent.then(
      () => {
        claim.state = "none";
      },
      (error: unknown) => {
        claim.state = "none";
        if (!isOver(error)) throw error;
      },
    );
    // Whoever asks for the promise sees its rejection; nobody has to ask.
    claim.returned.catch(() => {});
  }

  #forget(claim: Claim): void {
    this.#claims.delete(claim.xid);
    claim.state = "none";
  }
}

function lose(claim: Claim, loss: ViewstampError): void {
  claim.loss = loss;
  claim.onLoss?.(loss);
}

const reasons: Readonly<Record<LossReason, string>> = {
  session: "its session ended, or could not be confirmed in time",
  stolen: "another request has stolen it",
  closed: "its client was closed",
};

function lossOf({ terms, token }: Claim, reason: LossReason): ViewstampError {
  return new ViewstampError("LockLost", `the lock ${quoted(terms.name)} is lost: ${reasons[reason]}`, {
    data: { reason, name: terms.name, token },
  });
}

/** A name for people: escaped, and not longer than they care to read. */
export function quoted(name: string): string {
  return JSON.stringify(name.length <= 80 ? name : `${name.slice(0, 79)}…`);
}

/** What the Web Locks API rejects with when a lock is stolen. */
export function stolenError(name: string): DOMException {
  return new DOMException(`the lock ${quoted(name)} was stolen by another request`, "AbortError");
}

export function closedError(): ViewstampError {
  return new ViewstampError("Closed", "the lock client is closed; connect a new one");
}

function refusalOf(error: unknown): unknown {
  if (!(error instanceof MachineError && error.code === "TooManyRequests")) return error;
  return new ViewstampError("Overloaded", "this client holds or waits for too many locks; release some first", {
    cause: error,
  });
}

/** The session or the whole client has ended, and with it the claim. */
function isOver(error: unknown): boolean {
  return error instanceof ViewstampError && (error.code === "SessionExpired" || error.code === "Closed");
}
