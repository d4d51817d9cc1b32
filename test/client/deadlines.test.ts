// The heap of time limits.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Deadlines, type Limited } from "../../src/client/deadlines.ts";
import { World } from "./world.ts";

class Item implements Limited {
  place = -1;
  readonly dueAt: number;
  readonly #log: number[];

  constructor(dueAt: number, log: number[]) {
    this.dueAt = dueAt;
    this.#log = log;
  }

  expired(): void {
    this.#log.push(this.dueAt);
  }
}

function made(): { world: World; deadlines: Deadlines } {
  const world = new World();
  const deadlines: Deadlines = new Deadlines(world.environment, () => deadlines.expire());
  return { world, deadlines };
}

/** Numbers without a pattern, the same each time. */
function* mixed(count: number): Generator<number> {
  let state = 12345;
  for (let n = 0; n < count; n++) {
    state = (state * 1103515245 + 12345) % 2147483648;
    yield state;
  }
}

test("limits pass in their order, at their time, except those taken out", async () => {
  const { world, deadlines } = made();
  const log: number[] = [];
  const items = [...mixed(500)].map((number) => new Item(2000 + (number % 1000), log));
  for (const item of items) deadlines.add(item);
  const kept = items.filter((_, n) => n % 3 !== 0);
  for (const [n, item] of items.entries()) if (n % 3 === 0) deadlines.remove(item);
  await world.pass(1500);
  assert.ok(log.length > 0 && log.every((at) => at <= 2500));
  assert.is(log.length, kept.filter(({ dueAt }) => dueAt <= 2500).length);
  await world.pass(1500);
  assert.equal(
    log,
    kept.map(({ dueAt }) => dueAt).sort((a, b) => a - b),
  );
  assert.is(deadlines.size, 0);
  assert.is(world.timers, 0);
});

test("taking out what is not there does nothing", () => {
  const { deadlines } = made();
  const [item, other] = [new Item(5000, []), new Item(6000, [])];
  deadlines.add(other);
  deadlines.remove(item);
  deadlines.remove(other);
  deadlines.remove(other);
  assert.is(deadlines.size, 0);
});

test("an earlier limit moves the timer, a later one does not need another", async () => {
  const { world, deadlines } = made();
  const log: number[] = [];
  for (const at of [9000, 5000, 7000, 4000]) deadlines.add(new Item(at, log));
  assert.is(world.timers, 1);
  await world.pass(3000);
  assert.equal(log, [4000]);
  await world.pass(6000);
  assert.equal(log, [4000, 5000, 7000, 9000]);
});

test("what is added while limits pass has its own time", async () => {
  const { world, deadlines } = made();
  const log: number[] = [];
  const next = new Item(3000, log);
  const first: Limited = {
    place: -1,
    dueAt: 2000,
    expired: () => deadlines.add(next),
  };
  deadlines.add(first);
  await world.pass(1000);
  assert.equal(log, []);
  await world.pass(1000);
  assert.equal(log, [3000]);
});

test("stop leaves no timer", () => {
  const { world, deadlines } = made();
  deadlines.add(new Item(5000, []));
  deadlines.stop();
  assert.is(world.timers, 0);
});

test.run();
