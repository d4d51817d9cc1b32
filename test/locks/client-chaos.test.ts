// Lock clients under random trouble: whatever happens, nobody overlaps, everybody gets an end, and nothing remains.
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { LockClientOptions } from "../../src/locks/client-options.ts";
import type { Lock, LockMode, LockOptions } from "../../src/locks/client-types.ts";
import type { ErrorCode } from "../../src/protocol/errors.ts";
import { codeOf, type Fate, held, timersLeft, watch } from "./support.ts";
import { type FakeCore, World } from "./world.ts";

const names = ["a", "b", ""];
const troubles: readonly ErrorCode[] = ["Busy", "Timeout", "Overloaded", "NoQuorum"];
const fair = ["AbortError", "Timeout", "LockLost"];

/** Counts who is in each lock; leaves when the lock is lost, as a good holder does. */
class Witness {
  readonly inside: Map<string, Set<Lock>> = new Map(names.map((name) => [name, new Set()]));
  readonly tokens: Map<string, bigint> = new Map(names.map((name) => [name, 0n]));
  grants = 0;

  enter(lock: Lock): () => void {
    const others = this.inside.get(lock.name)!;
    for (const other of others) {
      assert.ok(lock.mode === "shared" && other.mode === "shared", `two holders of ${lock.name}`);
    }
    if (lock.mode === "exclusive") assert.ok(lock.token > this.tokens.get(lock.name)!, "a token went back");
    if (lock.token > this.tokens.get(lock.name)!) this.tokens.set(lock.name, lock.token);
    this.grants++;
    others.add(lock);
    const leave = (): void => {
      others.delete(lock);
    };
    lock.signal.addEventListener("abort", leave);
    return leave;
  }
}

class Chaos {
  readonly world: World;
  readonly witness = new Witness();
  readonly fates: Fate<unknown>[] = [];
  readonly #clients: { locks: ReturnType<World["client"]>["locks"]; core: FakeCore }[];
  readonly #steals: boolean;

  constructor(seed: number, steals: boolean, cache: LockClientOptions["cache"]) {
    this.world = new World({ seed, cache });
    this.world.delays = { request: 5, reply: 15, notice: 25 };
    this.world.repeats = 0.3;
    this.#clients = [1, 2, 3].map(() => this.world.client());
    for (const { core } of this.#clients) core.checksItself = true;
    this.#steals = steals;
  }

  async run(steps: number): Promise<void> {
    for (let n = 0; n < steps; n++) {
      this.#step();
      await this.world.clock.advance(this.world.clock.random() * 15);
    }
    for (let n = 0; n < 20; n++) {
      await this.world.clock.advance(1000);
      for (const { core } of this.#clients) if (core.session !== undefined) core.tellAgain();
    }
  }

  #step(): void {
    const { locks, core } = this.#pick(this.#clients);
    const roll = this.world.clock.random();
    if (roll < 0.02) core.lose("planted");
    else if (roll < 0.04) core.trustUntil(this.world.clock.now() + 20 * this.world.clock.random());
    else if (roll < 0.06) core.tellAgain();
    else if (roll < 0.1)
      core.failures.push({ code: this.#pick(troubles), isExecuted: this.world.clock.random() < 0.5 });
    else if (roll < 0.12) core.openFailures.push(this.#pick(troubles));
    else this.#request(locks);
  }

  #request(locks: ReturnType<World["client"]>["locks"]): void {
    const { clock } = this.world;
    const controller = new AbortController();
    const mode: LockMode = clock.random() < 0.3 ? "shared" : "exclusive";
    const roll = clock.random();
    const options: LockOptions =
      roll < 0.1
        ? { ifAvailable: true, mode }
        : roll < 0.2 && this.#steals
          ? { steal: true }
          : { mode, signal: controller.signal, ...(roll < 0.4 && { timeoutMs: 1 + 100 * roll }) };
    this.fates.push(watch(locks.request(this.#pick(names), options, (lock) => (lock === null ? 0 : this.#hold(lock)))));
    if (clock.random() < 0.2) clock.setTimer(clock.random() * 60, () => controller.abort());
  }

  async #hold(lock: Lock): Promise<void> {
    // Between a steal and its news there are two holders by design: only tokens tell them apart then.
    const leave = this.#steals ? () => {} : this.witness.enter(lock);
    await new Promise<void>((resolve) => this.world.clock.setTimer(this.world.clock.random() * 10, resolve));
    leave();
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.world.clock.random() * list.length)]!;
  }
}

async function check(seed: number, steals: boolean, cache: LockClientOptions["cache"]): Promise<void> {
  const chaos = new Chaos(seed, steals, cache);
  await chaos.run(120);
  for (const { isSettled, error } of chaos.fates) {
    assert.ok(isSettled, "a request never ended");
    if (error !== undefined) assert.ok(fair.includes(codeOf(error)), String(error));
  }
  assert.equal(await held(chaos.world), []);
  assert.is(await timersLeft(chaos.world), 0);
  assert.is(chaos.world.log.snapshot().map(String).join(), new World().log.snapshot().map(String).join());
  if (!steals) assert.ok(chaos.witness.grants > 10);
}

const caches: Readonly<Record<string, LockClientOptions["cache"]>> = {
  "without a cache": false,
  "with a cache": {},
  "with a cache for one lock, and not for long": { size: 1, idleMs: 20 },
};

for (const [how, cache] of Object.entries(caches)) {
  test(`exclusion, ends and a clean table under lost sessions, failing calls, aborts and repeated notices, ${how}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), (seed) => check(seed, false, cache)),
      { numRuns: 20 },
    );
  });

  test(`ends and a clean table with steals among them, ${how}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), (seed) => check(seed, true, cache)),
      { numRuns: 20 },
    );
  });
}

test.run();
