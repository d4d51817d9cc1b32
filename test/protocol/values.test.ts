// The value codec: what it carries, what it refuses, and that no bytes can hurt it.
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ViewstampError } from "../../src/protocol/errors.ts";
import { decodeValue, encodeValue } from "../../src/protocol/values.ts";
import { anyString, carriedValue, damaged, differenceOf, onlyBadMessage } from "./arbitraries.ts";
import { hexOf } from "./hex.ts";

function roundTrip(value: unknown): unknown {
  return decodeValue(encodeValue(value));
}

/** Structure and identity of kinds, by a second encoding: `assert.equal` cannot tell 0 from -0. */
function sameValue(value: unknown): void {
  const bytes = encodeValue(value);
  assert.is(differenceOf(encodeValue(decodeValue(bytes)), bytes), "");
  assert.equal(decodeValue(bytes), value);
}

function refusal(value: unknown): string {
  try {
    encodeValue(value);
  } catch (error) {
    if (error instanceof ViewstampError && error.code === "InvalidInput") return error.message;
    throw error;
  }
  throw new Error("it was encoded");
}

test("every kind of value comes back as it was", () => {
  for (const value of [
    null,
    undefined,
    true,
    false,
    0,
    127,
    128,
    -1,
    -32,
    -33,
    2 ** 31,
    2 ** 32,
    Number.MAX_SAFE_INTEGER,
    Number.MIN_SAFE_INTEGER,
    2 ** 53,
    1.5,
    -1e300,
    Number.POSITIVE_INFINITY,
    0n,
    -1n,
    2n ** 64n,
    -(2n ** 63n),
    "",
    "bolt",
    "é".repeat(40),
    "\ufeffwith a mark",
    "🔒",
    "x".repeat(100_000),
    new Uint8Array([1, 2, 255]),
    [],
    [1, [2, [3]]],
    {},
    { a: undefined, b: { c: null } },
    new Map<unknown, unknown>([
      ["a", 1],
      [{ key: 1 }, new Set([1, "1"])],
    ]),
    new Set(["b", "a"]),
    new Date(0),
    new Date(-8.64e15),
  ]) {
    sameValue(value);
  }
});

test("minus zero, not-a-number and dates without a time keep what they are", () => {
  assert.ok(Object.is(roundTrip(-0), -0));
  assert.ok(Object.is(roundTrip(0), 0));
  assert.ok(Number.isNaN(roundTrip(Number.NaN)));
  assert.ok(Number.isNaN((roundTrip(new Date(Number.NaN)) as Date).getTime()));
});

test("not-a-number has one encoding, whatever its bits", () => {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setUint32(0, 0xfff00001);
  assert.is(hexOf(encodeValue(bits.getFloat64(0))), "c67ff8000000000000");
});

test("the encoding is the same on every engine and release", () => {
  const value = { name: "é", list: [1, -5, 300, 1.5, 5n, null, undefined, true], m: new Map([["k", new Set([2])]]) };
  assert.is(
    hexOf(encodeValue(value)),
    "a3846e616d6582c3a9846c697374b801fbc4ac02c63ff8000000000000c70105c0c1c3816dcd01816bce0102",
  );
});

test("lone surrogates survive, well-formed text is UTF-8", () => {
  for (const text of ["\ud800", "a\udc00b", "\udc00\ud800", `${"x".repeat(50)}\ud83d`, "\ud83d\ud83d\ude00"]) {
    assert.is(roundTrip(text), text);
  }
  assert.is(encodeValue("🔒").length, 5);
});

test("keys and members keep their order", () => {
  assert.equal(Object.keys(roundTrip({ z: 1, a: 2, m: 3 }) as object), ["z", "a", "m"]);
  assert.equal([...(roundTrip(new Set(["z", "a"])) as Set<string>)], ["z", "a"]);
  assert.equal(
    [
      ...(
        roundTrip(
          new Map([
            ["z", 1],
            ["a", 2],
          ]),
        ) as Map<string, number>
      ).keys(),
    ],
    ["z", "a"],
  );
});

test("a key named __proto__ is a key, not a prototype", () => {
  const value = JSON.parse('{"__proto__":{"polluted":true},"constructor":1}') as object;
  const back = roundTrip(value) as Record<string, unknown>;
  assert.is(Object.getPrototypeOf(back), Object.prototype);
  assert.equal(Object.keys(back), ["__proto__", "constructor"]);
  assert.is(back["polluted"], undefined);
  assert.is(({} as Record<string, unknown>)["polluted"], undefined);
});

test("decoded byte arrays are copies", () => {
  const bytes = encodeValue(new Uint8Array([1, 2, 3]));
  const back = decodeValue(bytes) as Uint8Array;
  bytes.fill(0);
  assert.is(hexOf(back), "010203");
});

test("what cannot be carried is refused by its place", () => {
  class Point {}
  assert.match(
    refusal(() => 1),
    "value cannot be encoded: a function",
  );
  assert.match(refusal({ a: [1, Symbol("s")] }), "value.a[1] cannot be encoded: a symbol");
  assert.match(refusal({ "odd key": new Point() }), 'value["odd key"] cannot be encoded: an instance of a class');
  assert.match(refusal([new Map([["k", new WeakMap()]])]), "value[0].k cannot");
  assert.match(refusal(new Set([1, new Float64Array(1)])), "value[1] cannot");
  assert.match(refusal(new Error("x")), "an instance of a class");
  assert.match(refusal(1n << 70000n), "a bigint of more than");
});

test("a value that contains itself is refused, by its place", () => {
  const loop: Record<string, unknown> = {};
  loop["self"] = loop;
  assert.match(refusal(loop), "value.self.self");
  assert.match(refusal(loop), "contains itself");
});

test("a refusal leaves the next encoding whole", () => {
  refusal({ a: 1, b: Symbol("s") });
  assert.is(hexOf(encodeValue([1])), "b101");
});

test("a getter may encode in turn", () => {
  const value = {
    before: 1,
    get inner() {
      return encodeValue("x");
    },
  };
  assert.equal(roundTrip(value), { before: 1, inner: encodeValue("x") });
});

test("anything carried comes back", () => {
  fc.assert(fc.property(carriedValue, sameValue), { numRuns: 500 });
  fc.assert(fc.property(anyString, (text) => roundTrip(text) === text));
});

test("no bytes do anything else than give a value or BadMessage", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      onlyBadMessage(() => decodeValue(bytes));
    }),
    { numRuns: 2000 },
  );
  fc.assert(
    fc.property(damaged(carriedValue.map((value) => encodeValue(value))), (bytes) => {
      onlyBadMessage(() => decodeValue(bytes));
    }),
    { numRuns: 1000 },
  );
});

test("counts are believed only as far as there are bytes", () => {
  for (const hex of [
    "cbffffffffffffff0f",
    "ccffffff7f",
    "cdffff03",
    "ceffff03",
    "caffffffff0f",
    "c9feffffff0f",
    "c7ffff03",
  ]) {
    const bytes = Uint8Array.from(hex.match(/../g)!, (pair) => Number.parseInt(pair, 16));
    assert.throws(
      () => decodeValue(bytes),
      (error: unknown) => error instanceof ViewstampError && error.code === "BadMessage",
    );
  }
});

test("depth, trailing bytes and doubled keys are bad messages", () => {
  const bad = (error: unknown) => error instanceof ViewstampError && error.code === "BadMessage";
  assert.throws(() => decodeValue(new Uint8Array(5000).fill(0xb1)), bad);
  assert.throws(() => decodeValue(new Uint8Array([1, 1])), bad);
  assert.throws(() => decodeValue(new Uint8Array(0)), bad);
  assert.throws(() => decodeValue(new Uint8Array([0xce, 2, 1, 1])), bad);
  assert.throws(() => decodeValue(new Uint8Array([0xcd, 2, 1, 1, 1, 1])), bad);
  assert.throws(() => decodeValue(new Uint8Array([0xd0])), bad);
  let deep: unknown = 1;
  for (let level = 0; level < 64; level++) deep = [deep];
  sameValue(deep);
  assert.match(refusal([deep]), "more than 64 levels");
});

test.run();
