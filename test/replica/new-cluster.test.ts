// A new cluster from what one node has left: what clients were told is still true there.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { AnyMachine } from "../../src/machine/definition.ts";
import { kv } from "../../src/machine/kv.ts";
import { replicated } from "../../src/machine/replicated.ts";
import { encodeCall } from "../../src/protocol/calls.ts";
import type { Entry } from "../../src/protocol/entry.ts";
import { makeEntry } from "../../src/protocol/entry-codec.ts";
import type { MachineVersion } from "../../src/protocol/machine.ts";
import { encodeUpgrade } from "../../src/protocol/upgrade-body.ts";
import { encodeValue } from "../../src/protocol/values.ts";
import { ORIGIN, type Viewstamp } from "../../src/protocol/view.ts";
import { clusterOfRemains, type NewCluster } from "../../src/replica/new-cluster.ts";
import { ReplicatedState } from "../../src/rsm/state.ts";
import { askState } from "../../src/simulator/ledger/replay.ts";
import { tester } from "../../src/simulator/workload/tester-machine.ts";
import type { Salvaged } from "../../src/storage/salvage.ts";

const SESSION = { vid: 1, seqno: 1 };
const SKIP = 1000;

function entry(seqno: number, fields: Pick<Entry, "kind" | "body"> & { readonly number?: number }): Entry {
  const session: Viewstamp = fields.kind === "command" ? SESSION : ORIGIN;
  return makeEntry({ number: 0, acknowledgedThrough: 0, ...fields, vid: 1, seqno, time: 5, session });
}

function call(seqno: number, number: number, name: string, input: unknown): Entry {
  return entry(seqno, { kind: "command", number, body: encodeCall("kv", name, input) });
}

/** A put at place 2, whose version is that place, and a compareAndSet that was done because of it. */
const ENTRIES: readonly Entry[] = [
  entry(1, { kind: "open", body: encodeValue(1000) }),
  call(2, 1, "put", { key: "color", value: "green" }),
  call(3, 2, "compareAndSet", { key: "color", version: 2, value: "blue" }),
];

type Made = NewCluster & { readonly isStampedAnew: boolean };

function recovered(
  machines: readonly AnyMachine[],
  skip: number,
  entries: readonly Entry[] = ENTRIES,
): { made: Made | undefined; error: Error | undefined } {
  const origin = [{ name: "kv", version: 1 }];
  const facts = { machines: { origin, promised: [] } };
  const found = { facts, snapshot: undefined, base: ORIGIN, entries, damage: undefined, wasAside: false };
  const member = { id: "a", incarnation: "0123456789abcdef", url: "memory://a" };
  const machine = replicated(machines);
  let result: { made: Made | undefined; error: Error | undefined } = { made: undefined, error: undefined };
  clusterOfRemains({ clusterId: "c1", found: found as unknown as Salvaged, member, skip, machine }, (error, made) => {
    result = { made, error };
  });
  return result;
}

/** The state that a node of the new cluster comes to. */
function stateOf({ snapshot, entries }: Made): ReplicatedState {
  const state = new ReplicatedState(replicated([kv]));
  state.begin([{ name: "kv", version: 1 }]);
  if (snapshot !== undefined) {
    const restoration = state.restore(snapshot.at);
    for (let index = 0; index < snapshot.count; index++)
      snapshot.chunk(index, (_error, bytes) => restoration.chunk(bytes as Uint8Array));
    restoration.finish();
  }
  for (const one of entries) state.apply(one);
  return state;
}

for (const skip of [0, SKIP]) {
  test(`a write that was done because of a version is still there, ${skip} places later`, () => {
    const { made } = recovered([kv], skip);
    assert.is(made?.isStampedAnew, false);
    const state = stateOf(made as Made);
    assert.is(state.applied.seqno, 3 + skip);
    assert.equal(askState(state, "kv", "get", "color"), { value: "blue", version: 3 });
    assert.ok(state.sessions.get(SESSION), "a session has the id that it had");
  });
}

test("what a program executed before it met versions that it lacks is not executed twice", () => {
  const [from, to] = [1, 2].map((version) => [{ name: "kv", version }]);
  const body = encodeUpgrade({ from: from as MachineVersion[], to: to as MachineVersion[] });
  const { made } = recovered([kv], SKIP, [...ENTRIES, entry(4, { kind: "upgrade", body })]);
  assert.is(made?.isStampedAnew, true);
  assert.is(made?.entries.length, 4);
  const begun = stateOf({ ...(made as Made), entries: [] });
  assert.is(begun.sessions.size, 0);
  assert.is(askState(begun, "kv", "get", "color"), undefined);
});

test("a program that does not have the machines makes nothing of a log without a snapshot", () => {
  const { made, error } = recovered([tester], SKIP);
  assert.is(made, undefined);
  assert.match(error?.message ?? "", /--skip 0/);
});

test.run();
