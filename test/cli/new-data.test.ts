// Data directories of new clusters: all of them are made, or none.
import fs, { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { makeAll, replaceData } from "../../src/entry/cli/new-data.ts";
import { ViewstampError } from "../../src/protocol/errors.ts";
import { firstView, type NewCluster } from "../../src/replica/new-cluster.ts";
import { fileStorage } from "../../src/storage/file.ts";
import { close, open } from "../storage/drive.ts";

const folder = mkdtempSync(join(tmpdir(), "viewstamp-new-data-"));
/** Only Node lets its `node:fs` be replaced. */
const isNode = !("bun" in process.versions) && !("deno" in process.versions);
const members = ["a", "b"].map((id) => ({ id, incarnation: `i${id}`, url: `ws://${id}:1` }));
const cluster: NewCluster = {
  clusterId: "c1",
  view: firstView(members, 3),
  machines: { origin: [{ name: "kv", version: 1 }], promised: [] },
  snapshot: undefined,
  entries: [],
};

/** Renaming onto or from this path fails, as of a mount point. */
function whileMounted<T>(path: string, run: () => Promise<T>): Promise<T> {
  return whileFailing((from, to) => from === path || to === path, run);
}

async function whileFailing<T>(fails: (from: string, to: string) => boolean, run: () => Promise<T>): Promise<T> {
  const { rename } = fs.promises;
  fs.promises.rename = async (from, to) => {
    if (!fails(String(from), String(to))) return await rename(from, to);
    throw Object.assign(new Error(`EBUSY: resource busy or locked, rename '${from}'`), { code: "EBUSY", path: from });
  };
  syncBuiltinESMExports();
  try {
    return await run();
  } finally {
    fs.promises.rename = rename;
    syncBuiltinESMExports();
  }
}

const data = suite("new data");

data("appears under its names, and is what it should be", async () => {
  const wanted = members.map((member) => ({ directory: join(folder, "whole", member.id), member }));
  await makeAll(cluster, wanted);
  for (const { directory, member } of wanted) {
    const storage = fileStorage(directory);
    const { identity, view } = await open(storage);
    await close(storage);
    assert.equal([identity, view?.vid], [{ incarnation: member.incarnation, clusterId: "c1" }, 4]);
  }
  assert.equal(readdirSync(join(folder, "whole")).sort(), ["a", "b"]);
});

(isNode ? data : data.skip)("is not left behind in part where a directory cannot get its name", async () => {
  const wanted = members.map((member) => ({ directory: join(folder, "part", member.id), member }));
  const error = await whileMounted(wanted[1]!.directory, () => makeAll(cluster, wanted)).catch((fault) => fault);
  assert.ok(error instanceof ViewstampError && error.code === "InvalidInput", String(error));
  assert.match(error.message, "use a directory in it");
  assert.equal(readdirSync(join(folder, "part")), []);
});

(isNode ? data : data.skip)("leaves the old as it was where that cannot be renamed", async () => {
  const directory = join(folder, "mounted");
  mkdirSync(directory);
  writeFileSync(join(directory, "log-00000001"), "old");
  const replaced = whileMounted(directory, () => replaceData(directory, `${directory}.kept`, cluster, members[0]!));
  const error = await replaced.catch((fault) => fault);
  assert.ok(error instanceof ViewstampError && error.code === "InvalidInput", String(error));
  assert.match(error.message, `${directory} is a mount point`);
  assert.equal(readdirSync(directory), ["log-00000001"]);
  assert.not(existsSync(`${directory}.kept`));
  assert.not(readdirSync(folder).some((name) => name.startsWith("mounted.new")));
});

(isNode ? data : data.skip)("gives the old its name back where the new cannot take it", async () => {
  const directory = join(folder, "replaced");
  mkdirSync(directory);
  writeFileSync(join(directory, "log-00000001"), "old");
  const isLast = (from: string): boolean => from.includes(".new-");
  const replaced = whileFailing(isLast, () => replaceData(directory, `${directory}.kept`, cluster, members[0]!));
  await replaced.catch((fault) => fault);
  assert.equal(
    readdirSync(folder).filter((name) => name.startsWith("replaced")),
    ["replaced"],
  );
  assert.equal(readdirSync(directory), ["log-00000001"]);
});

data.after(() => rmSync(folder, { recursive: true, force: true }));
data.run();
