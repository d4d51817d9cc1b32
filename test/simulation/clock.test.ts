// The monotonic clock of a simulated machine.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Host } from "../../src/simulator/process.ts";
import { World } from "../../src/simulator/world.ts";

test("a machine's clock that gets another rate while it sleeps goes on from where it stood", async () => {
  const world = new World(1);
  const host = new Host(world, "a");
  host.start(() => {});
  await world.run(1000);
  const before = host.now();
  host.pause(true);
  await world.run(3000);
  host.setClockRate(1.005);
  assert.is(host.now(), before);
  await world.run(4000);
  assert.is(host.now(), before, "it still sleeps");
  host.resume();
  await world.run(5000);
  assert.ok(Math.abs(host.now() - before - 1005) < 1e-6, `${host.now() - before} ms in a second at that rate`);
});

test.run();
