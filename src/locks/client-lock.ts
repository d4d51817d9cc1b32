/**
 * The lock in its holder's hands.
 * @module
 */
import { ViewstampError } from "../protocol/errors.ts";
import { type Claim, type Claims, quoted } from "./client-claims.ts";
import type { AcquiredLock, LockMode } from "./client-types.ts";

export class HeldLock implements AcquiredLock {
  readonly #claim: Claim;
  readonly #claims: Claims;
  /** Made when it is first asked for: most holders never look. */
  #controller: AbortController | undefined;

  /** `onLoss` is called when the lock is lost before it was released, after its signal is aborted. */
  constructor(claim: Claim, claims: Claims, onLoss?: (loss: ViewstampError) => void) {
    this.#claim = claim;
    this.#claims = claims;
    claim.onLoss = (loss) => {
      this.#controller?.abort(loss);
      onLoss?.(loss);
    };
  }

  get name(): string {
    return this.#claim.terms.name;
  }

  get mode(): LockMode {
    return this.#claim.terms.mode;
  }

  get token(): bigint {
    return this.#claim.token;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#claim.loss !== undefined) this.#controller.abort(this.#claim.loss);
    }
    return this.#controller.signal;
  }

  assertHeld(): void {
    const claim = this.#claim;
    if (claim.state === "locked" && !this.#claims.isTrusted(claim)) this.#claims.distrust(claim);
    if (claim.loss !== undefined) throw claim.loss;
    if (claim.state !== "locked") throw releasedError(claim);
  }

  release(): Promise<void> {
    return this.#claims.letGo(this.#claim);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}

function releasedError({ terms, token }: Claim): ViewstampError {
  return new ViewstampError("LockLost", `the lock ${quoted(terms.name)} is not held: it was released`, {
    data: { reason: "released", name: terms.name, token },
  });
}
