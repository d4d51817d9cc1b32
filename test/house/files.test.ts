// Sizes, loose ends, and suites that never run.

import ts from "typescript";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readSources, type Source, source, walk } from "./source.ts";

const everything = readSources("mod.ts", "src", "transports", "examples", "test");

const size = suite("the size of files");
const limit = 500;

/** Files over the limit and how long each may be. Numbers only go down; a file that fits leaves the table. */
const ratchet: Readonly<Record<string, number>> = {};

function lines({ text }: Source): number {
  return text.split("\n").length - 1;
}

function tooLong(sources: readonly Source[], allowed: Readonly<Record<string, number>>): string[] {
  return sources
    .filter((one) => lines(one) > (allowed[one.path] ?? limit))
    .map((one) => `${one.path}: ${lines(one)} lines, may have ${allowed[one.path] ?? limit}`);
}

function slack(sources: readonly Source[], allowed: Readonly<Record<string, number>>): string[] {
  const lengths = new Map(sources.map((one) => [one.path, lines(one)]));
  return Object.entries(allowed)
    .filter(([path, most]) => most <= limit || (lengths.get(path) ?? 0) < most)
    .map(([path]) => `${path}: has ${lengths.get(path) ?? 0} lines, tighten or remove its line in the table`);
}

size(`is ${limit} lines at most`, () => {
  assert.equal(tooLong(everything, ratchet), []);
});

size("only shrinks where it was too big", () => {
  assert.equal(slack(everything, ratchet), []);
});

size("is measured", () => {
  const planted = [source("src/long.ts", "1;\n".repeat(501))];
  assert.is(tooLong(planted, {}).length, 1);
  assert.is(tooLong(planted, { "src/long.ts": 501 }).length, 0);
  assert.is(tooLong(planted, { "src/long.ts": 499 }).length, 1);
  assert.is(slack(planted, { "src/long.ts": 501 }).length, 0);
  assert.is(slack(planted, { "src/long.ts": 600 }).length, 1);
  assert.is(slack(planted, { "src/gone.ts": 600 }).length, 1);
});

size.run();

const ends = suite("loose ends");
const marks = ["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"];

/** A mark must say why it stays, as in `MARK(reason)`. */
function looseEnds({ path, text }: Source): string[] {
  const mark = new RegExp(`\\b(${marks.join("|")})\\b(?!\\([^)]{10,}\\))`);
  return text.split("\n").flatMap((line, index) => (mark.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : []));
}

ends("say why they are left", () => {
  assert.equal(everything.flatMap(looseEnds), []);
});

ends("are seen", () => {
  assert.is(looseEnds(source("src/a.ts", `// ${marks[0]}: later`)).length, 1);
  assert.is(looseEnds(source("src/a.ts", `// ${marks[1]}()`)).length, 1);
  assert.is(looseEnds(source("src/a.ts", `// ${marks[0]}(waits for a newer Node everywhere)`)).length, 0);
});

ends.run();

const suites = suite("test files");

/** Suites made without being run would pass unnoticed: uvu exits 0 for them. */
function forgottenRuns({ path, tree }: Source): string[] {
  let made = 0;
  let run = 0;
  walk(tree, (node) => {
    if (ts.isImportSpecifier(node) && node.name.text === "test" && importsUvu(node)) made++;
    if (!ts.isCallExpression(node)) return;
    if (ts.isIdentifier(node.expression) && node.expression.text === "suite") made++;
    if (ts.isPropertyAccessExpression(node.expression) && node.expression.name.text === "run") run++;
  });
  return run < made ? [`${path}: ${made} suites, ${run} run()`] : [];
}

function importsUvu(node: ts.ImportSpecifier): boolean {
  return (node.parent.parent.parent.moduleSpecifier as ts.StringLiteral).text === "uvu";
}

function narrowed({ path, text }: Source): string[] {
  return /^\s*[\w.]+\.only\(/m.test(text) ? [`${path}: .only leaves the other tests out`] : [];
}

const suiteFiles = everything.filter(({ path }) => /\.(test|scenario)\.ts$/.test(path));

suites("run every suite they make, and every test in it", () => {
  assert.equal(suiteFiles.flatMap(forgottenRuns), []);
  assert.equal(suiteFiles.flatMap(narrowed), []);
});

suites("that forget it are seen", () => {
  const made = 'import { suite } from "uvu";\nconst a = suite("a");\na("b", () => {});\n';
  assert.is(forgottenRuns(source("test/a.test.ts", made)).length, 1);
  assert.is(forgottenRuns(source("test/a.test.ts", `${made}a.run();`)).length, 0);
  assert.is(forgottenRuns(source("test/a.test.ts", 'import { test } from "uvu";\ntest("b", () => {});')).length, 1);
  assert.is(narrowed(source("test/a.test.ts", `a${".only"}("b", () => {});`)).length, 1);
});

suites.run();
