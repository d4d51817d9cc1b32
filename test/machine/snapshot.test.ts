// A snapshot is the state at one moment, whatever happens afterwards, and a machine restored from it goes on alike.
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { command, defineMachine, query } from "../../src/machine/define.ts";
import { kv } from "../../src/machine/kv.ts";
import { MAX_CHUNK_BYTES } from "../../src/machine/snapshot.ts";
import { decodeValue, encodeValue } from "../../src/protocol/values.ts";
import { drain, Host, sameBytes, throwsCode } from "./support.ts";

/** Plain data of every kind, changed in place, with an order that later replies show. */
const notes = defineMachine({
  name: "notes",
  version: 3,
  init: () => ({
    byKey: new Map<string, { text: string; tags: Set<string>; bytes: Uint8Array }>(),
    list: [] as (string | number | bigint | null | undefined)[],
    plain: {} as Record<string, number>,
  }),
  commands: {
    put: command(v.object({ key: v.string(), text: v.string() }), (state, { key, text }) => {
      const note = state.byKey.get(key) ?? { text: "", tags: new Set<string>(), bytes: new Uint8Array(3) };
      note.text += text;
      note.tags.add(text);
      note.bytes[0] = (note.bytes[0] ?? 0) + 1;
      state.byKey.set(key, note);
      state.plain[key] = (state.plain[key] ?? 0) + 1;
    }),
    drop: command(v.string(), (state, key) => {
      delete state.plain[key];
      state.list.push(key, 1, 2n, null, undefined);
      return state.byKey.delete(key);
    }),
  },
  queries: { all: query(v.undefined(), (state) => state) },
});

type Act = { readonly machine: string; readonly name: string; readonly input: unknown };

const key = fc.oneof(
  fc.constantFrom("a", "b", "c", "ab", "\ud800", "__proto__", "10", "9"),
  fc.string({ maxLength: 3 }),
);
const content = fc.oneof(fc.string(), fc.uint8Array({ maxLength: 40 }));
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({ key, text: fc.string() }).map((input) => ({ machine: "notes", name: "put", input })),
  key.map((input) => ({ machine: "notes", name: "drop", input })),
  fc.record({ key, value: content }).map((input) => ({ machine: "kv", name: "put", input })),
  key.map((input) => ({ machine: "kv", name: "delete", input })),
  fc
    .record({ key, value: fc.option(content, { nil: undefined }), version: fc.nat(30) })
    .map((input) => ({ machine: "kv", name: "compareAndSet", input })),
);

function perform(host: Host, { machine, name, input }: Act): unknown {
  return host.run(machine, name, input);
}

function everything(host: Host): unknown {
  return [host.ask("notes", "all"), host.ask("kv", "list", { limit: 1000 })];
}

function snapshotBytes(host: Host): Uint8Array {
  return encodeValue(drain(host.machine.snapshot()));
}

test("a snapshot taken at any moment is the state of that moment, and the restored machine goes on alike", () => {
  const acts = fc.array(act, { maxLength: 30 });
  fc.assert(
    fc.property(acts, fc.array(fc.tuple(act, fc.boolean()), { maxLength: 30 }), acts, (before, during, after) => {
      const host = new Host([notes, kv]);
      for (const one of before) perform(host, one);
      const then = everything(host);
      const { seqno } = host;
      const snapshot = host.machine.snapshot();
      const chunks: Uint8Array[] = [];
      const take = (): void => {
        const { done, value } = snapshot.next();
        if (done !== true) chunks.push(value);
      };
      for (const [one, pull] of during) {
        perform(host, one);
        if (pull) take();
      }
      chunks.push(...drain(snapshot));

      const restored = new Host([kv, notes]).restore(chunks);
      restored.seqno = seqno;
      assert.equal(everything(restored), then);
      for (const one of [...during.map(([first]) => first), ...after]) perform(restored, one);
      for (const one of after) perform(host, one);
      sameBytes(encodeValue(everything(restored)), encodeValue(everything(host)));
      sameBytes(snapshotBytes(restored), snapshotBytes(host));
    }),
    { numRuns: 150 },
  );
});

test("several snapshots under way keep their own moments", () => {
  const host = new Host(kv);
  const put = (index: number, value: string): void => {
    host.value("kv", "put", { key: `key/${index % 500}`, value });
  };
  const value = "x".repeat(500);
  const open: { at: number; snapshot: Iterator<Uint8Array>; expected: Uint8Array; chunks: Uint8Array[] }[] = [];
  for (let round = 0; round < 2000; round++) {
    put(round * 7, `${round}${value}`);
    if (round % 13 === 0) host.value("kv", "delete", `key/${round % 500}`);
    if (round % 400 === 399) {
      const expected = snapshotBytes(host);
      open.push({ at: round, snapshot: host.machine.snapshot(), expected, chunks: [] });
    }
    const one = open[round % 5];
    const next = round % 40 === 0 ? one?.snapshot.next() : undefined;
    if (next?.done === false) one?.chunks.push(next.value);
  }
  assert.is(open.length, 5);
  for (const { snapshot, expected, chunks } of open) {
    sameBytes(encodeValue([...chunks, ...drain(snapshot)]), expected);
  }
});

test("no chunk is larger than 64 KiB, however large a value is", () => {
  const host = new Host([notes, kv]);
  host.value("notes", "put", { key: "large", text: "x".repeat(200_000) });
  for (let index = 0; index < 40; index++) {
    host.value("kv", "put", { key: `${index}`, value: new Uint8Array(index * 3000).fill(index) });
  }
  host.value("kv", "put", { key: "many", value: "y".repeat(65_536) });
  for (let index = 0; index < 1000; index++) host.value("kv", "put", { key: `small/${index}`, value: "z" });
  const chunks = drain(host.machine.snapshot());
  assert.ok(chunks.length > 30);
  assert.ok(
    chunks.every(({ length }) => length <= MAX_CHUNK_BYTES),
    `largest ${Math.max(...chunks.map(({ length }) => length))}`,
  );
  sameBytes(snapshotBytes(new Host([notes, kv]).restore(chunks)), snapshotBytes(host));
});

test("values may end anywhere at the end of a chunk", () => {
  const host = new Host(kv);
  const sizes = Array.from({ length: 32 }, (_, index) => MAX_CHUNK_BYTES - 31 + index);
  for (const size of sizes) {
    host.value("kv", "put", { key: `${size}`, value: new Uint8Array(size) });
    host.value("kv", "put", { key: `${size}/text`, value: "a".repeat(size % 7) });
  }
  sameBytes(snapshotBytes(new Host(kv).restore(drain(host.machine.snapshot()))), snapshotBytes(host));
});

test("an empty state has a snapshot too", () => {
  const chunks = drain(new Host([notes, kv]).machine.snapshot());
  const host = new Host([notes, kv]);
  host.value("kv", "put", { key: "a", value: "b" });
  host.restore(chunks);
  assert.equal(host.ask("kv", "list", {}), { entries: [] });
});

test("a snapshot in slices begins at once, and is closed when it is given up", () => {
  let closed = 0;
  function* slices(state: { count: number }): Generator<unknown> {
    const { count } = state;
    try {
      for (let index = 0; index < 100; index++) yield [count, new Uint8Array(10_000)];
    } finally {
      closed++;
    }
  }
  const counter = defineMachine({
    name: "counter",
    version: 1,
    init: () => ({ count: 0 }),
    commands: { up: command(v.undefined(), (state) => ++state.count) },
    queries: { count: query(v.undefined(), (state) => state.count) },
    snapshot: slices,
    restore: () => {
      const state = { count: 0 };
      return {
        chunk: (value) => {
          state.count = (value as [number])[0];
        },
        finish: () => state,
      };
    },
  });
  const host = new Host(counter);
  host.value("counter", "up");
  const snapshot = host.machine.snapshot();
  host.value("counter", "up");
  const restored = new Host(counter).restore(drain(snapshot));
  assert.is(restored.ask("counter", "count"), 1);
  assert.is(closed, 1);

  host.machine.snapshot().return?.();
  assert.is(closed, 2);
  const under = host.machine.snapshot();
  under.next();
  under.next();
  under.return?.();
  under.return?.();
  assert.is(closed, 3);
  assert.equal(under.next(), { done: true, value: undefined });
});

test("a machine whose snapshot fails says so", () => {
  const broken = (snapshot: () => Iterator<unknown>): Host => {
    const finish = (): object => ({});
    const restore = (): { chunk(): void; finish(): object } => ({ chunk: () => undefined, finish });
    return new Host(defineMachine({ name: "b", version: 1, init: () => ({}), commands: {}, snapshot, restore }));
  };
  const thrower = (): never => {
    throw new Error("no snapshot today");
  };
  const early = broken(thrower);
  throwsCode(() => early.machine.snapshot(), "MachineFailed", /snapshot of machine "b" failed/);
  assert.is(early.faults[0]?.where, "snapshot");
  throwsCode(() => broken(() => [() => 1].values()).machine.snapshot(), "MachineFailed");
  const late = broken(() => [1, () => 1].values()).machine.snapshot();
  throwsCode(() => drain(late), "MachineFailed");

  const growing = defineMachine({
    name: "g",
    version: 1,
    init: () => ({ list: [] as unknown[] }),
    commands: { spoil: command(v.undefined(), (state) => void state.list.push(() => 1)) },
  });
  const host = new Host(growing);
  host.value("g", "spoil");
  throwsCode(() => host.machine.snapshot(), "MachineFailed");
});

test("nothing changes until a snapshot is whole", () => {
  const full = new Host([notes, kv]);
  full.value("kv", "put", { key: "a", value: "x".repeat(60_000) });
  full.value("notes", "put", { key: "a", text: "x".repeat(100_000) });
  const chunks = drain(full.machine.snapshot());
  const host = new Host([notes, kv]);
  const before = everything(host);
  const refused = (given: readonly Uint8Array[], code: "BadMessage" | "WrongMachine" = "BadMessage"): void => {
    throwsCode(() => host.restore(given), code);
    assert.equal(everything(host), before);
  };
  refused([]);
  for (let index = 0; index < chunks.length; index++) {
    refused(chunks.slice(0, index));
    refused([...chunks.slice(0, index), ...chunks.slice(index + 1)]);
    refused([...chunks.slice(0, index), chunks[index]!.slice(0, -1), ...chunks.slice(index + 1)]);
  }
  refused([chunks[0]!, ...chunks]);
  refused([...chunks, chunks.at(-1)!]);
  refused([chunks[0]!, new Uint8Array([3])]);
  refused([chunks[0]!, new Uint8Array([1, 9])]);
  refused([new Uint8Array([0, ...encodeValue([2, []])])]);
  refused([new Uint8Array([0, ...encodeValue([1, [["kv", 1n]]])])]);
  refused(drain(new Host(kv).machine.snapshot()), "WrongMachine");
});

test("the head names the machines and their versions", () => {
  const [head] = drain(new Host([notes, kv]).machine.snapshot());
  assert.is(head![0], 0);
  assert.equal(decodeValue(head!.slice(1)), [
    1,
    [
      ["kv", 1],
      ["notes", 3],
    ],
  ]);
});

test.run();
