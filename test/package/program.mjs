// The installed program on one runtime: a node serves, another process writes and reads, SIGTERM stops the node.
// Give it the command line of the program; it runs in the same folder as consumer.mjs.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const [file, ...args] = process.argv.slice(2);

function viewstamp(...more) {
  const { status, stdout, stderr } = spawnSync(file, [...args, ...more], { encoding: "utf8", timeout: 30_000 });
  assert.equal(status, 0, `viewstamp ${more.join(" ")} ended with ${status}: ${stderr}`);
  return stdout;
}

assert.match(viewstamp("--help"), /^Usage: viewstamp COMMAND/);
const { version } = JSON.parse(readFileSync("node_modules/viewstamp/package.json", "utf8"));
assert.equal(viewstamp("--version").trimEnd(), version);
console.log(`it tells its usage and its version, ${version}`);

const data = mkdtempSync("data-");
const serve = [...args, "serve", "--id", "a", "--cluster", "a=ws://127.0.0.1:0", "--data", data, "--json"];
const node = spawn(file, serve, { stdio: ["ignore", "pipe", "inherit"] });
const ended = new Promise((resolve) => node.on("exit", (code, signal) => resolve({ code, signal })));
process.on("exit", () => node.kill("SIGKILL"));

let url = "";
for await (const line of createInterface({ input: node.stdout })) {
  const fact = JSON.parse(line);
  if (fact.event === "listening") url = fact.url;
  if (fact.event === "active") break;
}
node.stdout.resume();
assert.match(url, /^ws:\/\/127\.0\.0\.1:[1-9]\d*$/, "it ended before it was active");
viewstamp("put", "greeting", "hello", "--cluster", url);
assert.equal(viewstamp("get", "greeting", "--cluster", url).trimEnd(), "hello");
console.log(`it served at ${url}`);

node.kill("SIGTERM");
assert.deepEqual(await ended, { code: 0, signal: null });
console.log("it stopped when it was told to");
