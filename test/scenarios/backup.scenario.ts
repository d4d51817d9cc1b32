// Backups and forced recovery with real nodes: a new cluster has what the file or the survivor had, and no token twice.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { connect, type MachineClient } from "../../src/entry/client.ts";
import { connectLocks } from "../../src/entry/locks.ts";
import { kv } from "../../src/machine/kv.ts";
import { webSocket } from "../../transports/websocket.ts";
import type { Child } from "../harness/child.ts";
import { PROCESS_START_MS, within } from "../harness/within.ts";
import { Nodes, viewstamp } from "./program-nodes.ts";

const folder = mkdtempSync(join(tmpdir(), "viewstamp-backup-"));
const clusters: Nodes[] = [];

async function clusterIn(name: string, ids: readonly string[] = ["a", "b", "c"]): Promise<Nodes> {
  const nodes = await Nodes.make(join(folder, name), ids);
  clusters.push(nodes);
  return nodes;
}

function told(child: Child, event: string): Promise<unknown> {
  const heard = child.waitFor((fact) => fact.event === event);
  return within(PROCESS_START_MS, `${event} is told`, heard).catch((error: Error) => {
    throw new Error(`${error.message}\n${JSON.stringify(child.facts)}\n${child.complaints}`);
  });
}

function active(children: readonly Child[]): Promise<unknown> {
  return Promise.race(children.map((child) => told(child, "active")));
}

/** A client for the time of the work. */
async function asking<Result>(
  nodes: Nodes,
  work: (client: MachineClient<typeof kv>) => Promise<Result>,
): Promise<Result> {
  await using client = await connect({ cluster: Object.values(nodes.urls), machine: kv, transport: webSocket() });
  return await work(client);
}

async function tokenFrom(nodes: Nodes): Promise<bigint> {
  const locks = await connectLocks({ cluster: Object.values(nodes.urls) });
  const lock = await locks.acquire("door", { timeoutMs: 10_000 });
  const { token } = lock;
  await lock.release();
  await locks.close();
  return token;
}

const backup = suite("viewstamp snapshot");

backup("saves a consistent state of a working cluster, and restores it as a new one", async () => {
  const old = await clusterIn("old");
  await active(old.startAll());
  await asking(old, (client) => client.put({ key: "color", value: "green" }));
  const before = await tokenFrom(old);
  let next = 0;
  let isSaving = true;
  let acknowledgedThrough: () => void = () => {};
  const some = new Promise<void>((resolve) => {
    acknowledgedThrough = resolve;
  });
  const writing = asking(old, async (client) => {
    while (isSaving) {
      await client.put({ key: `n${next++}`, value: "x".repeat(500) });
      if (next === 200) acknowledgedThrough();
    }
  });
  await some;
  const acknowledged = next - 1;
  const file = join(folder, "state.backup");
  const saved = await viewstamp("snapshot", "save", file, "--cluster", old.list);
  isSaving = false;
  await writing;
  assert.is(saved.code, 0, saved.err);
  assert.match(saved.out, /state\.backup: the state of cluster c\w+ at \d+\.\d+, \d+ bytes/);
  assert.is((await viewstamp("snapshot", "save", file, "--cluster", old.list)).code, 2, "no file is overwritten");
  await asking(old, (client) => client.put({ key: "color", value: "red" }));
  const issued = await tokenFrom(old);
  assert.ok(issued > before);
  await old.stopAll();

  const renewed = await clusterIn("new");
  const data = `a=${renewed.directoryOf("a")},b=${renewed.directoryOf("b")}`;
  const args = ["snapshot", "restore", file, "--cluster", renewed.list, "--data", data];
  const restored = await viewstamp(...args);
  assert.is(restored.code, 0, restored.err);
  assert.match(restored.out, "start c with empty directories");
  const again = await viewstamp(...args);
  assert.is(again.code, 2, "data that is there is not overwritten");
  assert.match(again.err, "is not empty");
  const verified = await viewstamp("log", "verify", renewed.directoryOf("b"));
  assert.is(verified.code, 0, verified.out);

  const children = renewed.startAll();
  await active(children);
  await told(children[2]!, "following");
  const kept = await asking(renewed, async (client) => {
    assert.is((await client.get("color"))?.value, "green");
    const found = await Promise.all(Array.from({ length: next }, (_, index) => client.get(`n${index}`)));
    return found.map((one) => one !== undefined);
  });
  const count = kept.filter((one) => one).length;
  assert.ok(count >= acknowledged, `${count} of at least ${acknowledged}`);
  assert.is(kept.lastIndexOf(true), count - 1, "nothing from behind a gap");
  assert.ok((await tokenFrom(renewed)) > issued, "no token is given twice");
  const status = JSON.parse((await viewstamp("status", "--json", "--cluster", renewed.list)).out);
  assert.equal(status.members, ["a", "b", "c"]);
  await renewed.stopAll();

  const stranger = new Nodes(renewed.urls, join(folder, "old"));
  clusters.push(stranger);
  renewed.start("a");
  renewed.start("b");
  await told(stranger.start("c"), "rejected");
  await Promise.all([renewed.stopAll(), stranger.stopAll()]);
});

backup("refuses a damaged file, and what makes no sense", async () => {
  const file = join(folder, "state.backup");
  const damaged = join(folder, "damaged.backup");
  const bytes = readFileSync(file);
  const target = ["--cluster", "a=ws://127.0.0.1:7001", "--data", `a=${join(folder, "nothing")}`];
  for (const place of [3, 25, 60, bytes.length - 1]) {
    const copy = Buffer.from(bytes);
    copy[place]! ^= 1;
    writeFileSync(damaged, copy);
    assert.is((await viewstamp("snapshot", "restore", damaged, ...target)).code, 6, `byte ${place}`);
  }
  for (const length of [0, 10, 20, 1000, bytes.length - 10]) {
    writeFileSync(damaged, bytes.subarray(0, length));
    assert.is((await viewstamp("snapshot", "restore", damaged, ...target)).code, 6, `${length} bytes`);
  }
  assert.not(existsSync(join(folder, "nothing")));
  const refused = async (...args: string[]) => (await viewstamp("snapshot", "restore", file, ...args)).code;
  assert.is(await refused("--cluster", "a=ws://h:1", "--data", "b=x"), 2);
  assert.is(await refused("--cluster", "a=ws://h:1", "--data", "x"), 2);
  assert.is(await refused("--cluster", "ws://h:1", "--data", "a=x"), 2);
  assert.is(await refused("--cluster", "a=ws://h:1,b=ws://h:2", "--data", "a=x,b=x"), 2);
  assert.is((await viewstamp("snapshot", "restore", join(folder, "none"), ...target)).code, 2);
  assert.is(await refused(...target, "--skip", String(2 ** 40)), 2, "places would end");
  const nobody = ["--cluster", "ws://127.0.0.1:1", "--timeout-ms", "300"];
  assert.is((await viewstamp("snapshot", "save", join(folder, "never"), ...nobody)).code, 3);
  assert.not(
    readdirSync(folder).some((name) => name.startsWith("never")),
    "nothing is left behind",
  );
});

backup.run();

const recovery = suite("viewstamp recover");

recovery(
  "makes a new cluster of one copy, when the data of all nodes is damaged, and says what may be lost",
  async () => {
    const nodes = await clusterIn("rotten");
    await active(nodes.startAll());
    await asking(nodes, async (client) => {
      for (let index = 0; index < 6; index++) await client.put({ key: `k${index}`, value: "v" });
    });
    const issued = await tokenFrom(nodes);
    await nodes.stopAll("SIGKILL");
    for (const id of ["a", "b", "c"]) damageLog(nodes.directoryOf(id));

    const lost = nodes.startAll();
    for (const child of lost) await told(child, "setAside");
    for (const child of lost) {
      const { text } = (await told(child, "warning")) as { readonly text: string };
      assert.match(
        text,
        /no node that it reaches has a copy.*aside-\*.*viewstamp log verify.*viewstamp recover .*--force/,
      );
      assert.not(
        child.facts.some(({ event }) => event === "active"),
        "the cluster does not start empty",
      );
    }
    const status = await viewstamp("status", "--cluster", nodes.list);
    assert.match(status.out, "no node that answers has healthy data");
    assert.match(status.out, /a: its data was set aside.*is damaged/);
    const busy = await viewstamp("recover", nodes.directoryOf("a"), "--force");
    assert.is(busy.code, 1);
    assert.match(busy.err, "in use");
    await nodes.stopAll();
    assert.is((await viewstamp("log", "verify", nodes.directoryOf("a"))).code, 6);

    const look = readdirSync(nodes.directoryOf("a")).sort();
    const asked = await viewstamp("recover", nodes.directoryOf("a"));
    assert.is(asked.code, 1);
    assert.match(asked.err, /damaged: log-\d+ is damaged at byte.*lost/);
    assert.match(asked.err, "may be lost");
    assert.equal(readdirSync(nodes.directoryOf("a")).sort(), look, "nothing is changed without --force");

    const done = await viewstamp("recover", nodes.directoryOf("a"), "--force");
    assert.is(done.code, 0, done.err);
    assert.match(done.out, /cluster c\w+, with a at ws:/);
    assert.equal(readdirSync(`${nodes.directoryOf("a")}.before-recovery`).sort(), look, "the old data is kept");
    rmSync(nodes.directoryOf("b"), { recursive: true });
    await active([nodes.start("a"), nodes.start("b")]);
    assert.is(await asking(nodes, async (client) => (await client.get("k0"))?.value), "v");
    assert.ok((await tokenFrom(nodes)) > issued, "no token is given twice");
    await told(nodes.start("c"), "rejected");
    await nodes.stopAll();
  },
);

/** A bit in the last third, which was durable for long. */
function damageLog(directory: string): void {
  const name = readdirSync(directory)
    .filter((one) => one.startsWith("log-"))
    .sort()
    .at(-1)!;
  const bytes = readFileSync(join(directory, name));
  const place = Math.floor(bytes.length * 0.8);
  bytes[place]! ^= 16;
  writeFileSync(join(directory, name), bytes);
}

recovery("refuses a directory that holds nothing", async () => {
  const empty = mkdtempSync(join(folder, "empty-"));
  assert.is((await viewstamp("recover", empty, "--force")).code, 6);
  assert.is((await viewstamp("recover", join(folder, "nowhere"), "--force")).code, 2);
  assert.equal(readdirSync(empty), []);
});

recovery.after(async () => {
  for (const nodes of clusters) await nodes.stopAll("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

recovery.run();
