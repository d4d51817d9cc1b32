/**
 * What is wrong where a directory cannot be used, in words that say what to do.
 * @module
 */
import { ViewstampError } from "../protocol/errors.ts";

const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full: make room on it",
  EDQUOT: "its owner's share of the disk is used up: make room, or raise the quota",
  EMFILE: "this process has too many files open: raise its limit (ulimit -n)",
  ENFILE: "the system has too many files open",
  EROFS: "the file system is mounted read-only",
  EEXIST: "it is a file: name a directory",
  ENOTDIR: "a part of this path is a file: name a directory",
};

export function unusable(directory: string, cause: unknown): ViewstampError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const advice = ADVICE[codeIn(cause)] ?? "name a directory that this process may create and write";
  return new ViewstampError("StorageFailed", `${directory} cannot be used for data (${why}): ${advice}`, { cause });
}

export function codeIn(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** Who may not even look into a directory has made nothing in it. */
export function isForbidden(error: Error): boolean {
  return ["EACCES", "EPERM"].includes(codeIn(error));
}
