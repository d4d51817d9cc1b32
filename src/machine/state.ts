/**
 * The state of one machine as a whole: the empty one, and its way into a snapshot and back.
 * @module
 */
import { badMessage } from "../protocol/bytes.ts";
import { ViewstampError } from "../protocol/errors.ts";
import { encodeValue } from "../protocol/values.ts";
import type { StateRestoration } from "./definition.ts";
import { isThenable, type Parts } from "./parts.ts";

/** Runs a part of the user's; throws what the caller wants to be thrown. */
type Attempt = <Result>(part: () => Result) => Result;

/** @throws {ViewstampError} `InvalidOptions` */
export function emptyState(parts: Parts): object {
  const of = `init of machine "${parts.name}"`;
  const state = attempt(parts.init, `${of} failed`);
  if (typeof state !== "object" || state === null || isThenable(state)) {
    const wanted = "gives the empty state: an object that commands can change, and no promise";
    throw new ViewstampError("InvalidOptions", `${of} ${wanted}`);
  }
  if (parts.snapshot === undefined) {
    attempt(() => encodeValue(state), `${of} gives a state that needs snapshot and restore in the definition`);
  }
  return state;
}

function attempt<Result>(part: () => Result, otherwise: string): Result {
  try {
    return part();
  } catch (cause) {
    const why = cause instanceof Error ? `: ${cause.message}` : "";
    throw new ViewstampError("InvalidOptions", `${otherwise}${why}`, { cause });
  }
}

/** The state as it is now, as encoded values, whatever happens to it while they are taken. */
export function encodedState(parts: Parts, state: object, must: Attempt): Iterator<Uint8Array> {
  const { snapshot } = parts;
  if (snapshot !== undefined) return encodedSlices(() => snapshot(state), must);
  return [must(() => encodeValue(state))][Symbol.iterator]();
}

/** The first slice is taken at once, for a generator begins only with it. */
function encodedSlices(snapshot: () => Iterator<unknown>, must: Attempt): Iterator<Uint8Array> {
  const source = must(snapshot);
  const pull = (): IteratorResult<Uint8Array, undefined> =>
    must(() => {
      const { done, value } = source.next();
      return done === true ? { done, value: undefined } : { done: false, value: encodeValue(value) };
    });
  let ahead: IteratorResult<Uint8Array, undefined> | undefined = pull();
  return {
    next: () => {
      const result = ahead ?? pull();
      ahead = result.done === true ? result : undefined;
      return result;
    },
    return: () => {
      const open = ahead?.done !== true;
      ahead = { done: true, value: undefined };
      if (open) must(() => source.return?.());
      return ahead;
    },
  };
}

export function restorationOf(parts: Parts): StateRestoration<object> {
  return parts.restore?.() ?? new WholeRestoration();
}

/** The default: one value, which is the state. */
class WholeRestoration implements StateRestoration<object> {
  #state: unknown;

  chunk(value: unknown): void {
    if (this.#state !== undefined) throw badMessage("a snapshot with more than one state");
    this.#state = value;
  }

  finish(): object {
    if (typeof this.#state !== "object" || this.#state === null) throw badMessage("a snapshot without a state");
    return this.#state;
  }
}
