/**
 * A program on the real lock clients, step by step as the model has it, and the judge of what it sees.
 * @module
 */
import * as assert from "uvu/assert";
import type { Lock, LockGroup, LockInfo } from "../../../src/locks/client-types.ts";
import type { Election, Leadership } from "../../../src/locks/election.ts";
import type { ViewstampError } from "../../../src/protocol/errors.ts";
import { codeOf, type Fate, gate, watch } from "../support.ts";
import { type Acquired, type Held, nameOf, optionsOf, sourceOf, termsOf } from "./asking.ts";
import type { Ask, Bar, Model, Wish } from "./model.ts";
import type { Rig } from "./rig.ts";

/** What the program has of one request. */
interface Part {
  readonly controller: AbortController;
  readonly election: Election | undefined;
  /** How the lock was given, if it is not a candidate's. */
  readonly fate: Fate<Held | null> | undefined;
  /** How the call of `request` ends. */
  readonly done: Fate<number> | undefined;
  readonly leave: () => Promise<unknown>;
  lock: Held | undefined;
  /** As the locks of a group were, one for each name. */
  locks: readonly Lock[];
  term: Leadership | undefined;
  /** Terms as an iteration tells of them. */
  readonly told: Leadership[];
  /** Taken when it was granted; a signal that is asked for later is another test's business. */
  signal: AbortSignal | undefined;
}

/** Tokens of one name. */
interface Tokens {
  readonly seen: Set<bigint>;
  any: bigint;
  exclusive: bigint;
}

/** What a step takes in which nothing is done. */
export const WAIT_MS = 10_000;

export class Performance {
  readonly rig: Rig;
  readonly model: Model;
  readonly #parts: Map<number, Part> = new Map();
  readonly #tokens: Map<string, Tokens> = new Map();
  readonly #ran: string[] = [];
  #failedOverAt = 0;

  constructor(rig: Rig, model: Model) {
    this.rig = rig;
    this.model = model;
    model.pass(rig.now());
  }

  /** One step: first on the model, then for real; then all that is seen must be what the model says. */
  async step(horizonMs: number, act: () => Promise<void> | void): Promise<void> {
    await this.#letPass(horizonMs);
    this.model.began = this.rig.now();
    this.model.pass(this.rig.now());
    await act();
    await this.rest();
  }

  async rest(): Promise<void> {
    await this.rig.advance(this.rig.restMs);
    this.model.pass(this.rig.now());
    this.judge();
  }

  /** Nothing happens by itself meanwhile, for that is over. */
  timePasses(): Promise<void> {
    return this.rig.advance(WAIT_MS);
  }

  /** All is over that would happen by itself sooner or later. */
  async allPasses(): Promise<void> {
    await this.#letPass(Number.POSITIVE_INFINITY);
    await this.rest();
  }

  async failOver(): Promise<void> {
    this.rig.crash();
    await this.rig.recover();
    this.model.pass(this.rig.now());
    this.model.failedOver();
    this.#failedOverAt = this.rig.now();
  }

  /** To be called for each request that the model has come to know. */
  begin(ask: Ask): void {
    const { wish } = ask;
    const controller = new AbortController();
    const locks = this.rig.locks(wish.client);
    if (wish.by === "elect") {
      const before = this.#parts.get(ask.before?.id ?? -1);
      const election = before?.election ?? locks.elect(nameOf(wish));
      const told = before?.told ?? termsOf(election);
      this.#parts.set(ask.id, partOf({ controller, election, told, leave: () => Promise.resolve() }));
      return;
    }
    const options = optionsOf(wish, controller.signal);
    const from = sourceOf(locks, wish);
    if (wish.by !== "request") {
      const fate = watch(from.acquire(options));
      const leave = async (): Promise<void> => {
        if (wish.by === "acquire") return (fate.value as Acquired).release();
        await using _ = fate.value as Acquired;
      };
      this.#parts.set(ask.id, partOf({ controller, fate, leave }));
      return;
    }
    const { opened, open } = gate();
    const fate: Fate<Held | null> = { isSettled: false };
    const run = async (lock: Held | null): Promise<number> => {
      Object.assign(fate, { value: lock, isSettled: true });
      if (lock !== null) await opened;
      return ask.id;
    };
    const done = watch(from.request(options, run));
    this.#parts.set(ask.id, partOf({ controller, fate, done, leave: async () => open() }));
  }

  async isGranted(ask: Ask): Promise<void> {
    const { fate } = this.#part(ask);
    for (let ms = 0; ms < this.rig.restMs && fate?.isSettled !== true; ms++) await this.rig.advance(1);
    assert.ok(fate?.value, `${said(ask)} is not granted`);
  }

  abort(ask: Ask): void {
    this.#part(ask).controller.abort(new Error(`abort ${ask.id}`));
  }

  leave(ask: Ask): void {
    const { election, term, leave } = this.#part(ask);
    void (election === undefined ? leave() : (term as Leadership).resign());
  }

  stand(ask: Ask): void {
    void this.#part(ask).election?.close();
  }

  /** Each of these wants to run it, all at once. */
  async runOnce(clients: readonly number[], key: string, ttlMs: number): Promise<void> {
    const { rig, model } = this;
    const may = model.mayRun(key);
    const before = this.#ran.length;
    const calls = clients.map((client) =>
      rig.locks(client).runOnce(key, { ttlMs }, () => {
        this.#ran.push(key);
        return client;
      }),
    );
    const results = await rig.settle(Promise.all(calls));
    model.pass(rig.now());
    for (const [index, result] of results.entries()) if (result.ran) assert.is(result.value, clients[index]);
    const ran = this.#ran.length - before;
    assert.is(ran, results.filter((result) => result.ran).length);
    // The time may have been up between the first and the last of them.
    if (may !== undefined) assert.is(ran, may ? 1 : 0, `${key} ran ${ran} times`);
    assert.ok(ran <= 1, `${key} ran ${ran} times at once`);
    if (ran > 0) model.ran(key, ttlMs);
  }

  async query(client: number): Promise<void> {
    const { held, pending } = await this.rig.settle(this.rig.locks(client).query());
    this.model.pass(this.rig.now());
    const { model } = this;
    const wanted = model.names.flatMap((name) => [
      ...model.holdersOf(name).map((ask) => this.#infoOf(ask, name, true)),
      ...model.lineOf(name).map((ask) => this.#infoOf(ask, name, false)),
    ]);
    const barred = held.filter(({ availableInMs }) => availableInMs !== undefined);
    this.#judgeBars(barred);
    assert.equal(
      texts(held.filter((info) => !barred.includes(info))).sort(),
      wanted
        .filter(({ isHeld }) => isHeld)
        .map(textOf)
        .sort(),
    );
    assert.equal(
      texts(pending).sort(),
      wanted
        .filter(({ isHeld }) => !isHeld)
        .map(textOf)
        .sort(),
    );
    for (const name of new Set(pending.map(({ name }) => name))) {
      if (this.model.isJudged(name)) continue;
      const line = this.model.lineOf(name).map((ask) => textOf(this.#infoOf(ask, name, false)));
      assert.equal(texts(pending.filter((info) => info.name === name)), line, "the line in its order");
    }
    for (const info of [...held, ...pending]) if (!barred.includes(info)) this.#judgeAge(info);
  }

  #judgeBars(barred: readonly LockInfo[]): void {
    const { model } = this;
    const wanted = model.names.flatMap((name) => {
      const bar = model.barOf(name);
      const owner = `client ${bar?.lost.wish.client}`;
      return bar === undefined ? [] : `${name} exclusive ${owner} ${this.#tokenOf(bar.lost, name)}`;
    });
    const seen = barred.map(({ name, mode, owner, token }) => `${name} ${mode} ${owner} ${token}`);
    assert.equal(seen.sort(), wanted.sort());
    for (const { name, availableInMs = 0 } of barred) {
      const { least, most, delayMs } = model.barOf(name) as Bar;
      const fits = availableInMs <= delayMs && availableInMs >= 0.95 * (least - this.rig.now()) - this.rig.restMs;
      assert.ok(fits && availableInMs <= most - model.began, `${name} is available in ${availableInMs} ms`);
    }
  }

  /** Who leads, for somebody who looks on. */
  async observe(client: number, name: string): Promise<void> {
    const observation = this.rig.locks(client).observe(name);
    const { value: leader } = await this.rig.settle(observation.next());
    await this.rig.settle(observation.return(undefined));
    const holder = this.model.holdersOf(name).find(({ wish }) => wish.mode === "exclusive");
    const seen = leader && { name: leader.name, term: leader.term, clientId: leader.clientId, owner: leader.owner };
    const { clientId, owner, token } = holder === undefined ? ({} as Partial<Info>) : this.#infoOf(holder, name, true);
    assert.equal(seen, holder && { name, term: token, clientId, owner });
  }

  /** At the moment when nothing of this client is to be relied on any more. */
  assertNothingHeld(client: number): void {
    for (const ask of this.model.open) {
      if (ask.wish.client !== client || ask.state !== "held") continue;
      const { lock, term } = this.#part(ask);
      assert.throws(() => (term === undefined ? lock?.assertHeld() : term.assertLeading()), isLost);
    }
  }

  judge(): void {
    const { now, began } = this.model;
    for (const ask of this.model.asks) {
      if (this.#parts.has(ask.id)) continue;
      ask.asked = [began, now];
      this.begin(ask);
    }
    this.#foresee();
    // What was granted and lost since is news, too.
    const granted = this.model.asks.filter((ask) => ask.place > 0 && ask.state !== "nobody's" && !this.#isKnown(ask));
    for (const ask of granted.sort((a, b) => a.place - b.place)) this.#takes(ask);
    for (const ask of this.model.asks) this.#judge(ask);
  }

  /** Where the order is not foretold, the model is told what has come of it. */
  #foresee(): void {
    const isGiven = ({ id }: Ask): boolean => this.#parts.get(id)?.fate?.value != null;
    for (;;) {
      const isJudged = ({ wish }: Ask): boolean => wish.names.some((name) => this.model.isJudged(name));
      const waiting = this.model.open.filter((ask) => ask.state === "waits" && isJudged(ask));
      const given = waiting.filter(isGiven);
      const next = given.find((ask) => this.model.mayBeGranted(ask));
      if (next !== undefined) this.model.grant(next);
      else {
        assert.equal(given.map(said), [], "granted, and must not be");
        for (const { wish } of waiting)
          assert.not(this.model.isStuck(nameOf(wish)), `${nameOf(wish)} is free, and waited for`);
        return;
      }
    }
  }

  #isKnown(ask: Ask): boolean {
    const { lock, term } = this.#part(ask);
    return lock !== undefined || term !== undefined;
  }

  #takes(ask: Ask): void {
    const part = this.#part(ask);
    part.term = part.election?.leadership;
    part.lock = part.fate?.value ?? undefined;
    part.signal = part.term?.signal ?? part.lock?.signal;
    if (part.lock !== undefined) part.locks = "locks" in part.lock ? part.lock.locks : [part.lock];
    if (ask.wish.isGroup) this.#judgeGroup(ask, part.lock as LockGroup | undefined);
    assert.ok(part.lock !== undefined || part.term !== undefined, `${said(ask)} is not granted`);
    for (const name of ask.wish.names) {
      assert.is(part.term?.name ?? part.locks.find((lock) => lock.name === name)?.name, name);
      this.#judgeToken(name, ask.wish.mode, this.#tokenOf(ask, name) as bigint);
    }
    for (const lock of part.locks) assert.is(lock.mode, ask.wish.mode);
    if (part.term !== undefined) assert.is(part.told.at(-1), part.term);
  }

  #judgeGroup(ask: Ask, group: LockGroup | undefined): void {
    const { names } = ask.wish;
    assert.equal(group?.names, names, said(ask));
    for (const [index, name] of names.entries()) assert.is(group?.get(name), group?.locks[index]);
  }

  #tokenOf(ask: Ask, name: string): bigint | undefined {
    const { term, locks } = this.#part(ask);
    return term?.term ?? locks.find((lock) => lock.name === name)?.token;
  }

  #judgeToken(name: string, mode: Wish["mode"], token: bigint): void {
    let tokens = this.#tokens.get(name);
    if (tokens === undefined) this.#tokens.set(name, (tokens = { seen: new Set(), any: -1n, exclusive: -1n }));
    const bound = mode === "exclusive" ? tokens.any : tokens.exclusive;
    assert.ok(token > bound, `token ${token} of ${name} comes after ${bound}`);
    assert.not(tokens.seen.has(token), `token ${token} of ${name} is given out twice`);
    tokens.seen.add(token);
    if (token > tokens.any) tokens.any = token;
    if (mode === "exclusive") tokens.exclusive = token;
  }

  #judge(ask: Ask): void {
    if (ask.state === "nobody's") return;
    const { election, fate, done, lock, term, signal } = this.#part(ask);
    const holds = term === undefined ? lock : { assertHeld: () => term.assertLeading() };
    if (ask.state === "held") {
      holds?.assertHeld();
      assert.not(signal?.aborted, `${said(ask)}: its signal is aborted`);
      if (lock !== undefined) this.#judgeOwnAge(ask, lock.age);
      if (election !== undefined) assert.is(election.leadership, term);
      assert.not(done?.isSettled, `${said(ask)}: its call has ended`);
      return;
    }
    if (election !== undefined && this.#isLatest(ask)) assert.is(election.leadership, undefined, said(ask));
    if (holds !== undefined) this.#judgeEnd(ask, holds, signal);
    else if (fate !== undefined) judgeFate(ask, fate, done);
    if (done !== undefined && holds !== undefined) judgeDone(ask, done);
  }

  #judgeEnd(ask: Ask, holds: { assertHeld(): void }, signal: AbortSignal | undefined): void {
    assert.throws(() => holds.assertHeld(), isLost, `${said(ask)}: assertHeld does not throw`);
    const [how, cause] = ask.state.split(": ");
    const isTold = how === "lost" || ask.wish.by === "elect";
    // A candidate resigns before its client closes.
    const reason = ask.wish.by === "elect" && cause === "closed" ? "released" : cause;
    assert.is(signal?.aborted, isTold, `${said(ask)}: its signal`);
    if (how === "lost") assert.is((signal?.reason as ViewstampError | undefined)?.data["reason"], reason);
  }

  /** Another primary goes on from the time of the last entry: what was before may seem to have lasted for less. */
  #judgeAge({ name, clientId, token, ageMs }: LockInfo): void {
    const { rig, model } = this;
    const slackMs = rig.restMs;
    const asks = token === undefined ? model.lineOf(name) : model.holdersOf(name);
    const its = asks.filter((ask) => {
      const info = this.#infoOf(ask, name, token !== undefined);
      return info.clientId === clientId && info.token === token;
    });
    const fits = its.some(({ asked, granted }) => {
      const [least, most] = token === undefined ? asked : (granted as Ask["asked"]);
      const counted = model.began - Math.max(most, this.#failedOverAt);
      const isOldEnough = ageMs >= 0.95 * counted - slackMs;
      return isOldEnough && ageMs <= 1.05 * (rig.now() - least) + slackMs;
    });
    assert.ok(fits, `at ${rig.now()} ${name} of ${clientId} is ${ageMs} ms old: ${its.map(said).join(", ")}`);
  }

  /** By the holder's own clock, which a failover does not touch. */
  #judgeOwnAge({ granted, ...ask }: Ask, age: number): void {
    const [least, most] = granted!;
    const now = this.rig.now();
    const fits = age <= 1.05 * (now - least) + 1 && age >= 0.95 * (now - most) - 1;
    assert.ok(fits, `${said({ granted, ...ask })} is ${age} ms old at ${now}, of ${least} to ${most}`);
  }

  #infoOf(ask: Ask, name: string, isHeld: boolean): Info {
    const { mode, client, permits } = ask.wish;
    const clientId = this.rig.session(client);
    const token = isHeld ? this.#tokenOf(ask, name) : undefined;
    return { name, mode, clientId, owner: `client ${client}`, token, permits, isHeld };
  }

  #isLatest(ask: Ask): boolean {
    const { election } = this.#part(ask);
    return !this.model.asks.some(({ id }) => id > ask.id && this.#parts.get(id)?.election === election);
  }

  #part(ask: Ask): Part {
    return this.#parts.get(ask.id)!;
  }

  /** Whatever would happen by itself so soon has happened, with all that follows. */
  async #letPass(horizonMs: number): Promise<void> {
    const { rig, model } = this;
    let hasPassed = false;
    for (;;) {
      const over = model.whenOver(rig.now() + horizonMs);
      if (over === undefined) break;
      hasPassed = true;
      model.began = rig.now();
      await rig.advance(Math.max(0, over - rig.now()) + rig.restMs);
      model.pass(rig.now());
    }
    if (hasPassed) await this.rest();
  }
}

interface Info {
  readonly name: string;
  readonly mode: string;
  readonly clientId: string | undefined;
  readonly owner: string;
  readonly token: bigint | undefined;
  readonly permits: number | undefined;
  readonly isHeld: boolean;
}

function partOf(given: Partial<Part> & Pick<Part, "controller" | "leave">): Part {
  return {
    election: undefined,
    fate: undefined,
    done: undefined,
    lock: undefined,
    locks: [],
    told: [],
    term: undefined,
    signal: undefined,
    ...given,
  };
}

/** What never became a lock. */
function judgeFate(ask: Ask, fate: Fate<unknown>, done: Fate<unknown> | undefined): void {
  const call = done ?? fate;
  if (ask.state === "waits") assert.not(fate.isSettled || call.isSettled, `${said(ask)}: ${told(call)}`);
  else if (ask.state === "declined") assert.ok(call.isSettled && fate.value === null, `${said(ask)}: ${told(call)}`);
  else if (ask.state === "aborted") assert.is((call.error as Error | undefined)?.message, `abort ${ask.id}`, said(ask));
  else if (ask.state === "timed out") assert.is(codeOf(call.error), "Timeout", said(ask));
  else if (ask.state === "closed") assert.is(codeOf(call.error), "Closed", said(ask));
  else assert.unreachable(`${said(ask)}: ${told(call)}`);
}

/** How the call of `request` ends that had the lock. */
function judgeDone(ask: Ask, done: Fate<number>): void {
  const wanted = { released: ask.id, "lost: stolen": "AbortError" }[ask.state as string] ?? "LockLost";
  assert.is(done.error === undefined ? done.value : codeOf(done.error), wanted, said(ask));
}

function isLost(error: unknown): boolean {
  return codeOf(error) === "LockLost";
}

function texts(infos: readonly LockInfo[]): string[] {
  return infos.map(textOf);
}

function textOf(info: {
  name: string;
  mode: string;
  clientId: string | undefined;
  owner: string;
  token?: bigint | undefined;
  permits?: number | undefined;
}): string {
  return `${info.name} ${info.mode} ${info.owner} ${info.clientId} ${info.token ?? "-"} ${info.permits ?? "-"}`;
}

function said({ id, wish, state }: Ask): string {
  return `request ${id} (${wish.by} ${wish.names}, ${wish.mode}, ${wish.how}, client ${wish.client}) ${state}`;
}

function told({ value, error, isSettled }: Fate<unknown>): string {
  return isSettled ? `gives ${error === undefined ? String(value) : String(error)}` : "is not settled";
}
