// What the compiler knows of a machine, and what it refuses. Checked by tsc; running it only shows that it runs.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { command, defineMachine, query } from "../../src/machine/define.ts";
import type { AnyMachine, InputOf, NoticeOf, OutputOf } from "../../src/machine/definition.ts";
import { type KvCompared, type KvEntry, type KvList, kv } from "../../src/machine/kv.ts";
import { throwsCode } from "./support.ts";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Compiles only for `true`. */
function yes<Given extends true>(given?: Given): Given | undefined {
  return given;
}

const init = (): Map<string, number> => new Map();

test("state, input and output are inferred, in any order of the properties", () => {
  const machine = defineMachine({
    queries: {
      size: query(v.undefined(), (state) => {
        yes<Same<typeof state, Map<string, number>>>();
        return state.size;
      }),
    },
    notices: (state, session) => [{ session, size: state.size }],
    commands: {
      add: command(v.object({ sku: v.string(), by: v.optional(v.number(), 1) }), (state, input, ctx) => {
        yes<Same<typeof state, Map<string, number>>>();
        yes<Same<typeof input, { sku: string; by: number }>>();
        yes<Same<typeof ctx.session, string>>();
        return state.get(input.sku);
      }),
      clear: command(v.null(), (state) => {
        state.clear();
      }),
    },
    init: () => new Map<string, number>(),
    name: "machine",
    version: 1,
  });
  const { add, clear } = machine.commands;
  yes<Same<typeof machine.name, "machine">>();
  yes<Same<InputOf<typeof add>, { sku: string; by?: number | undefined }>>();
  yes<Same<OutputOf<typeof add>, number | undefined>>();
  yes<Same<OutputOf<typeof clear>, void>>();
  yes<Same<InputOf<typeof machine.queries.size>, undefined>>();
  yes<Same<keyof typeof machine.commands, "add" | "clear">>();
  yes<Same<NoticeOf<typeof machine>, { session: string; size: number }>>();
  const any: AnyMachine = machine;
  assert.is(any.name, "machine");
});

test("a machine without queries and notices has none", () => {
  const machine = defineMachine({
    name: "plain",
    version: 1,
    init: () => ({ count: 0 }),
    commands: { up: command(v.number(), (state, by) => (state.count += by)) },
  });
  yes<Same<keyof typeof machine.queries, never>>();
  yes<Same<NoticeOf<typeof machine>, never>>();
  assert.equal(machine.queries, {});
});

test("the types of kv are those of its documentation", () => {
  yes<Same<InputOf<typeof kv.commands.delete>, string>>();
  yes<Same<InputOf<typeof kv.queries.list>, KvList>>();
  yes<Same<OutputOf<typeof kv.commands.compareAndSet>, KvCompared>>();
  yes<Same<OutputOf<typeof kv.queries.list>["entries"], readonly KvEntry[]>>();
  const any: AnyMachine = kv;
  assert.is(any.name, "kv");
});

test("handlers see their types and nothing else", () => {
  command(v.string(), (state: Map<string, number>, input) => {
    // @ts-expect-error: the input is a string
    const wrong: number = input;
    // @ts-expect-error: the state holds numbers
    state.set("a", "b");
    return wrong;
  });
  query(v.string(), (_state: Map<string, number>, _input, ctx) => {
    // @ts-expect-error: a query notifies nobody
    return ctx.notify;
  });
  assert.ok(true);
});

test("async handlers and empty states are refused", () => {
  // @ts-expect-error: no async handler
  command(v.string(), async (_state: Map<string, number>) => 1);
  // @ts-expect-error: no promise
  query(v.string(), (_state: Map<string, number>) => Promise.resolve(1));
  const commands = {};
  // @ts-expect-error: no async init
  defineMachine({ name: "a", version: 1, init: async () => new Map<string, number>(), commands });
  // @ts-expect-error: the state is an object
  defineMachine({ name: "a", version: 1, init: () => 0, commands });
  throwsCode(() => {
    // @ts-expect-error: the schema is synchronous
    command(v.pipeAsync(v.string()), () => 1);
  }, "InvalidOptions");
});

test("reserved names, names that are no identifiers and unknown fields are refused", () => {
  const put = command(v.string(), (state: Map<string, number>, key) => void state.set(key, 1));
  const get = query(v.string(), (state: Map<string, number>, key) => state.get(key));
  const refused: (() => unknown)[] = [
    // @ts-expect-error: a client has `close`
    () => defineMachine({ name: "a", version: 1, init, commands: { close: put } }),
    // @ts-expect-error: a promise has `then`
    // biome-ignore lint/suspicious/noThenProperty: that it is refused is the test
    () => defineMachine({ name: "a", version: 1, init, commands: { put }, queries: { then: get } }),
    // @ts-expect-error: every object has it
    () => defineMachine({ name: "a", version: 1, init, commands: { toString: put } }),
    // @ts-expect-error: no identifier
    () => defineMachine({ name: "a", version: 1, init, commands: { "put-all": put } }),
    // @ts-expect-error: no identifier
    () => defineMachine({ name: "a", version: 1, init, commands: { "": put } }),
    // @ts-expect-error: no string
    () => defineMachine({ name: "a", version: 1, init, commands: { [Symbol.iterator]: put } }),
    // @ts-expect-error: both a command and a query
    () => defineMachine({ name: "a", version: 1, init, commands: { put }, queries: { put: get } }),
    // @ts-expect-error: a query is no command
    () => defineMachine({ name: "a", version: 1, init, commands: { get } }),
    // @ts-expect-error: a command is no query
    () => defineMachine({ name: "a", version: 1, init, commands: {}, queries: { put } }),
    // @ts-expect-error: a machine's name is a member of the client too
    () => defineMachine({ name: "session", version: 1, init, commands: { put } }),
    // @ts-expect-error: no identifier
    () => defineMachine({ name: "1st", version: 1, init, commands: { put } }),
    // @ts-expect-error: unknown field
    () => defineMachine({ name: "a", version: 1, init, commands: { put }, querys: { get } }),
    // @ts-expect-error: no version
    () => defineMachine({ name: "a", init, commands: { put } }),
  ];
  for (const define of refused) throwsCode(define, "InvalidOptions");
});

test("a command over another state is refused", () => {
  const other = command(v.string(), (state: Set<string>, key) => void state.add(key));
  // @ts-expect-error: its state is a set
  defineMachine({ name: "a", version: 1, init, commands: { other } });
  assert.ok(true);
});

test("names that are only known at run time are checked there", () => {
  const name: string = ["then"].join("");
  const commands: Record<string, typeof put> = {};
  const put = command(v.string(), (state: Map<string, number>, key) => void state.set(key, 1));
  commands[name] = put;
  throwsCode(() => defineMachine({ name: "a", version: 1, init, commands }), "InvalidOptions", /"then"/);
  throwsCode(() => defineMachine({ name, version: 1, init, commands: { put } }), "InvalidOptions", /"then"/);
});

test("migrate takes the state of previous", () => {
  const one = defineMachine({ name: "a", version: 1, init: () => new Set<string>(), commands: {} });
  const two = defineMachine({
    name: "a",
    version: 2,
    init,
    commands: { put: command(v.string(), (state, key) => void state.set(key, 1)) },
    previous: one,
    migrate: (old) => {
      yes<Same<typeof old, Set<string>>>();
      return new Map([...old].map((key) => [key, 1]));
    },
  });
  assert.is(two.version, 2);
});

test.run();
