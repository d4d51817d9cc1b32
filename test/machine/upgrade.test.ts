// Machines with versions before them: what a replicated machine runs, and how it changes.
import { suite, test } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { locks } from "../../src/locks/machine.ts";
import { command, defineMachine, query } from "../../src/machine/define.ts";
import type { AnyMachine, Command, Machine, NoCalls, Query } from "../../src/machine/definition.ts";
import { kv } from "../../src/machine/kv.ts";
import { replicated } from "../../src/machine/replicated.ts";
import { encodeCall } from "../../src/protocol/calls.ts";
import type { MachineVersion, ReplicatedMachine } from "../../src/protocol/machine.ts";
import { drain, Host, sameBytes, throwsCode } from "./support.ts";

type First = { count: number };
type Second = { total: { count: number; since: number } };
type Third = { totals: Map<string, number> };
type Bumps<State extends object> = { readonly bump: Command<State, number, unknown> };

const one: Machine<"counter", First, Bumps<First>, { readonly old: Query<First, undefined, string> }> = defineMachine({
  name: "counter",
  version: 1,
  init: (): First => ({ count: 0 }),
  commands: { bump: command(v.number(), (state: First, by) => ({ v: 1, count: (state.count += by) })) },
  queries: { old: query(v.undefined(), () => "old") },
});

const two: Machine<"counter", Second, Bumps<Second>, NoCalls> = defineMachine({
  name: "counter",
  version: 2,
  previous: one,
  migrate: ({ count }: First): Second => ({ total: { count, since: 2 } }),
  init: (): Second => ({ total: { count: 100, since: 0 } }),
  commands: { bump: command(v.number(), ({ total }: Second, by) => ({ v: 2, count: (total.count += by) })) },
});

function three(migrate: (state: Second) => Third): AnyMachine {
  return defineMachine({
    name: "counter",
    version: 5,
    previous: two,
    migrate,
    init: (): Third => ({ totals: new Map() }),
    commands: { bump: command(v.number(), ({ totals }: Third, by) => [...totals, by]) },
  });
}

const sound = three(({ total }) => ({ totals: new Map([["all", total.count]]) }));

function at(version: number, name = "counter"): MachineVersion[] {
  return [{ name, version }];
}

function snapshotOf(machine: ReplicatedMachine): Uint8Array[] {
  return drain(machine.snapshot());
}

function restore(machine: ReplicatedMachine, chunks: readonly Uint8Array[]): void {
  const restoration = machine.restore();
  for (const chunk of chunks) restoration.chunk(chunk);
  restoration.finish();
}

test("a machine is able to run all versions of its chain, and runs the newest until it is told otherwise", () => {
  const machine = replicated(sound);
  assert.equal(machine.able, [{ name: "counter", versions: [1, 2, 5] }]);
  assert.equal(machine.versions, at(5));
  machine.begin(at(1));
  assert.equal(machine.versions, at(1));
});

test("an older version runs with its own empty state and its own commands", () => {
  const host = new Host(sound);
  host.machine.begin(at(1));
  assert.equal(host.value("counter", "bump", 3), { v: 1, count: 3 });
  assert.is(host.ask("counter", "old"), "old");
});

test("an upgrade migrates the state, and from then on only newer code runs", () => {
  const host = new Host(two);
  host.machine.begin(at(1));
  host.value("counter", "bump", 3);
  assert.ok(host.machine.upgrade(at(2)));
  assert.equal(host.machine.versions, at(2));
  assert.equal(host.value("counter", "bump", 1), { v: 2, count: 4 });
  assert.is(host.query("counter", "old").type, "failed");
});

test("an upgrade over several versions runs each migration once", () => {
  const host = new Host(sound);
  host.machine.begin(at(1));
  host.value("counter", "bump", 7);
  assert.ok(host.machine.upgrade(at(5)));
  assert.equal(host.value("counter", "bump", 1), [["all", 7], 1]);
});

test("a migration that throws, or gives no state, changes nothing and is reported", () => {
  const broken: ((state: Second) => Third)[] = [
    () => {
      throw new Error("no way");
    },
    () => undefined as unknown as Third,
    () => Promise.resolve() as unknown as Third,
  ];
  for (const migrate of broken) {
    const host = new Host(three(migrate));
    host.machine.begin(at(2));
    host.value("counter", "bump", 1);
    assert.not(host.machine.upgrade(at(5)));
    assert.equal(host.machine.versions, at(2));
    assert.equal(host.value("counter", "bump", 1), { v: 2, count: 102 });
    assert.equal(
      host.faults.map(({ where }) => where),
      ["migrate"],
    );
  }
});

test("of several machines all are upgraded or none", () => {
  const bad = defineMachine({
    name: "zoo",
    version: 2,
    previous: defineMachine({ name: "zoo", version: 1, init: () => ({}), commands: {} }),
    migrate: (): object => {
      throw new Error("no way");
    },
    init: () => ({}),
    commands: {},
  });
  const versions = (counter: number, zoo: number): MachineVersion[] => [...at(counter), ...at(zoo, "zoo")];
  const machine = replicated([bad, two]);
  machine.begin(versions(1, 1));
  assert.not(machine.upgrade(versions(2, 2)));
  assert.equal(machine.versions, versions(1, 1));
  assert.ok(machine.upgrade(versions(2, 1)));
  assert.equal(machine.versions, versions(2, 1));
});

test("machines of which one has a newer version run beside the built-in ones", () => {
  const machine = replicated([two, kv, locks]);
  const all = (counter: number): MachineVersion[] => [...at(counter), ...at(1, "kv"), ...at(1, "locks")];
  machine.begin(all(1));
  assert.ok(machine.upgrade(all(2)));
  assert.equal(machine.versions, all(2));
});

const calls = suite("calls");

calls("of a newer version than runs get a typed error, and change nothing", () => {
  const host = new Host(two);
  host.machine.begin(at(1));
  const text =
    'the cluster runs version 1 of machine "counter", this call is of version 2: upgrade all nodes first, then the clients';
  const bump = encodeCall("counter", "bump", 1, 2);
  sameBytes(host.runBytes(bump), host.machine.query(bump, 0));
  assert.equal(host.query("counter", "old"), { type: "ok", value: "old" });
  assert.equal(host.value("counter", "bump", 0), { v: 1, count: 0 });
  host.machine.upgrade(at(2));
  assert.equal(host.value("counter", "bump", 0), { v: 2, count: 0 });
  assert.match(new TextDecoder().decode(new Host(one).machine.query(bump, 0)), text);
});

calls("of an older version go on for commands that there still are", () => {
  const host = new Host(two);
  assert.equal(host.value("counter", "bump", 1), { v: 2, count: 101 });
  const gone = host.query("counter", "old");
  assert.ok(gone.type === "failed" && gone.code === "UnknownCommand" && gone.text.includes("version 2"));
});

calls.run();

const snapshots = suite("snapshots");

snapshots("carry the versions that ran, and are restored into them", () => {
  const host = new Host(sound);
  host.machine.begin(at(2));
  host.value("counter", "bump", 1);
  const other = new Host(sound);
  restore(other.machine, snapshotOf(host.machine));
  assert.equal(other.machine.versions, at(2));
  assert.equal(other.value("counter", "bump", 1), { v: 2, count: 102 });
});

snapshots("of a version that a program has not are refused in words", () => {
  const host = new Host(sound);
  throwsCode(() => restore(replicated(two), snapshotOf(host.machine)), "WrongMachine", /"counter" version 5.*1 or 2/);
});

snapshots("of replicas that switched at the same place have the same bytes", () => {
  const bytes = [two, sound].map((machine) => {
    const host = new Host(machine);
    host.machine.begin(at(1));
    host.value("counter", "bump", 3);
    host.machine.upgrade(at(2));
    return snapshotOf(host.machine);
  });
  for (const [index, chunk] of bytes[0]!.entries()) sameBytes(bytes[1]![index]!, chunk);
});

snapshots.run();
test.run();
