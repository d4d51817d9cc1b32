import { test } from "uvu";
import * as assert from "uvu/assert";
import { Durability } from "../../src/rsm/durability.ts";

test("a log is durable as far as its completed writes go, and so are writes without entries", () => {
  const durability = new Durability(3);
  durability.appended(1, 5);
  durability.appended(3, 8);
  assert.is(durability.seqno, 3);
  durability.durable(1);
  assert.is(durability.seqno, 5);
  durability.durable(2);
  assert.is(durability.seqno, 5);
  assert.is(durability.write, 2);
  durability.durable(3);
  assert.is(durability.seqno, 8);
});

test("one completion may be for several writes", () => {
  const durability = new Durability(0);
  durability.appended(1, 2);
  durability.appended(2, 4);
  durability.appended(3, 6);
  durability.durable(2);
  assert.is(durability.seqno, 4);
});

test("an old completion counts for nothing after entries were dropped", () => {
  const durability = new Durability(0);
  durability.appended(1, 5);
  durability.truncated(2, 3);
  durability.appended(2, 5);
  durability.durable(1);
  assert.is(durability.seqno, 3, "places 4 and 5 hold other entries now");
  durability.durable(2);
  assert.is(durability.seqno, 5);
});

test("dropping takes back what was durable", () => {
  const durability = new Durability(9);
  durability.truncated(1, 4);
  assert.is(durability.seqno, 4);
  durability.durable(1);
  assert.is(durability.seqno, 4);
});

test("entries are dropped for good once that write is durable", () => {
  const durability = new Durability(9);
  assert.ok(durability.isTruncated);
  durability.truncated(2, 4);
  durability.durable(1);
  assert.not(durability.isTruncated);
  durability.durable(2);
  assert.ok(durability.isTruncated);
});

test("a snapshot makes what it covers durable, and keeps the rest only if the log holds its place", () => {
  const kept = new Durability(9);
  kept.appended(1, 12);
  kept.restarted(5, true);
  assert.is(kept.seqno, 9);
  kept.restarted(11, true);
  assert.is(kept.seqno, 11);
  kept.durable(1);
  assert.is(kept.seqno, 12);

  const replaced = new Durability(9);
  replaced.appended(1, 12);
  replaced.restarted(5, false);
  assert.is(replaced.seqno, 5);
  replaced.durable(1);
  assert.is(replaced.seqno, 5, "the entries of that write are gone");
});

test.run();
