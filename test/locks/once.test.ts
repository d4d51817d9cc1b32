// What is to be done once is done once: at the machine, and by clients.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { startCluster } from "../../src/entry/cluster.ts";
import { connectLocks } from "../../src/entry/locks.ts";
import { ClusterLocks } from "../../src/locks/cluster-locks.ts";
import { locks } from "../../src/locks/machine.ts";
import { MAX_CLAIMS, OnceTable } from "../../src/locks/machine-once.ts";
import { replicated } from "../../src/machine/replicated.ts";
import { LockLog } from "./lock-log.ts";
import { codeOf, inTime, watch } from "./support.ts";
import { FakeCore, World } from "./world.ts";

function client(world: World): { locks: ClusterLocks; core: FakeCore } {
  const core = new FakeCore(world, "1");
  world.cores.push(core);
  return { core, locks: new ClusterLocks(core) };
}

test("the first claim counts until its time is up, and asking twice is asking once", () => {
  const log = new LockLog();
  const claim = (id: string, key = "k") => log.apply("1.1", "once", { key, id, ttlMs: 100 });
  assert.equal([claim("a"), claim("a"), claim("b"), claim("b", "other")], [true, true, false, true]);
  log.now = 99;
  assert.is(claim("b"), false);
  log.now = 100;
  assert.equal([claim("b"), claim("a")], [true, false]);
  const instead = (id: string, of: string) => log.apply("1.1", "once", { key: "k", id, ttlMs: 100, instead: of });
  log.now = 150;
  assert.equal([instead("c", "a"), instead("d", "b"), instead("d", "b"), claim("b")], [false, true, true, false]);
  log.now = 249;
  assert.is(claim("e"), false, "the time of the new claim is its own");
});

test("a claim outlives its session, and is in snapshots", () => {
  const log = new LockLog();
  log.apply("1.1", "once", { key: "k", id: "a", ttlMs: 100 });
  log.end("1.1");
  const other = log.restored(log.snapshot());
  assert.is(other.apply("1.2", "once", { key: "k", id: "b", ttlMs: 100 }), false);
  other.now = 100;
  assert.is(other.apply("1.2", "once", { key: "k", id: "b", ttlMs: 100 }), true);
});

test("a snapshot of many claims is what they were when it began", () => {
  const log = new LockLog();
  for (let n = 0; n < 1000; n++) log.apply("1.1", "once", { key: `k${n}`, id: "a", ttlMs: 100 });
  const chunks = log.beginSnapshot();
  const first = chunks.next().value as Uint8Array;
  log.apply("1.1", "once", { key: "k999x", id: "a", ttlMs: 100 });
  const all = [first];
  for (let next = chunks.next(); next.done !== true; next = chunks.next()) all.push(next.value);
  const other = log.restored(all);
  assert.is(other.apply("1.2", "once", { key: "k999", id: "b", ttlMs: 1 }), false);
  assert.is(other.apply("1.2", "once", { key: "k999x", id: "b", ttlMs: 1 }), true);
});

test("claims are forgotten in replicated time, the earliest first, and their number is bounded", () => {
  const table = new OnceTable();
  assert.is(table.deadline, undefined);
  table.claim({ key: "late", id: "a", ttlMs: 20 }, 0);
  table.claim({ key: "early", id: "a", ttlMs: 10 }, 0);
  assert.is(table.deadline, 10);
  table.tick(10);
  assert.is(table.deadline, 20);
  assert.ok(table.claim({ key: "late", id: "b", ttlMs: 30 }, 20));
  assert.is(table.deadline, 50);
  for (let n = 0; n < 1000; n++) table.claim({ key: `k${n}`, id: "a", ttlMs: 5 }, 20);
  for (let n = 0; n < 10 && table.deadline === 25; n++) table.tick(25);
  assert.is(table.deadline, 50);
  const full = new OnceTable();
  for (let n = 0; n < MAX_CLAIMS; n++) full.put([`k${n}`, "a", 10]);
  assert.throws(() => full.claim({ key: "more", id: "a", ttlMs: 1 }, 0));
  assert.not(full.claim({ key: "k0", id: "b", ttlMs: 1 }, 0));
});

test("the machine asks for ticks only while something is claimed", () => {
  const machine = replicated(locks);
  assert.is(machine.nextDeadline(), undefined);
});

test("of all that call it in time one runs, and again when the time is up", async () => {
  const world = new World({});
  world.delays = { request: 5, reply: 5, notice: 5 };
  const runs: number[] = [];
  const round = async (): Promise<boolean[]> => {
    const calls = [1, 2, 3].map((n) => client(world).locks.runOnce("job", { ttlMs: 1000 }, () => runs.push(n)));
    return (await inTime(world, Promise.all(calls))).map(({ ran }) => ran);
  };
  assert.is((await round()).filter((ran) => ran).length, 1);
  assert.is((await round()).filter((ran) => ran).length, 0);
  await world.clock.advance(1000);
  assert.is((await round()).filter((ran) => ran).length, 1);
  assert.is(runs.length, 2);
});

test("the result is the callback's; one that fails rejects and stays claimed", async () => {
  const world = new World({});
  const { locks: one } = client(world);
  assert.equal(
    await inTime(
      world,
      one.runOnce("a", { ttlMs: 1000 }, async () => 5),
    ),
    { ran: true, value: 5 },
  );
  const failing = one.runOnce("b", { ttlMs: 1000 }, () => {
    throw new Error("planted");
  });
  assert.is(
    await inTime(
      world,
      failing.catch((error: Error) => error.message),
    ),
    "planted",
  );
  assert.equal(
    await inTime(
      world,
      client(world).locks.runOnce("b", { ttlMs: 1000 }, () => 6),
    ),
    { ran: false },
  );
});

test("a client whose session ends while it claims finds its own claim", async () => {
  const world = new World({});
  world.delays = { request: 0, reply: 50, notice: 0 };
  const { locks: one, core } = client(world);
  const fate = watch(one.runOnce("a", { ttlMs: 60_000 }, () => 5));
  for (let n = 0; n < 1000 && !core.done.some((line) => line.startsWith("once")); n++) await world.clock.advance(1);
  core.lose("planted");
  await world.clock.advance(1000);
  assert.equal(fate.value, { ran: true, value: 5 });
});

/** A claim has been executed, and its claimant stands still for so long before it hears of that. */
async function heardLate(lateMs: number, meanwhile: (world: World) => void = () => {}): Promise<unknown[]> {
  const world = new World({});
  const { locks: one, core } = client(world);
  await inTime(world, core.openSession());
  world.delays = { request: 0, reply: 50, notice: 0 };
  const late = watch(one.runOnce("job", { ttlMs: 1000 }, () => "late"));
  while (core.done.length === 0) await world.clock.advance(0.1);
  world.clock.jump(lateMs);
  meanwhile(world);
  await world.clock.advance(200);
  return [late.value, core.done.length];
}

test("who hears of its claim while it lasts runs, and who hears of it too late claims anew", async () => {
  assert.equal(await heardLate(900), [{ ran: true, value: "late" }, 1]);
  // The cluster's clock may be faster by a hundredth; the claim stands, and does not stand in the way of the new one.
  assert.equal(await heardLate(995), [{ ran: true, value: "late" }, 2]);
  assert.equal(await heardLate(3000), [{ ran: true, value: "late" }, 2]);
});

test("who hears of its claim too late, when another has claimed it since, does not run", async () => {
  const claim = { key: "job", id: "other", ttlMs: 1000 };
  const isClaimed = (world: World): void =>
    assert.is(
      world.execute((log) => log.apply("1.9", "once", claim)),
      true,
    );
  assert.equal(await heardLate(1001, isClaimed), [{ ran: false }, 2]);
});

test("a time that is over before anybody can hear of a claim is refused, not waited for", async () => {
  const world = new World({});
  const { locks: one, core } = client(world);
  await inTime(world, core.openSession());
  world.delays = { request: 0, reply: 50, notice: 0 };
  const fate = watch(one.runOnce("job", { ttlMs: 1 }, () => assert.unreachable("it may run elsewhere")));
  await world.clock.advance(1000);
  assert.is(codeOf(fate.error), "Timeout");
  assert.is(core.done.length, 3);
});

test("bad arguments are refused, and run nothing", async () => {
  const world = new World({});
  const { locks: one, core } = client(world);
  const refused = (act: Promise<unknown>): Promise<string> => act.then(() => "none", codeOf);
  for (const ttlMs of [0, -1, "5", undefined, Number.NaN, 1e12])
    assert.is(await refused(one.runOnce("a", { ttlMs: ttlMs as number }, () => 5)), "InvalidOptions");
  assert.is(await refused(one.runOnce(5 as never, { ttlMs: 5 }, () => 5)), "InvalidInput");
  assert.is(await refused(one.runOnce("a", { ttlMs: 5 }, 5 as never)), "TypeError");
  assert.is(await refused(one.runOnce("a", { ttlMs: 5, retry: true } as never, () => 5)), "InvalidOptions");
  assert.equal(core.done, []);
});

test("in a real cluster one of several clients runs it, also when the primary is gone, and later it runs again", async () => {
  const cluster = await startCluster({ nodes: 3, machine: locks });
  try {
    const connect = () => connectLocks({ cluster: cluster.urls, transport: cluster.transport });
    const clients = await Promise.all([connect(), connect(), connect()]);
    const round = async (ttlMs: number): Promise<number> => {
      const results = await Promise.all(clients.map((one) => one.runOnce("job", { ttlMs }, () => 1)));
      return results.filter(({ ran }) => ran).length;
    };
    assert.is(await round(3_600_000), 1);
    await cluster.kill((await cluster.status("a")).primary);
    assert.is(await round(3_600_000), 0);
    let again = false;
    await clients[0]!.runOnce("short", { ttlMs: 20 }, () => 1);
    while (!again) again = (await clients[1]!.runOnce("short", { ttlMs: 20 }, () => 1)).ran;
    await Promise.all(clients.map((one) => one.close()));
  } finally {
    await cluster.close();
  }
});

test.run();
