// Runs in an empty folder where only the packed tarball and its dependencies are installed.
// Plain JavaScript, because the installed Node can't strip types.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync } from "node:fs";

const { name, exports } = JSON.parse(readFileSync("node_modules/viewstamp/package.json", "utf8"));

for (const path of Object.keys(exports).filter((path) => path !== "./package.json")) {
  const module = await import(name + path.slice(1));
  const names = Object.keys(module);
  assert.ok(names.length > 0, `${path} exports nothing`);
  for (const key of names) assert.notEqual(module[key], undefined, `${path} exports ${key} as undefined`);
}
console.log(`imported every export of ${name}`);

const { startCluster, startReplica, connect } = await import("viewstamp");
const { kv } = await import("viewstamp/kv");
const { webSocket } = await import("viewstamp/transports/websocket");
const { fileStorage } = await import("viewstamp/storage/file");

const cluster = await startCluster({ nodes: 3, machines: [kv] });
const inProcess = await cluster.connect();
await inProcess.kv.put({ key: "greeting", value: "hello" });
assert.equal((await inProcess.kv.get("greeting"))?.value, "hello");
await inProcess.close();
await cluster.close();
console.log("a cluster in this process answered");

const replica = await startReplica({
  id: "a",
  cluster: { a: "ws://127.0.0.1:0" },
  machine: kv,
  storage: fileStorage(mkdtempSync("data-")),
  transport: webSocket(),
});
const client = await connect({ cluster: [replica.url], machine: kv, transport: webSocket() });
await client.put({ key: "greeting", value: "on disk" });
assert.equal((await client.get("greeting"))?.value, "on disk");
await client.close();
await replica.stop();
console.log("a replica with WebSockets and files answered");
