/**
 * The steps of drawn programs: what may come next, and how it is done on the model and for real.
 * @module
 */
import * as fc from "fast-check";
import type { Ask, Model, Wish } from "./model.ts";
import { type Performance, WAIT_MS } from "./performance.ts";

export const CLIENTS = 3;
/** A client makes any number of requests for this one at a time. */
export const CROWDED = "crowd";
/** A semaphore, and how many permits it has. */
const POOL = "pool";
const PERMITS = 2;
const KEYS = ["daily", "hourly"];
/** Asked for together. */
const GROUPED = ["a", "b", "\ud800"];
/** Long enough that none is over within a step, whatever the trouble. */
const DELAY_MS = 30_000;

type Trouble = { readonly crash: boolean };

export type Step =
  | ({
      readonly do: "ask";
      readonly client: number;
      readonly wishes: readonly Omit<Wish, "client">[];
      readonly inVain: boolean;
    } & Trouble)
  | { readonly do: "rob"; readonly client: number; readonly name: string; readonly other: number }
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
    by: fc.constantFrom("acquire" as const, "using" as const, "request" as const, "elect" as const),
    group: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.shuffledSubarray(GROUPED, { minLength: 1 }) },
    ),
    hasSignal: fc.boolean(),
    timeoutMs: fc.constantFrom(undefined, undefined, undefined, 10_000),
    maxHoldMs: fc.constantFrom(undefined, undefined, undefined, 20_000, 60_000),
    lockDelayMs: fc.constantFrom(0, 0, DELAY_MS),
  })
  .map(({ name, group, ...drawn }): Omit<Wish, "client"> => {
    const isGroup = group.length > 0 && name !== CROWDED && name !== POOL;
    const names = isGroup ? group : [name];
    const any: Omit<Wish, "client"> = { ...drawn, names, isGroup, permits: undefined };
    if (name === POOL) return permitOf(any);
    if (any.by === "elect" && name !== CROWDED && !isGroup)
      return { ...any, ...AS_CANDIDATE, hasSignal: false, timeoutMs: undefined };
    const by = any.by === "elect" ? "acquire" : any.by;
    const how = isGroup && any.how === "steal" ? "wait" : any.how;
    const mode = how === "steal" ? "exclusive" : any.mode;
    // What is lost with a client, and when what it wanted is over, is not foretold where the order is not.
    const own = name === CROWDED ? { maxHoldMs: undefined, lockDelayMs: 0 } : {};
    const lockDelayMs = mode === "exclusive" ? any.lockDelayMs : 0;
    const wish = { ...any, by, how, mode, lockDelayMs, ...own };
    return how === "wait" ? wish : { ...wish, hasSignal: false, timeoutMs: undefined };
  });

const AS_CANDIDATE = { mode: "exclusive", how: "wait", maxHoldMs: undefined, lockDelayMs: 0 } as const;

/** Permits are asked for one by one, and cannot be stolen. */
function permitOf(drawn: Omit<Wish, "client">): Omit<Wish, "client"> {
  const by = drawn.by === "elect" ? "acquire" : drawn.by;
  const permit = { ...drawn, by, mode: "shared", permits: PERMITS, lockDelayMs: 0 } as const;
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
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("rob" as const),
      client,
      name: fc.constantFrom("a", "a", "b"),
      other: client,
    }),
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
    if (given.do === "rob") return isRobbable(model, given);
    return !("which" in given) || choose(model, given) !== undefined;
  }

  async run(model: Model, play: Performance): Promise<void> {
    const given = this.#step;
    const { rig } = play;
    const isTrouble = ("crash" in given && given.crash) || ["lapse", "die", "failOver", "runOnce"].includes(given.do);
    const lastsMs = given.do === "wait" ? WAIT_MS : isTrouble ? 2 * rig.troubleMs : 0;
    await play.step(lastsMs + 5 * rig.restMs, async () => {
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
      case "rob":
        return rob(model, play, given);
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
  const names = wishes.flatMap((one) => one.names);
  const isAlone = (wish: Omit<Wish, "client">): boolean =>
    wish.how === "wait" || wish.names.every((name) => names.filter((one) => one === name).length === 1);
  const isFree = (name: string, index: number): boolean =>
    name === CROWDED ||
    name === POOL ||
    !model.isJudged(CROWDED) ||
    (names.indexOf(name) === index && !hasPart(model, client, name));
  const isCandidacy = (one: Omit<Wish, "client">, name: string): boolean =>
    one.by === "elect" && one.names.includes(name);
  const isOneCandidacy = ({ by, names }: Omit<Wish, "client">, index: number): boolean =>
    by !== "elect" ||
    (wishes.findIndex((one) => isCandidacy(one, names[0] as string)) === index &&
      !model.open.some(({ wish }) => wish.client === client && isCandidacy(wish, names[0] as string)));
  // Who gives up lets others in, and where that is only judged nobody knows whom.
  const isTimed = wishes.some(({ names, timeoutMs }) => model.isJudged(names[0] as string) && timeoutMs !== undefined);
  if (isTimed) return false;
  // Whether somebody gives up before or after a lock comes free by itself may be luck.
  const all = [...wishes, ...model.live.map(({ wish }) => wish)];
  const endsByItself = all.some(isLimited) || model.names.some((name) => model.barOf(name) !== undefined);
  if (endsByItself && all.some((one) => one.timeoutMs !== undefined)) return false;
  if (inVain && wishes.at(-1)?.hasSignal !== true) return false;
  return wishes.every(isAlone) && names.every(isFree) && wishes.every(isOneCandidacy);
}

function choose(model: Model, { do: what, which }: Extract<Step, { which: number }>): Ask | undefined {
  const fits = ({ wish, state }: Ask): boolean => {
    if (what === "release") return state === "held";
    return what === "abort" ? wish.hasSignal : wish.by === "elect";
  };
  const asks = model.live.filter((ask) => fits(ask) || (what === "release" && model.hasRest(ask)));
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
  const chosen = choose(model, given);
  // What has ended by itself meanwhile was all there was.
  if (chosen === undefined) return;
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

/**
 * One steals, and as soon as it has the lock another asks for it: also one that kept it and has not heard of anything has to
 * stand behind the thief.
 */
async function rob(model: Model, play: Performance, given: Extract<Step, { do: "rob" }>): Promise<void> {
  if (!isRobbable(model, given)) return;
  const { client, other, name } = given;
  const thief = model.ask({ ...PLAIN, client, names: [name], how: "steal" });
  play.begin(thief);
  await play.isGranted(thief);
  play.begin(model.ask({ ...PLAIN, client: other, names: [name], how: "wait" }));
}

/** A lock to be had for as long as one likes. */
export const PLAIN = {
  isGroup: false,
  mode: "exclusive",
  by: "acquire",
  permits: undefined,
  hasSignal: false,
  timeoutMs: undefined,
  maxHoldMs: undefined,
  lockDelayMs: 0,
} as const;

/** Neither has a part in the lock already, and nobody who is robbed wants it back. */
function isRobbable(model: Model, { client, other, name }: Extract<Step, { do: "rob" }>): boolean {
  if (model.holdersOf(name).some(({ wish }) => wish.by === "elect")) return false;
  return client !== other && !hasPart(model, client, name) && !hasPart(model, other, name);
}

function hasPart(model: Model, client: number, name: string): boolean {
  return [...model.holdersOf(name), ...model.lineOf(name)].some(({ wish }) => wish.client === client);
}

function isLimited({ maxHoldMs, lockDelayMs }: Pick<Wish, "maxHoldMs" | "lockDelayMs">): boolean {
  return maxHoldMs !== undefined || lockDelayMs > 0;
}

async function close(model: Model, play: Performance, client: number): Promise<void> {
  const closed = play.rig.locks(client).close();
  model.close(client);
  await play.rig.settle(closed);
  play.rig.renew(client);
}
