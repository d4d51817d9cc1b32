// Rules 3 to 6: who belongs to a view, who leads it, and whose word counts.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { viewOf } from "../../config/views.ts";
import { ballot, EMPTY_DISK, entry, Scene } from "./scene.ts";

const A1 = ballot(1, "a");
const B1 = ballot(1, "b");

/** a and b are members, c has a log of its own and wants to be one. */
function withLearner(held: number): Scene {
  const scene = Scene.of("a* b c");
  const pair = viewOf("a* b | c", 2);
  scene.choose(pair, A1, "ab");
  scene.adopt("abc", pair);
  scene.lead("a");
  scene.append("ab", entry(2, 1), entry(2, 2));
  scene.step("a");
  scene.append("c", ...[entry(2, 1), entry(2, 2)].slice(0, held));
  return scene;
}

const three = suite("rule 3");

three("a shrink to those that answered the roll call is well", () => {
  const scene = Scene.of("a* b c");
  scene.choose(viewOf("b* c | a", 2), B1, "bc");
  assert.equal(scene.texts, []);
});

three("a shrink with a member that did not answer is seen", () => {
  const scene = Scene.of("a* b c");
  scene.promise("b", 2, B1);
  scene.promise("a", 2, B1);
  scene.accept("b", B1, viewOf("b* c | a", 2));
  assert.equal(scene.broken, [3]);
});

three("the same members without a roll call are well under the proposer, and under another are not", () => {
  const scene = Scene.of("a* b c");
  scene.promise("b", 2, B1);
  scene.promise("a", 2, B1);
  scene.accept("b", B1, viewOf("a b* c", 2));
  assert.equal(scene.texts, []);
  const other = Scene.of("a* b c");
  other.promise("b", 2, B1);
  other.promise("a", 2, B1);
  other.accept("b", B1, viewOf("a b c*", 2));
  assert.equal(other.broken, [3]);
});

three("a primary that is passed over is seen", () => {
  const scene = Scene.of("a* b c");
  scene.promise("b", 2, B1);
  scene.promise("a", 2, B1);
  scene.promise("c", 2, B1);
  scene.accept("b", B1, viewOf("a b* | c", 2));
  assert.equal(scene.broken, [3]);
});

three("who is barred is for operators to say", () => {
  const propose = (before: string, after: string, ...asked: readonly ("remove" | "lift")[]): Scene => {
    const scene = Scene.of(before);
    for (const action of asked) scene.askOnly("a", { type: "change", xid: 1, action, id: "d", url: "" });
    for (const id of ["a", "b", "c"]) scene.promise(id, 2, A1);
    scene.accept("a", A1, viewOf(after, 2));
    return scene;
  };
  assert.equal(propose("a* b | c d", "a* b | c !d", "remove").texts, []);
  assert.equal(propose("a* b | c d", "a* b | c !d").broken, [3]);
  assert.equal(propose("a* b | c !d", "a* b | c", "lift").texts, []);
  assert.equal(propose("a* b | c !d", "a* b | c").broken, [3]);
  assert.equal(propose("a* b | c d", "a* b | c d !d", "remove").broken, [3], "barred, and counted");
  assert.equal(propose("a* b | c ?d", "a* b | c").broken, [3], "an invitation that nobody has taken is gone");
});

three("a member whose other incarnation is the acceptor is seen", () => {
  const scene = Scene.of("a* b c");
  for (const id of ["a", "b"]) scene.promise(id, 2, B1);
  scene.accept("b", B1, { ...viewOf("a b* c", 2), acceptors: viewOf("b* | a2 c", 2).acceptors });
  assert.equal(scene.broken, [3]);
});

three("an admission is well when the learner has promised to be level", () => {
  const scene = withLearner(2);
  scene.keep("c", { kind: "level", vid: 2, through: { vid: 2, seqno: 2 } });
  scene.choose(viewOf("a* b c", 3), A1, "ab");
  assert.equal(scene.texts, []);
});

three("a learner that is admitted without that promise, or with an old one, is seen", () => {
  const hasty = withLearner(2);
  hasty.promise("a", 3, A1);
  hasty.promise("b", 3, A1);
  hasty.accept("a", A1, viewOf("a* b c", 3));
  assert.equal(hasty.broken, [3]);
  const early = withLearner(1);
  early.keep("c", { kind: "level", vid: 2, through: { vid: 2, seqno: 1 } });
  early.promise("a", 3, A1);
  early.promise("b", 3, A1);
  early.accept("a", A1, viewOf("a* b c", 3));
  assert.equal(early.broken, [3]);
});

three("an admission that leaves late, when others have gone on with the learner, is well", () => {
  const scene = withLearner(2);
  scene.keep("c", { kind: "level", vid: 2, through: { vid: 2, seqno: 2 } });
  scene.promise("a", 3, A1);
  scene.promise("b", 3, A1);
  scene.keep("c", { kind: "view", view: viewOf("a b* c", 4) });
  scene.accept("a", A1, viewOf("a* b c", 3));
  assert.not.ok(
    scene.texts.some((text) => text.includes("promised to hold")),
    scene.texts.join("; "),
  );
});

three("a backup that admits is seen", () => {
  const scene = withLearner(2);
  scene.keep("c", { kind: "level", vid: 2, through: { vid: 2, seqno: 2 } });
  scene.promise("b", 3, B1);
  scene.promise("a", 3, B1);
  scene.accept("b", B1, viewOf("a* b c", 3));
  assert.equal(scene.broken, [3]);
});

three("a primary that stamps on after its admission is seen", () => {
  const scene = withLearner(2);
  scene.keep("c", { kind: "level", vid: 2, through: { vid: 2, seqno: 2 } });
  scene.promise("a", 3, A1);
  scene.promise("b", 3, A1);
  scene.accept("a", A1, viewOf("a* b c", 3));
  assert.equal(scene.texts, []);
  scene.append("a", entry(2, 3));
  assert.equal(scene.broken, [3]);
});

three("a member without a committed entry is seen when its view is chosen", () => {
  const scene = Scene.of("a* b");
  scene.append("a", entry(1, 1));
  scene.commit("a", 1);
  assert.equal(scene.broken, [7]);
  scene.choose(viewOf("a* b", 2), A1, "ab");
  assert.equal(scene.broken, [3, 7]);
});

three("a view that nobody chose is seen", () => {
  const scene = Scene.of("a* b c");
  scene.keep("b", { kind: "view", view: viewOf("b* c | a", 2) });
  assert.equal(scene.broken, [3]);
});

three("an entry that its primary does not have is dropped rightly, one that it has is not", () => {
  const scene = Scene.of("a* b c");
  scene.append("abc", entry(1, 1));
  scene.append("c", entry(1, 2));
  const next = viewOf("b* c | a", 2);
  scene.choose(next, B1, "bc");
  scene.adopt("bc", next);
  scene.step("b");
  scene.lead("b");
  scene.keep("c", { kind: "truncate", seqno: 1 });
  assert.equal(scene.texts, []);
  scene.write("c", { kind: "truncate", seqno: 0 });
  assert.equal(scene.broken, [3]);
});

three("an entry of the node's own view is never dropped", () => {
  const scene = Scene.of("a* b c");
  scene.append("b", entry(1, 1));
  scene.write("b", { kind: "truncate", seqno: 0 });
  assert.equal(scene.broken, [3]);
});

three("a committed entry is never dropped", () => {
  const scene = Scene.of("a* b c");
  scene.append("abc", entry(1, 1));
  scene.commit("a", 1);
  scene.choose(viewOf("b* c | a", 2), B1, "bc");
  scene.adopt("bc", viewOf("b* c | a", 2));
  scene.write("c", { kind: "truncate", seqno: 0 });
  assert.equal(scene.broken, [3]);
});

three("a learner that drops what it promised to hold is seen", () => {
  const scene = withLearner(0);
  scene.append("c", entry(1, 1), entry(1, 2));
  scene.keep("c", { kind: "level", vid: 2, through: { vid: 1, seqno: 1 } });
  scene.keep("c", { kind: "truncate", seqno: 1 });
  assert.equal(scene.texts, []);
  scene.write("c", { kind: "truncate", seqno: 0 });
  assert.equal(scene.broken, [3]);
});

three("a learner takes a snapshot of what it lacks, a member does not", () => {
  const snapshot = { at: { vid: 2, seqno: 2 }, chunks: 1 };
  const scene = withLearner(0);
  scene.ledger.snapshotBegun("c", snapshot);
  assert.equal(scene.texts, []);
  const member = Scene.of("a* b");
  member.ledger.snapshotBegun("b", snapshot);
  assert.equal(member.broken, [3]);
});

three("a learner takes no snapshot that ends below its promise", () => {
  const scene = withLearner(2);
  scene.keep("c", { kind: "level", vid: 2, through: { vid: 2, seqno: 2 } });
  scene.ledger.snapshotBegun("c", { at: { vid: 1, seqno: 1 }, chunks: 1 });
  assert.equal(scene.broken, [3]);
});

three("going back within a life is seen, after a restart it is not", () => {
  const scene = Scene.of("a* b");
  scene.append("ab", entry(1, 1));
  scene.commit("a", 1);
  scene.step("b", { commit: 1, applied: 1 });
  scene.restart("b");
  scene.step("b", { entries: [entry(1, 1)], view: viewOf("a* b", 1) });
  assert.equal(scene.texts, []);
  scene.step("a", { commit: 0, applied: 0 });
  assert.equal(scene.broken, [3]);
});

three("a view that goes back and a log that ends before what is applied are seen", () => {
  const scene = Scene.of("a* b");
  scene.append("ab", entry(1, 1));
  scene.commit("a", 1);
  scene.step("a", { view: undefined });
  assert.equal(scene.broken, [3]);
  const short = Scene.of("a* b");
  short.append("ab", entry(1, 1));
  short.commit("a", 1);
  short.step("a", { entries: [] });
  assert.equal(short.broken, [3]);
});

three.run();

const four = suite("rule 4");

four("a view is activated once, by its primary", () => {
  const scene = Scene.of("a* b");
  scene.activate("a");
  assert.equal(scene.texts, []);
  scene.activate("b");
  assert.equal(scene.broken, [4]);
});

four("a view that a restarted primary leads again is seen", () => {
  const scene = Scene.of("a* b");
  scene.restart("a");
  scene.core("a").view = viewOf("a* b", 1);
  assert.equal(scene.texts, []);
  scene.lead("a");
  assert.equal(scene.broken, [4]);
});

four("a view that was found on the own disk is never activated", () => {
  const scene = Scene.of("a* b");
  scene.restart("a");
  scene.core("a").view = viewOf("a* b", 1);
  scene.activate("a");
  assert.equal(scene.broken, [4]);
});

four("one viewstamp for two entries is seen, the same entry on two disks is well", () => {
  const scene = Scene.of("a* b");
  scene.append("ab", entry(1, 1));
  assert.equal(scene.texts, []);
  const other = Scene.of("a* b");
  other.append("a", entry(1, 1));
  other.append("b", entry(1, 1, { number: 9 }));
  assert.equal(other.broken, [4]);
});

four.run();

const five = suite("rule 5");

/** View 2 of b and c is active, a is still in view 1. */
function deposed(): Scene {
  const scene = Scene.of("a* b c");
  scene.append("abc", entry(1, 1));
  const next = viewOf("b* c | a", 2);
  scene.choose(next, B1, "bc");
  scene.adopt("bc", next);
  scene.step("b", { commit: 1, applied: 1 });
  scene.activate("b");
  return scene;
}

five("an old primary may commit late what the new view began with", () => {
  const scene = deposed();
  scene.step("a", { activeVid: 1, commit: 1, applied: 1 });
  assert.equal(scene.texts, []);
});

five("an old primary that has committed nothing yet is well", () => {
  const scene = deposed();
  scene.step("a", { activeVid: 1 });
  assert.equal(scene.texts, []);
});

five("a commit beyond that is seen", () => {
  const scene = deposed();
  scene.append("abc", entry(1, 2));
  scene.step("a", { activeVid: 1, commit: 2, applied: 2 });
  assert.ok(scene.broken.includes(5), scene.texts.join());
});

five("an acknowledgement in a view older than the node's is seen", () => {
  const scene = deposed();
  scene.step("c", {}, { type: "tick" }, [
    { type: "send", to: "b", message: { type: "invoked", vid: 2, seqno: 1 }, after: 0 },
  ]);
  assert.equal(scene.texts, []);
  scene.step("c", {}, { type: "tick" }, [
    { type: "send", to: "a", message: { type: "invoked", vid: 1, seqno: 1 }, after: 0 },
  ]);
  assert.equal(scene.broken, [5]);
});

five.run();

const six = suite("rule 6");

/** b's disk is new and empty, and it has another incarnation. */
function wiped(): Scene {
  const scene = Scene.of("a* b c");
  scene.ledger.died("b");
  scene.ledger.facts.node("b").data.ruined = "its disk is gone";
  scene.start("b", { ...EMPTY_DISK, setAside: { clusterId: "c", reason: "test" } });
  scene.keep("b", { kind: "identity", incarnation: "b2", clusterId: "c" }, { kind: "view", view: viewOf("a* b c", 1) });
  return scene;
}

six("a new incarnation that votes as its old self is seen", () => {
  const scene = wiped();
  assert.equal(scene.texts, []);
  scene.promise("b", 2, A1);
  assert.equal(scene.broken, [6]);
});

six("a commit that counts a member whose data is gone is seen, unless it had the entry before", () => {
  const scene = wiped();
  scene.append("ac", entry(1, 1));
  scene.append("b", entry(1, 1));
  scene.commit("a", 1);
  assert.equal(scene.broken, [6]);
  const late = Scene.of("a* b c");
  late.append("abc", entry(1, 1));
  late.ledger.facts.node("b").data.ruined = "its disk is gone";
  late.commit("a", 1);
  assert.equal(late.texts, []);
});

six("what a node says from ruined data is seen", () => {
  const scene = Scene.of("a* b");
  scene.ledger.facts.node("b").data.ruined = "a bit was flipped";
  scene.send("b", "a", { type: "invoked", vid: 1, seqno: 0 });
  assert.equal(scene.broken, [6]);
});

six("an old incarnation on a new disk is seen", () => {
  const scene = Scene.of("a* b");
  scene.ledger.facts.node("b").data.ruined = "its disk is gone";
  scene.start("b", { ...EMPTY_DISK, setAside: { clusterId: "c", reason: "test" } });
  scene.keep("b", { kind: "identity", incarnation: "b1", clusterId: "c" });
  assert.equal(scene.broken, [6]);
});

six("a view with two incarnations of a node is seen", () => {
  const scene = Scene.of("a* b c");
  const value = { ...viewOf("a* b | c", 2), acceptors: viewOf("a* b c | b2", 2).acceptors };
  scene.choose(value, A1, "ab");
  assert.equal(scene.broken, [6]);
});

six.run();
