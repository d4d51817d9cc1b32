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

/** Why the core has stopped the replica, with what its operator can do about it. */
export function haltReason(error: ViewstampError): ViewstampError {
  if (error.code !== "Diverged") return error;
  return new ViewstampError(error.code, `${error.message}. ${AFTER_DIVERGENCE}`, { cause: error, data: error.data });
}

const AFTER_DIVERGENCE =
  "Or it does not run the program that its primary runs, or only one of them could migrate: then give all the right one. This " +
  "replica's data stays different: start it with an empty data directory (keep the old one), and the others catch it up";

/** Whatever listening failed with. */
export function listenFailure(error: unknown): ViewstampError {
  if (error instanceof ViewstampError) return error;
  return new ViewstampError("InvalidOptions", `cannot listen: ${textOf(error)}`, { cause: error });
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
