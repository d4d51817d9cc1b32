// A cluster that changes its views and writes nothing.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { loseNode, open, pathCount, request, start } from "./kit.ts";

test("views alone do not grow the log without end", () => {
  const world = start(["a", "b", "c"], { snapshotEveryBytes: 20_000 });
  const session = open(world, "a", 600_000);
  for (let number = 1; number <= 20; number++) {
    request(world, "a", session, number);
    world.run(10);
  }
  const { core, disk } = world.node("a");
  const written = core.applied;
  for (let view = 0; view < 60; view++) {
    loseNode(world, "c", "a", "ab");
    world.restart("c");
    world.until("c is back", () => world.members("a") === "abc" && world.members("c") === "abc", 10_000);
  }
  assert.is(core.applied, written, "nothing was written");
  assert.is(disk.base.seqno, written, "the segments that hold the views are needed no more");
  world.until("a takes requests", () => core.isTaking);
  const before = pathCount(world, "a", "logCompacted");
  request(world, "a", session, 21, "after it all");
  world.run(100);
  assert.is(pathCount(world, "a", "logCompacted"), before, "and not for every entry from then on");
  for (const id of ["a", "b", "c"]) assert.is(world.node(id).machine.commands.at(-1), "after it all", id);
});

test.run();
