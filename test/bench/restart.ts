/**
 * How long a node with large data takes to start, and how much memory: `node --import tsx test/bench/restart.ts
 * [MiB of snapshot] [MiB of log] [runtime]`. The data is made first: kv values of 1000 bytes, half in the snapshot.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { builtInMachines } from "../../src/entry/cli/built-in.ts";
import { replicated } from "../../src/machine/replicated.ts";
import { encodeCall } from "../../src/protocol/calls.ts";
import type { Entry } from "../../src/protocol/entry.ts";
import { makeEntry } from "../../src/protocol/entry-codec.ts";
import { encodeValue } from "../../src/protocol/values.ts";
import { ORIGIN, type Viewstamp } from "../../src/protocol/view.ts";
import { ReplicatedState } from "../../src/rsm/state.ts";
import { fileStorage } from "../../src/storage/file.ts";
import { Child } from "../harness/child.ts";
import { freePorts } from "../harness/ports.ts";
import { getRuntime, type RuntimeName, root } from "../runtimes.ts";
import { close, commit, open, write, writeChunk } from "../storage/drive.ts";

const [snapshotMiB = "512", logMiB = "512", runtime = "node"] = process.argv.slice(2);
const directory = mkdtempSync(join(tmpdir(), "viewstamp-restart-"));
const VALUE_BYTES = 1000;
const SESSION: Viewstamp = { vid: 1, seqno: 1 };
let seqno = 0;

function nextEntry(): Entry {
  seqno++;
  const isOpen = seqno === 1;
  const put = { key: `key-${seqno}`, value: `${seqno}`.padEnd(VALUE_BYTES, "x") };
  return makeEntry({
    kind: isOpen ? "open" : "command",
    vid: 1,
    seqno,
    time: 1,
    session: isOpen ? ORIGIN : SESSION,
    number: isOpen ? 0 : seqno - 1,
    acknowledgedThrough: Math.max(0, seqno - 3),
    body: isOpen ? encodeValue(60_000) : encodeCall("kv", "put", put),
  });
}

async function makeData(url: string): Promise<void> {
  const storage = fileStorage(directory);
  await open(storage);
  const state = new ReplicatedState(replicated(builtInMachines));
  const entriesIn = (mib: string): number => Math.ceil((Number(mib) * 2 ** 20) / VALUE_BYTES);
  for (let index = 0; index < entriesIn(snapshotMiB); index++) state.apply(nextEntry());
  const at = state.applied;
  const writer = storage.writeSnapshot(at);
  const chunks = state.snapshot();
  for (let next = chunks.next(); next.done !== true; next = chunks.next()) await writeChunk(writer, next.value);
  await commit(writer);
  await write(storage, { kind: "base", at });
  for (let left = entriesIn(logMiB); left > 0; left -= 1000) {
    const entries = Array.from({ length: Math.min(left, 1000) }, nextEntry);
    await write(storage, { kind: "append", entries });
  }
  const self = { id: "a", incarnation: "0123456789abcdef", url };
  const view = { vid: 1, members: [self], acceptors: [self], barred: [], invited: [], primary: "a" };
  await write(storage, { kind: "identity", incarnation: self.incarnation, clusterId: "c1" }, { kind: "view", view });
  await close(storage);
}

function sizes(): string {
  const files = readdirSync(directory);
  const mib = (prefix: string): string => {
    const bytes = files
      .filter((name) => name.startsWith(prefix))
      .reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
    return (bytes / 2 ** 20).toFixed(0);
  };
  return `${mib("snapshot-")} MiB of snapshot, ${mib("log-")} MiB of log`;
}

/** Linux tells the most that a process has had. */
function peakMiB(pid: number): number {
  const found = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Math.round(Number(found) / 1024);
}

/** What it has cost the processors, in seconds: on a busy machine that says more than a clock. Linux counts in 10 ms. */
function processorSeconds(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const [user = "0", system = "0"] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13);
  return ((Number(user) + Number(system)) / 100).toFixed(1);
}

try {
  const [port] = await freePorts(1);
  const url = `ws://127.0.0.1:${port}`;
  await makeData(url);
  const began = performance.now();
  const args = ["serve", "--id", "a", "--cluster", `a=${url}`, "--data", directory, "--json", "--with-parent"];
  const node = new Child("a", getRuntime(runtime as RuntimeName), join(root, "src/entry/cli.ts"), args);
  const seconds = (): string => ((performance.now() - began) / 1000).toFixed(1);
  await node.waitFor(({ event }) => event === "listening");
  const listening = seconds();
  await node.waitFor(({ event }) => event === "active");
  console.log(`${runtime}: ${sizes()}, ${seqno} entries`);
  console.log(
    `listening after ${listening} s, taking requests after ${seconds()} s, ${processorSeconds(node.pid)} s of processor, peak memory ${peakMiB(node.pid)} MiB`,
  );
  node.signal("SIGKILL");
  await node.exited;
} finally {
  rmSync(directory, { recursive: true, force: true });
}
