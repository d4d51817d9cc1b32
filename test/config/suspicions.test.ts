import { test } from "uvu";
import * as assert from "uvu/assert";
import { NewestView } from "../../src/config/newest-view.ts";
import { Suspicions } from "../../src/config/suspicions.ts";
import { CORE_DEFAULTS, type CoreOptions } from "../../src/protocol/options.ts";
import { SeededRandom } from "../../src/protocol/random.ts";
import { ORIGIN } from "../../src/protocol/view.ts";
import { member, viewOf } from "./views.ts";

const { heartbeatMs, suspectMs } = CORE_DEFAULTS;
const EMPTY_DISK = {
  identity: undefined,
  machines: undefined,
  setAside: undefined,
  view: undefined,
  promised: undefined,
  accepted: undefined,
  level: undefined,
  snapshot: undefined,
  base: ORIGIN,
  entries: [],
};

interface Watcher {
  readonly suspicions: Suspicions;
  readonly told: string[];
  /** A newer view. */
  enter(view: string, now: number): void;
}

/** What `self` thinks of the others, from time 0 on. */
function watcher(self: string, view: string, options: Partial<CoreOptions> = {}): Watcher {
  const told: string[] = [];
  const newest = new NewestView(member(self), EMPTY_DISK);
  const output = {
    persist: () => 0,
    send: () => undefined,
    path: () => undefined,
    suspected: (id: string, reason: string) => told.push(`${id}: ${reason}`),
  };
  const suspicions = new Suspicions(newest, { ...CORE_DEFAULTS, ...options }, output, new SeededRandom(1), 0);
  const enter = (text: string, now: number): void => {
    const previous = newest.view;
    const next = viewOf(text, newest.vid + 1);
    newest.adopt(next, 0);
    suspicions.onView(previous, next, now);
  };
  enter(view, 0);
  return { suspicions, told, enter };
}

/** When it is this node's turn to replace a primary that was never heard, in milliseconds after the suspicion. */
function turnOf(self: string, view: string, gone = ""): number {
  const { suspicions } = watcher(self, view);
  for (const id of gone) suspicions.liveness.linkDown(id, true);
  for (let now = 0; now < 3000; now++) {
    suspicions.watch(now);
    if (suspicions.isTurnToReplace(now)) return now - suspectMs - 1;
  }
  throw new Error(`${self} has no turn`);
}

test("silence for suspectMs is a suspicion, told once", () => {
  const { suspicions, told } = watcher("a", "a* b c");
  for (let now = 0; now <= 2 * suspectMs; now += 100) {
    suspicions.liveness.heard(member("b"), now);
    suspicions.watch(now);
    assert.is(suspicions.isSuspected("c"), now > suspectMs, `at ${now}`);
  }
  assert.not(suspicions.isSuspected("b"));
  assert.equal(told, ["c: silent for 600 ms"]);
});

test("a suspicion ends with a life sign, and is told anew", () => {
  const { suspicions, told } = watcher("a", "a* b");
  suspicions.watch(600);
  suspicions.liveness.heard(member("b"), 650);
  suspicions.watch(700);
  assert.not(suspicions.isAny);
  suspicions.watch(1200);
  assert.equal(told, ["b: silent for 600 ms", "b: silent for 550 ms"]);
});

test("a backup watches its primary only", () => {
  const { suspicions } = watcher("b", "a* b c");
  suspicions.liveness.heard(member("a"), 900);
  suspicions.watch(1000);
  assert.not(suspicions.isAny);
});

test("a refused redial is a suspicion at once, a connection ends it", () => {
  const { suspicions, told } = watcher("a", "a* b");
  suspicions.liveness.linkDown("b", false);
  suspicions.watch(10);
  assert.not(suspicions.isAny);
  suspicions.liveness.linkDown("b", true);
  suspicions.watch(20);
  assert.equal(told, ["b: nobody listens at its address"]);
  suspicions.liveness.linkUp(member("b"));
  suspicions.watch(30);
  assert.not(suspicions.isAny);
});

test("another incarnation proves a member dead, and its life signs do not count for it", () => {
  const { suspicions, told } = watcher("a", "a* b");
  suspicions.liveness.heard(member("b2"), 100);
  suspicions.watch(100);
  assert.equal(told, ["b: another incarnation of it lives"]);
  assert.is(suspicions.liveness.silence(member("b"), 300), 300);
});

test("a heartbeat that says it is impaired is no life sign, until the next view", () => {
  const { suspicions, enter } = watcher("b", "a* b");
  const { liveness } = suspicions;
  liveness.heard(member("a"), 100);
  liveness.setImpaired(member("a"), true);
  liveness.heard(member("a"), 500);
  suspicions.watch(601);
  assert.ok(suspicions.isSuspected("a"));
  enter("b* c | a", 700);
  liveness.heard(member("a"), 800);
  assert.is(liveness.silence(member("a"), 900), 100);
});

test("a member that does not log is fit again when it does, one that is leaving is not", () => {
  const { suspicions } = watcher("a", "a* b c");
  suspicions.markUnfit("b", "does not log", false);
  suspicions.markUnfit("c", "it is leaving", true);
  assert.equal([...suspicions.unfit], ["b", "c"]);
  suspicions.markUnfit("c", "does not log", false);
  for (const id of ["b", "c"]) suspicions.markFit(id);
  assert.equal([...suspicions.unfit], ["c"]);
});

test("the first member in id order after the primary replaces it at once, the others wait one step longer each", () => {
  const view = "a b* c d";
  assert.is(turnOf("c", view), 0);
  const [second, third] = [turnOf("d", view), turnOf("a", view)];
  assert.ok(second >= heartbeatMs && second <= 1.5 * heartbeatMs, `${second} ms`);
  assert.ok(third >= 2 * heartbeatMs && third <= 3 * heartbeatMs, `${third} ms`);
});

test("nobody waits for a member that is gone", () => {
  assert.is(turnOf("d", "a b* c d", "c"), 0);
  assert.is(turnOf("a", "a b* c d", "cd"), 0);
});

test("a primary that is heard again is not replaced", () => {
  const { suspicions } = watcher("c", "a* b c");
  suspicions.watch(501);
  suspicions.liveness.heard(member("a"), 510);
  suspicions.watch(520);
  assert.not(suspicions.isTurnToReplace(700));
  suspicions.watch(1100);
  assert.not(suspicions.isTurnToReplace(1100), "its turn is counted from the second suspicion");
});

test("a new view gives its new primary and its new members time to be heard", () => {
  const { suspicions, enter } = watcher("c", "a* b c");
  enter("b* c d | a", 2000);
  suspicions.watch(2000 + suspectMs);
  assert.not(suspicions.isSuspected("b"));
  suspicions.watch(2001 + suspectMs);
  assert.ok(suspicions.isSuspected("b"));
});

test("a new primary does not hold the silence of before against the other members", () => {
  const { suspicions, enter } = watcher("b", "a* b c");
  enter("b* c | a", 2000);
  suspicions.watch(2000 + suspectMs);
  assert.not(suspicions.isSuspected("c"));
});

test("a primary that stays does not begin to count anew", () => {
  const { suspicions, enter } = watcher("a", "a* b c");
  suspicions.liveness.heard(member("b"), 1000);
  enter("a* b c", 1001);
  suspicions.watch(1002);
  assert.ok(suspicions.isSuspected("c"));
});

test("a majority is heard if more than half of the acceptors are, this node included", () => {
  const { suspicions } = watcher("a", "a* b | c d e");
  assert.ok(suspicions.hearsMajority(suspectMs));
  assert.not(suspicions.hearsMajority(suspectMs + 1));
  suspicions.liveness.heard(member("c"), 400);
  assert.not(suspicions.hearsMajority(600), "two of five");
  suspicions.liveness.heard(member("d2"), 400);
  assert.not(suspicions.hearsMajority(600), "another incarnation does not count");
  suspicions.liveness.heard(member("e"), 400);
  assert.ok(suspicions.hearsMajority(600));
});

test("a shrink is in vain where too few are left, unless those lost have returned", () => {
  const { suspicions } = watcher("a", "a* b c");
  suspicions.liveness.heard(member("b"), 900);
  assert.ok(suspicions.canShrink(1000));
  suspicions.liveness.linkDown("b", true);
  assert.not(suspicions.canShrink(1000));
  for (const word of ["b2", "c2"]) suspicions.liveness.heard(member(word), 1000);
  assert.ok(suspicions.canShrink(1000));
});

test("a node can be spared if enough others are left: a backup does not count silence", () => {
  const backup = watcher("c", "a* b c").suspicions;
  assert.ok(backup.canSpareSelf(5000));
  backup.liveness.linkDown("b", true);
  assert.not(backup.canSpareSelf(5000));
  const primary = watcher("a", "a* b c").suspicions;
  assert.ok(primary.canSpareSelf(suspectMs));
  assert.not(primary.canSpareSelf(5000));
});

test("only a leading primary forgets, only acceptors that are silent for so long and have not returned", () => {
  const forgetful = { forgetAfterMs: 10_000 };
  const { suspicions } = watcher("a", "a* b | c d e", forgetful);
  suspicions.liveness.heard(member("c"), 5000);
  suspicions.liveness.heard(member("e2"), 100);
  assert.equal(suspicions.forgettable(10_000), []);
  assert.equal(suspicions.forgettable(10_001), ["d"]);
  assert.not(suspicions.canForget(10_001), "four would be left");
  assert.equal(suspicions.forgettable(15_001), ["c", "d"]);
  assert.ok(suspicions.canForget(15_001));
  assert.equal(watcher("b", "a* b | c d e", forgetful).suspicions.forgettable(20_000), []);
  assert.equal(watcher("a", "a* b | c d e").suspicions.forgettable(1e9), []);
});

test("an incarnation that was met before a view counts another has not returned until it is heard again", () => {
  const { suspicions, enter } = watcher("a", "a* b c");
  const { liveness } = suspicions;
  const [counted, other] = [member("c"), { id: "c", incarnation: "c-before" }];
  liveness.linkUp(other);
  liveness.heard(other, 10);
  assert.ok(liveness.hasReturned(counted));
  enter("a* b c", 20);
  assert.not.ok(liveness.hasReturned(counted), "it may be the older one, which the view has replaced");
  liveness.heard(other, 30);
  assert.ok(liveness.hasReturned(counted));
});

test("what an incarnation that a view has replaced had sent is no life sign", () => {
  const { suspicions, enter } = watcher("a", "a* b c");
  const { liveness } = suspicions;
  enter("a* b | c2", 20);
  liveness.heard(member("c2"), 25);
  liveness.heard(member("c"), 30);
  liveness.heardUp(member("c"));
  assert.not.ok(liveness.hasReturned(member("c2")));
  assert.is(liveness.heardAt(member("c2")), 25);
});

test("a replaced incarnation whose data was found again is heard for itself, and as any other once a view counts it", () => {
  const { suspicions, enter } = watcher("a", "a* b c");
  const { liveness } = suspicions;
  const [found, gone] = [member("c"), member("c2")];
  enter("a* b | c2", 20);
  liveness.linkUp(gone);
  liveness.linkDown("c", true);
  liveness.linkUp(found);
  liveness.heard(found, 30);
  assert.is(liveness.heardAt(found), 30);
  assert.ok(liveness.isLinked("c"));
  assert.ok(liveness.isGone(gone), "it is not what is heard there now");
  enter("a* b", 40);
  enter("a* b c", 50);
  assert.not(liveness.isGone(found));
  assert.is(liveness.silence(found, 60), 10);
});

test("a member that was leaving and comes back is not leaving any more, unless it says so again", () => {
  const { suspicions } = watcher("a", "a* b c");
  const isUnfit = (): boolean => suspicions.unfit.has("b");
  suspicions.markUnfit("b", "it is leaving", true);
  suspicions.markFit("b");
  assert.ok(isUnfit(), "it logs on, and leaves all the same");
  suspicions.heardUp(member("b"));
  assert.not.ok(isUnfit());
  suspicions.markUnfit("b", "it does not log", false);
  suspicions.heardUp(member("b"));
  assert.ok(isUnfit(), "a connection is no proof of a disk that works");
});

test.run();
