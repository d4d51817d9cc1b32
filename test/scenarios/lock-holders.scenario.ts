// Clients that die or stand still with a lock, and notices that are lost (scenarios 28 to 30).
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type ClusterLocks, fence } from "../../src/entry/locks.ts";
import type { Cluster } from "../harness/cluster.ts";
import type { Trap } from "../harness/control.ts";
import { LockerProcess } from "../harness/locker-process.ts";
import { eitherWay, scenario } from "../harness/scenario.ts";
import { HANG_MS, patience, STEP_MS, within } from "../harness/within.ts";
import type { RuntimeName } from "../runtimes.ts";

const three = { nodes: 3 };
const TTL_MS = 2_000;
/** Within so long what a dead client held is the next one's. */
const GRANTED_MS = TTL_MS + 1_000;
const runtimes: readonly RuntimeName[] = ["node", "bun", "deno"];
let lockers = 0;

/** On one runtime after the other. */
async function withLocker(
  cluster: Cluster,
  cache: Parameters<LockerProcess["connect"]>[1],
  story: (locker: LockerProcess) => Promise<void>,
): Promise<void> {
  const locker = new LockerProcess(runtimes[lockers++ % runtimes.length]!);
  try {
    await locker.connect(cluster.urls, cache, TTL_MS);
    await story(locker);
  } finally {
    await locker.kill();
  }
}

/** Waits until so many stand in line, as a node sees it: nobody who keeps a lock is asked what for. */
async function inLine(locks: ClusterLocks, name: string, count: number): Promise<void> {
  const look = async (): Promise<void> => {
    for (;;) {
      const { pending } = await locks.query({ consistency: "local" });
      if (pending.filter((one) => one.name === name).length >= count) return;
    }
  };
  await within(HANG_MS, `${count} stand in line`, look());
}

eitherWay("28: a client dies holding a lock, others wait", three, async (cluster, visitors) => {
  await withLocker(cluster, visitors.cache, async (holder) => {
    const { vid } = await cluster.view("p0", "p1", "p2");
    const dead = await holder.acquire("house");
    const waiting = [await visitors.locks(), await visitors.locks(), await visitors.locks()];
    const tokens: bigint[] = [];
    const order: number[] = [];
    const all: Promise<unknown>[] = [];
    for (const [index, locks] of waiting.entries()) {
      const next = locks.request("house", ({ token }) => {
        tokens.push(token);
        order.push(index);
      });
      all.push(next);
      await inLine(locks, "house", index + 1);
    }
    const killedAt = performance.now();
    await holder.kill();
    await within(GRANTED_MS + TTL_MS, "the next has the lock", all[0]!);
    const afterMs = performance.now() - killedAt;
    // A node that the machine made stand still changed the view, and every session has a full TTL at each activation.
    const isNewView = cluster.viewsSeen().some((view) => view.vid > vid);
    assert.ok(afterMs <= (GRANTED_MS + (isNewView ? TTL_MS : 0)) * patience, `${afterMs} ms`);
    await within(STEP_MS, "all have had the lock", Promise.all(all));
    assert.equal(order, [0, 1, 2]);
    for (const token of tokens) assert.ok(token > dead);
    await cluster.view("p0", "p1", "p2");
    assert.ok(
      cluster.ids.every((id) => cluster.node(id).isUp),
      "no replica is hurt",
    );
  });
});

eitherWay("29: a holder is paused beyond its session's TTL, then wakes", three, async (cluster, visitors) => {
  await withLocker(cluster, visitors.cache, async (holder) => {
    const other = await visitors.locks();
    const resource = fence();
    const old = await holder.acquire("house");
    resource.check("house", old);
    const next = other.acquire("house");
    await inLine(other, "house", 1);
    holder.pause();
    const lock = await within(GRANTED_MS + TTL_MS, "the lock is granted to the other", next);
    resource.check("house", lock.token);
    const worked = holder.works;
    holder.resume();
    const { first, isHeld, isAborted } = await holder.woke();
    assert.equal({ isHeld, isAborted }, { isHeld: false, isAborted: true }, `the first thing was ${String(first)}`);
    assert.throws(() => resource.check("house", old), /./, "its old token is refused");
    lock.assertHeld();
    const again = holder.acquire("house");
    await inLine(other, "house", 1);
    await lock.release();
    assert.ok((await within(STEP_MS, "the woken client has it again", again)) > lock.token);
    assert.ok(holder.works >= worked, "it works again under the new one only");
  });
});

const diesBeforeTelling: Trap = {
  name: "a client is about to be told",
  at: "before-send",
  message: "notice",
  actions: [{ do: "kill" }],
};

async function noticeIsLost(cluster: Cluster, act: () => void): Promise<void> {
  await cluster.trap("p0", diesBeforeTelling);
  act();
  await cluster.died("p0", diesBeforeTelling.name);
}

eitherWay('30: the notice "granted" is lost with the primary', three, async (cluster, visitors) => {
  const [holder, waiter] = [await visitors.locks(), await visitors.locks()];
  const held = await holder.acquire("house");
  const next = waiter.acquire("house");
  await inLine(waiter, "house", 1);
  let returned: Promise<void> = Promise.resolve();
  await noticeIsLost(cluster, () => {
    returned = held.release();
  });
  const lock = await within(STEP_MS, "the new primary says it again", next);
  assert.ok(lock.token > held.token);
  await within(STEP_MS, "the release is answered", returned);
  await cluster.view("p1", "p2");
});

for (const isInUse of [true, false]) {
  // Without a cache there is nothing to revoke.
  const title = `30: the notice "revoke" is lost with the primary, the lock is ${isInUse ? "in use" : "kept"}`;
  scenario(title, three, async (cluster, visitors) => {
    const [keeper, waiter] = [await visitors.locks(), await visitors.locks()];
    const held = await keeper.acquire("house");
    if (!isInUse) await held.release();
    let next = waiter.acquire("hut");
    await next;
    await noticeIsLost(cluster, () => {
      next = waiter.acquire("house");
    });
    if (isInUse) {
      held.assertHeld();
      await held.release();
    }
    const lock = await within(STEP_MS, "the waiter has it", next);
    assert.ok(lock.token > held.token);
    await cluster.view("p1", "p2");
  });
}

eitherWay('30: the notice "stolen" is lost with the primary', three, async (cluster, visitors) => {
  const [robbed, thief] = [await visitors.locks(), await visitors.locks()];
  const held = await robbed.acquire("house");
  const lost = new Promise<void>((resolve) => held.signal.addEventListener("abort", () => resolve()));
  let stolen = thief.acquire("hut");
  await stolen;
  // Its client says that it uses it: what is only kept would not be stolen but asked for.
  await thief.query();
  await noticeIsLost(cluster, () => {
    stolen = thief.acquire("house", { steal: true });
  });
  await within(STEP_MS, "the new primary says it again", lost);
  assert.ok((await within(STEP_MS, "the thief has the lock", stolen)).token > held.token);
  await cluster.view("p1", "p2");
});

test.run();
