/**
 * How claims go back to the cluster, and how a kept one becomes the claims of its uses.
 * @module
 */
import type { SessionId } from "../protocol/session.ts";
import type { ClaimBook } from "./client-book.ts";
import { Claim, type ClaimKeeper, type Use } from "./client-claim.ts";
import { isOver, type LossReason, lossOf } from "./client-errors.ts";
import type { Outbox } from "./client-outbox.ts";
import type { Request, Settlement, TenureName } from "./machine-words.ts";

export class Returns {
  readonly #book: ClaimBook;
  readonly #outbox: Outbox;

  constructor(book: ClaimBook, outbox: Outbox) {
    this.#book = book;
    this.#outbox = outbox;
  }

  /** Gives a claim back, whatever it was. Resolves when others can have the lock. */
  give(claim: Claim): Promise<void> {
    const { session, name, xid, settled } = claim;
    const tenure = tenureOf(claim);
    const wasAcquiring = claim.state === "acquiring";
    this.#book.forget(claim);
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

  /** Tells the cluster that it need not say again what became of a request. */
  receipt(session: SessionId, { name, xid }: Request): void {
    this.#outbox.post(session, "cancel", { name, xid }).catch(() => {});
  }

  /** Makes each use a claim of its own, as it would be if nothing were kept, and says so. */
  settle(claim: Claim, keeper: ClaimKeeper): void {
    const { uses, session } = claim;
    if (uses.length === 0) return;
    claim.uses = [];
    claim.state = "releasing";
    claim.settledAs = uses.map((use) => this.#ownClaim(claim, use, keeper));
    const said = uses.map((use) => {
      const { xid, token, mode } = use.claim;
      return { xid, token, mode, ageMs: use.age };
    });
    const settlement: Settlement = { ...tenureOf(claim), uses: said };
    const settled = this.#outbox.post(session, "settle", settlement).then(
      (done) => this.#onSettled(claim, done === true),
      (error: unknown) => !isOver(error) && this.#onSettled(claim, false),
    );
    for (const own of claim.settledAs) own.settled = settled;
  }

  /** The cluster never came to know of the claims that this one was settled as. */
  endSettled({ settledAs }: Claim): void {
    for (const own of settledAs) {
      if (!this.#book.has(own)) continue;
      this.#book.forget(own);
      endUses([own], "stolen");
    }
  }

  #ownClaim({ name, session }: Claim, use: Use, keeper: ClaimKeeper): Claim {
    const own = new Claim(keeper, name, use.mode, session, this.#book.nextXid(), "locked");
    own.token = use.token;
    own.uses = [use];
    use.moveTo(own);
    this.#book.add(own);
    return own;
  }

  /** If the cluster knew nothing of the tenure any more, it was stolen before. */
  #onSettled(claim: Claim, isDone: boolean): boolean {
    if (!this.#book.has(claim)) return isDone;
    this.#book.forget(claim);
    if (isDone) return true;
    this.receipt(claim.session, claim);
    this.endSettled(claim);
    return false;
  }
}

export function tenureOf({ name, xid, token }: Claim): TenureName {
  return { name, xid, token };
}

/** All of them are over before anyone is told. */
export function endUses(claims: readonly Claim[], reason: LossReason): void {
  const uses = claims.flatMap((claim) => claim.uses.splice(0));
  for (const use of uses) use.end(lossOf(use.claim.name, use.token, reason));
  for (const use of uses) use.tellLoss();
}
