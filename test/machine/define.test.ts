// What `defineMachine`, `command` and `query` refuse where no compiler helps.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { command, defineMachine, isMachine, query } from "../../src/machine/define.ts";
import { checkInput } from "../../src/machine/input.ts";
import { RESERVED_NAMES } from "../../src/machine/names.ts";
import { replicated } from "../../src/machine/replicated.ts";
import { throwsCode } from "./support.ts";

type Definition = Parameters<typeof defineMachine>[0];

const put = command(v.string(), (state: Map<string, number>, key) => void state.set(key, 1));
const get = query(v.string(), (state: Map<string, number>, key) => state.get(key));
const good = { name: "good", version: 1, init: () => new Map<string, number>(), commands: { put }, queries: { get } };

/** Defines without the compiler's help. */
function define(changes: Readonly<Record<PropertyKey, unknown>>): unknown {
  return defineMachine({ ...good, ...changes } as unknown as Definition);
}

function refused(changes: Readonly<Record<PropertyKey, unknown>>, text: RegExp): void {
  throwsCode(() => define(changes), "InvalidOptions", text);
}

test("a definition that is none is refused with what it should be", () => {
  for (const wrong of [undefined, null, 1, "good", [], () => good]) {
    throwsCode(() => defineMachine(wrong as unknown as Definition), "InvalidOptions", /object with name/);
  }
  refused({ version: 0 }, /whole number from 1/);
  refused({ version: 1.5 }, /whole number from 1/);
  refused({ init: new Map() }, /init .* is a function/);
  refused({ commands: undefined }, /commands .* is an object/);
  refused({ queries: [get] }, /queries .* is an object/);
  refused({ tick: 5, deadline: () => 1 }, /tick .* is a function/);
});

test("an unknown field is named", () => {
  refused({ querys: {} }, /unknown field querys; it may have name, version/);
  refused({ [Symbol("secret")]: 1 }, /unknown field Symbol\(secret\)/);
});

test("every reserved name is refused, for machines, commands and queries", () => {
  for (const name of RESERVED_NAMES) {
    refused({ name }, /would hide a member of the client/);
    refused({ commands: { ["__proto__"]: put, [name]: put } }, /would hide a member of the client/);
    refused({ queries: { ["__proto__"]: get, [name]: get } }, /would hide a member of the client/);
  }
});

test("a name is an identifier", () => {
  for (const name of ["", "1st", "a-b", "a b", "é", "a\n", "\ud800", "a".repeat(65)]) {
    refused({ name }, /name/);
    refused({ commands: { [name]: put } }, /name/);
  }
  refused({ name: undefined }, /of type undefined/);
  refused({ commands: { [Symbol.iterator]: put } }, /of type symbol/);
  for (const name of ["a", "_", "$1", "camelCase", "a".repeat(64)]) assert.ok(isMachine(define({ name })));
});

test("a name is a command or a query, made by its own function", () => {
  refused({ queries: { put: get } }, /both a command and a query/);
  refused({ commands: { put: get } }, /"put" .* no command: make it with command\(/);
  refused({ queries: { get: put } }, /"get" .* no query: make it with query\(/);
  refused({ commands: { put: () => 1 } }, /no command/);
});

test("parts that need each other come together", () => {
  refused({ snapshot: () => [].values() }, /snapshot or restore alone/);
  refused({ restore: () => undefined }, /snapshot or restore alone/);
  refused({ deadline: () => undefined }, /deadline or tick alone/);
  refused({ migrate: () => new Map() }, /previous or migrate alone/);
});

test("previous is an older version of the same machine", () => {
  const migrate = (): Map<string, number> => new Map();
  refused({ version: 2, migrate, previous: good }, /made by defineMachine/);
  refused({ version: 2, migrate, previous: define({ name: "other" }) }, /another machine, "other"/);
  refused({ version: 2, migrate, previous: define({ version: 2 }) }, /not older: version 2/);
  assert.ok(isMachine(define({ version: 2, migrate, previous: define({}) })));
});

test("a schema is valibot's, synchronous in every part", () => {
  const asynchronous = v.pipeAsync(v.string());
  const hidden: unknown[] = [
    asynchronous,
    { ...v.object({}), entries: { deep: v.array(asynchronous as never) } },
    v.record(v.string(), v.optional(asynchronous as never)),
    v.tuple([v.string(), v.union([v.number(), asynchronous as never])]),
    v.pipe(v.string(), v.checkAsync(() => true) as never),
    v.map(asynchronous as never, v.string()),
  ];
  for (const schema of [undefined, {}, () => true, { kind: "schema" }, ...hidden]) {
    throwsCode(() => command(schema as never, () => 1), "InvalidOptions", /valibot schema without async parts/);
    throwsCode(() => query(schema as never, () => 1), "InvalidOptions", /valibot schema without async parts/);
  }
  throwsCode(() => command(v.string(), 1 as never), "InvalidOptions", /function/);
  const recursive = v.object({ async: v.boolean(), next: v.lazy(() => v.unknown()) });
  assert.is(command(recursive, () => 1).schema, recursive);
});

test("a machine is frozen, and not changed by changes to its definition", () => {
  const commands: Record<string, typeof put> = { put };
  const machine = defineMachine({ ...good, commands });
  commands["other"] = put;
  assert.equal(Object.keys(machine.commands), ["put"]);
  assert.throws(() => Object.assign(machine, { version: 2 }), TypeError);
  assert.throws(() => Object.assign(machine.commands, commands), TypeError);
  assert.throws(() => Object.assign(machine.commands["put"]!, { schema: v.number() }), TypeError);
});

test("a cluster runs at least one machine, each name once, each with a usable empty state", () => {
  const machine = define({}) as ReturnType<typeof defineMachine>;
  const starting = (changes: Readonly<Record<string, unknown>>): void => {
    replicated(define(changes) as typeof machine);
  };
  throwsCode(() => replicated([]), "InvalidOptions", /at least one/);
  throwsCode(() => replicated([machine, machine]), "InvalidOptions", /two machines named "good"/);
  throwsCode(() => replicated(good as never), "InvalidOptions", /made by defineMachine/);
  throwsCode(() => replicated(undefined as never), "InvalidOptions", /made by defineMachine/);
  const thrown = (): never => {
    throw new Error("no way");
  };
  throwsCode(() => starting({ init: thrown }), "InvalidOptions", /init of machine "good" failed: no way/);
  throwsCode(() => starting({ init: () => 0 }), "InvalidOptions", /an object that commands can change/);
  throwsCode(() => starting({ init: async () => new Map() }), "InvalidOptions", /no promise/);
  class Counter {
    count = 0;
  }
  throwsCode(() => starting({ init: () => new Counter() }), "InvalidOptions", /needs snapshot and restore.*class/);
});

test("a client checks input before it sends it", () => {
  const add = command(v.object({ items: v.array(v.object({ by: v.number() })) }), () => 1);
  const machine = defineMachine({ name: "m", version: 1, init: () => ({}), commands: { add } });
  checkInput(machine, "command", "add", { items: [{ by: 1 }] });
  const wrong = { items: [{ by: 1 }, { by: "2" }] };
  throwsCode(() => checkInput(machine, "command", "add", wrong), "InvalidInput", /m\.add at items\[1\]\.by: .*number/);
  throwsCode(() => checkInput(machine, "command", "add", 1), "InvalidInput", /input of m\.add: /);
  throwsCode(() => checkInput(machine, "query", "add", 1), "UnknownCommand", /no query "add"/);
  throwsCode(() => checkInput(machine, "command", "toString", 1), "UnknownCommand", /no command "toString"/);
});

test.run();
