// Runs in an empty folder where only the packed tarball and its dependencies are installed.
// Plain JavaScript, because the installed Node can't strip types.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const { name, exports } = JSON.parse(readFileSync("node_modules/viewstamp/package.json", "utf8"));

for (const path of Object.keys(exports).filter((path) => path !== "./package.json")) {
  const module = await import(name + path.slice(1));
  const names = Object.keys(module);
  assert.ok(names.length > 0, `${path} exports nothing`);
  for (const key of names) assert.notEqual(module[key], undefined, `${path} exports ${key} as undefined`);
}
console.log(`imported every export of ${name}`);
