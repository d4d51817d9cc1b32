/**
 * A storage in a directory of files.
 * @module
 */
import { ViewstampError } from "../protocol/errors.ts";
import type { Storage } from "../protocol/storage.ts";
import { fileDisk } from "./file-disk.ts";
import { logStorage } from "./log-storage.ts";

/**
 * Data in a directory: what was acknowledged survives crashes and power loss. Nothing is created before the replica
 * starts; then the directory is, if it is missing. One process per directory.
 *
 * Starting fails with `DataInUse` if a running process has the directory, also one of another container (that such a one is
 * dead takes three seconds to know), and with `StorageFailed` if it cannot be written or was written by a newer version.
 *
 * @param directory a path, relative to the working directory or absolute
 * @throws {ViewstampError} `InvalidOptions` for what is no path
 *
 * @example
 * ```ts
 * import { fileStorage } from "viewstamp/storage/file";
 *
 * const replica = await startReplica({ id: "a", cluster, machine: stock, storage: fileStorage("data/a"), transport });
 * ```
 */
export function fileStorage(directory: string): Storage {
  if (typeof directory !== "string" || directory === "" || directory.includes("\0"))
    throw new ViewstampError("InvalidOptions", "fileStorage takes the path of a directory", { data: { directory } });
  return logStorage({
    disk: fileDisk(directory),
    randomId: () => {
      const bytes = crypto.getRandomValues(new Uint8Array(8));
      return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    },
    defer: (callback) => setImmediate(callback),
  });
}
