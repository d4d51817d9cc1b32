// The program as a process, on the runtime that runs this test: one node, and everything a shell can do with it.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Child } from "../harness/child.ts";
import { freePorts } from "../harness/ports.ts";
import { PROCESS_START_MS, within } from "../harness/within.ts";
import { getRuntime, type Runtime, root } from "../runtimes.ts";

const file = join(root, "src/entry/cli.ts");
const folder = mkdtempSync(join(tmpdir(), "viewstamp-cli-"));
const children: Child[] = [];

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function thisRuntime(): Runtime {
  if (process.versions["bun"] !== undefined) return getRuntime("bun");
  return getRuntime(process.versions["deno"] !== undefined ? "deno" : "node");
}

/** Runs the program to its end. */
function run(...args: string[]): Promise<Ended> {
  const [program = "", ...before] = thisRuntime().command;
  const child = spawn(program, [...before, file, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1" },
  });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  const ended = new Promise<Ended>((resolve) => child.on("close", (code) => resolve({ code, out, err })));
  return within(PROCESS_START_MS, `viewstamp ${args.join(" ")} ends`, ended);
}

/** Starts a node of a cluster of its own, and waits until it takes requests. */
async function serve(...args: string[]): Promise<[url: string, node: Child]> {
  const [port] = await freePorts(1);
  const url = `ws://127.0.0.1:${port}`;
  const all = ["serve", "--id", "a", "--cluster", `a=${url}`, "--json", "--with-parent", ...args];
  const node = new Child("a", thisRuntime(), file, all);
  children.push(node);
  const active = node.waitFor(({ event }) => event === "active");
  await within(PROCESS_START_MS, "a takes requests", active).catch((error: Error) => {
    throw new Error(`${error.message}\n${node.complaints}`);
  });
  return [url, node];
}

function saysOnly(ended: Ended, code: number, text: RegExp): void {
  assert.is(ended.code, code, ended.err);
  assert.is(ended.out, "");
  assert.match(ended.err, text);
  assert.not.match(ended.err, /\n\s+at /, "no stack");
}

const program = suite("viewstamp");

program("refuses impossible options before it touches anything", async () => {
  saysOnly(await run("serve", "--id", "a"), 2, /--cluster is missing/);
  saysOnly(await run("serve", "--id", "b", "--cluster", "a=ws://127.0.0.1:7001", "--memory"), 2, /no node "b"/);
  const cluster = ["--cluster", "a=ws://127.0.0.1:7001"];
  saysOnly(await run("serve", "--id", "a", ...cluster), 2, /either --data DIR or --memory/);
  saysOnly(await run("serve", "--id", "a", ...cluster, "--memory", "--suspect-ms", "50"), 2, /suspectMs/);
});

program("says what is wrong with the outside world", async () => {
  const [url] = await serve("--memory");
  saysOnly(await run("serve", "--id", "a", "--cluster", `a=${url}`, "--memory"), 1, /in use|taken/);
  const noFolder = join(folder, "file");
  writeFileSync(noFolder, "");
  const [port] = await freePorts(1);
  const other = `a=ws://127.0.0.1:${port}`;
  saysOnly(await run("serve", "--id", "a", "--cluster", other, "--data", join(noFolder, "x")), 1, /file/);
  const nobody = `ws://127.0.0.1:${port}`;
  assert.is((await run("status", "--cluster", nobody)).code, 3);
  saysOnly(await run("put", "k", "v", "--cluster", nobody, "--timeout-ms", "300"), 3, /./);
});

program("keeps one node to a data directory", async () => {
  const data = join(folder, "data");
  await serve("--data", data);
  const [port] = await freePorts(1);
  const second = ["serve", "--id", "a", "--cluster", `a=ws://127.0.0.1:${port}`, "--data", data];
  saysOnly(await run(...second), 1, /in use|running|belongs/);
});

program("puts, gets, shows its status, and stops in good order", async () => {
  const [url, node] = await serve("--data", join(folder, "good"));
  const cluster = ["--cluster", url];
  const put = await run("put", "color", "green", ...cluster);
  assert.is(put.code, 0, put.err);
  assert.match(put.out, /^\d+\n$/);
  assert.equal(await run("get", "color", ...cluster), { code: 0, out: "green\n", err: "" });
  const asJson = JSON.parse((await run("get", "color", "--local", "--json", ...cluster)).out);
  assert.equal(asJson, { key: "color", value: "green", version: Number(put.out) });
  saysOnly(await run("get", "shape", ...cluster), 5, /no key "shape"/);
  const status = JSON.parse((await run("status", "--json", ...cluster)).out);
  assert.ok(status.serving);
  assert.equal(status.members, ["a"]);
  const { out } = await run("status", "--cluster", `a=${url}`);
  assert.match(out, /view \d+: members a, primary a, serving/);
  node.signal("SIGTERM");
  assert.is((await within(PROCESS_START_MS, "it stops", node.exited)).code, 0, node.complaints);
  assert.is(node.facts.at(-1)?.event, "stopped");
});

program("runs a command while it holds a lock, and gives its exit code", async () => {
  const [url] = await serve("--memory");
  const shell = (script: string) => run("lock", "door", "--cluster", url, "--", "sh", "-c", script);
  const first = await shell("echo $VIEWSTAMP_LOCK $VIEWSTAMP_TOKEN; exit 7");
  assert.is(first.code, 7, first.err);
  assert.match(first.out, /^door \d+\n$/);
  const second = await shell("echo $VIEWSTAMP_TOKEN; kill -TERM $$");
  assert.is(second.code, 128 + 15, second.err);
  assert.ok(BigInt(second.out.trim()) > BigInt(first.out.trim().split(" ")[1]!), "tokens rise");
  saysOnly(await run("lock", "door", "--cluster", url, "--", "no-such-command"), 127, /cannot run no-such-command/);
});

program("stops the command when the lock is lost", async () => {
  const [url, node] = await serve("--memory");
  const wait = ["--ttl-ms", "1000", "--", "sh", "-c", `echo '{"event":"held"}'; exec sleep 30`];
  const holder = new Child("holder", thisRuntime(), file, ["lock", "door", "--cluster", url, ...wait]);
  children.push(holder);
  await within(PROCESS_START_MS, "the lock is held", holder.waitFor(({ event }) => event === "held"));
  node.signal("SIGKILL");
  assert.is((await within(PROCESS_START_MS, "it gives up", holder.exited)).code, 4, holder.complaints);
});

program.after(async () => {
  for (const child of children) child.signal("SIGKILL");
  await Promise.all(children.map(({ exited }) => exited));
  rmSync(folder, { recursive: true, force: true });
});

program.run();
