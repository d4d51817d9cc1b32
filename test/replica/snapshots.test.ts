// Snapshots in slices: what they cost a turn, and what ends them.
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Done } from "../../src/protocol/storage.ts";
import type { Effect } from "../../src/rsm/events.ts";
import { Stage } from "./stories.ts";

const at = { vid: 1, seqno: 5 };
const chunk = new Uint8Array([7]);

/** Chunks that each take `ms` of the world's time; says when it was drained or returned. */
function* chunks(stage: Stage, count: number, ms: number): Generator<Uint8Array, void> {
  try {
    for (let i = 0; i < count; i++) {
      stage.world.now += ms;
      yield chunk;
    }
  } finally {
    stage.events.push({ event: "path", name: "drained" });
  }
}

async function perform(stage: Stage, ...effects: Effect[]): Promise<void> {
  let done = false;
  stage.core.answer = (event) => {
    if (event.type !== "tick" || done) return [];
    done = true;
    return effects;
  };
  await stage.world.run(51);
}

test("a snapshot is drained into the storage and reported with its longest pause", async () => {
  const stage = new Stage();
  await stage.start();
  await perform(stage, { type: "saveSnapshot", at, chunks: chunks(stage, 20, 1) });
  await stage.world.run(100);
  assert.is(stage.disk.chunks.length, 20);
  assert.equal(stage.core.of("snapshotSaved"), [{ type: "snapshotSaved", snapshot: { at, chunks: 20 }, pauseMs: 5 }]);
});

test("other work gets its turn between two slices", async () => {
  const stage = new Stage();
  await stage.start();
  await perform(stage, { type: "saveSnapshot", at, chunks: chunks(stage, 200, 1) });
  const ticks = stage.core.of("tick").length;
  await stage.world.run(200);
  assert.ok(stage.core.of("tick").length - ticks >= 3, `${stage.core.of("tick").length - ticks} ticks`);
});

test("a slow chunk, and a slow start, are the pause that is told", async () => {
  const stage = new Stage();
  await stage.start();
  await perform(stage, { type: "saveSnapshot", at, chunks: chunks(stage, 2, 30) });
  await stage.world.run(100);
  assert.is(stage.core.of("snapshotSaved")[0]?.pauseMs, 30);
  let saved = false;
  stage.core.answer = (event) => {
    if (event.type !== "tick" || saved) return [];
    saved = true;
    stage.world.now += 44;
    return [{ type: "saveSnapshot", at, chunks: chunks(stage, 2, 1) }];
  };
  await stage.world.run(200);
  assert.is(stage.core.of("snapshotSaved")[1]?.pauseMs, 44);
});

test("a snapshot to receive abandons the one that is being taken", async () => {
  const stage = new Stage();
  await stage.start();
  await perform(
    stage,
    { type: "saveSnapshot", at, chunks: chunks(stage, 3, 1) },
    { type: "receiveSnapshot", at: { vid: 2, seqno: 9 } },
  );
  await stage.world.run(50);
  assert.equal(stage.core.of("snapshotSaved"), []);
  assert.equal(
    stage.disk.calls.filter((call) => call !== "open"),
    ["writeSnapshot", "abort", "writeSnapshot"],
  );
});

/** Its snapshots are durable when the test says so. */
function holdCommits(stage: Stage): Done[] {
  const held: Done[] = [];
  const write = stage.disk.writeSnapshot.bind(stage.disk);
  stage.disk.writeSnapshot = () => ({ ...write(), commit: (done) => void held.push(done) });
  return held;
}

test("a snapshot that becomes the newest though another is to be received is told, for the one before it is gone", async () => {
  const stage = new Stage();
  const replica = await stage.start();
  const [ended, commits] = [replica.stopped, holdCommits(stage)];
  let hasStopped = false;
  ended.then(() => {
    hasStopped = true;
  });
  await perform(stage, { type: "saveSnapshot", at, chunks: chunks(stage, 3, 1) });
  await perform(stage, { type: "receiveSnapshot", at: { vid: 2, seqno: 9 } });
  commits[0]?.(undefined);
  await stage.world.run(50);
  assert.equal(stage.core.of("snapshotSaved"), [{ type: "snapshotSaved", snapshot: { at, chunks: 3 }, pauseMs: 3 }]);
  await perform(stage, { type: "saveSnapshot", at, chunks: chunks(stage, 3, 1) });
  await perform(stage, { type: "receiveSnapshot", at: { vid: 2, seqno: 9 } });
  commits[1]?.(new Error("this snapshot was aborted"));
  await stage.world.run(50);
  assert.equal([stage.core.of("snapshotSaved").length, hasStopped], [1, false]);
});

test("a received snapshot is stored in order and installed after what was written before it", async () => {
  const stage = new Stage();
  await stage.start();
  const other = { vid: 2, seqno: 9 };
  await perform(
    stage,
    { type: "receiveSnapshot", at: other },
    { type: "storeChunk", at: other, index: 0, bytes: new Uint8Array([1]) },
    { type: "storeChunk", at: other, index: 1, bytes: new Uint8Array([2]) },
    { type: "write", write: 1, records: [{ kind: "truncate", seqno: 0 }] },
    { type: "installSnapshot", at: other },
  );
  await stage.world.run(20);
  assert.equal(
    stage.disk.chunks.map(([byte]) => byte),
    [1, 2],
  );
  assert.equal(stage.disk.calls, ["open", "writeSnapshot", "write", "commit"]);
  assert.equal(
    stage.core.of("chunkStored").map(({ index }) => index),
    [0, 1],
  );
  assert.equal(stage.core.of("snapshotInstalled"), [{ type: "snapshotInstalled", snapshot: { at: other, chunks: 2 } }]);
});

test("what restoring a part of a snapshot took is told", async () => {
  const stage = new Stage();
  await stage.start();
  let restored = false;
  stage.core.answer = (event) => {
    if (event.type !== "tick" || restored) return [];
    restored = true;
    stage.world.now += 44;
    return [{ type: "restored" }];
  };
  await stage.world.run(200);
  assert.equal(stage.core.of("restoringTook"), [{ type: "restoringTook", ms: 44 }]);
});

test("a chunk is read for a learner; one that is gone is told as such", async () => {
  const stage = new Stage();
  await stage.start();
  stage.disk.chunks = [chunk];
  await perform(stage, { type: "readChunk", to: "b", at, index: 0 }, { type: "readChunk", to: "b", at, index: 1 });
  assert.equal(stage.core.of("chunkRead"), [
    { type: "chunkRead", to: "b", at, index: 0, bytes: chunk },
    { type: "chunkRead", to: "b", at, index: 1, bytes: undefined },
  ]);
});

test("a chunk that cannot be read because the storage has failed stops the replica", async () => {
  const stage = new Stage();
  const replica = await stage.start();
  stage.disk.writeError = new Error("chunk 0 of snapshot-00000002 is damaged");
  await perform(stage, { type: "readChunk", to: "b", at, index: 0 });
  await stage.world.run(50);
  assert.is((await replica.stopped)?.code, "StorageFailed");
  assert.equal(stage.core.of("chunkRead"), []);
});

test("a snapshot that cannot be written or made stops the replica", async () => {
  const disk = new Stage();
  const first = await disk.start();
  disk.disk.writeError = new Error("ENOSPC");
  await perform(disk, { type: "saveSnapshot", at, chunks: chunks(disk, 3, 1) });
  await disk.world.run(50);
  assert.is((await first.stopped)?.code, "StorageFailed");
  assert.is(disk.of("path").length, 1);

  const machine = new Stage();
  const second = await machine.start();
  const broken: Iterator<Uint8Array> = {
    next: () => {
      throw new Error("bug");
    },
  };
  await perform(machine, { type: "saveSnapshot", at, chunks: broken });
  await machine.world.run(50);
  assert.is((await second.stopped)?.code, "MachineFailed");
});

test("a replica that ends lets go of the snapshot under way", async () => {
  const stage = new Stage();
  const replica = await stage.start();
  await perform(stage, { type: "saveSnapshot", at, chunks: chunks(stage, 1000, 4) });
  const killed = replica.kill();
  await stage.world.run(50);
  await killed;
  assert.ok(stage.disk.calls.includes("abort"));
  assert.is(stage.of("path").length, 1);
});

test.run();
