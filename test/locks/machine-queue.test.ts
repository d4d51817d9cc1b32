// Queues of waiters: whatever is made of one, it stays as it was; and long lines.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Queue } from "../../src/locks/machine-queue.ts";
import type { Waiter } from "../../src/locks/machine-state.ts";
import { LockLog } from "./lock-log.ts";
import { acquire, release, tokenIn, tokenOf } from "./machine-support.ts";

function waiter(xid: number): Waiter {
  return {
    ...{ session: "1.1", xid, mode: "shared", since: 0, owner: "", permits: 0, delayMs: 0, group: 0 },
    ...{ keeps: false, probes: false, robsAt: 0 },
  };
}

function xids(queue: Queue): number[] {
  return [...queue].map(({ xid }) => xid);
}

/** The same numbers each time. */
function chances(): (below: number) => number {
  let state = 1;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

test("a queue is what a list would be, and stays so whatever is made of it", () => {
  const chance = chances();
  const all: { queue: Queue; list: number[] }[] = [{ queue: Queue.EMPTY, list: [] }];
  for (let step = 1; step < 6000; step++) {
    const { queue, list } = all[chance(4) === 0 ? chance(all.length) : all.length - 1]!;
    const place = chance(list.length + 1);
    const kind = chance(10);
    const count = Math.min(list.length, chance(4));
    const isOut = (xid: number): boolean => xid % 7 === 3;
    if (kind < 6) all.push({ queue: queue.plus(waiter(step)), list: [...list, step] });
    else if (kind === 6) all.push({ queue: queue.after(count), list: list.slice(count) });
    else if (kind === 7)
      all.push({
        queue: queue.plusAt(place, waiter(step)),
        list: [...list.slice(0, place), step, ...list.slice(place)],
      });
    else if (kind === 8 && place < list.length)
      all.push({ queue: queue.withoutAt(place), list: list.filter((_, index) => index !== place) });
    else if (kind === 9 && chance(10) === 0)
      all.push({ queue: queue.without(({ xid }) => isOut(xid)), list: list.filter((xid) => !isOut(xid)) });
    if (all.length > 60) all.splice(chance(50), 1);
  }
  assert.ok(all.some(({ list }) => list.length > 100));
  for (const { queue, list } of all) {
    assert.equal(xids(queue), list);
    assert.is(queue.length, list.length);
    assert.is(queue.first?.xid, list[0]);
    assert.is(queue.at(-1), undefined);
    assert.is(queue.at(list.length), undefined);
    assert.equal(
      queue.slice(3, 9).map(({ xid }) => xid),
      list.slice(3, 9),
    );
    assert.is(
      queue.findIndex(({ xid }) => xid === list[4]),
      list.length > 4 ? 4 : -1,
    );
  }
});

test("tens of thousands in one line cost each of them no more than a few", () => {
  const log = new LockLog();
  const first = tokenOf(acquire(log, "1.1"));
  const clients = ["1.2", "1.3", "1.4"];
  const begun = performance.now();
  for (let xid = 1; xid <= 10_000; xid++) for (const client of clients) acquire(log, client, { xid });
  assert.is(release(log, "1.1", first), true);
  for (let xid = 1; xid <= 1000; xid++) {
    for (const client of clients) {
      const [told] = log.told;
      assert.equal([told?.session, told?.notice.xid, told?.notice.type], [client, xid, "granted"]);
      assert.is(release(log, client, tokenIn(told!.notice), { xid }), true);
    }
  }
  // It was minutes: each looked through the whole line and copied it. This is for machines that are slow and busy.
  assert.ok(performance.now() - begun < 20_000, `${performance.now() - begun} ms`);
});

test("thousands of groups that are let in together are not too many for one step", () => {
  const log = new LockLog();
  const first = tokenOf(acquire(log, "1.1", { name: "all" }));
  for (let client = 2; client < 10; client++) {
    for (let xid = 1; xid <= 16_384; xid += 64) {
      const others = Array.from({ length: 63 }, (_, index) => `${client} ${xid + index}`);
      const wanted = { names: ["all", ...others], xid, mode: "shared", owner: "", how: "wait", keep: false, ageMs: 0 };
      assert.equal(log.apply(`1.${client}`, "acquireAll", wanted), { status: "queued" });
    }
  }
  // As arguments of one call their names were too many for Node, and not for Bun: replicas differed.
  assert.is(release(log, "1.1", first, { name: "all" }), true);
  assert.is(log.told.length, 8 * 16_384);
});

test.run();
