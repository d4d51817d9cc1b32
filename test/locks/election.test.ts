// Elections: one leader at a time, terms that only rise, and candidates that never tire and always end.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { CacheOptions } from "../../src/locks/client-options.ts";
import { ClusterLocks } from "../../src/locks/cluster-locks.ts";
import type { Election, Leadership } from "../../src/locks/election.ts";
import type { Leader } from "../../src/locks/observer.ts";
import { ViewstampError } from "../../src/protocol/errors.ts";
import { codeOf, counted, eitherWay, held, inTime, seen, timersLeft, watch } from "./support.ts";
import { FakeCore, World } from "./world.ts";

function candidate(world: World, owner = "", family = "1"): { locks: ClusterLocks; core: FakeCore } {
  const core = new FakeCore(world, family);
  world.cores.push(core);
  const cache = world.cache === undefined ? {} : { cache: world.cache };
  return { core, locks: new ClusterLocks(core, { owner, ...cache }) };
}

/** Every term that an election tells of, and whether the telling has ended. */
function terms(election: Election): { list: Leadership[]; isOver: boolean } {
  const told = { list: [] as Leadership[], isOver: false };
  void (async () => {
    for await (const term of election) told.list.push(term);
    told.isOver = true;
  })();
  return told;
}

function newWorld(cache: CacheOptions | false): World {
  const world = new World({ cache });
  world.delays = { request: 2, reply: 2, notice: 2 };
  return world;
}

eitherWay("one candidate leads; when it resigns the next one does, under a greater term", async (cache) => {
  const world = newWorld(cache);
  const [a, b] = [candidate(world), candidate(world)];
  const first = a.locks.elect("x");
  const ofA = terms(first);
  await world.clock.advance(100);
  const second = b.locks.elect("x");
  const ofB = terms(second);
  await world.clock.advance(100);
  assert.equal([ofA.list.length, ofB.list.length], [1, 0]);
  const [leader] = ofA.list;
  assert.is(first.leadership, leader);
  assert.is(second.leadership, undefined);
  leader!.assertLeading();
  const resigned = watch(leader!.resign());
  assert.ok(leader!.signal.aborted, "its work ends before others begin");
  assert.throws(() => leader!.assertLeading());
  await world.clock.advance(100);
  assert.ok(resigned.isSettled && resigned.error === undefined);
  assert.equal([ofA.list.length, ofB.list.length], [1, 1]);
  assert.ok(ofB.list[0]!.term > leader!.term);
  await inTime(world, ofB.list[0]!.resign());
  await world.clock.advance(100);
  assert.equal([ofA.list.length, ofB.list.length], [2, 1], "the first stands in line again");
  assert.ok(ofA.list[1]!.term > ofB.list[0]!.term);
});

eitherWay("a leader whose session ends knows it, and stands for election again", async (cache) => {
  const world = newWorld(cache);
  const { locks, core } = candidate(world);
  const election = locks.elect("x");
  const told = terms(election);
  await world.clock.advance(100);
  core.lose("planted");
  const [lost] = told.list;
  assert.ok(lost!.signal.aborted);
  assert.is(codeOf(lost!.signal.reason), "LockLost");
  assert.is(election.leadership, undefined);
  await world.clock.advance(100);
  assert.is(told.list.length, 2);
  assert.ok(told.list[1]!.term > lost!.term);
  assert.is(election.leadership, told.list[1]);
});

eitherWay("a leader that wakes after its session has ended knows it before a timer says so", async (cache) => {
  for (const ask of ["the term", "the election", "an iteration"]) {
    const world = newWorld(cache);
    const { locks, core } = candidate(world);
    core.checksItself = true;
    const election = locks.elect("x");
    await world.clock.advance(100);
    const { signal } = election.leadership!;
    const term = election.leadership!;
    core.trustUntil(world.clock.now() + 100);
    world.clock.jump(200);
    if (ask === "the term") assert.ok(term.signal.aborted);
    else if (ask === "the election") assert.is(election.leadership, undefined);
    else assert.ok((await inTime(world, election[Symbol.asyncIterator]().next())).value!.term > term.term);
    assert.is(codeOf(signal.reason), "LockLost");
  }
});

eitherWay("a stolen election goes back to its candidate when the thief is done", async (cache) => {
  const world = newWorld(cache);
  const { locks } = candidate(world);
  const told = terms(locks.elect("x"));
  await world.clock.advance(100);
  const stolen = await inTime(world, candidate(world).locks.acquire("x", { steal: true }));
  await world.clock.advance(100);
  assert.ok(told.list[0]!.signal.aborted);
  assert.is(told.list.length, 1);
  await inTime(world, stolen.release());
  await world.clock.advance(100);
  assert.is(told.list.length, 2);
});

eitherWay("a term lasts for maxHoldMs at most, then others have their turn", async (cache) => {
  const world = newWorld(cache);
  const [a, b] = [candidate(world), candidate(world)];
  const first = a.locks.elect("x", { maxHoldMs: 500 });
  const ofA = terms(first);
  await world.clock.advance(600);
  assert.is(ofA.list.length, 2, "it is elected again where nobody else stands");
  assert.ok(ofA.list[0]!.signal.aborted);
  assert.is((ofA.list[0]!.signal.reason as ViewstampError).data["reason"], "maxHoldMs");
  const ofB = terms(b.locks.elect("x"));
  await world.clock.advance(600);
  assert.equal([ofA.list.length, ofB.list.length], [2, 1]);
  assert.ok(ofB.list[0]!.term > ofA.list[1]!.term);
});

eitherWay("nobody is elected for lockDelayMs after a leader's session was lost", async (cache) => {
  const world = newWorld(cache);
  const [a, b] = [candidate(world), candidate(world)];
  const ofA = terms(a.locks.elect("x", { lockDelayMs: 1000 }));
  await world.clock.advance(100);
  const ofB = terms(b.locks.elect("x"));
  await world.clock.advance(100);
  a.core.lose("planted", "SessionExpired", true);
  assert.ok(ofA.list[0]!.signal.aborted);
  await world.clock.advance(900);
  await world.clock.advance(10);
  assert.is(ofB.list.length, 0);
  await world.clock.advance(100);
  await world.clock.advance(10);
  assert.is(ofB.list.length, 1);
});

const endings: readonly [string, (election: Election, locks: ClusterLocks, abort: () => void) => void][] = [
  ["close", (election) => void election.close()],
  ["an abort", (_election, _locks, abort) => abort()],
  ["the client's close", (_election, locks) => void locks.close()],
];
for (const [how, end] of endings) {
  eitherWay(`${how} ends leaders and candidates, and leaves nothing behind`, async (cache) => {
    const world = newWorld(cache);
    for (const isRival of [false, true]) {
      const rival = isRival ? await inTime(world, candidate(world).locks.acquire("x")) : undefined;
      const { locks } = candidate(world);
      const controller = new AbortController();
      const election = locks.elect("x", { signal: controller.signal });
      const told = terms(election);
      await world.clock.advance(100);
      assert.is(told.list.length, isRival ? 0 : 1);
      end(election, locks, () => controller.abort());
      await world.clock.advance(100);
      assert.ok(told.isOver);
      if (!isRival) assert.ok(told.list[0]!.signal.aborted);
      assert.equal((await seen(world)).pending, []);
      assert.is((await held(world)).length, isRival ? 1 : 0);
      await inTime(world, election.close());
      if (rival !== undefined) await inTime(world, rival.release());
    }
    assert.is(await timersLeft(world), 0);
  });
}

eitherWay("a candidacy that begins too late is over at once", async (cache) => {
  const world = newWorld(cache);
  const { locks } = candidate(world);
  const told = terms(locks.elect("x", { signal: AbortSignal.abort() }));
  await world.clock.advance(10);
  assert.ok(told.isOver);
  await locks.close();
  const late = terms(locks.elect("x"));
  await world.clock.advance(10);
  assert.ok(late.isOver);
});

eitherWay("trouble is told, and tried again", async (cache) => {
  const world = newWorld(cache);
  const { locks, core } = candidate(world);
  core.openFailures.push("NoQuorum", "Busy");
  core.failures.push({ code: "InvalidInput", isExecuted: false });
  const election = locks.elect("x");
  const told = terms(election);
  for (let n = 0; n < 1000 && election.trouble === undefined; n++) await world.clock.advance(1);
  assert.is(codeOf(election.trouble), "InvalidInput");
  await world.clock.advance(10_000);
  assert.is(told.list.length, 1);
  assert.is(election.trouble, undefined);
});

eitherWay("who asks late is told of the term that lasts, each iteration by itself", async (cache) => {
  const world = newWorld(cache);
  const election = candidate(world).locks.elect("x");
  await world.clock.advance(100);
  const [one, two] = [terms(election), terms(election)];
  await world.clock.advance(1);
  assert.is(one.list[0], election.leadership);
  assert.is(two.list[0], election.leadership);
});

test("bad arguments are refused before anything happens", async () => {
  const world = newWorld(false);
  const { locks, core } = candidate(world);
  const refused = (act: () => unknown): string => {
    try {
      act();
      return "none";
    } catch (error) {
      return codeOf(error);
    }
  };
  assert.is(
    refused(() => locks.elect("-x")),
    "NotSupportedError",
  );
  assert.is(
    refused(() => locks.elect("x".repeat(20_000))),
    "InvalidInput",
  );
  assert.is(
    refused(() => locks.elect("x", { signal: 5 as never })),
    "TypeError",
  );
  for (const wrong of [{ maxHoldMs: 0 }, { maxHoldMs: "1" as never }, { lockDelayMs: -1 }, { lockDelayMs: 60_001 }]) {
    assert.is(
      refused(() => locks.elect("x", wrong)),
      "TypeError",
    );
  }
  assert.is(
    refused(() => locks.elect("x", { ttl: 5 } as never)),
    "InvalidOptions",
  );
  assert.is(
    refused(() => locks.observe("x", { intervalMs: 0 })),
    "InvalidOptions",
  );
  assert.is(
    refused(() => locks.observe("-x")),
    "NotSupportedError",
  );
  for (const signal of [5, null, {}]) {
    assert.is(
      refused(() => locks.observe("x", { signal: signal as never })),
      "TypeError",
    );
  }
  await world.clock.advance(100);
  assert.equal(core.done, []);
});

/** What an observer says, in words. */
function observations(leaders: AsyncIterable<Leader | undefined>): { list: string[]; isOver: boolean } {
  const told = { list: [] as string[], isOver: false };
  void (async () => {
    for await (const leader of leaders) told.list.push(leader === undefined ? "nobody" : leader.owner);
    told.isOver = true;
  })();
  return told;
}

eitherWay("an observer is told who leads, and of each change, and ends with its signal", async (cache) => {
  const world = newWorld(cache);
  const controller = new AbortController();
  const observer = candidate(world, "observer", "9").locks;
  const told = observations(observer.observe("x", { intervalMs: 100, signal: controller.signal }));
  await world.clock.advance(300);
  assert.equal(told.list, ["nobody"]);
  const a = candidate(world, "a").locks.elect("x");
  await world.clock.advance(300);
  const b = candidate(world, "b").locks.elect("x");
  await world.clock.advance(300);
  assert.equal(told.list, ["nobody", "a"]);
  await inTime(world, a.close());
  await world.clock.advance(300);
  assert.equal(told.list, ["nobody", "a", "b"]);
  await inTime(world, b.close());
  await world.clock.advance(300);
  assert.equal(told.list, ["nobody", "a", "b", "nobody"], "a lock that is kept and not used has no leader");
  assert.not(told.isOver);
  controller.abort();
  await world.clock.advance(0);
  assert.ok(told.isOver);
  const another = observations(observer.observe("x"));
  await world.clock.advance(1);
  await observer.close();
  await world.clock.advance(1);
  assert.ok(another.isOver);
  assert.equal(another.list, ["nobody"]);
  assert.is(await timersLeft(world), 0);
});

test("an observation that is never looked at leaves nothing behind", async () => {
  const { locks } = candidate(new World(), "observer");
  const { controller, listeners } = counted();
  locks.observe("x", { signal: controller.signal });
  await locks.observe("x", { signal: controller.signal }).return(undefined);
  assert.is(listeners.size, 0);
});

eitherWay("an observer shows the term, asks only for its own name, and outlasts trouble", async (cache) => {
  const world = newWorld(cache);
  const { locks } = candidate(world, "a");
  const term = terms(locks.elect("x"));
  await world.clock.advance(100);
  const { locks: observer, core } = candidate(world, "", "9");
  assert.equal((await inTime(world, observer.observe("w").next())).value, undefined);
  const ask = core.ask.bind(core);
  let failures = 2;
  core.ask = (...args) => (failures-- > 0 ? Promise.reject(new Error("planted")) : ask(...args));
  const { value } = await inTime(world, observer.observe("x").next());
  assert.equal(value, { name: "x", term: term.list[0]!.term, clientId: "1.1", owner: "a" });
});

test("a candidate whom no cluster hears says so, though it stands in line for ever", async () => {
  const world = newWorld({});
  const { locks, core } = candidate(world);
  const election = locks.elect("x");
  await world.clock.advance(100);
  assert.is(election.trouble, undefined);
  core.trouble = new ViewstampError("NoQuorum", "planted");
  core.openFailures.push("Timeout", "Timeout");
  core.lose("planted");
  await world.clock.advance(1);
  assert.is(codeOf(election.trouble), "NoQuorum");
  core.trouble = undefined;
  await world.clock.advance(5000);
  assert.ok(election.leadership !== undefined);
  assert.is(election.trouble, undefined);
  core.trouble = new ViewstampError("NoQuorum", "planted");
  await inTime(world, election.close());
  assert.is(election.trouble, undefined, "it is over");
});

test("many candidacies and observations end with one signal, and are no leak to Node", async () => {
  const world = newWorld({});
  const { locks } = candidate(world);
  const { controller, listeners } = counted();
  const { signal } = controller;
  const elections = Array.from({ length: 12 }, (_, n) => locks.elect(`chief ${n}`, { signal }));
  const observed = Array.from({ length: 12 }, (_, n) => watch(locks.observe(`chief ${n}`, { signal }).next()));
  await world.clock.advance(2000);
  assert.ok(elections.every(({ leadership }) => leadership !== undefined));
  assert.ok(observed.every(({ value }) => value !== undefined));
  assert.is(listeners.size, 1);
  controller.abort();
  await inTime(world, Promise.all(elections.map((election) => election.close())));
  assert.equal(await held(world), []);
});

test.run();
