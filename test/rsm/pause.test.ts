import { test } from "uvu";
import * as assert from "uvu/assert";
import type { CoreEvent } from "../../src/rsm/events.ts";
import { open, start } from "./kit.ts";

test("a pause of the whole machine is nobody's silence", () => {
  const world = start(["a", "b", "c"]);
  open(world, "a");
  const vid = world.node("a").core.view?.vid;
  world.now += 60_000;
  world.run(3000);
  assert.is(world.node("a").core.view?.vid, vid);
  assert.ok(world.node("a").core.isTaking);
  for (const { happened } of world.nodes.values()) assert.not(happened.some(({ event }) => event === "suspected"));
});

test("a pause of the whole machine does not end a session", () => {
  const world = start(["a", "b", "c"]);
  const session = open(world, "a", 1000);
  world.now += 60_000;
  world.run(500);
  assert.ok(world.node("a").core.state.sessions.get(session) !== undefined);
  world.run(1000);
  assert.is(world.node("a").core.state.sessions.get(session), undefined);
});

test("a backup that was paused does not hold its own pause against its primary", () => {
  const world = start(["a", "b", "c"]);
  const held: CoreEvent[] = [];
  world.intercept = (id, event) => {
    if (id === "c" && event.type !== "tick") held.push(event);
    return id === "c";
  };
  world.until("a and b go on", () => world.members("a") === "ab" && world.node("a").core.isTaking);
  world.run(2000);
  world.intercept = () => false;
  world.step("c", { type: "tick" });
  for (const event of held) world.step("c", event);
  world.until("c is back", () => world.members("a") === "abc" && world.members("c") === "abc", 3000);
  assert.not(world.node("c").happened.some(({ event }) => event === "suspected"));
});

test.run();
