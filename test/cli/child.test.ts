// The command of `lock` and `elect`: it ends with the lock, and whatever it has started with it.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { runChild } from "../../src/entry/cli/child.ts";
import { within } from "../harness/within.ts";

const folder = mkdtempSync(join(tmpdir(), "viewstamp-child-"));

const sleep = (ms: number): Promise<void> => new Promise((resume) => setTimeout(resume, ms));

async function written(file: string): Promise<string> {
  while (!existsSync(file) || readFileSync(file, "utf8").trim() === "") await sleep(5);
  return readFileSync(file, "utf8").trim();
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A zombie is no process that does anything, nor is one that is being taken away.
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

async function run(name: string, script: string, graceMs: number): Promise<{ code: number; pid: number }> {
  const file = join(folder, name);
  const lost = new AbortController();
  const env = { FILE: file };
  const ended = runChild(["sh", "-c", script], { env, signal: lost.signal, graceMs });
  const pid = Number(await within(10_000, "the command runs", written(file)));
  lost.abort();
  const { code } = await within(10_000, "the command ends", ended);
  return { code, pid };
}

test("a command that does not heed SIGTERM is killed after the grace", async () => {
  const { code, pid } = await run("deaf", `trap "" TERM; echo $$ > "$FILE"; while :; do sleep 0.1; done`, 100);
  assert.is(code, 128 + 9);
  assert.not(isAlive(pid));
});

// Where a person sits at a terminal it is the terminal that has the group.
const group = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY ? test.skip : test;

group("what the command has started ends with it, heeding or not", async () => {
  for (const [name, deaf] of [
    ["heeding", ""],
    ["deaf", `trap "" TERM;`],
  ]) {
    const { pid } = await run(`tree ${name}`, `sh -c '${deaf} echo $$ > "$FILE"; exec sleep 60'; echo never`, 300);
    const wasAlive = isAlive(pid);
    if (wasAlive) process.kill(pid, "SIGKILL");
    assert.not(wasAlive, name);
  }
});

test("a signal is passed on as often as it comes", async () => {
  const file = join(folder, "counted");
  const script = `n=0; trap 'n=$((n+1)); echo $n > "$FILE"' HUP; echo ready > "$FILE"; while [ $n -lt 3 ]; do sleep 0.05; done; exit 7`;
  const ended = runChild(["sh", "-c", script], {
    env: { FILE: file },
    signal: new AbortController().signal,
    graceMs: 1,
  });
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  assert.is(await within(10_000, "the command runs", written(file)), "ready");
  for (let n = 1; n <= 3; n++) {
    process.kill(process.pid, "SIGHUP");
    while (!isOver && readFileSync(file, "utf8").trim() !== String(n)) await sleep(5);
  }
  assert.is((await within(10_000, "the command ends", ended)).code, 7);
});

/** What the command gets of a SIGINT to us, ended by a SIGTERM; `terminal`: the one of our streams that is one. */
async function interrupted(file: string, terminal: "stdout" | "stdin" | undefined): Promise<string> {
  const streams = [process.stdin, process.stdout, process.stderr];
  const before = streams.map((stream) => Object.getOwnPropertyDescriptor(stream, "isTTY"));
  for (const stream of streams) {
    const value = terminal !== undefined && stream === process[terminal];
    Object.defineProperty(stream, "isTTY", { value, configurable: true, writable: true });
  }
  try {
    const script = `trap 'echo INT >> "$FILE"' INT; trap 'exit 0' TERM; echo ready > "$FILE"; while :; do sleep 0.05; done`;
    const never = new AbortController().signal;
    const ended = runChild(["sh", "-c", script], { env: { FILE: file }, signal: never, graceMs: 1 });
    await within(10_000, "the command runs", written(file));
    for (const name of ["SIGINT", "SIGTERM"] as const) process.emit(name);
    await within(10_000, "the command ends", ended);
  } finally {
    for (const [n, stream] of streams.entries()) {
      if (before[n] === undefined) Reflect.deleteProperty(stream, "isTTY");
      else Object.defineProperty(stream, "isTTY", before[n]);
    }
  }
  return await written(file);
}

test("a command in the terminal's group gets one Ctrl-C, not a second one from us", async () => {
  assert.is(await interrupted(join(folder, "out"), "stdout"), "ready");
  assert.is(await interrupted(join(folder, "in"), "stdin"), "ready");
  assert.is(await interrupted(join(folder, "apart"), undefined), "ready\nINT");
});

test.after(() => rmSync(folder, { recursive: true, force: true }));

test.run();
