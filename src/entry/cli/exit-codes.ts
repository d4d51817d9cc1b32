/**
 * What the program's exit codes mean. They are documented in `--help` and never change their meaning.
 * @module
 */
import { type ErrorCode, ViewstampError } from "../../protocol/errors.ts";

export const exitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  lockLost: 4,
  notFound: 5,
  damaged: 6,
  wrongVersion: 7,
  notAvailable: 8,
  notExecutable: 126,
  commandNotFound: 127,
} as const;

/** One line for each code, for `--help`. */
export const exitCodeTable: readonly (readonly [code: string, meaning: string])[] = [
  ["0", "done"],
  ["1", "failed; the message says why"],
  ["2", "wrong usage: unknown command or option, impossible value"],
  ["3", "the cluster cannot be reached or cannot serve, or a time limit passed"],
  ["4", "lock: the lock was lost while the command ran"],
  ["5", "get: there is no such key; steal: nobody holds the lock; log: there is no data in the directory"],
  ["6", "log, snapshot, recover: the data is damaged, or was set aside"],
  ["7", "the data or the cluster needs another version of the machines; the message says which"],
  ["8", "lock --if-available: the lock is held, or others wait for it"],
  ["126", "lock, elect: the command cannot be executed"],
  ["127", "lock, elect: the command was not found"],
  ["128+N", "signal N ended the program, or the command of lock or elect"],
];

/** A mistake on the command line. */
export class UsageError extends Error {
  override readonly name: string = "UsageError";
}

const codes: Partial<Record<ErrorCode, number>> = {
  InvalidOptions: exitCode.usage,
  InvalidInput: exitCode.usage,
  WrongMachine: exitCode.wrongVersion,
  Timeout: exitCode.unreachable,
  NoQuorum: exitCode.unreachable,
  Busy: exitCode.unreachable,
  Overloaded: exitCode.unreachable,
  SessionExpired: exitCode.lockLost,
  LockLost: exitCode.lockLost,
};

export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return exitCode.usage;
  return error instanceof ViewstampError ? (codes[error.code] ?? exitCode.failed) : exitCode.failed;
}
