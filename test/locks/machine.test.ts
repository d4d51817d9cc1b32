// The lock machine, command by command.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ListPage } from "../../src/locks/machine-words.ts";
import { drain, LockLog } from "./lock-log.ts";
import { acquire, block, list, release, throwsCode, tokenIn, tokenOf } from "./machine-support.ts";

test("a free lock is granted at once, with a token made of the entry's place", () => {
  const log = new LockLog();
  assert.equal(acquire(log, "1.1"), { status: "granted", token: block, keep: 0 });
  assert.equal(log.told, []);
  assert.equal(log.outstanding("1.1"), []);
});

test("a held lock queues, and its release tells the next in line", () => {
  const log = new LockLog();
  const token = tokenOf(acquire(log, "1.1"));
  assert.equal(acquire(log, "1.2", { xid: 7 }), { status: "queued" });
  assert.is(release(log, "1.1", token), true);
  const notice = { type: "granted", name: "x", xid: 7, token: 3n * block, keep: 0 };
  assert.equal(log.told, [{ session: "1.2", notice }]);
  assert.equal(log.outstanding("1.2"), [notice]);
  assert.equal(log.outstanding("1.1"), []);
});

test("a request that is asked again is the same request", () => {
  const log = new LockLog();
  const token = tokenOf(acquire(log, "1.1"));
  acquire(log, "1.2");
  assert.equal(acquire(log, "1.1"), { status: "granted", token, keep: 0 });
  assert.equal(acquire(log, "1.2"), { status: "queued" });
  assert.equal(list(log), ["x 1.1 exclusive holds", "x 1.2 exclusive waits"]);
});

test("a release of another tenure changes nothing", () => {
  const log = new LockLog();
  const token = tokenOf(acquire(log, "1.1"));
  assert.is(release(log, "1.2", token), false);
  assert.is(release(log, "1.1", token, { xid: 2 }), false);
  assert.is(release(log, "1.1", token + 1n), false);
  assert.equal(list(log), ["x 1.1 exclusive holds"]);
  assert.is(release(log, "1.1", token), true);
  assert.is(release(log, "1.1", token), false);
  assert.equal(list(log), []);
});

test("shared holders come together, but never past an exclusive request that waits", () => {
  const log = new LockLog();
  const first = tokenOf(acquire(log, "1.1", { mode: "shared" }));
  const second = tokenOf(acquire(log, "1.2", { mode: "shared" }));
  assert.ok(second > first);
  assert.equal(acquire(log, "1.3"), { status: "queued" });
  assert.equal(acquire(log, "1.4", { mode: "shared" }), { status: "queued" });
  assert.equal(acquire(log, "1.5", { mode: "shared", how: "ifAvailable" }), { status: "unavailable" });
  release(log, "1.1", first);
  assert.equal(log.told, []);
  release(log, "1.2", second);
  assert.equal(
    log.told.map(({ session }) => session),
    ["1.3"],
  );
});

test("tokens of several tenures granted by one entry are different, and below those of the next entry", () => {
  const log = new LockLog();
  const token = tokenOf(acquire(log, "1.1"));
  for (const session of ["1.2", "1.3", "1.4"]) acquire(log, session, { mode: "shared" });
  release(log, "1.1", token);
  const tokens = log.told.map(({ notice }) => tokenIn(notice));
  assert.is(tokens.length, 3);
  assert.is(new Set(tokens).size, 3);
  for (const one of tokens) assert.ok(one >= 5n * block && one < 6n * block);
});

test("ifAvailable takes a free lock, declines a held one, and leaves no trace", () => {
  const log = new LockLog();
  const token = tokenOf(acquire(log, "1.1", { how: "ifAvailable" }));
  assert.equal(acquire(log, "1.2", { how: "ifAvailable" }), { status: "unavailable" });
  assert.equal(list(log), ["x 1.1 exclusive holds"]);
  release(log, "1.1", token);
  assert.equal(log.told, []);
});

test("cancel leaves the line and lets in who stood behind", () => {
  const log = new LockLog();
  acquire(log, "1.1", { mode: "shared" });
  acquire(log, "1.2", { xid: 4 });
  acquire(log, "1.3", { mode: "shared" });
  assert.is(log.apply("1.2", "cancel", { name: "x", xid: 4 }), "waiting");
  assert.equal(
    log.told.map(({ session }) => session),
    ["1.3"],
  );
  assert.is(log.apply("1.2", "cancel", { name: "x", xid: 4 }), "none");
});

test("cancel gives a grant back that crossed it", () => {
  const log = new LockLog();
  const token = tokenOf(acquire(log, "1.1"));
  acquire(log, "1.2");
  acquire(log, "1.3");
  release(log, "1.1", token);
  assert.is(log.apply("1.2", "cancel", { name: "x", xid: 1 }), "held");
  assert.equal(
    log.told.map(({ session }) => session),
    ["1.3"],
  );
});

test("steal goes before the line, and the robbed holder is told until it lets go", () => {
  const log = new LockLog();
  const old = tokenOf(acquire(log, "1.1"));
  acquire(log, "1.2");
  const stolen = tokenOf(acquire(log, "1.3", { how: "steal" }));
  assert.ok(stolen > old);
  const notice = { type: "stolen", name: "x", xid: 1, token: old };
  assert.equal(log.told, [{ session: "1.1", notice }]);
  assert.equal(log.outstanding("1.1"), [notice]);
  assert.equal(list(log), ["x 1.3 exclusive holds", "x 1.2 exclusive waits"]);
  assert.is(release(log, "1.1", old), false);
  assert.equal(log.outstanding("1.1"), []);
  assert.equal(list(log), ["x 1.3 exclusive holds", "x 1.2 exclusive waits"]);
});

test("only an exclusive request can steal", () => {
  throwsCode("InvalidInput", () => acquire(new LockLog(), "1.1", { how: "steal", mode: "shared" }));
});

test("the end of a session frees what it held and leaves where it waited", () => {
  const log = new LockLog();
  acquire(log, "1.1", { name: "a" });
  acquire(log, "1.1", { name: "b", mode: "shared" });
  acquire(log, "1.2", { name: "c" });
  acquire(log, "1.1", { name: "c" });
  acquire(log, "1.3", { name: "c" });
  acquire(log, "1.3", { name: "a" });
  log.end("1.1");
  assert.equal(
    log.told.map(({ session, notice }) => `${session} ${notice.name}`),
    ["1.3 a"],
  );
  assert.equal(list(log), ["a 1.3 exclusive holds", "c 1.2 exclusive holds", "c 1.3 exclusive waits"]);
  assert.equal(log.outstanding("1.1"), []);
});

test("a replica restored from a snapshot ends a session in the same order as the others", () => {
  const log = new LockLog();
  for (const name of ["b", "c", "a"]) acquire(log, "1.1", { name });
  for (const name of ["a", "b", "c"]) acquire(log, "1.2", { name });
  const other = log.restored(log.snapshot());
  log.end("1.1");
  other.end("1.1");
  assert.is(log.told.length, 3);
  assert.equal(log.told, other.told);
});

test("one session may stand in one line several times", () => {
  const log = new LockLog();
  const token = tokenOf(acquire(log, "1.1", { xid: 1 }));
  acquire(log, "1.1", { xid: 2 });
  acquire(log, "1.1", { xid: 3 });
  release(log, "1.1", token, { xid: 1 });
  assert.equal(
    log.told.map(({ notice }) => notice.xid),
    [2],
  );
});

test("a session has a bounded number of requests", () => {
  const log = new LockLog();
  for (let xid = 1; xid <= 16_384; xid++) acquire(log, "1.1", { name: `n${xid}`, xid });
  throwsCode("TooManyRequests", () => acquire(log, "1.1", { name: "more", xid: 16_385 }));
  assert.equal(acquire(log, "1.2", { name: "more" }).status, "granted");
});

test("a list shows age, owner and token, and what nobody wants is gone", () => {
  const log = new LockLog();
  log.now = 1000;
  const token = tokenOf(acquire(log, "1.1", { owner: "billing" }));
  log.now = 1250;
  const { requests } = log.ask("list", { name: "", index: 0 }) as ListPage;
  assert.equal(requests, [{ name: "x", mode: "exclusive", session: "1.1", owner: "billing", ageMs: 250, token }]);
  release(log, "1.1", token);
  assert.equal(log.snapshot().length, new LockLog().snapshot().length);
});

test("a list of many requests comes in pages that leave nothing out", () => {
  const log = new LockLog();
  for (let n = 0; n < 700; n++) acquire(log, "1.1", { name: `n${n}`, xid: n + 1 });
  for (let n = 0; n < 900; n++) acquire(log, `2.${n + 1}`, { name: "n5" });
  const seen: string[] = [];
  let from: ListPage["next"] = { name: "", index: 0 };
  let pages = 0;
  while (from !== undefined) {
    const page = log.ask("list", from) as ListPage;
    seen.push(...page.requests.map(({ name, session }) => `${name} ${session}`));
    from = page.next;
    pages++;
  }
  assert.ok(pages > 2);
  assert.is(seen.length, 1600);
  assert.is(new Set(seen).size, 1600);
});

test("names are any JavaScript strings, unchanged by command, notice and snapshot", () => {
  const names = ["", "\ud800", "\udc00\ud800", "a\0b", "é\u0301", "\uffff", "__proto__", "😀"];
  let log = new LockLog();
  names.forEach((name, index) => {
    acquire(log, "1.1", { name, xid: index + 1 });
    acquire(log, "1.2", { name, xid: index + 1 });
  });
  log = log.restored(log.snapshot());
  log.end("1.1");
  assert.equal(log.told.map(({ notice }) => notice.name).sort(), [...names].sort());
});

test("a name that is too long is refused", () => {
  const log = new LockLog();
  assert.is(acquire(log, "1.1", { name: "\ud800".repeat(16_384) }).status, "granted");
  assert.is((log.ask("list", { name: "", index: 0 }) as ListPage).requests.length, 1);
  throwsCode("InvalidInput", () => acquire(log, "1.1", { name: "a".repeat(16_385) }));
});

test("a snapshot is of its moment, comes in slices, and restores what stood in long lines", () => {
  const log = new LockLog();
  for (let n = 0; n < 2000; n++) acquire(log, `3.${n + 1}`, { name: "long" });
  for (let n = 0; n < 500; n++) acquire(log, "1.1", { name: `n${n}`, xid: n + 1, mode: "shared" });
  const before = log.snapshot();
  const slow = log.beginSnapshot();
  log.end("1.1");
  for (let n = 0; n < 1000; n++) log.end(`3.${n + 1}`);
  assert.ok(before.length > 2);
  assert.equal(drain(slow).map(String), before.map(String));
  const other = new LockLog().restored(before);
  other.end("3.1");
  assert.equal(
    other.told.map(({ session }) => session),
    ["3.2"],
  );
});

test.run();
