// A connection that dies of what it carries, and is made anew at once, again and again.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { answer, open, replies, request, start, text } from "./kit.ts";

const suspectMs = 1000;
const REDIAL_MS = 50;

test("a member whose connection dies of every entry that it is sent is left out", () => {
  const world = start(["a", "b", "c"], { suspectMs });
  const session = open(world, "a");
  let isBroken = false;
  world.drop = (from, to, message) => {
    if (from !== "a" || to !== "c") return false;
    if (message.type === "invoke" && message.entries.length > 0) isBroken = true;
    return isBroken;
  };
  request(world, "a", session, 1);
  const peer = world.node("c").member;
  for (let ms = 0; ms < 4 * suspectMs && world.members("a") === "abc"; ms += REDIAL_MS) {
    if (isBroken) world.step("a", { type: "linkDown", id: "c", refused: false });
    world.run(REDIAL_MS);
    if (isBroken) world.step("a", { type: "linkUp", peer });
    isBroken = false;
  }
  assert.is(world.members("a"), "ab");
  world.until("a takes requests", () => world.node("a").core.isTaking, suspectMs);
  request(world, "a", session, 1);
  assert.is(text(answer(world, "a", "reply").body), "1");
});

test("a member whose connection breaks now and then, and that gets on in between, stays", () => {
  const world = start(["a", "b", "c"], { suspectMs });
  const session = open(world, "a");
  const peer = world.node("c").member;
  for (let number = 1; number <= 20; number++) {
    world.step("a", { type: "linkDown", id: "c", refused: false });
    request(world, "a", session, number);
    world.run(suspectMs / 2);
    world.step("a", { type: "linkUp", peer });
    world.until("it is answered", () => replies(world, "a").length === number, suspectMs / 2);
  }
  assert.is(world.members("a"), "abc");
});

test.run();
