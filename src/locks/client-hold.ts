/**
 * A callback that runs under a lock, or under several: whatever comes first decides, its result or the loss.
 * @module
 */
import type { ViewstampError } from "../protocol/errors.ts";
import { stolenError } from "./client-errors.ts";
import type { LockCallback } from "./client-types.ts";

/** What is held while the callback runs. */
export interface Holding {
  /** Why it is lost. */
  readonly loss: ViewstampError | undefined;
  /** Has this called when it is lost before it was given back. */
  onLoss(told: (loss: ViewstampError) => void): void;
  /** Gives it back; a promise if others cannot have it at once. */
  letGo(): Promise<void> | undefined;
}

const SOON: Promise<void> = Promise.resolve();
/** As `await` does: whatever the promise of a callback has made of its own `then`, the lock is given back. */
const { then } = Promise.prototype;

/** Runs the callback, gives back what is held, and then only says what came of it. */
export function holding<T, Held extends Holding>(held: Held, callback: LockCallback<T, Held>): Promise<Awaited<T>> {
  return new Promise((resolve, reject) => hold(held, callback, resolve, reject));
}

/** The same for a promise that is there already. Every request comes here: it makes as little as it can. */
export function hold<T, Held extends Holding>(
  held: Held,
  callback: LockCallback<T, Held>,
  resolve: (result: Awaited<T> | Promise<never>) => void,
  reject: (error: unknown) => void,
): void {
  sayLoss(held, resolve);
  SOON.then(() => callUnder(held, callback, resolve, reject));
}

/**
 * The same for whoever has to wait: to be called when it is granted, or not available. The callback runs in the context of the
 * request (`AsyncLocalStorage`), not in that of another task of this process whose release was the grant.
 */
export function holdLater<T, Held extends Holding>(
  callback: LockCallback<T, Held | null>,
  resolve: (result: Awaited<T> | Promise<Awaited<T>>) => void,
  reject: (error: unknown) => void,
): (held: Held | undefined) => void {
  let held: Held | undefined;
  let call = (): void => {};
  new Promise<void>((granted) => {
    call = granted;
  }).then(() => {
    if (held !== undefined) callUnder(held, callback, resolve, reject);
    else callWithNone(callback, resolve, reject);
  });
  return (given) => {
    held = given;
    if (held !== undefined) sayLoss(held, resolve);
    call();
  };
}

/** Where nothing is held. */
function callWithNone<T>(
  callback: LockCallback<T, null>,
  resolve: (result: Promise<Awaited<T>>) => void,
  reject: (error: unknown) => void,
): void {
  try {
    resolve(Promise.resolve(callback(null)));
  } catch (error) {
    reject(error);
  }
}

function sayLoss(held: Holding, resolve: (result: Promise<never>) => void): void {
  held.onLoss((loss) => resolve(rejected(loss)));
  if (held.loss !== undefined) resolve(rejected(held.loss));
}

function callUnder<T, Held extends Holding>(
  held: Held,
  callback: LockCallback<T, Held>,
  resolve: (result: Awaited<T>) => void,
  reject: (error: unknown) => void,
): void {
  then.call(
    resultOf(held, callback),
    (result: Awaited<T>) => {
      const returned = held.letGo();
      if (returned === undefined) resolve(result);
      else sayAfter(returned, resolve, result, reject);
    },
    (error: unknown) => {
      const returned = held.letGo();
      if (returned === undefined) reject(error);
      else sayAfter(quietly(returned), reject, error, reject);
    },
  );
}

/** Tells some steps later: in the standard whoever steals a lock is called back before the robbed one's promise rejects. */
function rejected(loss: ViewstampError): Promise<never> {
  const rejection = Promise.reject(asRejected(loss));
  // Of several locks that are lost the first one counts; nobody hears of the others, which is no crime.
  rejection.catch(() => {});
  return rejection;
}

function resultOf<T, Held extends Holding>(held: Held, callback: LockCallback<T, Held>): Promise<Awaited<T>> {
  try {
    // It was called for later, and by now nobody is to act under a lock that is lost.
    if (held.loss !== undefined) throw asRejected(held.loss);
    return Promise.resolve(callback(held));
  } catch (error) {
    return Promise.reject(error);
  }
}

/** The callback's own error is what counts. */
function quietly(returned: Promise<void>): Promise<void> {
  return returned.catch(() => {});
}

function sayAfter<Word>(
  returned: Promise<void>,
  say: (word: Word) => void,
  word: Word,
  reject: (error: unknown) => void,
): void {
  returned.then(() => say(word), reject);
}

function asRejected(loss: ViewstampError): unknown {
  return loss.data["reason"] === "stolen" ? stolenError(`${loss.data["name"]}`) : loss;
}
