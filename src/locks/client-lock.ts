/**
 * The lock in its holder's hands.
 * @module
 */
import type { ViewstampError } from "../protocol/errors.ts";
import type { Use } from "./client-claim.ts";
import type { Claims } from "./client-claims.ts";
import { releasedError } from "./client-errors.ts";
import type { AcquiredLock, LockMode } from "./client-types.ts";

export class HeldLock implements AcquiredLock {
  readonly #use: Use;
  readonly #claims: Claims;
  /** Made when it is first asked for: most holders never look. */
  #controller: AbortController | undefined = undefined;

  constructor(use: Use, claims: Claims) {
    this.#use = use;
    this.#claims = claims;
  }

  get name(): string {
    return this.#use.claim.name;
  }

  get mode(): LockMode {
    return this.#use.mode;
  }

  get token(): bigint {
    return this.#use.token;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      const { loss } = this.#use;
      if (loss === undefined) this.onLoss(() => {});
      else this.#controller.abort(loss);
    }
    return this.#controller.signal;
  }

  /** Has this called when the lock is lost before it was released, after its signal is aborted. */
  onLoss(told: (loss: ViewstampError) => void): void {
    const before = this.#use.onLoss;
    this.#use.onLoss = (loss) => {
      this.#controller?.abort(loss);
      before?.(loss);
      told(loss);
    };
  }

  assertHeld(): void {
    const use = this.#use;
    if (!use.isOver && !this.#claims.isTrusted(use.claim)) this.#claims.distrust(use);
    if (use.loss !== undefined) throw use.loss;
    if (use.isOver) throw releasedError(use.claim.name, use.token);
  }

  release(): Promise<void> {
    return this.#claims.giveBack(this.#use);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}
