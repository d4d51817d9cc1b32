// The sorted map against a plain one, with snapshots open all the while.
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { VersionedMap } from "../../src/machine/versioned-map.ts";
import { drain } from "./support.ts";

type Entry = [number, number];

function sorted(model: ReadonlyMap<number, number>): Entry[] {
  return [...model].sort(([a], [b]) => a - b);
}

/** Compares without uvu's slow diff. */
function same(actual: readonly Entry[], expected: readonly Entry[], what: string): void {
  assert.is(actual.length, expected.length, `${what}: length`);
  for (const [index, [key, value]] of actual.entries()) {
    const [wantedKey, wanted] = expected[index]!;
    if (key !== wantedKey || value !== wanted) assert.unreachable(`${what}: [${key}, ${value}] at ${index}`);
  }
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constant("set"), fc.nat(400)) },
  { weight: 6, arbitrary: fc.tuple(fc.constant("delete"), fc.nat(400)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("setMany"), fc.nat(400)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("deleteMany"), fc.nat(400)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("deleteDown"), fc.nat(400)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("snapshot"), fc.constant(0)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("pull"), fc.nat(9)) },
);

test("it holds what a map holds, in order, and each snapshot what was there when it was taken", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const map = new VersionedMap<number, number>();
      const model = new Map<number, number>();
      const open: { snapshot: Iterator<Entry>; expected: Entry[]; seen: Entry[] }[] = [];
      let writes = 0;
      const set = (key: number): void => {
        map.set(key, ++writes);
        model.set(key, writes);
      };
      const remove = (key: number): void => {
        assert.is(map.delete(key), model.delete(key));
      };
      for (const [what, at] of steps) {
        if (what === "set") set(at);
        if (what === "delete") remove(at);
        if (what === "setMany") for (let key = at; key < at + 150; key++) set(key);
        if (what === "deleteMany") for (let key = at; key < at + 150; key++) remove(key);
        if (what === "deleteDown") for (let key = at + 150; key > at; key--) remove(key);
        if (what === "snapshot") open.push({ snapshot: map.snapshot(), expected: sorted(model), seen: [] });
        const one = what === "pull" ? open[at % Math.max(1, open.length)] : undefined;
        const next = one?.snapshot.next();
        if (next?.done === false) one?.seen.push(next.value);
        assert.is(map.size, model.size);
        assert.is(map.get(at), model.get(at));
        assert.is(map.has(at), model.has(at));
      }
      same([...map], sorted(model), "map");
      const from = writes % 400;
      const rest = sorted(model).filter(([key]) => key >= from);
      same([...map.entries(from)], rest, `from ${from}`);
      for (const { snapshot, expected, seen } of open) same([...seen, ...drain(snapshot)], expected, "snapshot");
    }),
    { numRuns: 200 },
  );
});

test("a large map grows, shrinks to nothing and grows again", () => {
  const map = new VersionedMap<number, number>();
  const count = 20_000;
  const place = (index: number): number => (index * 7919) % count;
  for (let round = 0; round < 2; round++) {
    for (let index = 0; index < count; index++) map.set(place(index), index);
    const full = map.snapshot();
    for (let index = 0; index < count; index++) assert.ok(map.delete(place(index + 1234 * round)));
    assert.is(map.size, 0);
    assert.equal([...map], []);
    assert.not(map.delete(1));
    assert.is(drain(full).length, count);
  }
});

test("nodes that are joined while a snapshot is open stay apart in the snapshot", () => {
  const map = new VersionedMap<number, number>();
  const model = new Map<number, number>();
  for (let key = 0; key < 3000; key++) map.set(key, key);
  for (let key = 0; key < 3000; key++) {
    if (key % 3 === 0) model.set(key, key);
    else map.delete(key);
  }
  for (let round = 0; round < 40; round++) {
    const expected = sorted(model);
    const snapshot = map.snapshot();
    for (let index = 0; index < 25; index++) {
      const key = ((round * 25 + index) * 1237 * 3) % 3000;
      assert.is(map.delete(key), model.delete(key));
    }
    same([...map], sorted(model), `map in round ${round}`);
    same(drain(snapshot), expected, `snapshot of round ${round}`);
  }
  assert.is(map.size, 0);
});

test("keys that come in order are found again", () => {
  for (const order of [1, -1]) {
    const map = new VersionedMap<number, number>();
    for (let index = 0; index < 5000; index++) map.set(index * order, index);
    for (let index = 0; index < 5000; index++) assert.is(map.get(index * order), index);
    const keys = [...map].map(([key]) => key);
    assert.ok(keys.every((key, index) => index === 0 || keys[index - 1]! < key));
  }
});

test("strings are in the order of their code units, whatever they hold", () => {
  const keys = ["", "\0", "A", "a", "a\0", "aa", "é", "\ud800", "\ud800\udc00", "\udfff", "\ue000", "10", "9"];
  const map = new VersionedMap<string, number>();
  for (const key of keys) map.set(key, key.length);
  assert.equal(
    [...map.entries("a")].map(([key]) => key),
    ["a", "a\0", "aa", "é", "\ud800", "\ud800\udc00", "\udfff", "\ue000"],
  );
  assert.equal(
    [...map].map(([key]) => key),
    [...keys].sort(),
  );
});

test("another order can be given", () => {
  const map = new VersionedMap<readonly [number, string], string>((a, b) => b[0] - a[0]);
  map.set([1, "x"], "one").set([2, "y"], "two");
  assert.equal(
    [...map].map(([, value]) => value),
    ["two", "one"],
  );
});

test("an iteration that was overtaken by a change says so; a snapshot is not", () => {
  const map = new VersionedMap<number, number>().set(1, 1).set(2, 2);
  for (const change of [() => map.set(3, 3), () => map.delete(3), () => map.clear()]) {
    const live = map.entries();
    const snapshot = map.snapshot();
    live.next();
    change();
    assert.throws(() => live.next(), /changed during an iteration/);
    assert.is(drain(snapshot)[0]?.[0], 1);
  }
});

test("clear empties the map, not its snapshots", () => {
  const map = new VersionedMap<string, number>().set("a", 1).set("b", 2);
  const snapshot = map.snapshot();
  map.clear();
  map.set("c", 3);
  assert.is(map.size, 1);
  assert.equal(drain(snapshot), [
    ["a", 1],
    ["b", 2],
  ]);
});

test.run();
