/**
 * Calls of `node:fs` that a disk of files is made of, each as whole as it should be.
 * @module
 */
import * as fs from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import type { Done } from "../protocol/storage.ts";
import type { Got } from "./disk.ts";
import { isGone } from "./file-lease.ts";
import { patiently } from "./scarcity.ts";

/** To open a pipe must not wait for whoever writes it: it is no file of data, and that is seen at once. */
export const READ: number = fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0);

export function openFile(path: string, flags: number | "r+" | "wx", done: Got<number>): void {
  patiently(
    (opened) =>
      fs.open(path, flags, (error, descriptor) => opened(error ?? undefined, error === null ? descriptor : undefined)),
    done,
  );
}

/** Of a link that leads nowhere it is 0: it is there, and cannot be read. `undefined` if there is nothing. */
export function sizeOf(path: string, done: Got<number>): void {
  fs.stat(path, (error, stats) => {
    if (error === null) return done(undefined, stats.size);
    if (!isGone(error)) return done(error, undefined);
    fs.lstat(path, (fault) => {
      if (fault === null) done(undefined, 0);
      else done(isGone(fault) ? undefined : fault, undefined);
    });
  });
}

/** A read may give less than was asked for before the end. */
export function readFully(
  descriptor: number,
  target: Uint8Array,
  had: number,
  offset: number,
  done: Got<Uint8Array>,
): void {
  if (had === target.length) return done(undefined, target);
  fs.read(descriptor, target, had, target.length - had, offset + had, (error, count) => {
    if (error !== null) done(error, undefined);
    else if (count === 0) done(undefined, target.subarray(0, had));
    else readFully(descriptor, target, had + count, offset, done);
  });
}

export function syncDirectory(path: string, done: Done): void {
  // Windows has no such thing; a rename is in its journal.
  if (process.platform === "win32") return void setImmediate(() => done(undefined));
  openFile(path, READ, (error, descriptor) => {
    if (descriptor === undefined) return done(error);
    fs.fsync(descriptor, (fault) => {
      fs.close(descriptor, (failure) => done(fault ?? failure ?? undefined));
    });
  });
}

/** Makes new directories durable: from the parent of the innermost up to the one that was there before, or the root. */
export function syncUpwards(path: string, last: string | undefined, done: Done): void {
  syncDirectory(path, (error) => {
    if (error !== undefined || path === last || path === dirname(path)) done(error);
    else syncUpwards(dirname(path), last, done);
  });
}
