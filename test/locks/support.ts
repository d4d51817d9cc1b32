/**
 * Small helpers of the lock tests.
 * @module
 */
import { test } from "uvu";
import type { LockClient } from "../../src/locks/client.ts";
import type { CacheOptions } from "../../src/locks/client-options.ts";
import type { LockSnapshot } from "../../src/locks/client-types.ts";
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

/** A signal, and how many listeners it has: Node warns of a leak beyond ten. */
export function counted(): { readonly controller: AbortController; readonly listeners: Set<unknown> } {
  const controller = new AbortController();
  const { signal } = controller;
  const listeners = new Set<unknown>();
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
  signal.addEventListener = (...given: Parameters<typeof add>) => {
    listeners.add(given[1]);
    add(...given);
  };
  signal.removeEventListener = (...given: Parameters<typeof remove>) => {
    listeners.delete(given[1]);
    remove(...given);
  };
  return { controller, listeners };
}

/** Who holds what, as somebody sees it who looks on. */
export async function held(world: World): Promise<string[]> {
  const { held } = await seen(world);
  return held.map(({ name, clientId }) => `${name} ${clientId}`);
}

export async function seen(world: World, locks: LockClient = world.client("", "9").locks): Promise<LockSnapshot> {
  return inTime(world, locks.query());
}

/** What a promise comes to, while time goes on. */
export async function inTime<T>(world: World, promise: Promise<T>): Promise<T> {
  const fate = watch(promise);
  for (let n = 0; n < 10_000 && !fate.isSettled; n++) await world.clock.advance(1);
  return promise;
}

/** Timers that are left when every kept lock has gone back. */
export async function timersLeft(world: World): Promise<number> {
  if (world.cache !== false) await world.clock.advance(15_000);
  return world.clock.timers;
}

/** Registers a test twice: caching changes speed, nothing else. */
export function eitherWay(name: string, body: (cache: CacheOptions | false) => void | Promise<void>): void {
  test(`${name} (cache off)`, () => body(false));
  test(`${name} (cache on)`, () => body({}));
}
