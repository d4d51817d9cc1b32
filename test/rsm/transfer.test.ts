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

const MACHINE = 2;
const TAG_BYTES = 5;

/** The same state, the machine's part of it in other pieces. */
function recut(chunks: readonly Uint8Array[], cut: (bytes: Uint8Array, pieces: number) => Uint8Array[]): Uint8Array[] {
  const first = chunks.findIndex(([kind]) => kind === MACHINE);
  const [head, rest] = [chunks.slice(0, first), chunks.slice(first)];
  const own = rest.filter(([kind]) => kind === MACHINE).map((chunk) => chunk.subarray(TAG_BYTES));
  const pieces = cut(Uint8Array.from(own.flatMap((body) => [...body])), own.length);
  const tagged = pieces.map((body) => Uint8Array.from([MACHINE, 0, 0, 0, 0, ...body]));
  const all = [...head, ...tagged, ...rest.slice(own.length)].map((chunk) => chunk.slice());
  for (const [number, chunk] of all.entries()) new DataView(chunk.buffer).setUint32(1, number);
  return all;
}

/** Into so many pieces, the first of them shorter by a byte than the others. */
function pieced(bytes: Uint8Array, pieces: number): Uint8Array[] {
  const size = Math.ceil((bytes.length + 1) / pieces);
  const starts = Array.from({ length: pieces }, (_, piece) => Math.max(0, piece * size - 1));
  return starts.map((start, piece) => bytes.subarray(start, starts[piece + 1]));
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

const CUTS: Readonly<Record<string, (pieces: number) => number>> = {
  "as many chunks": (pieces) => pieces,
  "more chunks": (pieces) => 2 * pieces,
  "fewer chunks than it has had": () => 4,
};

for (const [what, piecesOf] of Object.entries(CUTS)) {
  test(`a learner that has had parts of two replicas' different snapshots begins anew: ${what}`, () => {
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
    const chunks = recut(snapshot.chunks, (bytes, pieces) => pieced(bytes, piecesOf(pieces)));
    world.node("b").disk.snapshot = { at: snapshot.at, chunks };
    world.kill("b");
    world.restart("b");
    world.until("b is a member again", () => world.members("a") === "abcd" && world.members("b") === "abcd", 10_000);
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
    assert.is(world.node("e").halted, undefined);
    const hasRefused = pathCount(world, "e", "badSnapshotChunk") > 0;
    assert.is(hasRefused, what !== "fewer chunks than it has had", "where parts of both came it saw that");
    assert.equal(world.node("e").machine.commands, world.node("b").machine.commands);
  });
}

test.run();
