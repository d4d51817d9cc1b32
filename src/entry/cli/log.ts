/**
 * `viewstamp log verify DIR` and `viewstamp log dump DIR`: what is in a data directory, without a node and without
 * touching anything.
 * @module
 */
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { asStorageError } from "../../storage/faults.ts";
import { fileDisk } from "../../storage/file-disk.ts";
import { holderOf } from "../../storage/file-lock.ts";
import { type PieceVisitor, type Verification, verify } from "../../storage/verification.ts";
import type { Arguments } from "./arguments.ts";
import type { Command } from "./command.ts";
import { exitCode, UsageError } from "./exit-codes.ts";
import { JsonList } from "./json-list.ts";
import { dumpLines, dumpObjects } from "./log-dump.ts";
import { blockLine, blockObject, verificationLines } from "./log-report.ts";
import { got } from "./promised.ts";
import type { Terminal } from "./terminal.ts";

export const log: Command = {
  name: "log",
  summary: "Say what is sound, torn or damaged in a data directory, or print its records; changes nothing",
  positionals: ["verify|dump", "DIR"],
  options: {
    blocks: { type: "boolean", help: "verify: a line for each block" },
    json: {
      type: "boolean",
      help: "verify: one JSON object (with --blocks over many lines); dump: one for each record, bodies in base64",
    },
  },
  details: [
    "verify says what a start of the node would find, and it decides with the same code:",
    "  sound    everything is as it was written                                        exit code 0",
    "  torn     the last write was never acknowledged: it would be cut                 exit code 0",
    "  damaged  durable bytes have changed or are missing: all would be set aside,",
    "           and the others would have to catch the node up                         exit code 6",
    "  aside    data was set aside here, and the node has not been caught up since     exit code 6",
    "  empty    there is no data                                                       exit code 5",
    "dump prints what can be read, also around damage; its exit codes are the same.",
    "Both only read, and take no lock. Stop the node first: its files change while it runs.",
  ],
  run,
};

async function run(args: Arguments, terminal: Terminal): Promise<number> {
  const [action, directory = ""] = args.positionals;
  if (action !== "verify" && action !== "dump") throw new UsageError(`log ${action}: there are verify and dump`);
  if (action === "dump" && args.has("blocks")) throw new UsageError("--blocks goes with verify");
  const place = await existingDirectory(directory);
  const holder = await got<string | undefined>((held) => holderOf(place, held));
  if (holder !== undefined) {
    const { yellow } = terminal.messageStyle;
    terminal.message(yellow(`viewstamp: ${holder} runs on ${place}: its files change while they are read`));
  }
  const looks = holder === undefined ? 1 : LOOKS;
  const shown = action === "dump" ? await dump(place, args, terminal) : await report(place, looks, args, terminal);
  return codeOf(shown);
}

/** Where a node runs, files come and go while they are read: what looks wrong once may have been just that. */
const LOOKS = 5;

async function report(place: string, looks: number, args: Arguments, terminal: Terminal): Promise<Verification> {
  if (args.has("blocks") && args.has("json")) return await reportBlocks(place, terminal);
  const visit: PieceVisitor = (file, piece) => {
    if (args.has("blocks")) terminal.data(blockLine(file, piece));
  };
  const verification = await lookedAt(args.has("blocks") ? 1 : looks, () => verified(place, visit));
  if (args.has("json")) terminal.data(JSON.stringify({ directory: place, ...verification }));
  else for (const line of verificationLines(place, verification, terminal.dataStyle)) terminal.data(line);
  return verification;
}

async function reportBlocks(place: string, terminal: Terminal): Promise<Verification> {
  const blocks = new JsonList(terminal, { directory: place }, "blocks");
  try {
    const verification = await verified(place, (file, piece) => blocks.add(blockObject(file, piece)));
    blocks.end(verification);
    return verification;
  } catch (error) {
    blocks.fail(error);
    throw error;
  }
}

async function dump(place: string, args: Arguments, terminal: Terminal): Promise<Verification> {
  const isJson = args.has("json");
  const verification = await verified(place, (file, piece) => {
    if (isJson) for (const one of dumpObjects(file, piece)) terminal.data(JSON.stringify(one));
    else for (const line of dumpLines(file, piece)) terminal.data(line);
  });
  const { verdict, reason } = verification;
  if (verdict !== "sound") terminal.message(`viewstamp: ${verdict}: ${reason}`);
  return verification;
}

/** Looks again, at most so often in all, while the disk fails or something is damaged. */
async function lookedAt(looks: number, look: () => Promise<Verification>): Promise<Verification> {
  for (let left = looks; left > 1; left--) {
    const found = await look().catch(() => undefined);
    if (found !== undefined && found.verdict !== "damaged") return found;
  }
  return await look();
}

export function verified(directory: string, visit: PieceVisitor): Promise<Verification> {
  return new Promise((found, failed) => {
    verify(fileDisk(directory), visit, (error, verification) => {
      if (verification === undefined) failed(asStorageError(error, directory));
      else found(verification);
    });
  });
}

/** The whole path. @throws {UsageError} */
export async function existingDirectory(directory: string): Promise<string> {
  const found = await stat(directory).catch(() => undefined);
  if (found === undefined) throw new UsageError(`there is no directory ${directory}`);
  if (!found.isDirectory()) throw new UsageError(`${directory} is no directory`);
  return resolve(directory);
}

function codeOf({ verdict }: Verification): number {
  if (verdict === "empty") return exitCode.notFound;
  return verdict === "damaged" || verdict === "aside" ? exitCode.damaged : exitCode.ok;
}
