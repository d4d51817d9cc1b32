// The environment of a real process.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { systemEnvironment } from "../../src/entry/environment.ts";

test("a turn ends after the promises of this turn, and before a timer", async () => {
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    systemEnvironment.setTimer(250, () => {
      order.push("timer");
      resolve();
    });
    systemEnvironment.endOfTurn(() => order.push("turn"));
    void Promise.resolve().then(() => order.push("promise"));
    order.push("now");
  });
  assert.equal(order, ["now", "promise", "turn", "timer"]);
});

test("a cancelled timer does not fire", async () => {
  let fired = false;
  const timer = systemEnvironment.setTimer(1, () => {
    fired = true;
  });
  timer.cancel();
  await new Promise<void>((resolve) => void systemEnvironment.setTimer(20, resolve));
  assert.not(fired);
});

test("the clock does not go back, and ids are 16 hex digits that differ", () => {
  const [first, second] = [systemEnvironment.now(), systemEnvironment.now()];
  assert.ok(second >= first);
  const ids = new Set(Array.from({ length: 100 }, () => systemEnvironment.randomId()));
  assert.is(ids.size, 100);
  for (const id of ids) assert.match(id, /^[0-9a-f]{16}$/);
  const fraction = systemEnvironment.random();
  assert.ok(fraction >= 0 && fraction < 1);
});

test.run();
