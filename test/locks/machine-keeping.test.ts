// What the lock machine does about locks that clients keep after use.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ListPage } from "../../src/locks/machine-words.ts";
import { LockLog } from "./lock-log.ts";
import { acquire, block, kept, list, release, settle, throwsCode, tokenOf, toldIn } from "./machine-support.ts";

test("a client that would keep the lock is given tokens for it, unless others wait", () => {
  const log = new LockLog();
  assert.equal(acquire(log, "1.1", { keep: true }), { status: "granted", token: block, keep: 1 << 24 });
  acquire(log, "1.2", { keep: true });
  acquire(log, "1.3", { keep: true });
  release(log, "1.1", block);
  assert.equal(
    log.told.map(({ notice }) => notice),
    [{ type: "granted", name: "x", xid: 1, token: 4n * block, keep: 0 }],
  );
  release(log, "1.2", 4n * block);
  assert.equal(
    log.told.map(({ notice }) => notice),
    [{ type: "granted", name: "x", xid: 1, token: 5n * block, keep: 1 << 24 }],
  );
});

test("shared clients that come in together share the entry's tokens", () => {
  const log = new LockLog();
  const token = tokenOf(acquire(log, "1.1"));
  for (const session of ["1.2", "1.3", "1.4"]) acquire(log, session, { mode: "shared", keep: true });
  release(log, "1.1", token);
  const third = Math.floor((1 << 24) / 3);
  assert.equal(
    log.told.map(({ notice }) => notice),
    [0, 1, 2].map((n) => ({ type: "granted", name: "x", xid: 1, token: 5n * block + BigInt(n * third), keep: third })),
  );
});

test("no token repeats where a probe ends between two that one entry lets in", () => {
  const log = new LockLog();
  const token = kept(log, "1.1");
  acquire(log, "1.2", { mode: "shared", how: "ifAvailable" });
  acquire(log, "1.3", { how: "ifAvailable" });
  acquire(log, "1.4", { mode: "shared" });
  release(log, "1.1", token);
  assert.equal(toldIn(log).sort(), ["1.2 granted", "1.3 declined", "1.4 granted"]);
  const half = 1n << 23n;
  assert.equal(
    log.told.flatMap(({ notice }) => (notice.type === "granted" ? [notice.token] : [])),
    [5n * block, 5n * block + half],
  );
});

test("whoever keeps the lock is told once that others wait, and again by every new primary", () => {
  const log = new LockLog();
  const token = kept(log, "1.1");
  assert.equal(log.outstanding("1.1"), []);
  acquire(log, "1.2");
  const notice = { type: "revoke", name: "x", xid: 1, token, answer: false };
  assert.equal(log.told, [{ session: "1.1", notice }]);
  acquire(log, "1.3");
  assert.equal(log.told, []);
  assert.equal(log.restored(log.snapshot()).outstanding("1.1"), [notice]);
  release(log, "1.1", token);
  assert.equal(toldIn(log), ["1.2 granted"]);
  assert.equal(log.outstanding("1.1"), []);
});

test("a hand-off is one command: the release of one is the grant of the next", () => {
  const log = new LockLog();
  const token = kept(log, "1.1");
  acquire(log, "1.2", { keep: true });
  release(log, "1.1", token);
  assert.equal(list(log), ["x 1.2 exclusive holds"]);
});

test("all who keep a lock together are told", () => {
  const log = new LockLog();
  kept(log, "1.1", { mode: "shared" });
  kept(log, "1.2", { mode: "shared" });
  acquire(log, "1.3", { mode: "shared" });
  acquire(log, "1.4");
  assert.equal(toldIn(log), ["1.1 revoke", "1.2 revoke"]);
});

test("ifAvailable waits for the answer of whoever may have the lock unused, and gets it if that is so", () => {
  const log = new LockLog();
  const token = kept(log, "1.1");
  assert.equal(acquire(log, "1.2", { how: "ifAvailable" }), { status: "queued" });
  assert.equal(log.told, [{ session: "1.1", notice: { type: "revoke", name: "x", xid: 1, token, answer: true } }]);
  assert.equal(log.outstanding("1.1"), [{ type: "revoke", name: "x", xid: 1, token, answer: true }]);
  assert.equal(list(log), ["x 1.1 exclusive holds"]);
  release(log, "1.1", token);
  assert.equal(toldIn(log), ["1.2 granted"]);
});

test("ifAvailable is declined when the answer is a use, and told so until its client has heard", () => {
  const log = new LockLog();
  const token = kept(log, "1.1");
  acquire(log, "1.2", { how: "ifAvailable", xid: 5 });
  acquire(log, "1.3", { how: "ifAvailable" });
  log.now = 500;
  const use = { xid: 2, token: token + 7n, mode: "exclusive", ageMs: 200 };
  assert.is(settle(log, "1.1", token, [use]), true);
  const notice = { type: "declined", name: "x", xid: 5 };
  assert.equal(log.told[0], { session: "1.2", notice });
  assert.equal(toldIn(log), ["1.2 declined", "1.3 declined"]);
  assert.equal(log.restored(log.snapshot()).outstanding("1.2"), [notice]);
  assert.equal(acquire(log, "1.2", { how: "ifAvailable", xid: 5 }), { status: "unavailable" });
  assert.is(log.apply("1.2", "cancel", { name: "x", xid: 5 }), "none");
  assert.equal(log.outstanding("1.2"), []);
  const { requests } = log.ask("list", { name: "", index: 0 }) as ListPage;
  assert.equal(requests, [{ name: "x", mode: "exclusive", session: "1.1", owner: "", ageMs: 200, token: token + 7n }]);
});

test("after a settled use no answer is waited for: ifAvailable is declined at once", () => {
  const log = new LockLog();
  const token = kept(log, "1.1");
  acquire(log, "1.2", { how: "ifAvailable" });
  assert.is(settle(log, "1.1", token, [{ xid: 2, token, mode: "exclusive", ageMs: 0 }]), true);
  assert.is(settle(log, "1.1", token, [{ xid: 2, token, mode: "exclusive", ageMs: 0 }]), true, "asked again");
  assert.equal(acquire(log, "1.3", { how: "ifAvailable" }), { status: "unavailable" });
  assert.is(release(log, "1.1", token, { xid: 2 }), true);
  assert.is(acquire(log, "1.3", { how: "ifAvailable", xid: 2 }).status, "granted");
});

test("ifAvailable never overtakes whoever waits, and whoever waits stands behind it", () => {
  const log = new LockLog();
  const token = kept(log, "1.1");
  acquire(log, "1.2", { how: "ifAvailable" });
  acquire(log, "1.3");
  assert.equal(acquire(log, "1.4", { how: "ifAvailable" }), { status: "unavailable" });
  release(log, "1.1", token);
  assert.equal(toldIn(log), ["1.2 granted"]);
  const other = new LockLog();
  kept(other, "1.1");
  acquire(other, "1.2");
  assert.equal(acquire(other, "1.3", { how: "ifAvailable" }), { status: "unavailable" });
});

test("shared uses of an exclusive tenure make room for other shared requests", () => {
  const log = new LockLog();
  const token = kept(log, "1.1");
  acquire(log, "1.2", { mode: "shared" });
  acquire(log, "1.3");
  const uses = [3, 4].map((xid) => ({ xid, token: token + BigInt(xid), mode: "shared", ageMs: 0 }));
  settle(log, "1.1", token, uses);
  assert.equal(toldIn(log), ["1.2 granted"]);
  assert.equal(list(log), ["x 1.1 shared holds", "x 1.1 shared holds", "x 1.2 shared holds", "x 1.3 exclusive waits"]);
  log.end("1.1");
  assert.equal(list(log), ["x 1.2 shared holds", "x 1.3 exclusive waits"]);
});

test("a settlement of another tenure changes nothing, and one that cannot be is refused", () => {
  const log = new LockLog();
  const token = kept(log, "1.1", { mode: "shared" });
  const use = { xid: 2, token, mode: "shared", ageMs: 0 };
  assert.is(settle(log, "1.2", token, [use]), false);
  assert.is(settle(log, "1.1", token + 1n, [use]), false);
  assert.is(settle(log, "1.1", token, [use], { xid: 9 }), false);
  throwsCode("InvalidSettlement", () => settle(log, "1.1", token, [{ ...use, mode: "exclusive" }]));
  throwsCode("InvalidSettlement", () => settle(log, "1.1", token, [{ ...use, token: token - 1n }]));
  throwsCode("InvalidSettlement", () => settle(log, "1.1", token, [{ ...use, token: 1000n * block }]));
  throwsCode("InvalidSettlement", () => settle(log, "1.1", token, [{ ...use, xid: 1 }]));
  throwsCode("InvalidInput", () => settle(log, "1.1", token, [use, use]));
  throwsCode("InvalidInput", () => settle(log, "1.1", token, []));
  throwsCode("InvalidInput", () => settle(log, "1.1", token, [use, { ...use, xid: 3, mode: "exclusive" }]));
  assert.equal(list(log), ["x 1.1 shared holds"]);
});

test("a refill gives tokens above all others, to whoever keeps the lock and nobody else", () => {
  const log = new LockLog();
  const token = kept(log, "1.1");
  assert.equal(log.apply("1.1", "refill", { name: "x", xid: 1, token }), { token: 2n * block, keep: 1 << 24 });
  assert.is(log.apply("1.2", "refill", { name: "x", xid: 1, token }), null);
  settle(log, "1.1", token, [{ xid: 2, token, mode: "exclusive", ageMs: 0 }]);
  assert.is(log.apply("1.1", "refill", { name: "x", xid: 1, token }), null);
});

test("a survey asks every client that may have a lock unused, once", () => {
  const log = new LockLog();
  const token = kept(log, "1.1");
  acquire(log, "1.1", { name: "y", xid: 2 });
  const { requests } = log.ask("list", { name: "", index: 0 }) as ListPage;
  assert.equal(
    requests.map(({ name, kept }) => `${name} ${kept}`),
    ["x 1", "y undefined"],
  );
  const tenures = [
    { name: "x", session: "1.1", xid: 1 },
    { name: "y", session: "1.1", xid: 2 },
    { name: "z", session: "1.1", xid: 3 },
  ];
  assert.is(log.apply("1.2", "survey", tenures), 1);
  const notice = { type: "revoke", name: "x", xid: 1, token, answer: true };
  assert.equal(log.told, [{ session: "1.1", notice }]);
  assert.is(log.apply("1.3", "survey", tenures), 0);
  assert.equal(log.restored(log.snapshot()).outstanding("1.1"), [notice]);
});

test("a steal asks whoever may have the lock unused, before those in line; what is unused is given back, not robbed", () => {
  const log = new LockLog();
  const token = kept(log, "1.1");
  acquire(log, "1.2");
  assert.equal(acquire(log, "1.3", { how: "steal", keep: true }), { status: "queued" });
  assert.equal(log.told, [{ session: "1.1", notice: { type: "revoke", name: "x", xid: 1, token, answer: true } }]);
  assert.equal(list(log), ["x 1.1 exclusive holds", "x 1.2 exclusive waits"]);
  assert.equal(acquire(log, "1.4", { how: "ifAvailable" }), { status: "unavailable" });
  assert.is(release(log, "1.1", token), true);
  assert.equal(toldIn(log), ["1.3 granted"]);
  assert.equal(list(log), ["x 1.3 exclusive holds", "x 1.2 exclusive waits"]);
  assert.is(log.deadline, undefined);
});

test("what a steal finds in use it robs as soon as it knows", () => {
  const log = new LockLog();
  const token = kept(log, "1.1", { mode: "shared" });
  const other = kept(log, "1.2", { mode: "shared" });
  acquire(log, "1.3", { how: "steal" });
  settle(log, "1.1", token, [{ xid: 2, token, mode: "shared", ageMs: 0 }]);
  assert.equal(log.told, []);
  release(log, "1.2", other);
  assert.equal(toldIn(log), ["1.1 stolen", "1.3 granted"]);
  assert.equal(log.outstanding("1.1"), [{ type: "stolen", name: "x", xid: 2, token }]);
  assert.equal(acquire(log, "1.4", { how: "steal" }).status, "granted", "what is in use is robbed at once");
});

test("a steal waits for a second, also under another primary, and robs who has not answered by then", () => {
  const log = new LockLog();
  const token = kept(log, "1.1");
  acquire(log, "1.2", { how: "ifAvailable" });
  log.now = 500;
  acquire(log, "1.3", { how: "steal" });
  const other = log.restored(log.snapshot());
  for (const one of [log, other]) {
    assert.is(one.deadline, 1500);
    one.now = 1499;
    assert.not(one.tick());
    one.now = 1500;
    assert.ok(one.tick());
    assert.equal(toldIn(one), ["1.1 stolen", "1.2 declined", "1.3 granted"]);
    assert.is(settle(one, "1.1", token, [{ xid: 2, token, mode: "exclusive", ageMs: 0 }]), false);
    assert.is(one.deadline, undefined);
  }
});

test("those who ask at the same time have the lock one after the other, and the last thief has it", () => {
  const log = new LockLog();
  const token = kept(log, "1.1");
  acquire(log, "1.2", { how: "ifAvailable" });
  acquire(log, "1.3", { how: "steal" });
  acquire(log, "1.4", { how: "steal" });
  acquire(log, "1.5");
  release(log, "1.1", token);
  assert.equal(toldIn(log), ["1.2 granted", "1.3 granted", "1.4 granted", "1.2 stolen", "1.3 stolen"]);
  assert.equal(list(log), ["x 1.4 exclusive holds", "x 1.5 exclusive waits"]);
  const tokens = log.told.flatMap(({ notice }) => (notice.type === "granted" ? [notice.token] : []));
  assert.equal(log.outstanding("1.3"), [{ type: "stolen", name: "x", xid: 1, token: tokens[1] }]);
  assert.is(release(log, "1.3", tokens[1]!), false);
  assert.equal(log.outstanding("1.3"), []);
});

test("a thief that gives up or dies while it waits for an answer leaves the lock as it was", () => {
  const log = new LockLog();
  kept(log, "1.1");
  acquire(log, "1.2", { how: "steal" });
  assert.is(log.apply("1.2", "cancel", { name: "x", xid: 1 }), "waiting");
  acquire(log, "1.3", { how: "steal" });
  log.end("1.3");
  assert.is(log.deadline, undefined);
  assert.equal(list(log), ["x 1.1 exclusive holds"]);
});

test("a steal goes before a lock delay that begins while it waits", () => {
  const log = new LockLog();
  log.apply("1.1", "acquire", {
    name: "x",
    xid: 1,
    mode: "exclusive",
    how: "wait",
    owner: "",
    keep: true,
    ageMs: 0,
    delayMs: 50,
  });
  acquire(log, "1.2", { how: "steal" });
  log.end("1.1", true);
  assert.equal(toldIn(log), ["1.2 granted"]);
  assert.is(log.deadline, undefined);
});

test("thousands of probes are declined in one step", () => {
  const log = new LockLog();
  const token = kept(log, "1.1");
  for (let n = 1; n <= 5000; n++) acquire(log, `2.${n}`, { how: "ifAvailable" });
  settle(log, "1.1", token, [{ xid: 2, token, mode: "exclusive", ageMs: 0 }]);
  assert.is(log.told.length, 5000);
});

test("an age at the client counts", () => {
  const log = new LockLog();
  log.now = 1000;
  log.apply("1.1", "acquire", { name: "x", xid: 1, mode: "exclusive", how: "wait", owner: "", keep: false, ageMs: 0 });
  log.apply("1.2", "acquire", { name: "x", xid: 1, mode: "exclusive", how: "wait", owner: "", keep: false, ageMs: 70 });
  log.now = 1010;
  const { requests } = log.ask("list", { name: "", index: 0 }) as ListPage;
  assert.equal(
    requests.map(({ ageMs }) => ageMs),
    [10, 80],
  );
});

test.run();
