// Large state, rolling restarts, and disks that lose, rot or are full (scenarios 31 to 35).
import { test } from "uvu";
import * as assert from "uvu/assert";
import { CORE_DEFAULTS } from "../../../src/protocol/options.ts";
import { scenario } from "./scenario.ts";
import { membersOf, STEP_MS, type Stage } from "./stage.ts";

const three = { nodes: 3 };
const { suspectMs } = CORE_DEFAULTS;

/** 100 MB are too many for a test of seconds: 2.5 MB over links of 2.5 MB/s are as long on their way, compared with `suspectMs`. */
const large = { nodes: 3, rate: 2_500, core: { snapshotEveryBytes: 500_000 } };
const VALUES = 50;
const VALUE_BYTES = 50_000;
const TRANSFER_MS = 5_000;

scenario(31, "the state is large, one node joins under load", large, async (s) => {
  s.kill("c");
  s.node("c").wipe();
  await s.writableView("ab");
  const filler = s.visitor();
  for (let n = 0; n < VALUES; n++)
    await s.within("a value is put", filler.put(`key ${n}`, new Uint8Array(VALUE_BYTES).fill(n)));
  const load = s.steadily();
  await load.goesOn();
  const before = load.done;
  s.restart("c");
  const startedAt = s.world.now;
  await s.writableView("abc", { withinMs: TRANSFER_MS });
  assert.ok(s.world.now - startedAt > suspectMs, "the transfer is long");
  assert.ok(load.done - before > 50, "commits go on meanwhile");
  assert.ok(load.longestGapMs <= suspectMs, `a pause of ${load.longestGapMs} ms`);
  await load.goesOn();
});

interface Transfer {
  readonly offered: number;
  readonly installed: number;
}

/** Counts what happens to snapshots from now on. */
function watchTransfers(s: Stage, from: string, to: string): Transfer {
  const seen = { offered: 0, installed: 0 };
  s.node(from).watch = (event) => {
    if (event.event === "path" && event.name === "snapshotOffered") seen.offered++;
  };
  s.node(to).watch = (event) => {
    if (event.event === "path" && event.name === "snapshotInstalled") seen.installed++;
  };
  return seen;
}

async function largeWithoutC(s: Stage): Promise<(count: number) => Promise<void>> {
  s.kill("c");
  s.node("c").wipe();
  await s.writableView("ab");
  const filler = s.visitor();
  let n = 0;
  const fill = async (count: number): Promise<void> => {
    for (const end = n + count; n < end; n++)
      await s.within("a value is put", filler.put(`key ${n}`, new Uint8Array(VALUE_BYTES).fill(n)));
  };
  await fill(VALUES);
  return fill;
}

scenario(31, "the connection breaks during the transfer, which goes on where it was", large, async (s) => {
  const fill = await largeWithoutC(s);
  const transfer = watchTransfers(s, "a", "c");
  s.restart("c");
  await s.until("a snapshot is on its way", () => transfer.offered > 0);
  await s.passes(400);
  s.isolate("c");
  // By now the log would be long enough for another snapshot, and the one that c has a part of would be gone.
  await Promise.all([fill(15), s.passes(s.random.between(3, 6) * suspectMs)]);
  const { offered } = transfer;
  s.rejoin("c");
  await s.writableView("abc", { withinMs: TRANSFER_MS });
  // Only an offer has a learner begin at the first chunk.
  assert.is(transfer.offered, offered, "it does not begin again");
  assert.is(transfer.installed, 1);
});

scenario(31, "a learner that falls behind while it loads is admitted all the same", large, async (s) => {
  const fill = await largeWithoutC(s);
  const transfer = watchTransfers(s, "a", "c");
  s.restart("c");
  await s.until("a snapshot is on its way", () => transfer.offered > 0);
  await fill(30);
  await s.writableView("abc", { withinMs: TRANSFER_MS });
});

scenario(32, "a rolling restart with graceful stops, under load", three, async (s) => {
  const load = s.steadily({ everyMs: 1 });
  await load.goesOn();
  for (const id of s.random.shuffle([..."abc"])) {
    await s.stop(id);
    assert.is(membersOf(s.newest), s.others(id), "it hands over before it ends");
    await s.writableView(s.others(id));
    await load.goesOn();
    s.restart(id);
    await s.writableView("abc");
    await load.goesOn();
  }
  assert.ok(load.longestGapMs < 100, `a gap of ${load.longestGapMs} ms`);
});

function incarnationOf(s: Stage, id: string): string | undefined {
  return s.newest.acceptors.find((acceptor) => acceptor.id === id)?.incarnation;
}

/** It came back as another: the old incarnation counts no more. */
async function comesBackAnew(s: Stage, id: string, before: string | undefined): Promise<void> {
  await s.writableView("abc");
  assert.is(s.newest.acceptors.length, 3);
  assert.is.not(incarnationOf(s, id), before);
}

scenario(33, "a node's data directory is wiped, it restarts under the same id", three, async (s) => {
  const load = s.steadily();
  await load.goesOn();
  const id = s.random.pick([..."abc"]);
  const before = incarnationOf(s, id);
  s.kill(id);
  const wasMissed = s.random.chance(0.5);
  if (wasMissed) await s.writableView(s.others(id));
  s.node(id).wipe();
  await s.passes(s.random.between(0, 200));
  s.restart(id);
  await comesBackAnew(s, id, before);
  await load.goesOn();
});

/** Of the synced log this share holds only records whose mark, that they are synced, is on the disk as well. */
const SURELY_MARKED = 0.8;

/** Flips one bit of the oldest part of the newest log file. */
function rotLog(s: Stage, id: string): void {
  const { disk } = s.node(id);
  const name = [...disk.files.keys()]
    .filter((file) => /^log-\d+$/.test(file))
    .sort()
    .at(-1)!;
  const file = disk.files.get(name)!;
  const at = s.random.integer(0, Math.floor(SURELY_MARKED * file.syncedLength));
  file.flip(at, s.random.integer(0, 7));
  s.world.story.tell(id, `has a bit flipped at ${at} of ${name}`);
  s.cluster.ledger.facts.node(id).data.ruined = "a bit of its log was flipped";
}

scenario(34, "one bit of an acknowledged log record is flipped on one node, which restarts", three, async (s) => {
  const load = s.steadily();
  for (let n = 0; n < 5; n++) await load.goesOn();
  const id = s.random.pick([..."abc"]);
  const before = incarnationOf(s, id);
  s.kill(id);
  rotLog(s, id);
  await s.passes(s.random.between(0, 200));
  s.restart(id);
  await comesBackAnew(s, id, before);
  await load.goesOn();
});

for (const [id, who] of [
  ["c", "a backup"],
  ["a", "the primary"],
] as const) {
  scenario(35, `the disk is full on ${who}`, three, async (s) => {
    const load = s.steadily();
    await load.goesOn();
    const node = s.node(id);
    let error: { readonly code: string; readonly text: string } | undefined;
    node.watch = (event) => {
      if (event.event === "stopped") error = event.error;
    };
    node.disk.full = true;
    await s.writableView(s.others(id), { primary: id === "a" ? "b" : "a" });
    assert.is(error?.code, "StorageFailed");
    assert.match(error!.text, /no space left on device/);
    await load.goesOn();
    node.disk.full = false;
    s.restart(id);
    await s.writableView("abc");
    await load.goesOn();
    assert.ok(load.longestGapMs < STEP_MS, `writes stalled for ${load.longestGapMs} ms`);
  });
}

test.run();
