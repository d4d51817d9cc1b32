import { test } from "uvu";
import * as assert from "uvu/assert";
import { extendHash } from "../../src/rsm/hash.ts";
import { HashTrail } from "../../src/rsm/hash-trail.ts";
import { bytes } from "./kit.ts";

test("a backup compares its hash at a place it has executed", () => {
  const trail = new HashTrail();
  trail.note(7, 100);
  trail.note(8, 200);
  assert.not(trail.compare(7, 100));
  assert.not(trail.compare(8, 200));
  assert.ok(trail.compare(7, 101));
});

test("a difference is not forgotten", () => {
  const trail = new HashTrail();
  trail.note(7, 100);
  trail.compare(7, 101);
  assert.ok(trail.compare(7, 100));
});

test("a place that is not executed yet is compared once it is", () => {
  const trail = new HashTrail();
  assert.not(trail.compare(9, 300));
  trail.note(8, 0);
  assert.not(trail.compare(8, 0));
  trail.compare(9, 300);
  trail.note(9, 301);
  assert.ok(trail.compare(9, 301));
});

test("a place long gone is no reason for an alarm", () => {
  const trail = new HashTrail();
  for (let seqno = 1; seqno <= 10_000; seqno++) trail.note(seqno, seqno);
  assert.not(trail.compare(10, 999));
  assert.ok(trail.compare(9000, 999));
});

test("nothing has been executed at place 0", () => {
  assert.not(new HashTrail().compare(0, 5));
});

test("the running hash depends on every viewstamp and every byte of a reply, and stays a safe integer", () => {
  const at = { vid: 3, seqno: 7 };
  const all = [
    extendHash(0, at, bytes("ok")),
    extendHash(1, at, bytes("ok")),
    extendHash(0, { vid: 4, seqno: 7 }, bytes("ok")),
    extendHash(0, { vid: 3, seqno: 8 }, bytes("ok")),
    extendHash(0, at, bytes("oj")),
    extendHash(0, at, bytes("ok\0")),
    extendHash(0, at, bytes("")),
  ];
  assert.is(new Set(all).size, all.length);
  for (const hash of all) assert.ok(Number.isSafeInteger(hash) && hash >= 0);
  assert.is(extendHash(0, at, bytes("ok")), all[0]);
});

test.run();
