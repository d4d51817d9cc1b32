/**
 * A client's standing with the lock machine: one claim for each of its requests there. Replies and notices may come in
 * any order and more than once; a claim takes each step once.
 * @module
 */
import * as v from "valibot";
import type { ClientCore, SessionChange } from "../client/contract.ts";
import type { Timer } from "../protocol/environment.ts";
import { ViewstampError } from "../protocol/errors.ts";
import type { SessionId } from "../protocol/session.ts";
import { ClaimBook } from "./client-book.ts";
import { Claim, type ClaimKeeper, type ClaimWaiter, Use } from "./client-claim.ts";
import { closedError, type LossReason, lossOf, refusalOf, stolenError } from "./client-errors.ts";
import type { GroupTerms, Terms, Wish } from "./client-options.ts";
import { Outbox } from "./client-outbox.ts";
import { endUses, Returns, tenureOf } from "./client-returns.ts";
import { MAX_REQUESTS_PER_SESSION } from "./machine-grants.ts";
import {
  type Acquisition,
  acquireAllReplySchema,
  acquireReplySchema,
  blockSchema,
  type GroupAcquisition,
  noticeSchema,
  type TenureName,
  type TokenBlock,
} from "./machine-words.ts";

/** What requests for one lock and for several have in common on the wire. */
type Wanted<How> = Pick<Acquisition, "xid" | "mode" | "owner" | "ageMs" | "delayMs"> & { readonly how: How };

/** What the claims tell those that hand out kept locks, and those that stand in line. */
export interface ClaimsObserver {
  /** The cluster leaves this lock to the client until others want it. It has its first use already. */
  kept(claim: Claim): void;
  /** A use of a claim that is handed out here has ended. */
  freed(claim: Claim): void;
  /** It is not to be handed out any more. */
  withdrawn(claim: Claim): void;
  /** Another claim needs room: lets go of a kept lock that is not in use, if there is one. */
  crowded(): boolean;
  /** No kept lock of this client is worth anything any more; gives who waited for one. */
  cleared(): ClaimWaiter[];
  /** One request more has been answered, or will not be. */
  answered(): void;
}

export class Claims implements ClaimKeeper {
  readonly #core: ClientCore;
  readonly #owner: string;
  readonly #keeps: boolean;
  readonly #outbox: Outbox;
  readonly #observer: ClaimsObserver;
  readonly #book: ClaimBook = new ClaimBook();
  readonly #returns: Returns;
  readonly #undo: readonly (() => void)[];

  /** `keeps`: the cluster is told that this client would keep locks. */
  constructor(core: ClientCore, owner: string, keeps: boolean, observer: ClaimsObserver) {
    this.#core = core;
    this.#owner = owner;
    this.#keeps = keeps;
    this.#observer = observer;
    this.#outbox = new Outbox(core);
    this.#returns = new Returns(this.#book, this.#outbox);
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
    return this.#book.newest;
  }

  get hasUnanswered(): boolean {
    return this.#book.hasUnanswered;
  }

  /** Whether a claim up to this one is not answered yet. */
  hasUnansweredUpTo(xid: number): boolean {
    return this.#book.hasUnansweredUpTo(xid);
  }

  /** Tells whether the cluster has still to answer something of what it was told before this moment. */
  backlog(): () => boolean {
    return this.#outbox.backlog();
  }

  /** Asks the cluster for a lock; only while there is a session. */
  open(session: SessionId, terms: Terms, ageMs: number, waiter: ClaimWaiter): Claim {
    this.#makeRoom(1);
    const claim = this.#ask(session, terms.name, terms, waiter);
    const { permits } = terms;
    const keep = this.#mayKeep(terms) && permits === 0;
    const wanted = { name: terms.name, ...this.#wanted(claim, terms, ageMs), keep, ...(permits > 0 && { permits }) };
    const input: Acquisition = wanted;
    this.#outbox
      .post(session, "acquire", input, () => claim.state === "acquiring")
      .then(
        (reply) => this.#onReply(claim, reply),
        (error: unknown) => this.#onRefusal(claim, error),
      );
    return claim;
  }

  /** Asks for several locks at once. */
  openAll(session: SessionId, terms: GroupTerms, ageMs: number, waiters: readonly ClaimWaiter[]): Claim[] {
    const { names } = terms;
    this.#makeRoom(names.length);
    const claims = waiters.map((waiter, index) => this.#ask(session, names[index] as string, terms, waiter));
    const keep = this.#mayKeep(terms);
    const input: GroupAcquisition = { names, ...this.#wanted(claims[0] as Claim, terms, ageMs), keep };
    this.#outbox
      .post(session, "acquireAll", input, () => claims.every(({ state }) => state === "acquiring"))
      .then(
        (reply) => this.#onGroupReply(claims, reply),
        (error: unknown) => {
          for (const claim of claims) this.#onRefusal(claim, error);
        },
      );
    return claims;
  }

  /** What is only kept must not be why the cluster refuses a request: it goes back before. */
  #makeRoom(count: number): void {
    while (this.#book.size + count > MAX_REQUESTS_PER_SESSION && this.#observer.crowded());
  }

  #ask(session: SessionId, name: string, { mode }: Wish, waiter: ClaimWaiter): Claim {
    const claim = new Claim(this, name, mode, session, this.#book.nextXid(), "acquiring");
    claim.waiter = waiter;
    this.#book.ask(claim);
    return claim;
  }

  /**
   * A lock that nobody gets for a while when the session of its user is lost is not kept: when the session is lost of a
   * client that keeps one, nobody could say whether it had a user.
   */
  #mayKeep({ lockDelayMs }: Wish): boolean {
    return this.#keeps && lockDelayMs === 0;
  }

  #wanted<How>({ xid }: Claim, { mode, how, lockDelayMs }: Wish & { readonly how: How }, ageMs: number): Wanted<How> {
    return { xid, mode, owner: this.#owner, how, ageMs, ...(lockDelayMs > 0 && { delayMs: lockDelayMs }) };
  }

  /** One use more of a granted claim, which must have a token left for it. */
  use(claim: Claim, mode: Claim["mode"], now: number): Use {
    const use = new Use(claim, mode, now);
    claim.uses.push(use);
    claim.state = "locked";
    return use;
  }

  giveBack(use: Use): Promise<void> | undefined {
    if (!use.isOver) use.end("released");
    // Whoever is told that it had the lock for too long may be here before it is on its way back.
    else if (!use.claim.uses.includes(use)) return use.claim.returned;
    return this.#leave(use);
  }

  /** Its holder has it for longer than it said it would at most, and learns that before anybody else can have it. */
  overdue(use: Use): void {
    if (use.isOver) return;
    use.end(lossOf(use.claim.name, use.token, "maxHoldMs"));
    use.tellLoss();
    // Whoever was told may have closed the client.
    if (use.claim.uses.includes(use)) void this.#leave(use);
  }

  /** A use is over, and its claim free or on its way back if that was the last. */
  #leave(use: Use): Promise<void> | undefined {
    const { claim } = use;
    const { uses } = claim;
    if (uses.length === 1) uses.pop();
    else uses.splice(uses.indexOf(use), 1);
    if (claim.keeping !== undefined) this.#observer.freed(claim);
    else if (uses.length === 0) return this.#returns.give(claim);
    return claim.returned;
  }

  /** Gives up a claim that is waited for. */
  letGo(claim: Claim): void {
    if (claim.state !== "acquiring") return;
    void this.#returns.give(claim);
    this.#answered(claim);
  }

  /** A kept claim that is not handed out any more: it goes back now or after its last use. */
  giveUp(claim: Claim): void {
    if (claim.uses.length === 0 && (claim.state === "locked" || claim.state === "free")) void this.#returns.give(claim);
  }

  now(): number {
    return this.#core.environment.now();
  }

  setTimer(ms: number, callback: () => void): Timer {
    return this.#core.environment.setTimer(ms, callback, true);
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
    this.#endAll(this.#book.all(), "closed");
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

  #onGroupReply(claims: readonly Claim[], reply: unknown): void {
    const parsed = v.safeParse(acquireAllReplySchema, reply);
    for (const [index, claim] of claims.entries()) {
      if (!parsed.success || parsed.output.status !== "granted") this.#onReply(claim, reply);
      else {
        const block = parsed.output.blocks[index];
        if (block != null && claim.state === "acquiring") this.#grant(claim, block);
      }
    }
  }

  #onRefusal(claim: Claim, error: unknown): void {
    if (claim.state !== "acquiring") return;
    const expired = error instanceof ViewstampError && error.code === "SessionExpired";
    if (!expired) {
      this.#fail(claim, refusalOf(error, claim.name));
      return;
    }
    const { waiter } = claim;
    this.#book.forget(claim);
    waiter?.again();
    this.#answered(claim);
  }

  #fail(claim: Claim, error: unknown): void {
    const { waiter } = claim;
    // Whatever was refused, a claim that nobody waits for must not come to hold the lock.
    void this.#returns.give(claim);
    waiter?.failed(error);
    this.#answered(claim);
  }

  #decline(claim: Claim): void {
    const { waiter } = claim;
    this.#book.forget(claim);
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
      void this.#returns.give(claim);
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
    if (revoked === "with an answer") this.#returns.settle(claim, this);
    this.#answered(claim);
  }

  #onNotice(value: unknown, session: SessionId): void {
    const parsed = v.safeParse(noticeSchema, value);
    if (!parsed.success) return;
    const notice = parsed.output;
    const claim = this.#book.get(notice.xid);
    // Notices repeat and come late: one about a claim that was let go, or of an earlier session, finds none, for a
    // client never uses an xid again.
    if (claim === undefined || claim.name !== notice.name || claim.session !== session) {
      // This one stays outstanding until its client says that it has heard it.
      if (notice.type === "declined" && claim === undefined) this.#returns.receipt(session, notice);
    } else if (notice.type === "stolen") this.#onStolen(claim, notice);
    else if (notice.type === "revoke") this.#onRevoke(claim, notice);
    else if (notice.type === "granted") this.#grant(claim, notice);
    else if (claim.state === "acquiring") {
      this.#decline(claim);
      this.#returns.receipt(session, notice);
    }
  }

  #onStolen(claim: Claim, { token }: TenureName): void {
    if (claim.state === "acquiring") {
      this.#fail(claim, stolenError(claim.name));
      return;
    }
    if (claim.token !== token) return;
    if (claim.state === "releasing") {
      this.#book.forget(claim);
      this.#returns.receipt(claim.session, claim);
      this.#returns.endSettled(claim);
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
    if (claim.keep > 0 && claim.uses.length > 0 && (answer || isWeaker)) this.#returns.settle(claim, this);
  }

  /** A granted claim is nobody's to rely on any more. */
  #lose(claim: Claim, reason: LossReason): void {
    if (claim.keeping !== undefined) this.#observer.withdrawn(claim);
    // Its return is also the receipt of a steal: the cluster repeats the notice until then.
    if (claim.state === "locked" || claim.state === "free") void this.#returns.give(claim);
    endUses([claim], reason);
  }

  #onSession(change: SessionChange): void {
    if (change.type !== "lost") return;
    this.#endAll(
      this.#book.all().filter(({ session }) => session === change.id),
      "session",
    );
    this.#outbox.endSession(change.id);
  }

  /** Locks are lost first, all of them before anyone is told; then those that wait are sent to claim anew. */
  #endAll(claims: readonly Claim[], reason: LossReason): void {
    const waiting = claims.flatMap(({ waiter }) => waiter ?? []);
    for (const claim of claims) {
      this.#book.forget(claim);
      this.#book.answered(claim);
    }
    for (const waiter of this.#observer.cleared()) waiting.push(waiter);
    endUses(claims, reason);
    for (const waiter of waiting) {
      if (reason === "closed") waiter.failed(closedError());
      else waiter.again();
    }
    this.#observer.answered();
  }

  /** To be called after the request's own waiter was told. */
  #answered(claim: Claim): void {
    if (this.#book.answered(claim)) this.#observer.answered();
  }
}
