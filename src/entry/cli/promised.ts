/**
 * Promises around the callbacks of the storage.
 * @module
 */
import type { Done } from "../../protocol/storage.ts";
import type { Got } from "../../storage/disk.ts";

/** Resolves when it is done. */
export function done(run: (done: Done) => void): Promise<void> {
  return new Promise((resolve, reject) => run((error) => (error === undefined ? resolve() : reject(error))));
}

/** Resolves with what is found. */
export function got<T>(run: (got: Got<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    run((error, value) => (error === undefined ? resolve(value as T) : reject(error)));
  });
}
