// The same drawn programs against our lock manager and against the one that Node has from 24 on: what it is called back
// with, in which order, how each promise ends and what a query shows. Where there is none (older Nodes,
// Bun) our own that keeps nothing stands in; also on Deno, whose own (2.9) never answers `ifAvailable` beside a waiter.
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { LockClientOptions } from "../../src/locks/client-options.ts";
import { inTime } from "./support.ts";
import { World } from "./world.ts";

type Step =
  | { readonly do: "request"; name: string; mode: LockMode; how: "wait" | "ifAvailable" | "steal" }
  | { readonly do: "finish" | "fail"; which: number };

const mode = fc.constantFrom<LockMode>("exclusive", "shared");
const name = fc.constantFrom("a", "b");
const which = fc.nat(9);
const requests = <How extends string>(...how: How[]) =>
  fc.record({ do: fc.constant("request" as const), name, mode, how: fc.constantFrom(...how) });
const ending = fc.record({ do: fc.constantFrom<"finish" | "fail">("finish", "fail"), which });
/**
 * Steps of one turn, turn after turn. Whether a steal or what ends in its turn comes first is nobody's promise. There are no
 * signals: Node 26 shows a request that was aborted as pending for ever.
 */
const programs: fc.Arbitrary<Step[][]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.array<Step>(fc.oneof(requests("wait", "wait", "ifAvailable"), ending), {
        minLength: 1,
        maxLength: 4,
      }),
    },
    { weight: 1, arbitrary: fc.tuple<Step[]>(requests("steal")) },
  ),
  { maxLength: 12 },
);

/** A program under way, and what it has seen. */
class Run {
  readonly sights: string[] = [];
  readonly #manager: LockManager;
  readonly #settled: () => Promise<void>;
  readonly #query: () => Promise<LockManagerSnapshot>;
  readonly #ends: { finish(): void; fail(): void }[] = [];
  /** How many of them were there when the turn began: others may be ended before they have their lock, or after. */
  #known = 0;
  #calls: string[] = [];
  #ended: string[] = [];

  constructor(manager: LockManager, settled: () => Promise<void>, query = () => manager.query()) {
    this.#manager = manager;
    this.#settled = settled;
    this.#query = query;
  }

  async play(program: readonly (readonly Step[])[]): Promise<string[]> {
    for (const turn of program) {
      this.#known = this.#ends.length;
      for (const step of turn) this.#take(step);
      await this.#look();
    }
    for (const { finish } of this.#ends) finish();
    return this.sights;
  }

  #take(step: Step): void {
    if (step.do === "request") this.#request(step);
    else this.#ends[step.which % this.#known]?.[step.do]();
  }

  #request({ name, mode: asked, how }: Step & { do: "request" }): void {
    const number = this.#ends.length;
    const mode = how === "steal" ? "exclusive" : asked;
    const extra = {
      wait: {},
      ifAvailable: { ifAvailable: true },
      steal: { steal: true },
    }[how];
    let finish = (): void => {};
    let fail = (): void => {};
    const end = new Promise<string>((resolve, reject) => {
      finish = () => resolve("done");
      fail = () => reject(new RangeError("planted"));
    });
    end.catch(() => {});
    this.#ends.push({ finish, fail });
    const result = this.#manager.request(name, { mode, ...extra }, (lock) => {
      this.#calls.push(`${number} has ${lock === null ? "not" : lock.mode} ${lock?.name ?? name}`);
      return end;
    });
    result.then(
      (value) => this.#ended.push(`${number} ends: ${value}`),
      (error: Error) => this.#ended.push(`${number} ends: ${error.name}`),
    );
  }

  /** Locks of one name are given in order; all else of one turn comes in any. */
  async #look(): Promise<void> {
    await this.#settled();
    const { held = [], pending = [] } = await this.#query();
    const text = (infos: LockInfo[]): string => infos.map(({ name, mode }) => `${name} ${mode}`).join(", ");
    const given = (end: string): string[] =>
      this.#calls.filter((call) => call.endsWith(end) && !call.includes(" not "));
    const refused = this.#calls.filter((call) => call.includes(" not ")).sort();
    const calls = [...given("a"), ...given("b"), ...refused];
    const sorted = (infos: LockInfo[]): LockInfo[] =>
      infos.toSorted((a, b) => (a.name! < b.name! ? -1 : a.name! > b.name! ? 1 : 0));
    this.sights.push(
      `${calls.join(", ")}; ${this.#ended.sort().join(", ")}; held ${text(sorted(held))}; pending ${text(sorted(pending))}`,
    );
    this.#calls = [];
    this.#ended = [];
  }
}

const native = (globalThis as { navigator?: Partial<Navigator> }).navigator?.locks;
const isComparable = native !== undefined && !("Deno" in globalThis);
let runs = 0;

/** What others show: the runtime's own, or else ours with nothing kept. */
function reference(): Run {
  if (!isComparable) return oursWith(false);
  // What an earlier run has left is in nobody's way.
  return new Run(prefixed(native, `${process.pid} ${runs++} `), quiet);
}

function oursWith(cache: LockClientOptions["cache"]): Run {
  const world = new World({ cache });
  const { locks } = world.client();
  const settled = (): Promise<void> => world.clock.advance(30);
  return new Run(locks, settled, () => inTime(world, locks.query()));
}

const named = isComparable ? "Node's own lock manager" : "a lock manager that keeps nothing";
for (const cache of isComparable ? [{}, { size: 1 }, false as const] : [{}, { size: 1 }]) {
  test(`drawn programs see what they see with ${named} (cache: ${JSON.stringify(cache)})`, async () => {
    await fc.assert(
      fc.asyncProperty(programs, async (program) => {
        const seen = await oursWith(cache).play(program);
        assert.is(seen.join("\n"), (await reference().play(program)).join("\n"));
      }),
      { numRuns: 150 },
    );
  });
}

function prefixed(manager: LockManager, prefix: string): LockManager {
  const bare = <T extends { name?: string }>(info: T): T => ({ ...info, name: info.name!.slice(prefix.length) });
  return {
    request: ((name: string, options: LockOptions, callback: LockGrantedCallback<unknown>) =>
      manager.request(prefix + name, options, (lock) =>
        callback(lock && ({ name: lock.name.slice(prefix.length), mode: lock.mode } as Lock)),
      )) as LockManager["request"],
    query: async () => {
      const { held = [], pending = [] } = await manager.query();
      const own = (infos: LockInfo[]): LockInfo[] => infos.filter(({ name }) => name!.startsWith(prefix)).map(bare);
      return { held: own(held), pending: own(pending) };
    },
  };
}

async function quiet(): Promise<void> {
  for (let n = 0; n < 10; n++) await new Promise((resolve) => setImmediate(resolve));
}

test.run();
