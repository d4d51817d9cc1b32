// The import law and the purity of the core. Each rule is shown a planted violation first.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { brokenImports, deadFiles } from "./import-law.ts";
import { impurities, runtimeNamesIn } from "./purity.ts";
import { published, readFile, type Source, source } from "./source.ts";

const dependencies = Object.keys(JSON.parse(readFile("package.json")).dependencies);
const law = suite("the import law");

function breaks(path: string, specifier: string): boolean {
  return brokenImports(source(path, `import { x } from "${specifier}";`), dependencies).length > 0;
}

law("is kept", () => {
  assert.equal(
    published.flatMap((one) => brokenImports(one, dependencies)),
    [],
  );
});

law("goes one way through the core", () => {
  assert.not(breaks("src/rsm/log.ts", "../paxos/ballot.ts"));
  assert.ok(breaks("src/paxos/acceptor.ts", "../rsm/log.ts"));
  assert.ok(breaks("src/protocol/view.ts", "../paxos/ballot.ts"));
  assert.ok(breaks("src/rsm/log.ts", "../replica/replica.ts"));
  assert.ok(breaks("src/config/views.ts", "../machine/define.ts"));
});

law("keeps the edges apart", () => {
  assert.not(breaks("src/locks/client.ts", "../client/session.ts"));
  assert.ok(breaks("src/client/session.ts", "../replica/replica.ts"));
  assert.ok(breaks("src/replica/replica.ts", "../simulator/world.ts"));
  assert.ok(breaks("src/client/session.ts", "../../transports/memory.ts"));
  assert.ok(breaks("transports/memory.ts", "../src/replica/replica.ts"));
  assert.not(breaks("src/entry/cluster.ts", "../../transports/memory.ts"));
  assert.not(breaks("src/simulator/world.ts", "../replica/replica.ts"));
  assert.ok(breaks("src/simulator/world.ts", "../../transports/websocket.ts"));
  assert.ok(breaks("src/locks/client.ts", "../../mod.ts"));
  assert.ok(breaks("src/locks/client.ts", "../../test/runtimes.ts"));
  assert.ok(breaks("src/cellar/wine.ts", "../protocol/view.ts"));
});

law("lets only dependencies in, and sockets only into their transport", () => {
  assert.not(breaks("src/machine/define.ts", "valibot"));
  assert.ok(breaks("src/machine/define.ts", "typescript"));
  assert.ok(breaks("src/client/session.ts", "ws"));
  assert.not(breaks("transports/websocket/listen.ts", "ws"));
});

law("sees re-exports, dynamic imports and types, and wants the extension", () => {
  for (const text of [
    'export * from "../rsm/log.ts";',
    'const log = import("../rsm/log.ts");',
    'import type { Log } from "../rsm/log.ts";',
    'type Log = import("../rsm/log.ts").Log;',
    'import { ballot } from "./ballot";',
  ]) {
    assert.is(brokenImports(source("src/paxos/acceptor.ts", text), dependencies).length, 1, text);
  }
  assert.equal(brokenImports(source("src/paxos/a.ts", '// import "../rsm/log.ts"\nconst s = `import "ws"`;'), []), []);
});

law.run();

const life = suite("dead files");
const exported: string[] = Object.values(JSON.parse(readFile("deno.json")).exports);

/** What `npm run sim` runs from test/simulation. */
const campaigns: readonly string[] = ["src/simulator/campaign.ts", "src/simulator/parts.ts"];

function entries(sources: readonly Source[]): string[] {
  const programs = sources.map(({ path }) => path).filter((path) => /^src\/entry\/[^/]+$/.test(path));
  return [...exported.map((path) => path.replace("./", "")), ...programs, ...campaigns];
}

life("are none: every file is reached from an entry point", () => {
  assert.equal(deadFiles(published, entries(published)), []);
});

life("are found, also when they import each other", () => {
  const planted = [
    source("mod.ts", 'export { a } from "./src/a.ts";'),
    source("src/a.ts", "export const a = 1;"),
    source("src/b.ts", 'export { c } from "./c.ts";'),
    source("src/c.ts", 'export { b } from "./b.ts";'),
  ];
  assert.equal(deadFiles(planted, entries(planted)), ["src/b.ts", "src/c.ts"]);
});

life.run();

const purity = suite("the core has no hands");

function impure(text: string): boolean {
  return impurities(source("src/rsm/primary.ts", text)).length > 0;
}

purity("no clock, timer, randomness, waiting or output in it", () => {
  assert.equal(published.flatMap(impurities), []);
});

purity("each of them is seen", () => {
  for (const text of [
    "const now = Date.now();",
    "const now = performance.now();",
    "setTimeout(() => {}, 10);",
    "const die = Math.random();",
    "const id = crypto.randomUUID();",
    "async function wait() {}",
    "const wait = async () => {};",
    "function f(p) { return Promise.resolve(p); }",
    "let p: Promise<void>;",
    'console.log("x");',
    "globalThis.x = 1;",
    "const text = `at ${Date.now()}`;",
    "names.sort((a, b) => a.localeCompare(b));",
    'const { x } = await import("./x.ts");',
  ]) {
    assert.ok(impure(text), text);
  }
});

purity("a date is a value to the codec, and a clock everywhere else", () => {
  const value = "if (x instanceof Date && p === Date.prototype) read((at: number): Date => new Date(at));";
  assert.equal(impurities(source("src/protocol/values.ts", value)), []);
  assert.is(impurities(source("src/rsm/log.ts", value)).length, 4);
  for (const text of [
    "Date.now();",
    "new Date();",
    "new Date;",
    "new Date(...[]);",
    "Date();",
    "const clock = Date;",
    "read(Date);",
    "const { now } = Date;",
    'Date["now"]();',
    "type Clock = typeof Date;",
  ]) {
    assert.is(impurities(source("src/protocol/values.ts", text)).length, 1, text);
    assert.is(impurities(source("src/rsm/log.ts", text)).length, 1, text);
  }
});

purity("words in comments, strings, keys and members are not", () => {
  for (const text of [
    "// Date.now() would differ\nconst a = 1;",
    '/** @see Promise */ const s = "await Date";',
    "const o = { Date: 1, crypto: 2 }; o.Date; o.performance;",
    "interface Times { performance: number; setTimeout(at: number): void }",
    "const pattern = /Date/;",
  ]) {
    assert.not(impure(text), text);
  }
  const contract = "interface Storage { sync(): Promise<void> }";
  assert.is(impurities(source("src/protocol/storage.ts", contract)).length, 0);
  assert.is(impurities(source("src/rsm/log.ts", contract)).length, 1);
  assert.is(impurities(source("src/protocol/storage.ts", "const p = Promise.resolve();")).length, 1);
  assert.equal(impurities(source("src/replica/replica.ts", "Date.now();")), []);
});

purity.run();

const runtimes = suite("runtime names");

runtimes("stay in listeners, file storage and entry points", () => {
  assert.equal(published.flatMap(runtimeNamesIn), []);
});

runtimes("are seen elsewhere", () => {
  for (const text of [
    "Deno.exit(1);",
    "const bun = typeof Bun;",
    "process.exit(1);",
    'import { open } from "node:fs";',
    "globalThis; Buffer.from([]);",
  ]) {
    assert.is(runtimeNamesIn(source("src/client/session.ts", text)).length, 1, text);
    assert.is(runtimeNamesIn(source("src/storage/file.ts", text)).length, 0, text);
  }
  assert.equal(runtimeNamesIn(source("src/client/session.ts", "queue.process(); process(1); // Deno")), []);
});

runtimes.run();
