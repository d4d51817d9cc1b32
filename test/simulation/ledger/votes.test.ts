// Rules 1 and 2: Paxos, and what is durable before it is said.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { StorageRecord } from "../../../src/protocol/storage.ts";
import { DataFacts } from "../../../src/simulator/ledger/facts.ts";
import { viewOf } from "../../config/views.ts";
import { ballot, entry, Scene } from "./scene.ts";

const FIRST = viewOf("b* c | a", 2);
const SECOND = viewOf("a* c | b", 2);
const B1 = ballot(1, "b");
const C2 = ballot(2, "c");

const one = suite("rule 1");

one("a value chosen by a majority and adopted by a later ballot is well", () => {
  const scene = Scene.of("a* b c");
  scene.choose(FIRST, B1, "bc");
  scene.promise("c", 2, C2);
  scene.promise("a", 2, C2);
  scene.accept("c", C2, FIRST);
  assert.equal(scene.texts, []);
});

one("an acceptor that forgets at once what it promised or accepted is seen", () => {
  const writes = (promised: typeof B1 | undefined, ...records: StorageRecord[]): number[] => {
    const scene = Scene.of("a* b c");
    const effects = [{ type: "write", write: 1, records } as const];
    scene.step("c", { config: { acceptor: { instance: 2, promised } } }, { type: "tick" }, effects);
    return scene.broken;
  };
  const accepted: StorageRecord = { kind: "accepted", instance: 2, accepted: { ballot: C2, value: FIRST } };
  assert.equal(writes(C2, { kind: "promised", instance: 2, ballot: B1 }, accepted), []);
  assert.equal(writes(B1, accepted), [1]);
  assert.equal(writes(undefined, { kind: "promised", instance: 2, ballot: B1 }), [1]);
  assert.equal(writes(undefined, { ...accepted, instance: 1 }), [], "a newer view has come in the same step");
});

/** The founder alone has view 1, or one more node; then its disk is lost, and with new data it makes another. */
function foundedTwice(first: string): Scene {
  const scene = new Scene();
  const begin = (id: string, incarnation: string): void => {
    scene.start(id);
    scene.keep(id, { kind: "identity", incarnation, clusterId: undefined });
  };
  for (const id of "abc") begin(id, `${id}1`);
  scene.adopt(first, viewOf("a* b c", 1));
  scene.ledger.died("a");
  scene.ledger.newData("a", new DataFacts(), "its disk was wiped");
  begin("a", "a2");
  scene.adopt("a", viewOf("a2* b c", 1));
  return scene;
}

one("a first view that nobody else has heard of is given up with its founder's data", () => {
  assert.equal(foundedTwice("a").texts, []);
});

one("another first view is seen where somebody has taken the one before", () => {
  assert.equal(foundedTwice("ab").broken, [1]);
});

one("a later ballot with another value than the chosen one is seen", () => {
  const scene = Scene.of("a* b c");
  scene.choose(FIRST, B1, "bc");
  scene.promise("c", 2, C2);
  scene.promise("a", 2, C2);
  scene.accept("c", C2, SECOND);
  assert.ok(scene.broken.includes(1), scene.texts.join());
});

one("a proposer that ignores what it had accepted itself is seen before anything is chosen", () => {
  const scene = Scene.of("a* b c");
  scene.promise("b", 2, B1);
  scene.promise("a", 2, B1);
  scene.accept("b", B1, viewOf("a* b | c", 2));
  const again = ballot(3, "b");
  scene.promise("b", 2, again);
  scene.promise("c", 2, again);
  assert.equal(scene.texts, []);
  scene.accept("b", again, FIRST);
  assert.equal(scene.broken, [1]);
});

one("a value may be free although one promise reports another, if the others are a majority", () => {
  const scene = Scene.of("a* b c");
  scene.promise("b", 2, B1);
  scene.promise("a", 2, B1);
  scene.accept("b", B1, viewOf("a* b | c", 2));
  scene.promise("c", 2, C2);
  scene.promise("a", 2, C2);
  scene.promise("b", 2, C2, B1);
  scene.accept("c", C2, SECOND);
  assert.equal(scene.texts, []);
});

one("a proposer that ignores the only majority's report is seen", () => {
  const scene = Scene.of("a* b c");
  scene.promise("b", 2, B1);
  scene.promise("a", 2, B1);
  scene.accept("b", B1, viewOf("a* b | c", 2));
  scene.promise("c", 2, C2);
  scene.promise("b", 2, C2, B1);
  scene.accept("c", C2, FIRST);
  assert.equal(scene.broken, [1]);
});

one("phase two without a majority of promises is seen", () => {
  const scene = Scene.of("a* b c");
  scene.promise("a", 2, ballot(1, "a"));
  scene.accept("a", ballot(1, "a"), viewOf("a* b c", 2));
  assert.equal(scene.broken, [1]);
});

one("two values under one ballot are seen", () => {
  const scene = Scene.of("a* b c");
  scene.choose(FIRST, B1, "bc");
  scene.send("b", "a", { type: "accept", instance: 2, ballot: B1, value: SECOND });
  assert.equal(scene.broken, [1]);
});

one("an accept or a promise below a promise is seen, the same one again is well", () => {
  const scene = Scene.of("a* b c");
  scene.promise("a", 2, C2);
  scene.promise("a", 2, C2);
  assert.equal(scene.texts, []);
  scene.write("a", { kind: "promised", instance: 2, ballot: B1 });
  assert.equal(scene.broken, [1]);
});

one("a promise forgotten at a restart is seen when a lower one is given", () => {
  const scene = Scene.of("a* b c");
  scene.promise("a", 2, C2);
  scene.restart("a");
  assert.equal(scene.texts, []);
  scene.write("a", { kind: "accepted", instance: 2, accepted: { ballot: B1, value: FIRST } });
  assert.ok(scene.broken.includes(1));
});

one("a ballot used again after a restart is seen, a prepare sent again is not", () => {
  const scene = Scene.of("a* b c");
  const prepare = { type: "prepare", view: viewOf("a* b c", 1), ballot: B1 } as const;
  scene.promise("b", 2, B1);
  scene.send("b", "a", prepare);
  scene.send("b", "c", prepare);
  assert.equal(scene.texts, []);
  scene.restart("b");
  scene.send("b", "a", prepare);
  assert.equal(scene.broken, [1]);
});

one("a view decided otherwise than it was chosen is seen", () => {
  const scene = Scene.of("a* b c");
  scene.choose(FIRST, B1, "bc");
  scene.adopt("bc", FIRST);
  assert.equal(scene.texts, []);
  scene.keep("a", { kind: "view", view: SECOND });
  assert.equal(scene.broken, [1, 3]);
});

one.run();

const two = suite("rule 2");

two("a promise leaves when it is durable, and not before", () => {
  const scene = Scene.of("a* b c");
  const promise = { type: "promise", instance: 2, ballot: B1, accepted: undefined } as const;
  scene.write("a", { kind: "promised", instance: 2, ballot: B1 });
  scene.send("a", "b", promise);
  assert.equal(scene.broken, [2]);
  const patient = Scene.of("a* b c");
  patient.keep("a", { kind: "promised", instance: 2, ballot: B1 });
  patient.send("a", "b", promise);
  assert.equal(patient.texts, []);
});

two("a promise that hides what was accepted is seen", () => {
  const scene = Scene.of("a* b c");
  scene.choose(viewOf("b* c | a", 2), B1, "bca");
  scene.keep("a", { kind: "promised", instance: 2, ballot: C2 });
  scene.send("a", "c", { type: "promise", instance: 2, ballot: C2, accepted: undefined });
  assert.equal(scene.broken, [2]);
});

two("a promise that reports what is not durable is seen", () => {
  const scene = Scene.of("a* b c");
  scene.keep("a", { kind: "promised", instance: 2, ballot: C2 });
  scene.send("a", "c", { type: "promise", instance: 2, ballot: C2, accepted: { ballot: B1, value: FIRST } });
  assert.equal(scene.broken, [2]);
});

two("accepted leaves when it is durable, and not before", () => {
  const scene = Scene.of("a* b c");
  scene.choose(FIRST, B1, "bc");
  scene.write("a", { kind: "accepted", instance: 2, accepted: { ballot: B1, value: FIRST } });
  scene.send("a", "b", { type: "accepted", instance: 2, ballot: B1 });
  assert.equal(scene.broken, [2]);
  scene.ledger.durable("a");
  scene.send("a", "b", { type: "accepted", instance: 2, ballot: B1 });
  assert.is(scene.texts.length, 1);
});

two("a prepare before its own promise is durable is seen", () => {
  const scene = Scene.of("a* b c");
  scene.write("b", { kind: "promised", instance: 2, ballot: B1 });
  scene.send("b", "a", { type: "prepare", view: viewOf("a* b c", 1), ballot: B1 });
  assert.equal(scene.broken, [2]);
});

two("a view that is known and not durable is not spoken of", () => {
  const scene = Scene.of("a* b c");
  scene.choose(FIRST, B1, "bc");
  scene.write("c", { kind: "view", view: FIRST });
  scene.send("c", "b", { type: "fetch", vid: 1 });
  assert.equal(scene.texts, []);
  scene.send("c", "a", { type: "decided", view: FIRST });
  assert.equal(scene.broken, [2]);
});

two("invoked says what is durable, compared equal with its primary", () => {
  const scene = Scene.of("a* b c");
  scene.append("a", entry(1, 1), entry(1, 2));
  scene.step("a");
  scene.append("b", entry(1, 1));
  scene.send("b", "a", { type: "invoked", vid: 1, seqno: 1 });
  assert.equal(scene.texts, []);
  scene.write("b", { kind: "append", entries: [entry(1, 2)] });
  scene.send("b", "a", { type: "invoked", vid: 1, seqno: 2 });
  assert.equal(scene.broken, [2]);
});

two("invoked before a stale tail is dropped durably is seen", () => {
  const scene = Scene.of("a* b c");
  scene.append("b", entry(1, 1));
  scene.append("a", entry(1, 1), entry(1, 2));
  scene.choose(FIRST, B1, "bc");
  scene.adopt("ab", FIRST);
  scene.lead("b");
  scene.send("a", "b", { type: "invoked", vid: 2, seqno: 1 });
  assert.equal(scene.broken, [2]);
  scene.keep("a", { kind: "truncate", seqno: 1 });
  scene.send("a", "b", { type: "invoked", vid: 2, seqno: 1 });
  assert.is(scene.texts.length, 1);
});

two("leveled before the promise to be level is durable is seen", () => {
  const scene = Scene.of("a* b");
  scene.append("b", entry(1, 1));
  const through = { vid: 1, seqno: 1 };
  scene.write("b", { kind: "level", vid: 1, through });
  scene.send("b", "a", { type: "leveled", vid: 1, through });
  assert.equal(scene.broken, [2]);
  scene.ledger.durable("b");
  scene.send("b", "a", { type: "leveled", vid: 1, through });
  assert.is(scene.texts.length, 1);
});

two.run();
