/**
 * The table of mutants fits the code as it is. (Whether each is caught, `npm run sim -- --mutants` says.)
 */
import { transform } from "esbuild";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { patchedFiles } from "../build.ts";
import { MUTANTS } from "./table.ts";

const RULES = 15;
const LEAST = 45;

test("every patch fits its file exactly once, changes it, and leaves a program", async () => {
  const misfits: string[] = [];
  for (const { name, patches } of MUTANTS) {
    try {
      const texts = await patchedFiles(patches);
      for (const text of texts.values()) await transform(text, { loader: "ts", logLevel: "silent" });
      if (patches.length === 0 || patches.some(({ find, replace }) => find === replace)) throw new Error("no change");
    } catch (error) {
      misfits.push(`${name}: ${String(error)}`);
    }
  }
  assert.equal(misfits, []);
});

test("no two mutants have one name", () => {
  assert.is(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length);
});

test("every rule has a mutant", () => {
  const covered = new Set(MUTANTS.flatMap(({ rules }) => rules));
  assert.equal(
    Array.from({ length: RULES }, (_, i) => i + 1).filter((rule) => !covered.has(rule)),
    [],
  );
});

test(`there are at least ${LEAST} mutants, each with a rule that is to catch it`, () => {
  assert.ok(MUTANTS.length >= LEAST, `${MUTANTS.length}`);
  assert.ok(MUTANTS.every(({ rules }) => rules.length > 0));
});

test("a mutant that asks for more than the usual draw says why", () => {
  const silent = MUTANTS.filter(({ wishes, why }) => wishes !== undefined && why === undefined);
  assert.equal(
    silent.map(({ name }) => name),
    [],
  );
});

test.run();
