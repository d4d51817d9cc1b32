import { test } from "uvu";
import * as assert from "uvu/assert";
import { type LiveSession, LiveSessions } from "../../src/rsm/live-sessions.ts";
import { SessionTable } from "../../src/rsm/sessions.ts";

const TTL = 500;

function activated(count: number, now: number): { table: SessionTable; live: LiveSessions } {
  const table = new SessionTable();
  for (let seqno = 1; seqno <= count; seqno++) table.open({ vid: 1, seqno }, TTL);
  const live = new LiveSessions();
  live.begin(table, now);
  return { table, live };
}

/** All that are found now, as they are ended. */
function allOverdue(live: LiveSessions, now: number): LiveSession[] {
  const found: LiveSession[] = [];
  while (live.mayBeOverdue(now)) {
    do {
      const one = live.nextOverdue(now);
      if (one === undefined) continue;
      one.ending = true;
      found.push(one);
    } while (live.isLooking);
    if (found.length === 0) break;
  }
  return found;
}

function overdue(live: LiveSessions, now: number): number[] {
  return allOverdue(live, now).map(({ session }) => session.opened.seqno);
}

test("after an activation every session has a full TTL, whether anybody asked for it or not", () => {
  const { live } = activated(3, 1000);
  assert.is(live.get(2)?.heardAt, 1000);
  assert.equal(overdue(live, 1000 + TTL), []);
  assert.equal(overdue(live, 1001 + TTL), [1, 2, 3]);
});

test("a session that was heard has a TTL from then on; an ending one is not ended twice", () => {
  const { live } = activated(3, 1000);
  const second = live.get(2)!;
  live.heard(second, 7, 1300);
  assert.equal(overdue(live, 1001 + TTL), [1, 3]);
  assert.equal(overdue(live, 1300 + TTL), []);
  assert.equal(overdue(live, 1301 + TTL), [2]);
});

test("the number stamped last is the one executed last before the activation", () => {
  const { table, live } = activated(1, 1000);
  table.get({ vid: 1, seqno: 1 })!.lastNumber = 9;
  assert.is(live.get(1)?.stamped, 9);
});

test("a session that is over, or opened before there was a table, is not there", () => {
  const { table, live } = activated(2, 1000);
  live.heard(live.get(1)!, 7, 1000);
  table.end({ vid: 1, seqno: 1 });
  live.remove(1);
  assert.is(live.get(1), undefined);
  assert.is(live.get(3), undefined);
  assert.is(new LiveSessions().get(2), undefined);
});

test("very many sessions are looked at a few at a time, with those that are opened meanwhile", () => {
  const { table, live } = activated(10_000, 1000);
  let looks = 0;
  const all = table[Symbol.iterator].bind(table);
  table[Symbol.iterator] = function* () {
    for (const session of all()) {
      looks++;
      yield session;
    }
  };
  const now = 1000 + TTL;
  assert.is(live.nextOverdue(now), undefined);
  assert.ok(looks < 1000, `${looks} at once`);
  live.add(table.open({ vid: 1, seqno: 20_000 }, 1), now);
  while (live.isLooking) assert.is(live.nextOverdue(now), undefined);
  assert.is(looks, 10_001);
  assert.not(live.mayBeOverdue(now - 1));
  assert.ok(live.mayBeOverdue(now + 1), "the new one is the first to be");
  const found = overdue(live, now + TTL);
  assert.is(found.length, 10_001);
  assert.is(new Set(found).size, 10_001);
});

test("an activation makes nothing of sessions that nobody asks for", () => {
  const { table, live } = activated(0, 1000);
  const many = new SessionTable();
  for (let seqno = 1; seqno <= 1000; seqno++) many.open({ vid: 1, seqno }, TTL);
  let looked = 0;
  many[Symbol.iterator] = () => {
    looked++;
    return table[Symbol.iterator]();
  };
  live.begin(many, 1000);
  assert.is(looked, 0);
  assert.ok(live.get(1000) !== undefined);
});

test.run();
