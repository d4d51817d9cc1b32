// A learner takes a snapshot while everything that can break breaks, at each of its chunks.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { loseNode, open, request, start } from "./kit.ts";
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

test.run();
