// What users can import is a promise: every name of every entry point is pinned in front-door.txt.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { root } from "../runtimes.ts";
import { exportedNames } from "./exports.ts";
import { readFile, readSource, source } from "./source.ts";

const exported: Record<string, string> = JSON.parse(readFile("deno.json")).exports;
const list = join(root, "test/house/front-door.txt");
const door = suite("the front door");

function frontDoor(): string {
  return Object.entries(exported)
    .map(([path, file]) => {
      const names = exportedNames(readSource(file.replace("./", "")), readSource);
      return [path, ...names.map((name) => `  ${name}`)].join("\n");
    })
    .join("\n");
}

door("shows the names that are pinned", () => {
  const now = frontDoor();
  if (process.env["UPDATE"] === "1") writeFileSync(list, `${now}\n`);
  const pinned = existsSync(list) ? readFileSync(list, "utf8").trimEnd() : "";
  if (now !== pinned) console.log(`If this is meant, set UPDATE=1, and ${list} will be:\n${now}\n`);
  assert.is(now, pinned);
});

door("lists values and types, and follows export *", () => {
  const other = source("src/b.ts", "export class C {}\nexport interface D {}\nexport type E = 1;");
  const planted = source(
    "src/a.ts",
    'export { x as y, type Z } from "./z.ts";\nexport type { T } from "./z.ts";\nexport * from "./b.ts";\n' +
      "export const a = 1, b = 2;\nexport function f(): void {}\nconst hidden = 1;",
  );
  const names = exportedNames(planted, () => other);
  assert.equal(names, ["C", "D (type)", "E (type)", "T (type)", "Z (type)", "a", "b", "f", "y"]);
  const types = exportedNames(source("src/a.ts", 'export type * from "./b.ts";'), () => other);
  assert.equal(types, ["C (type)", "D (type)", "E (type)"]);
});

door.run();
