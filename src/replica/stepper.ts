/**
 * Turns: events are stepped one by one as they arrive, their effects performed in order; when everything that arrived
 * in this turn has been handled, the core is told so, and what it wrote and said leaves in one batch.
 * @module
 */
import type { Environment } from "../protocol/environment.ts";
import type { CoreEvent, Effect } from "../rsm/events.ts";
import type { CoreLike, Tap } from "./contract.ts";

export interface StepperOptions {
  readonly core: CoreLike;
  readonly environment: Environment;
  /** A turn in which the core has more to do than it likes to do at once goes on for about this long. */
  readonly sliceMs: number;
  readonly tap: Tap | undefined;
  /** `steppedAt`: when the step that gave the effect began. */
  readonly perform: (effect: Effect, steppedAt: number) => void;
  /** The batch of the turn leaves. */
  readonly flush: () => void;
  /** The core or the hands threw: a broken invariant. */
  readonly failed: (error: unknown) => void;
}

const TURN: CoreEvent = { type: "turn" };
const CONTINUE: CoreEvent = { type: "continue" };

export class Stepper {
  readonly #options: StepperOptions;
  /** What effects give rise to waits its turn: the core is never entered from inside itself. */
  #queue: CoreEvent[] = [];
  #stepping = false;
  #turnPlanned = false;
  /** Of the first step of this turn. */
  #turnBegan: number | undefined;
  /** The core goes on in the next turn. */
  #goesOn = false;
  #over = false;

  constructor(options: StepperOptions) {
    this.#options = options;
  }

  accept(event: CoreEvent): void {
    if (this.#over) return;
    this.#queue.push(event);
    if (this.#stepping) return;
    if (this.#drain()) this.plan();
  }

  /** Something waits for the end of this turn. */
  plan(): void {
    if (this.#turnPlanned || this.#over) return;
    this.#turnPlanned = true;
    this.#options.environment.endOfTurn(this.#endTurn);
  }

  /** The core has more to do: in this turn if there is time, else in the next, after whatever has arrived meanwhile. */
  goOn(): void {
    const { environment, sliceMs } = this.#options;
    const now = environment.now();
    if (now - (this.#turnBegan ?? now) < sliceMs) this.accept(CONTINUE);
    else this.#goesOn = true;
  }

  /** Nothing is stepped or performed any more, not even the rest of what is under way. */
  end(): void {
    this.#over = true;
    this.#queue = [];
  }

  readonly #endTurn = (): void => {
    if (this.#over) return;
    if (this.#options.core.awaitsTurn) {
      this.#queue.push(TURN);
      this.#drain();
    }
    // What the end of the turn gives rise to leaves with it; what the batch gives rise to has a turn of its own.
    this.#turnPlanned = false;
    if (this.#over) return;
    try {
      this.#options.flush();
    } catch (error) {
      this.#options.failed(error);
    }
    this.#turnBegan = undefined;
    if (!this.#goesOn) return;
    this.#goesOn = false;
    this.#options.environment.endOfTurn(() => this.accept(CONTINUE));
  };

  /** Whether something waits for the end of the turn: not after a tick at which nothing was due. */
  #drain(): boolean {
    let waits = false;
    this.#stepping = true;
    try {
      for (let next = 0; next < this.#queue.length; next++) {
        const event = this.#queue[next] as CoreEvent;
        const effects = this.#step(event);
        waits ||= event.type !== "tick" || effects > 0;
      }
    } catch (error) {
      this.#options.failed(error);
    }
    this.#stepping = false;
    this.#queue = [];
    return waits;
  }

  /** Gives how many effects it had. */
  #step(event: CoreEvent): number {
    const { core, environment, perform, tap } = this.#options;
    const now = environment.now();
    this.#turnBegan ??= now;
    const effects = core.step(event, now);
    tap?.stepped(core, event, effects);
    for (const effect of effects) {
      if (this.#over) break;
      perform(effect, now);
    }
    return effects.length;
  }
}
