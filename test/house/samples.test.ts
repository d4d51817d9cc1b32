// The code that the documentation shows compiles as it stands.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Sample, samplesIn, troublesOf } from "./samples.ts";
import { readFile } from "./source.ts";

const entries: readonly string[] = Object.values(JSON.parse(readFile("deno.json")).exports);

/** What a reader of an entry point's first lines has already: a row to save, a machine, a handler. */
const around = [
  'import { defineMachine as machineFrom, command as commandFrom, type ConnectionHandler } from "viewstamp";',
  'import * as schemas from "valibot";',
  "declare const row: object;",
  "declare const handler: ConnectionHandler;",
  "declare function save(what: object, how: { fence: bigint; signal: AbortSignal }): Promise<void>;",
  "const input = schemas.object({ sku: schemas.string(), by: schemas.number() });",
  "const commands = { add: commandFrom(input, (state: Map<string, number>, { sku, by }) => void state.set(sku, by)) };",
  'const stock = machineFrom({ name: "stock", version: 1, init: () => new Map<string, number>(), commands });',
].join(" ");

function headSamples(): Sample[] {
  const samples = entries.flatMap((path) => samplesIn(path.replace("./", ""), readFile(path)));
  return samples.map(({ place, code }) => ({ place, code: `${around} ${code}` }));
}

/** The first machine, with one thing changed. */
const machine = `import { command, connect, defineMachine, query } from "viewstamp";
import { webSocket } from "viewstamp/transports/websocket";
import * as v from "valibot";
const stock = defineMachine({
  name: "stock",
  version: 1,
  init: () => new Map<string, number>(),
  commands: {
    add: command(v.object({ sku: v.string(), by: v.number() }), (state, { sku, by }, ctx) => {
      const next = (state.get(sku) ?? 0) + by;
      state.set(sku, next);
      return next;
    }),
  },
  queries: { count: query(v.string(), (state, sku) => state.get(sku) ?? 0) },
});
const client = await connect({ cluster: ["ws://a:7001"], machine: stock, transport: webSocket() });
`;

const planted: readonly Sample[] = [
  { place: "right", code: `${machine}const three: number = await client.add({ sku: "bolt", by: 3 });` },
  { place: "right query", code: `${machine}const three: number = await client.count("bolt");` },
  { place: "wrong input", code: `${machine}await client.add({ sku: 3, by: 3 });` },
  { place: "wrong output", code: `${machine}const text: string = await client.count("bolt");` },
  { place: "wrong name", code: `${machine}await client.subtract({ sku: "bolt", by: 3 });` },
  { place: "no such export", code: 'import { stock } from "viewstamp";' },
  { place: "bad syntax", code: "const = 1;" },
];

const readme = ["README.md", "MIGRATION.md"].flatMap((path) => samplesIn(path, readFile(path)));
const heads = headSamples();
// One program for all: most of its time goes into the library's own types.
const troubles = troublesOf([...readme, ...heads, ...planted]);

function troubled(samples: readonly Sample[]): string[] {
  return troubles.filter((trouble) => samples.some(({ place }) => trouble.startsWith(`${place}: `)));
}

test("every sample of the README and of MIGRATION compiles by itself", () => {
  assert.ok(readme.length >= 3);
  assert.equal(troubled(readme), []);
});

test("the samples at the head of the entry points compile", () => {
  assert.ok(heads.length >= entries.length - 1);
  assert.equal(troubled(heads), []);
});

test("a sample that does not compile is seen", () => {
  const bad = planted.filter((sample) => troubled([sample]).length > 0).map(({ place }) => place);
  assert.equal(bad, ["wrong input", "wrong output", "wrong name", "no such export", "bad syntax"]);
});

test("samples are found in Markdown and at the head of a file, with their lines", () => {
  const block = "```ts\nconst a = 1;\n```\n";
  const markdown = `# a\n\n${block}\n\`\`\`sh\nls\n\`\`\`\n${block}`;
  assert.equal(
    samplesIn("a.md", markdown).map(({ place }) => place),
    ["a.md:4", "a.md:11"],
  );
  const head = "/**\n * @example\n * ```ts\n * const a = 1;\n * ```\n */\n/**\n * ```ts\n * const b = 2;\n * ```\n */";
  assert.equal(samplesIn("a.ts", head), [{ place: "a.ts:4", code: "const a = 1;\n" }]);
});

test.run();
