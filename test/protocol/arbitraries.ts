/** What the tests of codecs share: random values, damage, and comparing bytes. */
import fc from "fast-check";
import { ViewstampError } from "../../src/protocol/errors.ts";

/** Any JavaScript string: the full range of code units, lone surrogates included. */
export const anyString: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "binary" }),
  fc
    .array(fc.oneof(fc.integer({ min: 0xd800, max: 0xdfff }), fc.integer({ min: 0, max: 0xffff })), { maxLength: 40 })
    .map((units) => String.fromCharCode(...units)),
);

const leaf: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(null, undefined, true, false, 0, -0),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true }),
  fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }),
  anyString,
  fc.uint8Array({ maxLength: 40 }),
  fc.date({ noInvalidDate: true }),
);

/** Every kind of value that the codec carries, nested. */
export const carriedValue: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    leaf,
    fc.array(tie("value"), { maxLength: 20 }),
    fc.dictionary(anyString, tie("value"), { maxKeys: 20, noNullPrototype: true }),
    fc.array(fc.tuple(fc.string(), tie("value")), { maxLength: 5 }).map((pairs) => new Map(pairs)),
    fc.array(leaf, { maxLength: 5 }).map((members) => new Set(members)),
  ),
})).value;

/** Bytes cut short, with a byte changed, or with bytes put in. */
export function damaged(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  return fc
    .record({
      bytes,
      how: fc.constantFrom("cut", "flip", "insert"),
      at: fc.nat(),
      by: fc.integer({ min: 1, max: 255 }),
    })
    .map(({ bytes, how, at, by }) => {
      const place = bytes.length === 0 ? 0 : at % bytes.length;
      if (how === "cut") return bytes.slice(0, place);
      if (how === "insert") return Uint8Array.from([...bytes.subarray(0, place), by, ...bytes.subarray(place)]);
      const changed = Uint8Array.from(bytes);
      changed[place] = changed[place]! ^ by;
      return changed;
    });
}

/** Runs it; throws unless it returns or fails with `BadMessage`. */
export function onlyBadMessage(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof ViewstampError) || error.code !== "BadMessage") throw error;
  }
}

/** The text of the `BadMessage` that it fails with. */
export function badMessageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof ViewstampError && error.code === "BadMessage") return error.message;
    throw error;
  }
  throw new Error("it was taken");
}

/** Empty if equal; else what differs first. uvu's own diff of large arrays does not end. */
export function differenceOf(actual: Uint8Array, expected: Uint8Array): string {
  const at = expected.findIndex((byte, index) => actual[index] !== byte);
  if (at >= 0) return `byte ${at} is ${actual[at]}, not ${expected[at]}`;
  return actual.length === expected.length ? "" : `${actual.length} bytes, not ${expected.length}`;
}
