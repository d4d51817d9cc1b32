// Rule 15: how it all ends.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { grown } from "../../../src/simulator/ledger/rules/good-end.ts";
import { viewOf } from "../../config/views.ts";
import { ballot, EMPTY_DISK, entry, Scene } from "./scene.ts";

const fifteen = suite("rule 15");
const OPTIONS = { options: { minCopies: 2, forgetAfterMs: undefined } };

fifteen("what grows while nothing is asked is named", () => {
  assert.is(grown({ timers: 10, entries: 5 }, { timers: 12, entries: 5 }, { timers: 2 }), undefined);
  assert.is(grown({ timers: 10 }, { timers: 3 }), undefined);
  assert.match(
    grown({ timers: 10, entries: 5 }, { timers: 13, entries: 5 }, { timers: 2 }) ?? "",
    "timers from 10 to 13",
  );
});

fifteen("an acceptor that goes with its membership is seen, one that an operator removed is not", () => {
  const propose = (text: string): Scene => {
    const scene = Scene.of("a* b c", OPTIONS);
    scene.askOnly("a", { type: "change", xid: 1, action: "remove", id: "a", url: "" });
    scene.promise("b", 2, ballot(1, "b"));
    scene.promise("c", 2, ballot(1, "b"));
    scene.accept("b", ballot(1, "b"), viewOf(text, 2));
    return scene;
  };
  assert.equal(propose("b* c | a").texts, []);
  assert.equal(propose("b* c | !a").texts, []);
  assert.equal(propose("b* c").broken, [15]);
});

fifteen(
  "to forget acceptors that are silent is well where it is wanted, unless it leaves an even number or two",
  () => {
    const propose = (before: string, after: string): Scene => {
      const scene = Scene.of(before, { options: { minCopies: 2, forgetAfterMs: 1000 } });
      for (const id of ["a", "b", "c"]) scene.promise(id, 2, ballot(1, "a"));
      scene.accept("a", ballot(1, "a"), viewOf(after, 2));
      return scene;
    };
    assert.equal(propose("a* b | c d", "a* b | c").texts, []);
    assert.equal(propose("a* b | c d e", "a* b | c d").broken, [15]);
    assert.equal(propose("a* b | c", "a* b").broken, [15]);
  },
);

fifteen("a view of too few copies is seen, unless the dropped one has lost its disk", () => {
  const propose = (scene: Scene): Scene => {
    scene.promise("a", 2, ballot(1, "a"));
    scene.promise("c", 2, ballot(1, "a"));
    scene.accept("a", ballot(1, "a"), viewOf("a* | b2 c", 2));
    return scene;
  };
  const whole = Scene.of("a* b | c", OPTIONS);
  assert.equal(propose(whole).broken, [15]);
  const lost = Scene.of("a* b | c", OPTIONS);
  lost.ledger.facts.node("b").data.ruined = "its disk is gone";
  lost.start("b", { ...EMPTY_DISK, setAside: { clusterId: "c", reason: "test" } });
  lost.keep("b", { kind: "identity", incarnation: "b2", clusterId: "c" });
  assert.equal(propose(lost).texts, []);
});

fifteen("a commit on too few copies is seen", () => {
  const scene = Scene.of("a*", OPTIONS);
  scene.append("a", entry(1, 1));
  scene.commit("a", 1);
  assert.equal(scene.broken, [15]);
});

fifteen.run();
