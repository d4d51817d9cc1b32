import { test } from "uvu";
import * as assert from "uvu/assert";
import { Session, SessionTable } from "../../src/rsm/sessions.ts";

const AT = { vid: 2, seqno: 9 };

function sessionWith(executed: number): Session {
  const session = new Session(AT, 10_000);
  for (let number = 1; number <= executed; number++) {
    session.lastNumber = number;
    session.replies.set(number, new Uint8Array([number]));
  }
  return session;
}

function kept(session: Session): number[] {
  return [...session.replies.keys()];
}

test("replies are kept until they are acknowledged", () => {
  const session = sessionWith(5);
  session.acknowledge(3);
  assert.equal(kept(session), [4, 5]);
  assert.is(session.acknowledgedThrough, 3);
});

test("an acknowledgement never goes back", () => {
  const session = sessionWith(5);
  session.acknowledge(3);
  session.acknowledge(1);
  assert.is(session.acknowledgedThrough, 3);
  session.acknowledge(4);
  assert.equal(kept(session), [5]);
});

test("a client cannot acknowledge what was not executed", () => {
  const session = sessionWith(2);
  session.acknowledge(100);
  assert.is(session.acknowledgedThrough, 2);
  session.lastNumber = 3;
  session.replies.set(3, new Uint8Array());
  assert.equal(kept(session), [3]);
});

test("a session is known by the viewstamp that opened it", () => {
  const table = new SessionTable();
  const session = table.open(AT, 500);
  assert.is(table.get(AT), session);
  assert.is(table.get({ vid: 3, seqno: 9 }), undefined);
  assert.is(table.get({ vid: 2, seqno: 8 }), undefined);
  assert.is(session.id, "2.9");
});

test("a session ends once, and only by its own viewstamp", () => {
  const table = new SessionTable();
  const session = table.open(AT, 500);
  assert.is(table.end({ vid: 3, seqno: 9 }), undefined);
  assert.is(table.size, 1);
  assert.is(table.end(AT), session);
  assert.is(table.end(AT), undefined);
  assert.is(table.size, 0);
});

test.run();
