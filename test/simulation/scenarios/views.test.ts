// Views: who belongs, who is primary, and what a crash of a proposer leaves behind (scenarios 0 to 7).
import { test } from "uvu";
import * as assert from "uvu/assert";
import { refusesWrites } from "./refusals.ts";
import { scenario } from "./scenario.ts";
import { membersOf, type Stage } from "./stage.ts";

const three = { nodes: 3 };
const four = { nodes: 4 };

scenario(0, "three fresh nodes agree on one view", three, async (s) => {
  assert.is(s.newest.vid, 1);
  assert.is(membersOf(s.newest), "abc");
});

scenario(1, "a killed backup leaves the view", three, async (s) => {
  s.kill("c");
  await s.writableView("ab", { primary: "a" });
});

scenario(2, "a killed primary is replaced by the next in order", three, async (s) => {
  s.kill("a");
  await s.writableView("bc", { primary: "b" });
});

scenario(3, "a backup that was killed comes back with its data", three, async (s) => {
  s.kill("c");
  await s.writableView("ab");
  s.restart("c");
  await s.writableView("abc", { primary: "a" });
});

scenario(4, "one of three alone decides nothing and says BUSY, until either comes back", three, async (s) => {
  const [first, second] = s.random.pick(["bc", "cb"]);
  s.kill("c");
  await s.writableView("ab");
  s.kill("b");
  await refusesWrites(s, "a");
  await s.noNewView(5_000);
  await refusesWrites(s, "a");
  s.restart(first!);
  await s.writableView(`a${first}`);
  s.restart(second!);
  await s.writableView("abc");
});

scenario(5, "a proposer dies after the promises, before any accept", three, async (s) => {
  s.moments.diesBefore("a", ({ type }) => type === "accept");
  s.kill("c");
  await s.until("a dies as proposer", () => !s.node("a").up);
  await s.noNewView(3_000);
  s.restart("c");
  await s.writableView("bc", { primary: "b" });
});

/** The value is chosen, and a dies before anybody has learned that: either before it has itself, or before it says so. */
async function acceptedButNotDecided(s: Stage): Promise<void> {
  const knowsItself = s.random.chance(0.5);
  if (knowsItself) s.moments.diesBefore("a", ({ type }) => type === "decided");
  s.kill("d");
  await s.until("a majority has accepted", () => s.newest.vid === 2);
  if (!knowsItself) s.kill("a");
  await s.until("a dies", () => !s.node("a").up);
}

/** The value that a left behind becomes view 2; only a later view is without a. */
async function isDecidedAfterAll(s: Stage): Promise<void> {
  await s.writableView("bcd", { primary: "b" });
  const { chosen } = s.cluster.ledger.facts;
  assert.is(membersOf(chosen.get(2)!), "abc");
  assert.is(membersOf(chosen.get(3)!), "bc");
}

scenario(6, "a proposer dies after a majority has accepted, before it decides", four, async (s) => {
  await acceptedButNotDecided(s);
  await s.noNewView(3_000);
  for (const id of "bc") assert.is(s.node(id).core?.view?.vid, 1, `${id} knows of the decision`);
  s.restart("d");
  await isDecidedAfterAll(s);
});

scenario(7, "what a majority has accepted survives on their disks", four, async (s) => {
  await acceptedButNotDecided(s);
  if (s.random.chance(0.5)) s.kill("bc");
  else s.cutPower("bc");
  await s.passes(s.random.between(0, 500));
  s.restart("bc");
  await s.noNewView(3_000);
  s.restart("d");
  await isDecidedAfterAll(s);
});

test.run();
