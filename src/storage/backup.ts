/**
 * A backup: one file with a whole state, in blocks like those of the log, so that damage is recognised. Each block is a
 * chunk; the last one says what the backup is of, and that it is complete.
 * @module
 */
import * as v from "valibot";
import type { MachineVersion } from "../protocol/machine.ts";
import type { Done } from "../protocol/storage.ts";
import { decodeValue, encodeValue } from "../protocol/values.ts";
import type { ClusterId, Viewstamp } from "../protocol/view.ts";
import { clusterId, count, parse, type Schema, versions, viewstamp } from "../protocol/wire-schemas.ts";
import { blockOf, type FileId, fileIdOf, HEAD_BYTES, headOf } from "./blocks.ts";
import type { Disk, DiskFile, DiskReader, Got } from "./disk.ts";
import { Damage } from "./faults.ts";
import { temporaryName } from "./names.ts";
import { type Block, readBlock, readFileId, scanWhole } from "./scan.ts";
import { errorOf, inTurn, type Step, then } from "./steps.ts";

/** What a backup is of. */
export interface BackupInfo {
  readonly clusterId: ClusterId;
  /** The last entry that the state has executed. */
  readonly at: Viewstamp;
  /** When the copy began, in milliseconds since 1970. */
  readonly savedAt: number;
  /** The machines whose state it is. */
  readonly machines: readonly MachineVersion[];
}

const infoSchema: Schema<BackupInfo> = v.strictObject({ clusterId, at: viewstamp, savedAt: count, machines: versions });
const endSchema = v.strictObject({ info: infoSchema, chunks: count });

/** Written under a temporary name; `finish` makes it durable and gives it its own. */
export class BackupWriter {
  readonly #disk: Disk;
  readonly #name: string;
  readonly #temporary: string;
  readonly #id: FileId;
  #file: DiskFile | undefined;
  /** The temporary file is there. */
  #isMade = false;
  #bytes = 0;
  #chunks = 0;

  constructor(disk: Disk, name: string, randomId: string) {
    this.#disk = disk;
    this.#name = name;
    this.#temporary = temporaryName(`${name}-${randomId}`);
    this.#id = fileIdOf(randomId);
  }

  begin(done: Done): void {
    this.#disk.create(
      this.#temporary,
      then(done, (file) => {
        this.#file = file;
        this.#isMade = true;
        this.#append(headOf("backup", this.#id), done);
      }),
    );
  }

  chunk(chunk: Uint8Array, done: Done): void {
    this.#chunks++;
    this.#append(blockOf(chunk, this.#id, this.#bytes, 0), done);
  }

  finish(info: BackupInfo, done: Done): void {
    const end = encodeValue({ info, chunks: this.#chunks });
    const file = this.#file!;
    inTurn(
      [
        (next) => this.#append(blockOf(end, this.#id, this.#bytes, 0), next),
        (next) => file.sync(next),
        (next) => this.#close(next),
        (next) => this.#disk.rename(this.#temporary, this.#name, next),
        (next) => {
          this.#isMade = false;
          this.#disk.syncDirectory(next);
        },
      ],
      done,
    );
  }

  /** What has been written is removed, wherever it failed. */
  abandon(done: Done): void {
    const steps: Step[] = [
      // An error here is of no interest: there is one already.
      (next) => this.#close(() => next(undefined)),
      (next) => (this.#isMade ? this.#disk.remove(this.#temporary, next) : next(undefined)),
    ];
    inTurn(steps, done);
  }

  #close(next: Done): void {
    const file = this.#file;
    this.#file = undefined;
    if (file === undefined) next(undefined);
    else file.close(next);
  }

  #append(bytes: Uint8Array, done: Done): void {
    this.#bytes += bytes.length;
    this.#file!.append(bytes, done);
  }
}

/** A whole backup, and where its chunks begin. */
export interface Backup {
  readonly info: BackupInfo;
  readonly name: string;
  readonly id: FileId;
  readonly offsets: readonly number[];
  readonly bytes: number;
}

/** Reads all of it once. An error is `Damage` if it is not whole. */
export function readBackup(disk: DiskReader, name: string, bytes: number, done: Got<Backup>): void {
  const failed: Done = (error) => done(error, undefined);
  let last = new Uint8Array(0);
  const offsets: number[] = [];
  const see = ({ content, offset }: Block): void => {
    offsets.push(offset);
    last = content.slice();
  };
  readFileId(
    disk,
    name,
    "backup",
    then(failed, (id) =>
      scanWhole(disk, { name, id, from: HEAD_BYTES, limit: bytes }, see, (error) => {
        if (error !== undefined) return failed(error);
        let info: BackupInfo | undefined;
        const fault = errorOf(() => {
          const end = parse(endSchema, decodeValue(last), "backup");
          if (end.chunks === offsets.length - 1) info = end.info;
        });
        if (fault !== undefined || info === undefined) return failed(new Damage(`${name} is not complete`));
        done(undefined, { info, name, id, offsets: offsets.slice(0, -1), bytes });
      }),
    ),
  );
}

export function readBackupChunk(disk: DiskReader, backup: Backup, index: number, done: Got<Uint8Array>): void {
  const { name, id, offsets, bytes } = backup;
  readBlock(disk, { name, id, from: offsets[index]!, limit: bytes }, (error, block) => {
    const fault = error ?? (block === undefined ? new Damage(`chunk ${index} of ${name} is damaged`) : undefined);
    done(fault, block?.content);
  });
}
