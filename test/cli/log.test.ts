// `viewstamp log` over data that a node left: read, never touched.
import fs, { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { commands } from "../../src/entry/cli/commands.ts";
import { runProgram } from "../../src/entry/cli/program.ts";
import { fileStorage } from "../../src/storage/file.ts";
import { close, open, perform } from "../storage/drive.ts";
import { life } from "../storage/life.ts";
import { viewNumbered } from "../storage/model.ts";
import { recordingTerminal } from "./recording-terminal.ts";

const folder = mkdtempSync(join(tmpdir(), "viewstamp-log-"));
/** Only Node lets its `node:fs` be replaced. */
const isNode = !("bun" in process.versions) && !("deno" in process.versions);
let made = 0;

interface Ended {
  readonly code: number;
  readonly data: readonly string[];
  readonly err: string;
}

async function viewstamp(...args: string[]): Promise<Ended> {
  const { terminal, data, messages } = recordingTerminal();
  const code = await runProgram(args, commands, terminal);
  return { code, data, err: messages.join("\n") };
}

function newDirectory(): string {
  const directory = join(folder, `data-${++made}`);
  mkdirSync(directory);
  return directory;
}

async function lived(): Promise<string> {
  const directory = newDirectory();
  const storage = fileStorage(directory);
  await open(storage);
  await perform(storage, life);
  await close(storage);
  return directory;
}

/** Names, bytes and times of change. */
function lookOf(directory: string): unknown {
  return readdirSync(directory).map((name) => {
    const path = join(directory, name);
    return [name, readFileSync(path).toString("hex"), statSync(path).mtimeMs];
  });
}

function change(directory: string, name: string, edit: (bytes: Buffer) => Buffer): void {
  const path = join(directory, name);
  writeFileSync(path, edit(readFileSync(path)));
}

const log = suite("viewstamp log");

log("verify says what is sound, torn, damaged or empty, with an exit code, and touches nothing", async () => {
  const directory = await lived();
  const before = lookOf(directory);
  const sound = await viewstamp("log", "verify", directory);
  assert.is(sound.code, 0, sound.err);
  assert.match(sound.data.join("\n"), /log-00000001 +\d+ +sound +\d+ +\d+ +\d+/);
  assert.match(sound.data.at(-1)!, `${directory}: sound`);
  assert.match(
    sound.data.at(-2)!,
    "cluster c1, incarnation 0123456789abcdef, view 5, log 51 to 5.59, snapshot at 4.50",
  );
  assert.equal(lookOf(directory), before);

  change(directory, "log-00000001", (bytes) => Buffer.concat([bytes, Buffer.alloc(70)]));
  const torn = await viewstamp("log", "verify", directory);
  assert.is(torn.code, 0);
  assert.match(
    torn.data.at(-1)!,
    /sound, with a torn end: log-00000001 would be cut at byte \d+, 70 bytes that were never/,
  );

  change(directory, "log-00000001", (bytes) => {
    bytes[500]! ^= 4;
    return bytes;
  });
  const rotten = lookOf(directory);
  const damaged = await viewstamp("log", "verify", directory);
  assert.is(damaged.code, 6);
  assert.match(damaged.data.join("\n"), /log-00000001: bytes \d+ to \d+ damaged/);
  assert.match(damaged.data.join("\n"), `${directory}: damaged: log-00000001 is damaged at byte`);
  assert.match(damaged.data.at(-1)!, `viewstamp recover ${directory}`);
  assert.equal(lookOf(directory), rotten);

  const empty = newDirectory();
  assert.is((await viewstamp("log", "verify", empty)).code, 5);
  assert.is((await viewstamp("log", "dump", empty)).code, 5);
  assert.equal(readdirSync(empty), []);
});

log("verify gives the same as JSON, with blocks if asked", async () => {
  const directory = await lived();
  assert.is((await viewstamp("log", "verify", directory, "--json")).data.length, 1, "one line");
  const { code, data } = await viewstamp("log", "verify", directory, "--json", "--blocks");
  assert.is(code, 0);
  const said = JSON.parse(data.join("\n"));
  assert.equal([said.verdict, said.directory, said.summary.clusterId], ["sound", directory, "c1"]);
  assert.equal(said.blocks[0], { file: "log-00000001", offset: 20, bytes: said.blocks[0].bytes, type: "checkpoint" });
  assert.ok(said.blocks.some((block: { records?: string[] }) => block.records?.includes("append")));
  const lines = (await viewstamp("log", "verify", directory, "--blocks")).data;
  assert.match(lines[0]!, /^log-00000001 20 \+\d+ checkpoint$/);
});

log("verify prints blocks as it meets them, also as JSON: a log of any length takes little memory", async () => {
  const directory = await lived();
  const { data } = await viewstamp("log", "verify", directory, "--json", "--blocks");
  const { blocks } = JSON.parse(data.join("\n"));
  assert.ok(blocks.length > 10);
  assert.is(data.filter((line) => line.includes('"offset"')).length, blocks.length, "a line for each block");

  const empty = newDirectory();
  const nothing = await viewstamp("log", "verify", empty, "--json", "--blocks");
  assert.equal(JSON.parse(nothing.data.join("\n")), {
    ...{ directory: empty, blocks: [], verdict: "empty", reason: "there is no data", files: [] },
  });
});

(isNode ? log : log.skip)("verify ends its JSON also where the disk fails in the middle", async () => {
  const directory = await lived();
  const { open: realOpen } = fs;
  const seen = recordingTerminal();
  let hasBlocks = false;
  const terminal = {
    ...seen.terminal,
    data: (line: string) => {
      seen.terminal.data(line);
      hasBlocks ||= line.includes('"offset"');
    },
  };
  const failing = (path: string, flags: string, done: (error: Error | null, descriptor: number) => void): void => {
    if (hasBlocks) setImmediate(() => done(Object.assign(new Error("EACCES: no more"), { code: "EACCES" }), -1));
    else realOpen(path, flags, done);
  };
  fs.open = failing as unknown as typeof realOpen;
  syncBuiltinESMExports();
  try {
    assert.is(await runProgram(["log", "verify", directory, "--blocks", "--json"], commands, terminal), 1);
  } finally {
    fs.open = realOpen;
    syncBuiltinESMExports();
  }
  const { blocks, error } = JSON.parse(seen.data.join("\n"));
  assert.ok(blocks.length > 0);
  assert.match(error, "EACCES: no more");
  assert.match(seen.messages.join(), "EACCES: no more");
});

log("verify of data set aside names the reason and the files, until the node is caught up", async () => {
  const directory = await lived();
  change(directory, "log-00000001", (bytes) => bytes.subarray(100));
  const storage = fileStorage(directory);
  await open(storage);
  await close(storage);
  const { code, data } = await viewstamp("log", "verify", directory);
  assert.is(code, 6);
  assert.match(data.join("\n"), /aside-\d+-log-00000001 +\d+ +set aside/);
  assert.match(data.join("\n"), "set aside: the head of log-00000001 is damaged");

  const caughtUp = fileStorage(directory);
  await open(caughtUp);
  await perform(caughtUp, life.slice(0, 4));
  const begun = await viewstamp("log", "verify", directory);
  assert.is(begun.code, 0, begun.data.join("\n"));
  assert.match(begun.data.join("\n"), /files set aside earlier .*: keep them/);
  await perform(caughtUp, [{ kind: "view", view: viewNumbered(2, "0123456789abcdef") }]);
  await close(caughtUp);
  const later = await viewstamp("log", "verify", directory);
  assert.is(later.code, 0);
  assert.match(later.data.join("\n"), /files set aside earlier .* may be deleted/);
});

log("dump prints every record, for people and as JSON, and goes on around damage", async () => {
  const directory = await lived();
  const { code, data } = await viewstamp("log", "dump", directory);
  assert.is(code, 0);
  const text = data.join("\n");
  for (const line of [
    /identity: incarnation 0123456789abcdef, cluster c1/,
    /view 1: members a, primary a, acceptors a/,
    /promised in instance 2: ballot 1\.b/,
    /accepted in instance 2: ballot 1\.b, view 2: members a/,
    /entries after 10 are dropped/,
    /promised to be level through 2\.24 in view 2/,
    /the log begins after 4\.50/,
    /snapshot \d+ at 4\.50: 2 chunks/,
    /entry 5\.59: command of session 1\.1 number 59, time 59, 70 bytes/,
    /snapshot-\d+ 20 chunk of \d+ bytes/,
  ])
    assert.match(text, line);
  const objects = (await viewstamp("log", "dump", directory, "--json")).data.map((line) => JSON.parse(line));
  const entry = objects.find(({ kind, seqno }) => kind === "entry" && seqno === 59);
  assert.equal([entry.vid, entry.what, Buffer.from(entry.body, "base64").length], [5, "command", 70]);

  change(directory, "log-00000001", (bytes) => {
    bytes[600]! ^= 1;
    return bytes;
  });
  const damaged = await viewstamp("log", "dump", directory);
  assert.is(damaged.code, 6);
  assert.match(damaged.data.join("\n"), /log-00000001 \d+ \d+ bytes that are no block/);
  assert.match(damaged.data.join("\n"), "entry 5.59", "what stands behind the damage");
  assert.match(damaged.err, "damaged: log-00000001 is damaged at byte");
});

log("warns of a node that runs there, and leaves its lock alone", async () => {
  const directory = await lived();
  const storage = fileStorage(directory);
  await open(storage);
  const lock = readdirSync(directory).find((name) => name.startsWith("lock-"))!;
  const { code, err } = await viewstamp("log", "verify", directory);
  assert.is(code, 0);
  assert.match(err, /process \d+ runs on .*its files change/);
  assert.ok(readdirSync(directory).includes(lock));
  await close(storage);
});

(isNode ? log : log.skip)("looks again where a node runs, whose files come and go meanwhile", async () => {
  const directory = await lived();
  const storage = fileStorage(directory);
  await open(storage);
  const { open: realOpen } = fs;
  let misses = 1;
  const missing = (path: string, flags: string, done: (error: Error | null, descriptor: number) => void): void => {
    if (misses-- > 0) setImmediate(() => done(Object.assign(new Error("ENOENT: gone"), { code: "ENOENT" }), -1));
    else realOpen(path, flags, done);
  };
  fs.open = missing as unknown as typeof realOpen;
  syncBuiltinESMExports();
  try {
    assert.is((await viewstamp("log", "verify", directory)).code, 0);
    await close(storage);
    misses = 1;
    assert.is((await viewstamp("log", "verify", directory)).code, 1, "once, where nothing runs");
  } finally {
    fs.open = realOpen;
    syncBuiltinESMExports();
  }
});

log("refuses what makes no sense", async () => {
  assert.is((await viewstamp("log", "repair", folder)).code, 2);
  assert.is((await viewstamp("log", "verify")).code, 2);
  assert.is((await viewstamp("log", "dump", folder, "--blocks")).code, 2);
  const missing = await viewstamp("log", "verify", join(folder, "nowhere"));
  assert.is(missing.code, 2);
  assert.match(missing.err, "there is no directory");
  const file = join(await lived(), "log-00000001");
  assert.match((await viewstamp("log", "verify", file)).err, `${file} is no directory`);
});

log.after(() => rmSync(folder, { recursive: true, force: true }));
log.run();
