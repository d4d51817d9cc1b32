/**
 * A client's standing with the lock machine: one claim for each of its requests there. Replies and notices may come in
 * any order and more than once; a claim takes each step once.
 * @module
 */
import * as v from "valibot";
import type { ClientCore, SessionChange } from "../client/contract.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { SessionId } from "../protocol/session.ts";
import { Claim, type ClaimKeeper, type ClaimWaiter, Use } from "./client-claim.ts";
import { closedError, isOver, type LossReason, lossOf, refusalOf, stolenError } from "./client-errors.ts";
import type { Terms } from "./client-options.ts";
import { Outbox } from "./client-outbox.ts";
import {
  acquireReplySchema,
  blockSchema,
  noticeSchema,
  type Request,
  type Settlement,
  type TenureName,
  type TokenBlock,
} from "./machine-words.ts";

/** What the claims tell those that hand out kept locks, and those that stand in line. */
export interface ClaimsObserver {
  /** The cluster leaves this lock to the client until others want it. It has its first use already. */
  kept(claim: Claim): void;
  /** A use of a claim that is handed out here has ended. */
  freed(claim: Claim): void;
  /** It is not to be handed out any more. */
  withdrawn(claim: Claim): void;
  /** No kept lock of this client is worth anything any more; gives who waited for one. */
  cleared(): ClaimWaiter[];
  /** One request more has been answered, or will not be. */
  answered(): void;
}

const DONE: Promise<void> = Promise.resolve();

export class Claims implements ClaimKeeper {
  readonly #core: ClientCore;
  readonly #owner: string;
  readonly #keeps: boolean;
  readonly #outbox: Outbox;
  readonly #observer: ClaimsObserver;
  /** All but those that are back, or on their way and of no interest. By xid. */
  readonly #claims: Map<number, Claim> = new Map();
  /** Those whose request the cluster has not answered, in the order they were made. */
  readonly #unanswered: Set<Claim> = new Set();
  readonly #undo: readonly (() => void)[];
  #xids = 0;

  /** `keeps`: the cluster is told that this client would keep locks. */
  constructor(core: ClientCore, owner: string, keeps: boolean, observer: ClaimsObserver) {
    this.#core = core;
    this.#owner = owner;
    this.#keeps = keeps;
    this.#observer = observer;
    this.#outbox = new Outbox(core);
    this.#undo = [
      core.onSession((change) => this.#onSession(change)),
      core.onNotice("locks", (notice, session) => this.#onNotice(notice, session)),
    ];
  }

  /** The session in which claims can be made now. Asking may find that one is over. */
  get session(): SessionId | undefined {
    return this.#core.session?.id;
  }

  /** The newest claim ever made. */
  get newest(): number {
    return this.#xids;
  }

  get hasUnanswered(): boolean {
    return this.#unanswered.size > 0;
  }

  /** Whether a claim up to this one is not answered yet. */
  hasUnansweredUpTo(xid: number): boolean {
    for (const first of this.#unanswered) return first.xid <= xid;
    return false;
  }

  /** Tells whether the cluster has still to answer something of what it was told before this moment. */
  backlog(): () => boolean {
    return this.#outbox.backlog();
  }

  /** Asks the cluster for a lock; only while there is a session. */
  open(session: SessionId, terms: Terms, ageMs: number, waiter: ClaimWaiter): Claim {
    const { name, mode, how } = terms;
    const claim = new Claim(this, name, mode, session, ++this.#xids, "acquiring");
    claim.waiter = waiter;
    this.#claims.set(claim.xid, claim);
    this.#unanswered.add(claim);
    const input = { name, xid: claim.xid, mode, owner: this.#owner, how, keep: this.#keeps, ageMs };
    this.#outbox
      .post(session, "acquire", input, () => claim.state === "acquiring")
      .then(
        (reply) => this.#onReply(claim, reply),
        (error: unknown) => this.#onRefusal(claim, error),
      );
    return claim;
  }

  /** One use more of a granted claim, which must have a token left for it. */
  use(claim: Claim, mode: Claim["mode"], now: number): Use {
    const use = new Use(claim, mode, now);
    claim.uses.push(use);
    claim.state = "locked";
    return use;
  }

  giveBack(use: Use): Promise<void> {
    const { claim } = use;
    if (use.isOver) return claim.returned ?? DONE;
    use.end("released");
    const { uses } = claim;
    if (uses.length === 1) uses.pop();
    else uses.splice(uses.indexOf(use), 1);
    if (claim.keeping !== undefined) this.#observer.freed(claim);
    else if (uses.length === 0) return this.#return(claim);
    return claim.returned ?? DONE;
  }

  /** Gives up a claim that is waited for. */
  letGo(claim: Claim): void {
    if (claim.state !== "acquiring") return;
    void this.#return(claim);
    this.#answered(claim);
  }

  /** A kept claim that is not handed out any more: it goes back now or after its last use. */
  giveUp(claim: Claim): void {
    if (claim.uses.length === 0 && (claim.state === "locked" || claim.state === "free")) void this.#return(claim);
  }

  isTrusted(claim: Claim): boolean {
    return this.trustedUntil(claim) > this.#core.environment.now();
  }

  /** How long the claim's session can be relied on, as far as is known. */
  trustedUntil(claim: Claim): number {
    const session = this.#core.session;
    return session?.id === claim.session ? session.trustedUntil : Number.NEGATIVE_INFINITY;
  }

  /** All of the same claim are lost with it. */
  distrust(use: Use): void {
    if (use.isOver) return;
    this.#lose(use.claim, "session");
  }

  /** Asks for more tokens, ahead of need; if it fails the lock goes back when they are used up. */
  refill(claim: Claim, done: () => void): void {
    this.#outbox
      .post(claim.session, "refill", tenureOf(claim))
      .then((reply) => v.parse(blockSchema, reply))
      .then(
        (block) => {
          if (block === null || claim.keeping === undefined) return;
          claim.block = block.token;
          claim.keep = block.keep;
          claim.taken = 0;
          done();
        },
        () => {},
      );
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
      return;
    }
    const { output } = parsed;
    if (output.status === "granted") this.#grant(claim, output);
    else if (output.status === "unavailable") this.#decline(claim);
    else this.#answered(claim);
  }

  #onRefusal(claim: Claim, error: unknown): void {
    if (claim.state !== "acquiring") return;
    const expired = error instanceof ViewstampError && error.code === "SessionExpired";
    if (!expired) {
      this.#fail(claim, refusalOf(error));
      return;
    }
    const { waiter } = claim;
    this.#forget(claim);
    waiter?.again();
    this.#answered(claim);
  }

  #fail(claim: Claim, error: unknown): void {
    const { waiter } = claim;
    // Whatever was refused, a claim that nobody waits for must not come to hold the lock.
    void this.#return(claim);
    waiter?.failed(error);
    this.#answered(claim);
  }

  #decline(claim: Claim): void {
    const { waiter } = claim;
    this.#forget(claim);
    waiter?.unavailable();
    this.#answered(claim);
  }

  #grant(claim: Claim, { token, keep }: TokenBlock): void {
    const trusted = this.isTrusted(claim);
    const { waiter, revoked } = claim;
    // It was told before; or looking at the clock has ended the session, and the claim with it.
    if (claim.state !== "acquiring") return;
    if (!trusted) {
      // The news is older than the session's trust: it may be somebody else's by now.
      void this.#return(claim);
      waiter?.again();
      this.#answered(claim);
      return;
    }
    claim.waiter = undefined;
    claim.token = token;
    claim.block = token;
    claim.keep = keep;
    const use = this.use(claim, claim.mode, this.#core.environment.now());
    if (keep > 0 && revoked === undefined) this.#observer.kept(claim);
    waiter?.granted(use);
    if (revoked === "with an answer") this.#settle(claim);
    this.#answered(claim);
  }

  #onNotice(value: unknown, session: SessionId): void {
    const parsed = v.safeParse(noticeSchema, value);
    if (!parsed.success) return;
    const notice = parsed.output;
    const claim = this.#claims.get(notice.xid);
    // Notices repeat and come late: one about a claim that was let go, or of an earlier session, finds none, for a
    // client never uses an xid again.
    if (claim === undefined || claim.name !== notice.name || claim.session !== session) {
      // This one stays outstanding until its client says that it has heard it.
      if (notice.type === "declined" && claim === undefined) this.#receipt(session, notice);
    } else if (notice.type === "stolen") this.#onStolen(claim, notice);
    else if (notice.type === "revoke") this.#onRevoke(claim, notice);
    else if (notice.type === "granted") this.#grant(claim, notice);
    else if (claim.state === "acquiring") {
      this.#decline(claim);
      this.#receipt(session, notice);
    }
  }

  #receipt(session: SessionId, { name, xid }: Request): void {
    this.#outbox.post(session, "cancel", { name, xid }).catch(() => {});
  }

  #onStolen(claim: Claim, { token }: TenureName): void {
    if (claim.state === "acquiring") {
      this.#fail(claim, stolenError(claim.name));
      return;
    }
    if (claim.token !== token) return;
    if (claim.state === "releasing") {
      this.#forget(claim);
      this.#receipt(claim.session, claim);
      this.#endSettled(claim);
    } else this.#lose(claim, "stolen");
  }

  /** The cluster wants it back: at once if it is free, else after its uses; what those are, if that matters, now. */
  #onRevoke(claim: Claim, { token, answer }: TenureName & { readonly answer: boolean }): void {
    if (claim.state === "acquiring") {
      if (claim.revoked !== "with an answer") claim.revoked = answer ? "with an answer" : "politely";
      return;
    }
    if (claim.token !== token || claim.state === "releasing") return;
    if (claim.keeping !== undefined) this.#observer.withdrawn(claim);
    const isWeaker = claim.mode === "exclusive" && claim.uses.every(({ mode }) => mode === "shared");
    if (claim.keep > 0 && claim.uses.length > 0 && (answer || isWeaker)) this.#settle(claim);
  }

  /** Makes each use a claim of its own, as it would be if nothing were kept, and says so. */
  #settle(claim: Claim): void {
    const { uses, name, session } = claim;
    const now = this.#core.environment.now();
    if (uses.length === 0) return;
    claim.uses = [];
    claim.state = "releasing";
    claim.settledAs = uses.map((use) => {
      const own = new Claim(this, name, use.mode, session, ++this.#xids, "locked");
      own.token = use.token;
      own.uses = [use];
      use.moveTo(own);
      this.#claims.set(own.xid, own);
      return own;
    });
    const said = claim.settledAs.map(({ xid, token, mode, uses }) => {
      return { xid, token, mode, ageMs: Math.max(0, now - (uses[0] as Use).since) };
    });
    const settlement: Settlement = { ...tenureOf(claim), uses: said };
    const settled = this.#outbox.post(session, "settle", settlement).then(
      (done) => this.#onSettled(claim, done === true),
      (error: unknown) => !isOver(error) && this.#onSettled(claim, false),
    );
    for (const own of claim.settledAs) own.settled = settled;
  }

  /** If the cluster knew nothing of the tenure any more, it was stolen before. */
  #onSettled(claim: Claim, isDone: boolean): boolean {
    if (this.#claims.get(claim.xid) !== claim) return isDone;
    this.#forget(claim);
    if (isDone) return true;
    this.#receipt(claim.session, claim);
    this.#endSettled(claim);
    return false;
  }

  /** The cluster never came to know of these claims. */
  #endSettled({ settledAs }: Claim): void {
    for (const own of settledAs) {
      if (this.#claims.get(own.xid) !== own) continue;
      this.#forget(own);
      endUses([own], "stolen");
    }
  }

  /** A granted claim is nobody's to rely on any more. */
  #lose(claim: Claim, reason: LossReason): void {
    if (claim.keeping !== undefined) this.#observer.withdrawn(claim);
    // Its return is also the receipt of a steal: the cluster repeats the notice until then.
    if (claim.state === "locked" || claim.state === "free") void this.#return(claim);
    endUses([claim], reason);
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
    const waiting = claims.flatMap(({ waiter }) => waiter ?? []);
    for (const claim of claims) {
      this.#forget(claim);
      this.#unanswered.delete(claim);
    }
    waiting.push(...this.#observer.cleared());
    endUses(claims, reason);
    for (const waiter of waiting) {
      if (reason === "closed") waiter.failed(closedError());
      else waiter.again();
    }
    this.#observer.answered();
  }

  #return(claim: Claim): Promise<void> {
    const { session, name, xid, settled } = claim;
    const tenure = tenureOf(claim);
    const wasAcquiring = claim.state === "acquiring";
    this.#forget(claim);
    claim.state = "releasing";
    const post = (): Promise<unknown> =>
      wasAcquiring
        ? this.#outbox.post(session, "cancel", { name, xid })
        : this.#outbox.post(session, "release", tenure);
    // What the cluster does not know of yet cannot be released.
    const sent = settled === undefined ? post() : settled.then((isDone) => (isDone ? post() : undefined));
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
    return claim.returned;
  }

  #forget(claim: Claim): void {
    this.#claims.delete(claim.xid);
    claim.state = "none";
    claim.waiter = undefined;
  }

  /** To be called after the request's own waiter was told. */
  #answered(claim: Claim): void {
    if (this.#unanswered.delete(claim)) this.#observer.answered();
  }
}

function tenureOf({ name, xid, token }: Claim): TenureName {
  return { name, xid, token };
}

/** All of them are over before anyone is told. */
function endUses(claims: readonly Claim[], reason: LossReason): void {
  const uses = claims.flatMap((claim) => claim.uses.splice(0));
  for (const use of uses) use.end(lossOf(use.name, use.token, reason));
  for (const use of uses) use.tellLoss();
}
