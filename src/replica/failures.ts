/**
 * Errors that end a replica, as the one class that users meet.
 * @module
 */
import { ViewstampError } from "../protocol/errors.ts";

/** A storage's error; its own typed ones (`DataInUse`) stay what they are. */
export function storageFailure(error: unknown): ViewstampError {
  if (error instanceof ViewstampError) return error;
  return new ViewstampError("StorageFailed", `reading or writing the data failed: ${textOf(error)}`, { cause: error });
}

/** Whatever the core or the hands threw. */
export function brokenInvariant(error: unknown): ViewstampError {
  if (error instanceof ViewstampError) return error;
  return new ViewstampError("Internal", `a bug in this replica: ${textOf(error)}`, { cause: error });
}

/** Whatever listening failed with. */
export function listenFailure(error: unknown): ViewstampError {
  if (error instanceof ViewstampError) return error;
  return new ViewstampError("InvalidOptions", `cannot listen: ${textOf(error)}`, { cause: error });
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
