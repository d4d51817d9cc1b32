import { test } from "uvu";
import * as assert from "uvu/assert";
import { Proposer } from "../../src/paxos/proposer.ts";
import { ViewstampError } from "../../src/protocol/errors.ts";
import { member, textOf, viewOf } from "../config/views.ts";

const base = viewOf("a* b c | d e");
const value = viewOf("a* b | c d e", 8);
const other = viewOf("b* c | a d e", 8);
const another = viewOf("a* c | b d e", 8);

function proposer(promises = ""): Proposer {
  const made = new Proposer(base, { round: 5, node: "a" });
  for (const id of promises) made.onPromise(member(id), undefined);
  return made;
}

function isBroken(run: () => void): void {
  assert.throws(run, (error: unknown) => error instanceof ViewstampError);
}

test("a majority of the acceptors is a quorum, members or not", () => {
  const made = proposer("ad");
  assert.not(made.hasPromiseQuorum());
  made.onPromise(member("e"), undefined);
  assert.ok(made.hasPromiseQuorum());
  assert.is(made.instance, 8);
});

test("nobody counts twice, and only acceptors with the view's incarnation count", () => {
  const made = proposer("aab");
  made.onPromise(member("c2"), undefined);
  made.onPromise(member("x"), undefined);
  assert.not(made.hasPromiseQuorum());
  assert.equal([...made.promised], ["a", "b"]);
});

test("nothing is proposed before a majority has promised", () => {
  isBroken(() => proposer("ab").propose(value));
});

test("one ballot has one value", () => {
  const made = proposer("abc");
  made.propose(value);
  isBroken(() => made.propose(other));
  assert.is(textOf(made.value), textOf(value));
});

test("only a view of this instance is proposed", () => {
  isBroken(() => proposer("abc").propose(viewOf("a* b", 9)));
});

test("without an accepted value the proposer's own is proposed", () => {
  const made = proposer("abc");
  assert.is(made.adopted, undefined);
  made.propose(value);
  assert.is(textOf(made.value), textOf(value));
});

test("the accepted value of the highest ballot is proposed, in whatever order the promises come", () => {
  const low = { ballot: { round: 3, node: "b" }, value: other };
  const high = { ballot: { round: 3, node: "c" }, value: another };
  for (const [first, second] of [
    [low, high],
    [high, low],
  ] as const) {
    const made = proposer("a");
    made.onPromise(member("b"), first);
    made.onPromise(member("c"), second);
    made.onPromise(member("d"), undefined);
    made.propose(value);
    assert.is(textOf(made.value), textOf(another));
  }
});

test("an accepted value that a stranger reports is not adopted", () => {
  const made = proposer("abc");
  made.onPromise(member("b2"), { ballot: { round: 3, node: "b" }, value: other });
  assert.is(made.adopted, undefined);
});

test("a value is chosen once a majority of the acceptors has accepted it", () => {
  const made = proposer("abc");
  assert.not(made.onAccepted(member("a")), "nothing is proposed yet");
  made.propose(value);
  const answers = ["a", "a", "b", "c2", "x", "e"].map((word) => made.onAccepted(member(word)));
  assert.equal(answers, [false, false, false, false, false, true]);
});

test.run();
