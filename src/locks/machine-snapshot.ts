/**
 * The lock table in slices, and back. A slice is a list of parts; a lock with a long line comes in several parts.
 * @module
 */
import * as v from "valibot";
import type { StateRestoration } from "../machine/definition.ts";
import { onceSliceSchema } from "./machine-once.ts";
import { type Lock, LockTable, type Tenure, type Waiter } from "./machine-state.ts";
import { modeSchema } from "./machine-words.ts";

/** What both have: session, xid, mode, since, owner. */
type AskedRow = [session: string, xid: number, mode: "exclusive" | "shared", since: number, owner: string];
type WaiterRow = [...AskedRow, keeps: boolean, probes: boolean];
type TenureRow = [...AskedRow, token: bigint, waited: boolean, keep: number, asked: boolean];
type NamedRow = [session: string, xid: number];
type Part = [name: string, holders: TenureRow[], queue: WaiterRow[], stolen: TenureRow[], declined: NamedRow[]];

const askedEntries = [v.string(), v.number(), modeSchema, v.number(), v.string()] as const;
const waiterRow = v.strictTuple([...askedEntries, v.boolean(), v.boolean()]);
const tenureRow = v.strictTuple([...askedEntries, v.bigint(), v.boolean(), v.number(), v.boolean()]);
const partSchema: v.GenericSchema<Part> = v.strictTuple([
  v.string(),
  v.array(tenureRow),
  v.array(waiterRow),
  v.array(tenureRow),
  v.array(v.strictTuple([v.string(), v.number()])),
]);
const sliceSchema = v.array(partSchema);

/** A slice ends at about this many bytes. */
const SLICE_BYTES = 32 * 1024;
const BYTES_PER_REQUEST = 40;
const REQUESTS_PER_PART = 512;

export function* sliceTable(table: LockTable): Generator<unknown, void> {
  const once = table.once.slices();
  let slice: Part[] = [];
  let room = SLICE_BYTES;
  for (const [name, lock] of table.snapshot()) {
    for (const part of partsOf(name, lock)) {
      slice.push(part);
      room -= bytesOf(part);
      if (room > 0) continue;
      yield slice;
      slice = [];
      room = SLICE_BYTES;
    }
  }
  if (slice.length > 0) yield slice;
  yield* once;
}

export function restoreTable(): StateRestoration<LockTable> {
  const table = new LockTable();
  return {
    chunk: (slice) => {
      if (Array.isArray(slice)) for (const part of v.parse(sliceSchema, slice)) addPart(table, part);
      else for (const row of v.parse(onceSliceSchema, slice).once) table.once.put(row);
    },
    finish: () => table,
  };
}

function* partsOf(name: string, { holders, queue, stolen, declined }: Lock): Generator<Part> {
  const longest = Math.max(holders.length, queue.length, stolen.length, declined.length);
  for (let from = 0; from < longest; from += REQUESTS_PER_PART) {
    const to = from + REQUESTS_PER_PART;
    const tenures = (all: readonly Tenure[]): TenureRow[] => all.slice(from, to).map(tenureToRow);
    const named = declined.slice(from, to).map(({ session, xid }): NamedRow => [session, xid]);
    yield [name, tenures(holders), queue.slice(from, to).map(waiterToRow), tenures(stolen), named];
  }
}

function addPart(table: LockTable, [name, holderRows, queueRows, stolenRows, declinedRows]: Part): void {
  const { holders, queue, stolen, declined } = table.get(name);
  table.put(name, {
    holders: [...holders, ...holderRows.map(tenureFromRow)],
    queue: [...queue, ...queueRows.map(waiterFromRow)],
    stolen: [...stolen, ...stolenRows.map(tenureFromRow)],
    declined: [...declined, ...declinedRows.map(([session, xid]) => ({ session, xid }))],
  });
  for (const [session] of [...holderRows, ...queueRows, ...stolenRows, ...declinedRows]) table.enter(session, name);
}

function bytesOf([name, holders, queue, stolen, declined]: Part): number {
  let bytes = 3 * name.length + BYTES_PER_REQUEST * (1 + declined.length);
  for (const rows of [holders, queue, stolen]) {
    for (const [, , , , owner] of rows) bytes += BYTES_PER_REQUEST + 3 * owner.length;
  }
  return bytes;
}

function waiterToRow({ session, xid, mode, since, owner, keeps, probes }: Waiter): WaiterRow {
  return [session, xid, mode, since, owner, keeps, probes];
}

function tenureToRow({ session, xid, mode, since, owner, token, waited, keep, asked }: Tenure): TenureRow {
  return [session, xid, mode, since, owner, token, waited, keep, asked];
}

function waiterFromRow([session, xid, mode, since, owner, keeps, probes]: WaiterRow): Waiter {
  return { session, xid, mode, since, owner, keeps, probes };
}

function tenureFromRow([session, xid, mode, since, owner, token, waited, keep, asked]: TenureRow): Tenure {
  return { session, xid, mode, since, owner, token, waited, keep, asked };
}
