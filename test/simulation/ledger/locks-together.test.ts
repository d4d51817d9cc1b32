// Rules 12 and 14 for groups, semaphores and lock delays.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { granted, Story } from "./lock-story.ts";

const twelve = suite("rule 12");
const queued = { status: "queued" };

twelve("a group is granted in one step", () => {
  const story = new Story();
  story.acquire(story.one, 1, 10n);
  story.askAll(story.two, ["x", "y"], 1, queued);
  assert.equal(story.broken, []);
  story.release(story.one, 1, 10n, [granted(story.two, 1, 20n), granted(story.two, 2, 20n, "y")]);
  assert.equal(story.broken, []);
});

twelve("a group that is granted in part is seen", () => {
  const story = new Story();
  story.acquire(story.one, 1, 10n);
  story.askAll(story.two, ["x", "y"], 1, queued);
  story.ask(story.one, "z", 2, { status: "granted", token: 5n, keep: 0 }, {}, [granted(story.two, 2, 20n, "y")]);
  assert.equal(story.broken, [12]);
});

twelve("a permit too many is seen", () => {
  const story = new Story();
  const permit = (token: bigint): object => ({ status: "granted", token, keep: 0 });
  const asked = { mode: "shared", permits: 2 };
  story.ask(story.one, "s", 1, permit(10n), asked);
  story.ask(story.two, "s", 1, permit(20n), asked);
  story.ask(story.one, "s", 2, queued, asked);
  assert.equal(story.broken, []);
  story.ask(story.two, "s", 2, permit(30n), asked);
  assert.ok(story.broken.includes(12));
});

twelve("a grant within a lock delay is seen", () => {
  for (const [waitMs, broken] of [
    [99, [12]],
    [100, []],
  ] as const) {
    const story = new Story();
    story.ask(story.one, "x", 1, { status: "granted", token: 10n, keep: 0 }, { delayMs: 100 });
    story.acquire(story.two, 1, "queued");
    story.lose(story.one);
    assert.equal(story.broken, []);
    story.pass(waitMs);
    story.tick([granted(story.two, 1, 20n)]);
    assert.equal(story.broken, broken);
  }
});

twelve("a session that was closed leaves no delay", () => {
  const story = new Story();
  story.ask(story.one, "x", 1, { status: "granted", token: 10n, keep: 0 }, { delayMs: 100 });
  story.acquire(story.two, 1, "queued");
  story.end(story.one, [granted(story.two, 1, 20n)]);
  assert.equal(story.broken, []);
});

twelve.run();

const fourteen = suite("rule 14");

fourteen("a group that has its turn at all of its locks and is forgotten is seen", () => {
  const story = new Story();
  story.acquire(story.one, 1, 10n);
  story.ask(story.one, "y", 2, { status: "granted", token: 10n, keep: 0 });
  story.askAll(story.two, ["x", "y"], 1, queued);
  story.release(story.one, 1, 10n);
  assert.equal(story.broken, []);
  story.end(story.one);
  assert.equal(story.broken, [14]);
});

fourteen("a waiter that is forgotten when a lock delay is over is seen", () => {
  const story = new Story();
  story.ask(story.one, "x", 1, { status: "granted", token: 10n, keep: 0 }, { delayMs: 100 });
  story.acquire(story.two, 1, "queued");
  story.lose(story.one);
  story.pass(100);
  story.tick();
  assert.equal(story.broken, [14]);
});

fourteen.run();
