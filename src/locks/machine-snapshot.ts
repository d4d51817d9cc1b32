/**
 * The lock table in slices, and back. A slice is a list of parts; a lock with a long line comes in several parts.
 * @module
 */
import * as v from "valibot";
import type { StateRestoration } from "../machine/definition.ts";
import { badMessage } from "../protocol/bytes.ts";
import { groupSliceSchema } from "./machine-groups.ts";
import { onceSliceSchema } from "./machine-once.ts";
import { type Bar, type Lock, LockTable, type Tenure, type Waiter } from "./machine-state.ts";
import { modeSchema } from "./machine-words.ts";

/** What both have. */
type AskedRow = [
  session: string,
  xid: number,
  mode: "exclusive" | "shared",
  since: number,
  owner: string,
  permits: number,
  delayMs: number,
];
type WaiterRow = [...AskedRow, group: number, keeps: boolean, probes: boolean, robsAt: number];
type TenureRow = [...AskedRow, token: bigint, waited: boolean, keep: number, asked: boolean];
type NamedRow = [session: string, xid: number];
type BarRow = [session: string, owner: string, since: number, token: bigint, until: number];
type Part = [
  name: string,
  holders: TenureRow[],
  queue: WaiterRow[],
  stolen: TenureRow[],
  declined: NamedRow[],
  barred: BarRow | null,
];

const askedEntries = [v.string(), v.number(), modeSchema, v.number(), v.string(), v.number(), v.number()] as const;
const waiterRow = v.strictTuple([...askedEntries, v.number(), v.boolean(), v.boolean(), v.number()]);
const tenureRow = v.strictTuple([...askedEntries, v.bigint(), v.boolean(), v.number(), v.boolean()]);
const partSchema: v.GenericSchema<Part> = v.strictTuple([
  v.string(),
  v.array(tenureRow),
  v.array(waiterRow),
  v.array(tenureRow),
  v.array(v.strictTuple([v.string(), v.number()])),
  v.nullable(v.strictTuple([v.string(), v.string(), v.number(), v.bigint(), v.number()])),
]);
const sliceSchema = v.array(partSchema);

/** A slice ends at about this many bytes. */
const SLICE_BYTES = 32 * 1024;
const BYTES_PER_REQUEST = 40;
const REQUESTS_PER_PART = 512;

export function* sliceTable(table: LockTable): Generator<unknown, void> {
  const once = table.once.slices();
  const groups = table.groups.slices();
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
  yield* groups;
  yield* once;
}

export function restoreTable(): StateRestoration<LockTable> {
  const table = new LockTable();
  /** The groups that stand in line, by their names. */
  const groups = new Map<string, Pick<Waiter, "session" | "group">>();
  return {
    chunk: (slice) => {
      if (Array.isArray(slice)) {
        for (const part of v.parse(sliceSchema, slice))
          for (const one of addPart(table, part)) groups.set(`${one.session} ${one.group}`, one);
      } else if (v.is(groupSliceSchema, slice)) for (const row of slice.groups) table.groups.put(...row);
      else for (const row of v.parse(onceSliceSchema, slice).once) table.once.put(row);
    },
    finish: () => {
      // Of all locks of no group it can be said that they are free: it would be let in for ever.
      for (const { session, group } of groups.values())
        if (table.groups.names(session, group).length === 0)
          throw badMessage(`nothing says for which locks the group ${session}/${group} stands in line`);
      return table;
    },
  };
}

function* partsOf(name: string, { holders, queue, stolen, declined, barred }: Lock): Generator<Part> {
  const longest = Math.max(holders.length, queue.length, stolen.length, declined.length, barred === undefined ? 0 : 1);
  const bar = barred === undefined ? null : barToRow(barred);
  for (let from = 0; from < longest; from += REQUESTS_PER_PART) {
    const to = from + REQUESTS_PER_PART;
    const tenures = (all: readonly Tenure[]): TenureRow[] => all.slice(from, to).map(tenureToRow);
    const named = declined.slice(from, to).map(({ session, xid }): NamedRow => [session, xid]);
    yield [
      name,
      tenures(holders),
      queue.slice(from, to).map(waiterToRow),
      tenures(stolen),
      named,
      from === 0 ? bar : null,
    ];
  }
}

/** Gives those of groups that stand in line. */
function addPart(table: LockTable, [name, holderRows, queueRows, stolenRows, declinedRows, barRow]: Part): Waiter[] {
  const { holders, queue, stolen, declined, barred } = table.get(name);
  const waiters = queueRows.map(waiterFromRow);
  table.put(name, {
    holders: [...holders, ...holderRows.map(tenureFromRow)],
    queue: waiters.reduce((line, waiter) => line.plus(waiter), queue),
    stolen: [...stolen, ...stolenRows.map(tenureFromRow)],
    declined: [...declined, ...declinedRows.map(([session, xid]) => ({ session, xid }))],
    barred: barRow === null ? barred : barFromRow(barRow),
  });
  for (const [session, xid] of [...holderRows, ...queueRows, ...stolenRows, ...declinedRows]) {
    table.enter({ session, xid }, name);
  }
  return waiters.filter(({ group }) => group > 0);
}

function bytesOf([name, holders, queue, stolen, declined]: Part): number {
  let bytes = 3 * name.length + BYTES_PER_REQUEST * (1 + declined.length);
  for (const rows of [holders, queue, stolen]) {
    for (const [, , , , owner] of rows) bytes += BYTES_PER_REQUEST + 3 * owner.length;
  }
  return bytes;
}

function waiterToRow(waiter: Waiter): WaiterRow {
  const { session, xid, mode, since, owner, permits, delayMs, group, keeps, probes, robsAt } = waiter;
  return [session, xid, mode, since, owner, permits, delayMs, group, keeps, probes, robsAt];
}

function tenureToRow(tenure: Tenure): TenureRow {
  const { session, xid, mode, since, owner, permits, delayMs, token, waited, keep, asked } = tenure;
  return [session, xid, mode, since, owner, permits, delayMs, token, waited, keep, asked];
}

function barToRow({ session, owner, since, token, until }: Bar): BarRow {
  return [session, owner, since, token, until];
}

function waiterFromRow(row: WaiterRow): Waiter {
  const [session, xid, mode, since, owner, permits, delayMs, group, keeps, probes, robsAt] = row;
  return { session, xid, mode, since, owner, permits, delayMs, group, keeps, probes, robsAt };
}

function tenureFromRow(row: TenureRow): Tenure {
  const [session, xid, mode, since, owner, permits, delayMs, token, waited, keep, asked] = row;
  return { session, xid, mode, since, owner, permits, delayMs, token, waited, keep, asked };
}

function barFromRow([session, owner, since, token, until]: BarRow): Bar {
  return { session, owner, since, token, until };
}
