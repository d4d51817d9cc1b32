/**
 * Small helpers of the lock tests.
 * @module
 */
import { ViewstampError } from "../../src/protocol/errors.ts";
import type { World } from "./world.ts";

/** How a promise ends, once it does. */
export interface Fate<T> {
  value?: T;
  error?: unknown;
  isSettled: boolean;
}

export function watch<T>(promise: Promise<T>): Fate<T> {
  const fate: Fate<T> = { isSettled: false };
  promise.then(
    (value) => Object.assign(fate, { value, isSettled: true }),
    (error: unknown) => Object.assign(fate, { error, isSettled: true }),
  );
  return fate;
}

export function codeOf(error: unknown): string {
  return error instanceof ViewstampError ? error.code : String((error as Error)?.name);
}

/** A promise and its resolver. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

export async function held(world: World): Promise<string[]> {
  const { held } = await world.client().locks.query();
  return held.map(({ name, clientId }) => `${name} ${clientId}`);
}
