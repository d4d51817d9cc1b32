// Caching changes speed, nothing else that a program can see: the same programs with the cache on and off.
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { LockClientOptions } from "../../src/locks/client-options.ts";
import type { AcquiredLock, LockInfo } from "../../src/locks/client-types.ts";
import { codeOf, type Fate, seen, watch } from "./support.ts";
import { World } from "./world.ts";

const names = ["a", "b"];
const clients = [0, 1, 2];
/** After this long nothing moves any more. */
const REST_MS = 30;

type Step =
  | { readonly do: "acquire"; client: number; name: string; mode: "exclusive" | "shared"; how: string }
  | { readonly do: "release" | "abort"; which: number }
  | { readonly do: "lose"; client: number }
  | { readonly do: "query" };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant("acquire" as const),
        client: fc.constantFrom(...clients),
        name: fc.constantFrom(...names),
        mode: fc.constantFrom("exclusive" as const, "shared" as const),
        how: fc.constantFrom("wait", "wait", "wait", "ifAvailable", "ifAvailable", "steal"),
      }),
    },
    { weight: 6, arbitrary: fc.record({ do: fc.constant("release" as const), which: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("abort" as const), which: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("lose" as const), client: fc.constantFrom(...clients) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("query" as const) }) },
  ),
  { maxLength: 40, size: "max" },
);

interface Request {
  readonly client: number;
  readonly name: string;
  readonly fate: Fate<AcquiredLock | null>;
  readonly controller: AbortController;
  isReleased: boolean;
}

/** One program, and what it sees. */
class Program {
  readonly sights: string[] = [];
  readonly #world: World;
  readonly #clients: ReturnType<World["client"]>[];
  readonly #requests: Request[] = [];
  readonly #tokens: Map<string, bigint> = new Map();

  constructor(cache: LockClientOptions["cache"]) {
    this.#world = new World({ cache });
    this.#clients = clients.map((client) => this.#world.client(`client ${client}`));
  }

  async run(sequence: readonly Step[]): Promise<string[]> {
    for (const step of sequence) {
      await this.#take(step);
      await this.#world.clock.advance(REST_MS);
      this.sights.push(this.#requests.map((request) => this.#look(request)).join(" "));
    }
    await this.#query();
    return this.sights;
  }

  async #take(step: Step): Promise<void> {
    if (step.do === "query") await this.#query();
    else if (step.do === "lose") this.#clients[step.client]!.core.lose("planted");
    else if (step.do === "acquire") this.#acquire(step);
    else {
      const request = this.#requests[step.which % Math.max(1, this.#requests.length)];
      if (step.do === "abort") request?.controller.abort();
      else if (request?.fate.value != null) {
        request.isReleased = true;
        void request.fate.value.release();
      }
    }
  }

  /** A client has one task for each lock: with more of them it may pass a lock on before its own are done. */
  #acquire({ client, name, mode, how }: Step & { do: "acquire" }): void {
    const isBusy = this.#requests.some(
      (one) => one.client === client && one.name === name && /held|waits/.test(this.#look(one)),
    );
    if (isBusy) return;
    const controller = new AbortController();
    const isSteal = how === "steal" && mode === "exclusive";
    const isProbe = how === "ifAvailable";
    const options = { mode, steal: isSteal, ifAvailable: isProbe };
    const waiting = isSteal || isProbe ? {} : { signal: controller.signal };
    const fate = watch(this.#clients[client]!.locks.acquire(name, { ...options, ...waiting }));
    this.#requests.push({ client, name, fate, controller, isReleased: false });
  }

  #look({ fate, isReleased, name }: Request): string {
    if (!fate.isSettled) return "waits";
    if (fate.error !== undefined) return codeOf(fate.error);
    if (fate.value == null) return "null";
    if (isReleased) return "released";
    const { token, mode, signal } = fate.value;
    const key = `${token} of ${name}`;
    if (!this.#tokens.has(key)) {
      for (const [other, before] of this.#tokens)
        if (other.endsWith(` of ${name}`) && mode === "exclusive") assert.ok(token > before, "a token fell");
      this.#tokens.set(key, token);
    }
    return signal.aborted ? "lost" : "held";
  }

  async #query(): Promise<void> {
    const { held, pending } = await seen(this.#world, this.#world.client("", "9").locks);
    const text = (infos: LockInfo[]): string =>
      infos.map(({ name, mode, owner, clientId }) => `${name} ${mode} ${owner} ${clientId}`).join(", ");
    this.sights.push(`held: ${text(held)}; pending: ${text(pending)}`);
  }
}

test("a program sees the same with the cache on and off", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (sequence) => {
      const off = await new Program(false).run(sequence);
      for (const cache of [{}, { size: 1 }, { idleMs: 50 }])
        assert.equal(await new Program(cache).run(sequence), off, JSON.stringify(cache));
    }),
    { numRuns: 40 },
  );
});

test.run();
