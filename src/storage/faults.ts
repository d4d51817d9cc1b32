/**
 * What can be wrong with data, apart from what can be wrong with a disk.
 * @module
 */
import { ViewstampError } from "../protocol/errors.ts";

/** Bytes that were durable are not what was written: the data is set aside, whole. */
export class Damage extends Error {
  override readonly name: string = "Damage";
}

/** A part of a file that the disk cannot give back, however often it is asked. */
export class Unreadable extends Damage {}

/** A whole head, but of a file of another kind. */
export class OtherKind extends Damage {
  readonly kind: string;

  constructor(name: string, kind: string) {
    super(`${name} is a ${kind}`);
    this.kind = kind;
  }
}

/** Data that a later version of this library wrote: it is left alone. */
export class Newer extends Error {
  override readonly name: string = "Newer";
}

/** Every error a storage ends with, as its user meets it. */
export function asStorageError(error: unknown, place: string): ViewstampError {
  if (error instanceof ViewstampError) return error;
  const what = error instanceof Error ? error.message : String(error);
  if (error instanceof Newer) {
    return new ViewstampError("StorageFailed", `the data in ${place} was written by a newer version: ${what}`);
  }
  return new ViewstampError("StorageFailed", `the disk of ${place} failed: ${what}`, { cause: error });
}
