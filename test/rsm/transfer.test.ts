// A learner takes a snapshot while everything that can break breaks, at each of its chunks.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { loseNode, open, pathCount, request, start } from "./kit.ts";
import type { World } from "./world.ts";

const IDS = ["a", "b", "c"];

interface Loaded {
  readonly world: World;
  readonly load: (count: number) => void;
}

/** a leads {a,b}, its log begins after a snapshot, and c is down. */
function withoutC(): Loaded {
  const world = start(IDS, { snapshotEveryBytes: 2000 });
  const session = open(world, "a", 600_000);
  loseNode(world, "c", "a", "ab");
  let number = 0;
  const load = (count: number): void => {
    for (let left = count; left > 0; left--) {
      const primary = IDS.find((id) => world.node(id).up && world.node(id).core.isTaking);
      if (primary !== undefined) request(world, primary, session, ++number);
      world.run(10);
    }
  };
  load(300);
  return { world, load };
}

function isWhole(world: World): boolean {
  return IDS.every((id) => world.members(id) === "abc") && IDS.some((id) => world.node(id).core.isTaking);
}

/** The same state in other pieces: each chunk of the machine's gives its last byte to the next one. */
function recut(chunks: readonly Uint8Array[]): Uint8Array[] {
  const MACHINE = 2;
  const TAG_BYTES = 5;
  let carried: number[] = [];
  return chunks.map((chunk, index) => {
    if (chunk[0] !== MACHINE) return chunk;
    const [tag, body] = [chunk.slice(0, TAG_BYTES), [...carried, ...chunk.slice(TAG_BYTES)]];
    carried = chunks[index + 1]?.[0] === MACHINE ? body.splice(-1) : [];
    return Uint8Array.from([...tag, ...body]);
  });
}

/** Between a and c. */
function cut(world: World): void {
  const ends = [world.node("a").member, world.node("c").member] as const;
  for (const [one, other] of [ends, [ends[1], ends[0]]] as const) {
    world.step(one.id, { type: "linkDown", id: other.id, refused: false });
    world.step(one.id, { type: "heardDown", id: other.id });
  }
  world.run(300);
  for (const [one, peer] of [ends, [ends[1], ends[0]]] as const) {
    world.step(one.id, { type: "heardUp", peer });
    world.step(one.id, { type: "linkUp", peer });
  }
}

const BREAKS: Readonly<Record<string, (world: World) => void>> = {
  "its connection breaks": cut,
  "the learner restarts": (world) => {
    world.kill("c");
    world.run(50);
    world.restart("c");
  },
  "the learner's disk is lost": (world) => {
    world.kill("c");
    world.run(50);
    world.wipe("c", "c2");
  },
  "the primary dies, and returns": (world) => {
    world.kill("a");
    world.run(1500);
    world.restart("a");
  },
  "both die, the learner returns first": (world) => {
    world.kill("a");
    world.kill("c");
    world.run(700);
    world.restart("c");
    world.run(200);
    world.restart("a");
  },
};

for (const [what, breakIt] of Object.entries(BREAKS)) {
  test(`a learner becomes a member though ${what}, at whichever chunk`, () => {
    let at = 1;
    for (let isReached = true; isReached; at += 3) {
      const { world, load } = withoutC();
      let chunks = 0;
      // Every other time that very chunk is lost.
      world.drop = (_from, _to, { type }) => type === "snapshotChunk" && ++chunks === at && at % 2 === 0;
      world.restart("c");
      for (let ms = 0; ms < 2000 && chunks < at; ms++) world.run(1);
      isReached = chunks >= at;
      breakIt(world);
      load(20);
      world.until(`${what} at chunk ${at}: all are members`, () => isWhole(world), 10_000);
      load(3);
      world.run(800);
      const states = new Set(IDS.map((id) => world.node(id).machine.commands.join()));
      assert.is(states.size, 1, `at chunk ${at}`);
      for (const id of IDS) assert.is(world.node(id).halted, undefined, `${id} at chunk ${at}`);
    }
    assert.ok(at > 20, `${at} chunks`);
  });
}

test("a learner that has had parts of two replicas' different snapshots begins anew", () => {
  const world = start(["a", "b", "c", "d", "e"], { snapshotEveryBytes: 2000 });
  const session = open(world, "a", 600_000);
  loseNode(world, "e", "a", "abcd");
  for (let number = 1; number <= 300; number++) {
    request(world, "a", session, number);
    world.run(10);
  }
  // b's program cuts the same state in another way.
  const { snapshot } = world.node("b").disk;
  assert.ok(snapshot !== undefined && snapshot.chunks.length > 12, "a snapshot of many chunks");
  world.node("b").disk.snapshot = { at: snapshot.at, chunks: recut(snapshot.chunks) };
  let had = 0;
  world.drop = (_from, _to, { type }) => type === "snapshotChunk" && ++had > 10;
  world.restart("e");
  world.until("e has had a part of it", () => had > 10);
  const { at } = world.node("a").disk.snapshot ?? {};
  assert.equal(at, snapshot.at);
  world.drop = () => false;
  world.kill("a");
  world.until(
    "b and the others take e in",
    () => world.members("b") === "bcde" && world.members("e") === "bcde",
    20_000,
  );
  assert.ok(pathCount(world, "b", "transferResumed") > 0, "b went on with what a had begun");
  assert.ok(pathCount(world, "e", "badSnapshotChunk") > 0, "e saw that it was of two");
  assert.equal(world.node("e").machine.commands, world.node("b").machine.commands);
});

test.run();
