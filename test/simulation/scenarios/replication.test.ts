// Replication under load: the lock tester runs all the while (scenarios 8 to 16).
import { test } from "uvu";
import * as assert from "uvu/assert";
import { scenario } from "./scenario.ts";
import { membersOf, type Stage } from "./stage.ts";

const three = { nodes: 3 };
const five = { nodes: 5 };

scenario(8, "nothing happens", three, async (s) => {
  const load = s.underLoad();
  await load.goesOn();
  await load.ends();
  await s.writableView("abc");
  assert.is(s.newest.vid, 1);
});

scenario(9, "a backup is killed at a random moment", three, async (s) => {
  const load = s.underLoad();
  await load.randomMoment();
  const victim = s.random.pick(["b", "c"]);
  s.kill(victim);
  await s.writableView(s.others(victim), { primary: "a" });
  await load.goesOn();
});

scenario(10, "a backup is killed at a random moment and restarted", three, async (s) => {
  const load = s.underLoad();
  await load.randomMoment();
  const victim = s.random.pick(["b", "c"]);
  s.kill(victim);
  await s.writableView(s.others(victim));
  await load.goesOn();
  s.restart(victim);
  await s.writableView("abc", { primary: "a" });
  await load.goesOn();
});

scenario(11, "the primary is killed at a random moment", three, async (s) => {
  const load = s.underLoad();
  await load.randomMoment();
  s.kill("a");
  await s.writableView("bc", { primary: "b" });
  await load.goesOn();
});

scenario(12, "the primary dies after exactly one backup has the entry, and restarts", three, async (s) => {
  const load = s.underLoad();
  await load.randomMoment();
  const [has, misses] = s.random.pick(["bc", "cb"]);
  s.moments.whenOnlyOneHas({ primary: "a", has: has!, misses: misses! }, () => s.kill("a"));
  await s.until(`only ${has} has an entry`, () => !s.node("a").up);
  await s.writableView("bc", { primary: "b" });
  await load.goesOn();
  s.rejoin("a");
  s.restart("a");
  await s.writableView("abc", { primary: "b" });
  await load.goesOn();
});

scenario(13, "a backup dies after it has the entry, before its OK, and restarts", three, async (s) => {
  const load = s.underLoad();
  await load.randomMoment();
  s.moments.diesBeforeItsOk("c");
  await s.until("c dies before its OK", () => !s.node("c").up);
  await s.writableView("ab");
  await load.goesOn();
  s.restart("c");
  await s.writableView("abc", { primary: "a" });
  await load.goesOn();
});

/** e dies before its OK, and another on learning the view without e, before that is active. */
async function secondDies(s: Stage, second: string): Promise<void> {
  s.moments.diesOn(second, (event) => event.event === "view" && membersOf(event.view) === "abcd");
  s.moments.diesBeforeItsOk("e");
  await s.until("e dies before its OK", () => !s.node("e").up);
  await s.until(`${second} dies on learning the view without e`, () => !s.node(second).up);
  assert.not(s.cluster.ledger.facts.activations.has(2), "it is not active");
}

scenario(14, "a second backup dies on learning the view, before it is active", five, async (s) => {
  const load = s.underLoad();
  await load.randomMoment();
  await secondDies(s, "d");
  await s.writableView("abc", { primary: "a" });
  await load.goesOn();
});

scenario(15, "the primary dies on learning the view, before it is active", five, async (s) => {
  const load = s.underLoad();
  await load.randomMoment();
  await secondDies(s, "a");
  await s.writableView("bcd", { primary: "b" });
  await load.goesOn();
});

scenario(16, "the primary is cut off after the first backup has the entry, and healed later", three, async (s) => {
  const load = s.underLoad();
  await load.randomMoment();
  const [has, misses] = s.random.pick(["bc", "cb"]);
  let isCutOff = false;
  s.moments.whenOnlyOneHas({ primary: "a", has: has!, misses: misses! }, () => {
    s.isolate("a");
    isCutOff = true;
  });
  await s.until(`only ${has} has an entry`, () => isCutOff);
  await s.writableView("bc", { primary: "b" });
  await load.goesOn();
  s.rejoin("a");
  await s.writableView("abc", { primary: "b" });
  await load.goesOn();
});

test.run();
