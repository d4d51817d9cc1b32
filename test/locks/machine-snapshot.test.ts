// The lock table in slices, and back.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { acquire, acquireAll } from "../../src/locks/machine-grants.ts";
import type { At } from "../../src/locks/machine-line.ts";
import { restoreTable, sliceTable } from "../../src/locks/machine-snapshot.ts";
import { LockTable } from "../../src/locks/machine-state.ts";
import { throwsCode } from "./machine-support.ts";

const WANTED = { xid: 1, mode: "exclusive", owner: "", how: "wait", keep: false, ageMs: 0 } as const;

function at(seqno: number): At {
  return { now: 0, seqno, notify: () => {} };
}

/** Somebody holds x, and a group stands in line for x and y. */
function withGroup(): unknown[] {
  const table = new LockTable();
  acquire(table, "1.1", { ...WANTED, name: "x" }, at(1));
  acquireAll(table, "1.2", { ...WANTED, names: ["x", "y"] }, at(2));
  return [...sliceTable(table)];
}

function restored(slices: readonly unknown[]): LockTable {
  const restoration = restoreTable();
  for (const slice of slices) restoration.chunk(slice);
  return restoration.finish();
}

test("a group that stands in line comes back with its locks", () => {
  const slices = withGroup();
  assert.equal([...sliceTable(restored(slices))], slices);
  assert.equal(restored(slices).groups.names("1.2", 1), ["x", "y"]);
});

test("a snapshot in which a group stands in line, and nothing says for which locks, is refused", () => {
  const lines = withGroup().filter((slice) => Array.isArray(slice));
  throwsCode("BadMessage", () => restored(lines));
});

test.run();
