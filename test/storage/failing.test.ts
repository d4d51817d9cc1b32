// Whatever operation of the disk fails, every call is answered, and no file and no lock stays held.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Done } from "../../src/protocol/storage.ts";
import { CrashDisk } from "./crash-disk.ts";
import { filesOf, life, storageOn } from "./life.ts";
import { chunkOf } from "./model.ts";

type Files = ReadonlyMap<string, Uint8Array>;

/** Enough for everything that a disk in memory does meanwhile. */
const WHILE_TURNS = 200;

/** Calls, and how many of them were answered. */
class Calls {
  #asked = 0;
  #answered = 0;

  get unanswered(): number {
    return this.#asked - this.#answered;
  }

  /** Resolves when it is answered, or never will be. */
  async ask(call: (done: Done) => void, mustWait: boolean): Promise<Error | undefined> {
    this.#asked++;
    let isAnswered = false;
    let result: Error | undefined;
    call((error) => {
      this.#answered++;
      isAnswered = true;
      result = error;
    });
    for (let turn = 0; mustWait && !isAnswered && turn < WHILE_TURNS; turn++) await Promise.resolve();
    return result;
  }
}

interface Course {
  readonly files: Files;
  readonly end: "close" | "setAside";
  /** Each write waits for the one before it. */
  readonly isPatient: boolean;
}

/** Gives which operation failed, if any, and what stayed behind. */
async function failAt(index: number, { files, end, isPatient }: Course): Promise<{ failed: string; left: string }> {
  const disk = new CrashDisk(new Map([...files].map(([name, bytes]) => [name, bytes.slice()])));
  const storage = storageOn(disk, 400);
  let count = 0;
  let failed = "";
  disk.fails = (operation) => {
    if (operation === "close" || operation === "unlock" || count++ !== index) return false;
    failed = operation;
    return true;
  };
  const calls = new Calls();
  const fault = await calls.ask((done) => storage.open(done), true);
  for (const what of fault === undefined && files.size === 0 ? life : []) {
    if (what.kind !== "saved") {
      await calls.ask((done) => storage.write([what], done), isPatient);
      continue;
    }
    const writer = storage.writeSnapshot(what.at);
    for (let chunk = 0; chunk < what.chunks; chunk++)
      await calls.ask((done) => writer.write(chunkOf(what.at, chunk), done), true);
    await calls.ask((done) => writer.commit(done), isPatient);
  }
  if (fault === undefined)
    await calls.ask((done) => (end === "close" ? storage.close(done) : storage.setAside("why", "c", done)), true);
  const { unanswered } = calls;
  const isClean = unanswered === 0 && disk.handles === 0 && !disk.isLocked;
  const what = `${unanswered} calls unanswered, ${disk.handles} files open, ${disk.isLocked ? "locked" : "unlocked"}`;
  return { failed, left: isClean ? "" : `${failed} (${index}): ${what}` };
}

async function failEverywhere(course: Course): Promise<number> {
  for (let index = 0; ; index++) {
    const { failed, left } = await failAt(index, course);
    assert.is(left, "");
    if (failed === "") return index;
  }
}

/** The last segment as a crash in the middle of a write leaves it, and the one before it without its end. */
function torn(files: Files): Files {
  const names = [...files.keys()].filter((name) => name.startsWith("log-")).sort();
  const [before, last] = [names.at(-2)!, names.at(-1)!];
  return new Map(files)
    .set(before, files.get(before)!.slice(0, -34))
    .set(last, Uint8Array.from([...files.get(last)!, ...new Uint8Array(50).fill(7)]))
    .set("snapshot-00000099", new Uint8Array(9))
    .set("log-00000099.tmp", new Uint8Array(9));
}

function damaged(files: Files): Files {
  const [first] = [...files.keys()].filter((name) => name.startsWith("log-")).sort();
  const bytes = files.get(first!)!.slice();
  bytes[30]! ^= 1;
  return new Map(files).set(first!, bytes);
}

const test = suite("a disk that fails once");

for (const end of ["close", "setAside"] as const) {
  for (const isPatient of [true, false]) {
    test(`leaves nothing behind in a life that ends with ${end}, ${isPatient ? "one call" : "all calls"} at a time`, async () => {
      assert.ok((await failEverywhere({ files: new Map(), end, isPatient })) > 50);
    });
  }
}

test("leaves nothing behind in an opening", async () => {
  const files = await filesOf(life.slice(0, 15), 400);
  for (const found of [files, torn(files), damaged(files)]) {
    assert.ok((await failEverywhere({ files: found, end: "close", isPatient: true })) > 8);
  }
});

test("leaves nothing behind when the lock is lost during an opening", async () => {
  class LosingDisk extends CrashDisk {
    override lock(done: Done, lost: (error: Error) => void = () => {}): void {
      super.lock((error) => {
        done(error);
        lost(new Error("another has it"));
      });
    }
  }
  const disk = new LosingDisk();
  const fault = await new Calls().ask((done) => storageOn(disk).open(done), true);
  assert.match(fault?.message ?? "", /another has it/);
  assert.equal([disk.handles, disk.isLocked], [0, false]);
});

test.run();
