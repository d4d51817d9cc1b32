import { test } from "uvu";
import * as assert from "uvu/assert";
import { Founding } from "../../src/config/genesis.ts";
import type { Genesis } from "../../src/protocol/messages.ts";
import { member, textOf, viewOf } from "./views.ts";

const cluster = ["b", "a", "c"].map((id) => ({ id, url: `memory://${id}` }));

function founding(self: string): Founding {
  return new Founding(member(self), cluster);
}

function sayFresh(node: Founding, founder: string): void {
  node.linkUp(member(founder));
  node.saidFresh();
}

function genesis(view: string, vid = 1): Genesis {
  return { type: "genesis", clusterId: "cluster", origin: [], view: viewOf(view, vid) };
}

test("the node with the smallest id of the cluster founds it", () => {
  assert.is(founding("b").founder, "a");
  assert.not(founding("b").isFounder);
  assert.ok(founding("a").isFounder);
});

test("view 1 is made once every node has said that it is fresh", () => {
  const made = founding("a");
  made.onFresh(member("b"), []);
  assert.is(made.firstView(), undefined);
  made.onFresh(member("c"), []);
  assert.is(textOf(made.firstView()), "a* b c");
  assert.is(made.firstView()?.vid, 1);
});

test("view 1 holds the incarnations that were last said to be fresh", () => {
  const made = founding("a");
  for (const word of ["b", "c", "b2"]) made.onFresh(member(word), []);
  assert.is(textOf(made.firstView()), "a* b2 c");
});

test("a node that is no longer connected does not count as fresh", () => {
  const made = founding("a");
  for (const word of ["b", "c"]) made.onFresh(member(word), []);
  made.forget("b");
  assert.is(made.firstView(), undefined);
  made.onFresh(member("b2"), []);
  assert.is(textOf(made.firstView()), "a* b2 c");
});

test("a stranger's word does not found, nor does it enlarge the view", () => {
  const made = founding("a");
  for (const word of ["x", "b"]) made.onFresh(member(word), []);
  assert.is(made.firstView(), undefined);
  made.onFresh(member("c"), []);
  assert.is(textOf(made.firstView()), "a* b c");
});

test("a fresh node takes view 1 from the incarnation of the founder that it last said fresh to", () => {
  const made = founding("b");
  assert.not(made.mayTake(genesis("a* b c"), member("a")), "it has said nothing yet");
  sayFresh(made, "a");
  assert.ok(made.mayTake(genesis("a* b c"), member("a")));
  assert.not(made.mayTake(genesis("a2* b c"), member("a2")));
  sayFresh(made, "a2");
  assert.not(made.mayTake(genesis("a* b c"), member("a")), "that founder's view 1 may have been given up");
  assert.ok(made.mayTake(genesis("a2* b c"), member("a2")));
});

test("nobody says fresh to a founder that is not there, or not any more", () => {
  const made = founding("b");
  assert.not(made.isLinked);
  made.linkUp(member("c"));
  assert.not(made.isLinked);
  made.linkUp(member("a"));
  assert.ok(made.isLinked);
  made.linkDown("a");
  assert.not(made.isLinked);
});

test("a fresh node takes view 1 from another node only if that is in it", () => {
  const made = founding("b");
  sayFresh(made, "a");
  assert.ok(made.mayTake(genesis("a* b c"), member("c")));
  assert.not(made.mayTake(genesis("a* b c"), member("c2")));
  assert.not(made.mayTake(genesis("a* b c"), member("x")));
});

test("a fresh node takes no view 1 that it is not in", () => {
  const made = founding("b");
  sayFresh(made, "a");
  assert.not(made.mayTake(genesis("a* b2 c"), member("a")));
  assert.not(made.mayTake(genesis("a* b2 c"), member("c")));
});

test("a later view is news of a cluster that exists, whoever tells it", () => {
  assert.ok(founding("b").mayTake(genesis("a* c | b2", 2), member("c")));
  assert.ok(founding("b").mayTake(genesis("a* c", 2), member("a3")));
});

test.run();
