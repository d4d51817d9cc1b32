/**
 * The steps of drawn programs: what may come next, and how it is done on the model and for real.
 * @module
 */
import * as fc from "fast-check";
import type { Ask, Model, Wish } from "./model.ts";
import type { Performance } from "./performance.ts";

export const CLIENTS = 3;
/** A client makes any number of requests for this one at a time. */
export const CROWDED = "crowd";
/** A semaphore, and how many permits it has. */
const POOL = "pool";
const PERMITS = 2;
const KEYS = ["daily", "hourly"];

type Trouble = { readonly crash: boolean };

export type Step =
  | ({
      readonly do: "ask";
      readonly client: number;
      readonly wishes: readonly Omit<Wish, "client">[];
      readonly inVain: boolean;
    } & Trouble)
  | ({ readonly do: "release" | "abort" | "stand"; readonly which: number } & Trouble)
  | { readonly do: "lapse" | "die" | "close" | "query"; readonly client: number }
  | { readonly do: "observe"; readonly client: number; readonly name: string }
  | { readonly do: "runOnce"; readonly clients: readonly number[]; readonly key: string; readonly ttlMs: number }
  | { readonly do: "failOver" | "wait" };

const client = fc.nat(CLIENTS - 1);
/** Mostly few names, so that many meet. */
const name = fc.constantFrom("a", "a", "a", "\ud800", CROWDED, CROWDED, CROWDED, POOL, POOL);
const crash = fc.nat(29).map((n) => n === 29);

const wish: fc.Arbitrary<Omit<Wish, "client">> = fc
  .record({
    name,
    mode: fc.constantFrom("exclusive" as const, "shared" as const),
    how: fc.constantFrom(
      ...Array<"wait">(8).fill("wait"),
      "ifAvailable" as const,
      "ifAvailable" as const,
      "steal" as const,
    ),
    by: fc.constantFrom("acquire" as const, "acquire" as const, "request" as const, "elect" as const),
    hasSignal: fc.boolean(),
    timeoutMs: fc.constantFrom(undefined, undefined, undefined, 10_000),
  })
  .map((drawn) => ({ ...drawn, permits: undefined }))
  .map((drawn): Omit<Wish, "client"> => {
    if (drawn.name === POOL) return permitOf(drawn);
    if (drawn.by === "elect" && drawn.name !== CROWDED)
      return { ...drawn, mode: "exclusive", how: "wait", hasSignal: false, timeoutMs: undefined };
    const by = drawn.by === "elect" ? "acquire" : drawn.by;
    if (drawn.how === "wait") return { ...drawn, by };
    const mode = drawn.how === "steal" ? "exclusive" : drawn.mode;
    return { ...drawn, by, mode, hasSignal: false, timeoutMs: undefined };
  });

/** Permits are asked for one by one, and cannot be stolen. */
function permitOf(drawn: Omit<Wish, "client">): Omit<Wish, "client"> {
  const by = drawn.by === "elect" ? "acquire" : drawn.by;
  const permit = { ...drawn, by, mode: "shared", permits: PERMITS } as const;
  return drawn.how === "ifAvailable"
    ? { ...permit, how: "ifAvailable", hasSignal: false, timeoutMs: undefined }
    : { ...permit, how: "wait" };
}

export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({
      do: fc.constant("ask" as const),
      client,
      wishes: fc.oneof(
        { weight: 4, arbitrary: fc.array(wish, { minLength: 1, maxLength: 1 }) },
        { weight: 1, arbitrary: fc.array(wish, { minLength: 2, maxLength: 4 }) },
      ),
      inVain: fc.nat(9).map((n) => n === 9),
      crash,
    }),
  },
  { weight: 12, arbitrary: fc.record({ do: fc.constant("release" as const), which: fc.nat(20), crash }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom("abort" as const, "stand" as const), which: fc.nat(20), crash }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom("lapse" as const, "die" as const, "close" as const), client }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("query" as const), client }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("observe" as const), client, name: fc.constantFrom("a", "\ud800") }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("runOnce" as const),
      clients: fc.uniqueArray(client, { minLength: 1 }),
      key: fc.constantFrom(...KEYS),
      ttlMs: fc.constantFrom(5_000, 60_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("failOver" as const, "wait" as const) }) },
);

/** One step as fast-check wants it. */
export class StepCommand implements fc.AsyncCommand<Model, Performance> {
  readonly #step: Step;

  constructor(step: Step) {
    this.#step = step;
  }

  check(model: Model): boolean {
    const given = this.#step;
    if (given.do === "ask") return isPossible(model, given.client, given.wishes, given.inVain);
    return !("which" in given) || choose(model, given) !== undefined;
  }

  async run(model: Model, play: Performance): Promise<void> {
    const given = this.#step;
    const { rig } = play;
    const isTrouble = ("crash" in given && given.crash) || ["lapse", "die", "failOver", "runOnce"].includes(given.do);
    await play.step(isTrouble ? 2 * rig.troubleMs : 5 * rig.restMs, async () => {
      await this.#take(model, play);
      if ("crash" in given && given.crash) await play.failOver();
    });
  }

  toString(): string {
    return JSON.stringify(this.#step);
  }

  async #take(model: Model, play: Performance): Promise<void> {
    const given = this.#step;
    const { rig } = play;
    switch (given.do) {
      case "ask":
        return ask(model, play, given);
      case "release":
      case "abort":
      case "stand":
        return end(model, play, given);
      case "lapse":
        await rig.lapse(given.client, () => play.assertNothingHeld(given.client));
        return model.loseSession(given.client);
      case "die":
        model.die(given.client);
        return rig.die(given.client);
      case "close":
        return close(model, play, given.client);
      case "query":
        return play.query(given.client);
      case "observe":
        return play.observe(given.client, given.name);
      case "runOnce":
        return play.runOnce(given.clients, given.key, given.ttlMs);
      case "failOver":
        return play.failOver();
      case "wait":
        return play.timePasses();
    }
  }
}

/**
 * What is foretold: a client has one request at a time for a lock that it may keep, the crowded one apart. What does not
 * wait is the only request for its lock in that turn: what others do about it crosses the next one's way.
 */
function isPossible(model: Model, client: number, wishes: readonly Omit<Wish, "client">[], inVain: boolean): boolean {
  const names = wishes.map((one) => one.name);
  const isAlone = ({ name, how }: Omit<Wish, "client">): boolean =>
    how === "wait" || names.filter((one) => one === name).length === 1;
  const isFree = (name: string, index: number): boolean =>
    name === CROWDED ||
    name === POOL ||
    !model.isJudged(CROWDED) ||
    (names.indexOf(name) === index && !model.open.some(({ wish }) => wish.client === client && wish.name === name));
  const isOneCandidacy = ({ by, name }: Omit<Wish, "client">, index: number): boolean =>
    by !== "elect" ||
    (wishes.findIndex((one) => one.by === "elect" && one.name === name) === index &&
      !model.open.some(({ wish }) => wish.by === "elect" && wish.client === client && wish.name === name));
  // Who gives up lets others in, and where that is only judged nobody knows whom.
  const isTimed = wishes.some(({ name, timeoutMs }) => model.isJudged(name) && timeoutMs !== undefined);
  if (isTimed) return false;
  if (inVain && wishes.at(-1)?.hasSignal !== true) return false;
  return wishes.every(isAlone) && names.every(isFree) && wishes.every(isOneCandidacy);
}

function choose(model: Model, { do: what, which }: Extract<Step, { which: number }>): Ask | undefined {
  const fits = ({ wish, state }: Ask): boolean => {
    if (what === "release") return state === "held";
    return what === "abort" ? wish.hasSignal : wish.by === "elect";
  };
  const asks = model.open.filter(fits);
  return asks[which % Math.max(1, asks.length)];
}

function ask(model: Model, play: Performance, given: Extract<Step, { do: "ask" }>): void {
  for (const [index, wanted] of given.wishes.entries()) {
    const wish = { ...wanted, client: given.client };
    const isInVain = given.inVain && index === given.wishes.length - 1;
    const made = isInVain ? model.askInVain(wish) : model.ask(wish);
    play.begin(made);
    if (isInVain) play.abort(made);
  }
}

function end(model: Model, play: Performance, given: Extract<Step, { which: number }>): void {
  const chosen = choose(model, given)!;
  if (given.do === "release") {
    play.leave(chosen);
    model.release(chosen);
  } else if (given.do === "abort") {
    play.abort(chosen);
    model.abort(chosen);
  } else {
    play.stand(chosen);
    model.stand(chosen);
  }
}

async function close(model: Model, play: Performance, client: number): Promise<void> {
  const closed = play.rig.locks(client).close();
  model.close(client);
  await play.rig.settle(closed);
  play.rig.renew(client);
}
