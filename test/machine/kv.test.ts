// The key-value machine.
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { checkInput } from "../../src/machine/input.ts";
import {
  type KvEntry,
  type KvPage,
  type KvVersioned,
  kv,
  MAX_KEY_LENGTH,
  MAX_VALUE_BYTES,
} from "../../src/machine/kv.ts";
import { encodeCall } from "../../src/protocol/calls.ts";
import { CORE_DEFAULTS } from "../../src/protocol/options.ts";
import { Host, sameBytes } from "./support.ts";

class Store extends Host {
  constructor() {
    super(kv);
  }

  put(key: string, value: string | Uint8Array): number {
    return (this.value("kv", "put", { key, value }) as { version: number }).version;
  }

  get(key: string): KvVersioned | undefined {
    return this.ask("kv", "get", key) as KvVersioned | undefined;
  }

  swap(key: string, version: number, value?: string): unknown {
    return this.value("kv", "compareAndSet", { key, version, value });
  }

  page(input: { prefix?: string; after?: string; limit?: number } = {}): KvPage {
    return this.ask("kv", "list", input) as KvPage;
  }

  /** All pages of a prefix. */
  pages(prefix: string, limit?: number): KvEntry[][] {
    const pages: KvEntry[][] = [];
    let next: KvPage = { entries: [], next: "" };
    let after: string | undefined;
    while (next.next !== undefined) {
      assert.ok(pages.length < 2000, "the pages come to an end");
      next = this.page({
        prefix,
        ...(after === undefined ? {} : { after }),
        ...(limit === undefined ? {} : { limit }),
      });
      after = next.next;
      pages.push([...next.entries]);
    }
    return pages;
  }
}

test("what was put can be got, changed and deleted", () => {
  const store = new Store();
  assert.is(store.get("a"), undefined);
  assert.is(store.put("a", "one"), 1);
  assert.equal(store.get("a"), { value: "one", version: 1 });
  assert.is(store.put("a", new Uint8Array([1, 2])), 2);
  assert.equal(store.get("a"), { value: new Uint8Array([1, 2]), version: 2 });
  assert.is(store.value("kv", "delete", "a"), true);
  assert.is(store.value("kv", "delete", "a"), false);
  assert.is(store.get("a"), undefined);
});

test("a version never comes again, not after a delete either", () => {
  const store = new Store();
  const first = store.put("a", "one");
  store.value("kv", "delete", "a");
  const second = store.put("a", "one");
  assert.ok(second > first);
  assert.equal(store.swap("a", first, "two"), { done: false, version: second });
});

test("compareAndSet writes only over the version that was seen", () => {
  const store = new Store();
  assert.equal(store.swap("a", 7, "x"), { done: false, version: 0 });
  assert.equal(store.swap("a", 0, "x"), { done: true, version: 2 });
  assert.equal(store.swap("a", 0, "y"), { done: false, version: 2 });
  assert.equal(store.swap("a", 2, "y"), { done: true, version: 4 });
  assert.equal(store.get("a"), { value: "y", version: 4 });
});

test("compareAndSet without a value deletes", () => {
  const store = new Store();
  const version = store.put("a", "x");
  assert.equal(store.swap("a", 99), { done: false, version });
  assert.equal(store.swap("a", version), { done: true, version: 0 });
  assert.is(store.get("a"), undefined);
  assert.equal(store.swap("a", 0), { done: true, version: 0 });
});

test("keys are any strings, lone surrogates included", () => {
  const store = new Store();
  const keys = ["", "\0", "__proto__", "constructor", "\ud800", "\udfff", "\ud83d\ude00", "\ufffd", "é", "e\u0301"];
  for (const [index, key] of keys.entries()) store.put(key, `${index}`);
  for (const [index, key] of keys.entries()) assert.is(store.get(key)?.value, `${index}`);
  assert.equal(
    store.page().entries.map(({ key }) => key),
    [...keys].sort(),
  );
});

test("list gives what begins with the prefix, in order of code units", () => {
  const store = new Store();
  for (const key of ["b/2", "a/10", "b/1", "b/10", "c", "b", "b0"]) store.put(key, key);
  assert.equal(
    store.page({ prefix: "b/" }).entries.map(({ key, value, version }) => [key, value, version]),
    [
      ["b/1", "b/1", 3],
      ["b/10", "b/10", 4],
      ["b/2", "b/2", 1],
    ],
  );
  assert.equal(store.page({ prefix: "d" }), { entries: [] });
  assert.is(store.page().entries.length, 7);
});

test("pages follow each other without gap or repetition, and the last says so", () => {
  const store = new Store();
  for (let index = 0; index < 25; index++) store.put(`k/${index}`, "");
  store.put("k", "before");
  store.put("l", "behind");
  const pages = store.pages("k/", 10);
  assert.equal(
    pages.map(({ length }) => length),
    [10, 10, 5],
  );
  const keys = pages.flat().map(({ key }) => key);
  assert.equal(keys, [...new Set(keys)].sort());
  assert.is(keys.length, 25);
  assert.is(store.page({ prefix: "k/", limit: 25 }).next, undefined);
  assert.is(store.page({ prefix: "k/", limit: 24 }).next, "k/8");
  assert.equal(store.page({ prefix: "k/", after: "k/9" }), { entries: [] });
  assert.is(store.page({ prefix: "k/", after: "a", limit: 1 }).entries[0]?.key, "k/0");
});

test("a page is bounded in bytes too, and holds one entry at least", () => {
  const store = new Store();
  for (let index = 0; index < 5; index++) store.put(`large/${index}`, new Uint8Array(MAX_VALUE_BYTES).fill(index));
  for (let index = 0; index < 100; index++) store.put(`medium/${index}`, "x".repeat(1000));
  assert.equal(
    store.pages("large/").map(({ length }) => length),
    [1, 1, 1, 1, 1],
  );
  assert.is(store.pages("medium/", 1000).flat().length, 100);
  assert.ok(store.pages("medium/", 1000).length > 2);
});

test("everything that may be stored can be sent, got and listed within the default limits", () => {
  const store = new Store();
  const longest = "\uffff".repeat(MAX_KEY_LENGTH - 1);
  const texts = ["\uffff", "\ud800"].map((unit) => unit.repeat(MAX_VALUE_BYTES / 2));
  for (const [index, value] of [...texts, new Uint8Array(MAX_VALUE_BYTES)].entries()) {
    const input = { key: `${longest}${index}`, value };
    assert.ok(
      encodeCall("kv", "compareAndSet", { ...input, version: 2 ** 53 - 1 }).length < CORE_DEFAULTS.maxBodyBytes,
    );
    store.value("kv", "put", input);
    assert.is(store.get(input.key)?.version, index + 1);
  }
  assert.is(store.pages("", 1000).flat().length, 3);
  for (let index = 0; index < 1000; index++) store.put(`${"\uffff".repeat(8)}${index}`, "");
  assert.is(store.pages("", 1000).flat().length, 1003);
});

test("bad input is refused and changes nothing", () => {
  const store = new Store();
  store.put("a", "x");
  const bad: [string, unknown][] = [
    ["put", { key: "a" }],
    ["put", { key: 1, value: "y" }],
    ["put", { key: "a", value: 1 }],
    ["put", { key: "a", value: "y", ttl: 5 }],
    ["put", { key: "k".repeat(MAX_KEY_LENGTH + 1), value: "y" }],
    ["put", { key: "a", value: "y".repeat(MAX_VALUE_BYTES / 2 + 1) }],
    ["put", { key: "a", value: new Uint8Array(MAX_VALUE_BYTES + 1) }],
    ["delete", 1],
    ["compareAndSet", { key: "a", value: "y" }],
    ["compareAndSet", { key: "a", value: "y", version: -1 }],
    ["compareAndSet", { key: "a", value: "y", version: 0.5 }],
  ];
  for (const [name, input] of bad) {
    const reply = store.run("kv", name, input);
    assert.is(reply.type === "failed" && reply.code, "InvalidInput", name);
  }
  const long = { key: "a", value: "y".repeat(MAX_VALUE_BYTES / 2 + 1) };
  assert.throws(() => checkInput(kv, "command", "put", long), /at most 131072 bytes, a text 65536 characters/);
  for (const limit of [0, 1001, 1.5, "5"]) {
    const reply = store.query("kv", "list", { limit });
    assert.is(reply.type === "failed" && reply.code, "InvalidInput");
  }
  assert.equal(store.get("a"), { value: "x", version: 1 });
});

test("values are copies: what the caller does with its bytes later is its own business", () => {
  const store = new Store();
  const command = encodeCall("kv", "put", { key: "a", value: new Uint8Array([1, 2, 3]) });
  store.runBytes(command);
  command.fill(0);
  sameBytes(store.get("a")?.value as Uint8Array, new Uint8Array([1, 2, 3]));
});

test("it does what a plain map does", () => {
  const key = fc.string({ unit: fc.constantFrom("a", "b", "\ud800"), maxLength: 3 });
  const step = fc.record({ name: fc.constantFrom("put", "delete", "swap"), key, guess: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), key, (steps, prefix) => {
      const store = new Store();
      const model = new Map<string, { value: string; version: number }>();
      for (const { name, key, guess } of steps) {
        const at = store.seqno + 1;
        const current = model.get(key)?.version ?? 0;
        const wanted = guess ? current : current + 1;
        if (name === "put") store.put(key, `${at}`);
        if (name === "delete") assert.is(store.value("kv", "delete", key), model.delete(key));
        if (name === "swap")
          assert.equal(store.swap(key, wanted, `${at}`), { done: guess, version: guess ? at : current });
        if (name === "put" || (name === "swap" && guess)) model.set(key, { value: `${at}`, version: at });
        assert.equal(store.get(key), model.get(key));
      }
      const expected = [...model].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1));
      assert.equal(
        store.pages(prefix, 2).flat(),
        expected.map(([key, stored]) => ({ key, ...stored })),
      );
    }),
    { numRuns: 150 },
  );
});

test.run();
