/**
 * Several locks in the hands of one holder.
 * @module
 */
import type { ViewstampError } from "../protocol/errors.ts";
import type { Use } from "./client-claim.ts";
import type { AcquiredLocks, Lock } from "./client-types.ts";

/** Held as long as each of them is. */
export class HeldLocks implements AcquiredLocks {
  readonly #uses: readonly Use[];
  #controller: AbortController | undefined;
  #told: ((loss: ViewstampError) => void) | undefined;

  constructor(uses: readonly Use[]) {
    this.#uses = uses;
    for (const use of uses) use.onLoss((loss) => this.#lost(loss));
  }

  get locks(): readonly Lock[] {
    return this.#uses;
  }

  get names(): readonly string[] {
    return this.#uses.map(({ name }) => name);
  }

  get age(): number {
    return Math.min(...this.#uses.map(({ age }) => age));
  }

  get signal(): AbortSignal {
    for (const use of this.#uses) use.lookAtClock();
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.loss !== undefined) this.#controller.abort(this.loss);
    }
    return this.#controller.signal;
  }

  /** Why the first of those that are lost is. */
  get loss(): ViewstampError | undefined {
    return this.#uses.find(({ loss }) => loss !== undefined)?.loss;
  }

  get(name: string): Lock | undefined {
    return this.#uses.find((use) => use.name === name);
  }

  assertHeld(): void {
    for (const use of this.#uses) use.assertHeld();
  }

  release(): Promise<void> {
    const returned = this.letGo() ?? Promise.resolve();
    // Whoever asks for the promise sees its rejection; nobody has to ask.
    returned.catch(() => {});
    return returned;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  /** Releases all of them; a promise if others cannot have one at once. */
  letGo(): Promise<void> | undefined {
    const returned = this.#uses.map((use) => use.letGo()).filter((one) => one !== undefined);
    return returned.length === 0 ? undefined : Promise.all(returned).then(() => {});
  }

  /** Has this called when the first of them is lost before it was released. */
  onLoss(told: (loss: ViewstampError) => void): void {
    this.#told = told;
  }

  #lost(loss: ViewstampError): void {
    this.#controller?.abort(loss);
    this.#told?.(loss);
  }
}
