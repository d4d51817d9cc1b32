// `viewstamp snapshot restore` and `recover` in places and on files that people name by mistake, or by another name.
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { commands } from "../../src/entry/cli/commands.ts";
import { runProgram } from "../../src/entry/cli/program.ts";
import { crc32 } from "../../src/protocol/crc32.ts";
import type { ViewstampError } from "../../src/protocol/errors.ts";
import type { Done } from "../../src/protocol/storage.ts";
import { encodeValue } from "../../src/protocol/values.ts";
import { BackupWriter } from "../../src/storage/backup.ts";
import { fileStorage } from "../../src/storage/file.ts";
import { fileDisk } from "../../src/storage/file-disk.ts";
import { close, open, perform } from "../storage/drive.ts";
import { life } from "../storage/life.ts";
import { recordingTerminal } from "./recording-terminal.ts";

const folder = realpathSync(mkdtempSync(join(tmpdir(), "viewstamp-places-")));
const BACKUP = join(folder, "state.backup");
let made = 0;

function fresh(name: string): string {
  return join(folder, `${name}-${++made}`);
}

function step(run: (done: Done) => void): Promise<void> {
  return new Promise((resolve, reject) => run((error) => (error === undefined ? resolve() : reject(error))));
}

async function save(): Promise<void> {
  const writer = new BackupWriter(fileDisk(folder), "state.backup", "0123456789abcdef");
  await step((done) => writer.begin(done));
  // The first chunk of a state: its kind, its number, and where it is.
  const at = { vid: 2, seqno: 7 };
  const header = encodeValue({ at, time: 1, hash: 2, sessions: 0 });
  await step((done) => writer.chunk(Uint8Array.from([0, 0, 0, 0, 0, ...header]), done));
  const info = { clusterId: "c1", at, savedAt: 1, machines: [{ name: "kv", version: 1 }] };
  await step((done) => writer.finish(info, done));
}

async function lived(directory: string = fresh("data")): Promise<string> {
  const storage = fileStorage(directory);
  await open(storage);
  await perform(storage, life);
  await close(storage);
  return directory;
}

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function viewstamp(...args: string[]): Promise<Ended> {
  const { terminal, data, messages } = recordingTerminal();
  const code = await runProgram(args, commands, terminal);
  return { code, out: data.join("\n"), err: messages.join("\n") };
}

function restore(file: string, data: string): Promise<Ended> {
  return viewstamp("snapshot", "restore", file, "--cluster", "a=ws://a:1,b=ws://b:1", "--data", data);
}

/** As a later version would write it. */
function makeNewer(path: string): void {
  const bytes = readFileSync(path);
  bytes[7] = 99;
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(16, crc32(bytes, 0, 16));
  writeFileSync(path, bytes);
}

const places = suite("tools in wrong places");

places.before(save);

places("a snapshot is saved where there is a directory for it, and nobody is asked before that is known", async () => {
  const nowhere = join(folder, "nowhere");
  for (const [file, text] of [
    [join(nowhere, "state"), `there is no directory ${nowhere}`],
    [join(BACKUP, "state"), `${BACKUP} is no directory`],
    // What a variable of the shell gives that nobody has set; it would name the current directory.
    ["", "FILE is empty"],
  ] as const) {
    const { code, err } = await viewstamp("snapshot", "save", file, "--cluster", "ws://127.0.0.1:1");
    assert.is(code, 2);
    assert.match(err, text);
  }
});

places("a link to a directory is used as that directory, and stays", async () => {
  const [target, link] = [fresh("target"), fresh("link")];
  mkdirSync(target);
  symlinkSync(target, link);
  const { code, err } = await restore(BACKUP, `a=${link}`);
  assert.is(code, 0, err);
  assert.ok(lstatSync(link).isSymbolicLink());
  assert.equal(readdirSync(target).sort(), ["log-00000001", "snapshot-00000002"]);

  const forced = await viewstamp("recover", link, "--force", "--id", "a", "--url", "ws://a:1");
  assert.is(forced.code, 0, forced.err);
  assert.ok(lstatSync(link).isSymbolicLink(), "the new data is where the link leads");
  assert.match(forced.out, `the old data is in ${target}.before-recovery`);
  assert.ok(lstatSync(`${target}.before-recovery`).isDirectory());
});

places(
  "a link that leads nowhere, a file, and a directory in another one are refused, and nothing is made",
  async () => {
    const [dangling, file, outer] = [fresh("dangling"), fresh("file"), fresh("outer")];
    symlinkSync(fresh("nowhere"), dangling);
    writeFileSync(file, "x");
    const before = readdirSync(folder).sort();
    for (const [data, why] of [
      [`a=${dangling}`, "leads nowhere"],
      [`a=${file}`, "is no directory"],
      [`a=${outer},b=${join(outer, "b")}`, "is in the directory of a"],
      [`a=${join(outer, "a")},b=${outer}`, "is in the directory of b"],
    ] as const) {
      const { code, err } = await restore(BACKUP, data);
      assert.is(code, 2, err);
      assert.match(err, why);
      assert.equal(readdirSync(folder).sort(), before, data);
    }
  },
);

places("a file of a data directory is no damaged backup, it is none", async () => {
  const directory = await lived();
  for (const name of readdirSync(directory)) {
    const { code, err } = await restore(join(directory, name), `a=${fresh("new")}`);
    assert.is(code, 2, err);
    assert.match(err, /is a (log|snapshot) of a data directory, not a file of `viewstamp snapshot save`/);
  }
});

places("what a newer version wrote is named as that by every tool", async () => {
  const directory = await lived();
  for (const name of readdirSync(directory)) makeNewer(join(directory, name));
  const backup = fresh("backup");
  writeFileSync(backup, readFileSync(BACKUP));
  makeNewer(backup);
  const look = await viewstamp("recover", directory);
  assert.match(look.err, `the data in ${directory} was written by a newer version: format 99; this version reads`);
  const restored = await restore(backup, `a=${fresh("new")}`);
  assert.match(restored.err, `${backup} was written by a newer version: format 99; this version reads`);
});

places("recover that was interrupted between its two renames says where the old data is", async () => {
  const directory = fresh("interrupted");
  await lived(`${directory}.before-recovery`);
  const { code, err } = await viewstamp("recover", directory, "--force");
  assert.is(code, 2);
  assert.match(err, `rename ${directory}.before-recovery to ${directory}`);
  const storage = fileStorage(directory);
  const refusal = await new Promise<Error | undefined>((resolve) => storage.open((error) => resolve(error)));
  assert.is((refusal as ViewstampError).code, "StorageFailed", "nor does a node begin with nothing");
  assert.match(refusal?.message ?? "", `rename ${directory}.before-recovery to it`);
  assert.not(existsSync(directory));
});

places("recover says as JSON what it would do, as well as what it did", async () => {
  const look = await viewstamp("recover", await lived(), "--json");
  assert.is(look.code, 1);
  const found = JSON.parse(look.out);
  assert.equal(
    [found.of, found.vid, found.through, found.isMember, found.damage, found.wasAside, found.clusterId],
    ["c1", 5, { vid: 5, seqno: 59 }, false, null, false, undefined],
  );
  const directory = fresh("restored");
  await restore(BACKUP, `a=${directory}`);
  const forced = await viewstamp("recover", directory, "--json", "--force");
  const done = JSON.parse(forced.out);
  assert.equal([done.through, done.isMember], [{ vid: 2, seqno: 2 ** 32 + 7 }, true]);
  assert.equal([done.member.id, done.kept], ["a", `${directory}.before-recovery`]);
  assert.match(forced.err, "start this node, and the others with empty directories");
  assert.ok(existsSync(done.kept));
});

places.after(() => rmSync(folder, { recursive: true, force: true }));
places.run();
