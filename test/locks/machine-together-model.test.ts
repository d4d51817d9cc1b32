// Groups, semaphores and lock delays: the lock machine against a model that knows one list of requests, oldest first.
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { AcquireAllReply, AcquireReply, ListPage } from "../../src/locks/machine-words.ts";
import { LockLog } from "./lock-log.ts";

const locks = ["a", "b", "c"];
const semaphore = "-s";
const names = [...locks, semaphore];
const sessions = ["1.1", "1.2", "1.3"];
const PERMITS = 2;

interface Request {
  readonly session: string;
  readonly xid: number;
  readonly names: readonly string[];
  readonly mode: "exclusive" | "shared";
  readonly probes: boolean;
  readonly keeps: boolean;
  readonly delayMs: number;
  /** It steals, at this moment at the latest. */
  readonly robsAt?: number;
}

/** One of a request's locks, held. */
interface Hold {
  readonly session: string;
  readonly xid: number;
  readonly name: string;
  readonly mode: "exclusive" | "shared";
  /** Its request would keep it. */
  readonly mayKeep: boolean;
  readonly keeps: boolean;
  readonly delayMs: number;
  token?: bigint;
}

class Model {
  now = 0;
  waiting: Request[] = [];
  holds: Hold[] = [];
  readonly bars: Map<string, number> = new Map();
  events: string[] = [];

  /** Whoever does not wait goes at once if it finds a use, or anybody who waits. */
  add(request: Request): void {
    const isWaitedFor = (name: string): boolean => this.waiting.some((one) => !one.probes && one.names.includes(name));
    if (request.probes && request.names.some((name) => isWaitedFor(name) || this.#isUsed(request, name))) {
      this.events.push(...request.names.map((_, index) => `declined ${request.session}#${request.xid + index}`));
      return;
    }
    this.waiting.push(request);
    this.advance();
  }

  /** Again and again, oldest first, until nothing changes. */
  advance(): void {
    for (let isMoving = true; isMoving; ) {
      const moved = this.waiting.find((one) => this.#isGranted(one) || this.#isDeclined(one));
      isMoving = moved !== undefined || this.#rob();
      if (moved === undefined) continue;
      const isGranted = this.#isGranted(moved);
      this.waiting = this.waiting.filter((one) => one !== moved);
      moved.names.forEach((name, index) => {
        const xid = moved.xid + index;
        this.events.push(`${isGranted ? "granted" : "declined"} ${moved.session}#${xid}`);
        const keeps = moved.keeps && !this.waiting.some((one) => one.names.includes(name));
        if (isGranted) this.holds.push({ ...moved, xid, name, mayKeep: moved.keeps, keeps });
      });
    }
  }

  /** Those that wait for the lock stand behind it. */
  steal(thief: Request): void {
    const [name] = thief.names as [string];
    const place = this.waiting.findIndex(
      ({ names, probes, robsAt }) => names.includes(name) && !probes && robsAt === undefined,
    );
    this.waiting.splice(place === -1 ? this.waiting.length : place, 0, thief);
    this.advance();
  }

  /** Where nobody moves any more, the first of those that steal do. */
  #rob(): boolean {
    const ready = locks.flatMap((name) => {
      const thief = this.waiting.find(({ names, robsAt }) => robsAt !== undefined && names[0] === name);
      const isKept = this.holds.some((one) => one.name === name && one.keeps);
      return thief === undefined || (isKept && thief.robsAt! > this.now) ? [] : [thief];
    });
    for (const thief of ready) {
      const [name] = thief.names as [string];
      this.waiting = this.waiting.filter((one) => one !== thief);
      this.bars.delete(name);
      this.events.push(`granted ${thief.session}#${thief.xid}`);
      const keeps = thief.keeps && !this.waiting.some((one) => one.names.includes(name));
      this.holds = this.holds.filter((one) => one.name !== name);
      this.holds.push({ ...thief, name, mayKeep: thief.keeps, keeps });
    }
    return ready.length > 0;
  }

  end(session: string, isLost: boolean): void {
    for (const { name, mode, delayMs } of this.holds.filter((one) => one.session === session))
      if (isLost && mode === "exclusive" && delayMs > 0) this.bars.set(name, this.now + delayMs);
    this.waiting = this.waiting.filter((one) => one.session !== session);
    this.holds = this.holds.filter((one) => one.session !== session);
    this.advance();
  }

  tick(): void {
    for (const [name, until] of [...this.bars]) if (until <= this.now) this.bars.delete(name);
    this.advance();
  }

  get deadline(): number | undefined {
    const times = [...this.bars.values(), ...this.waiting.flatMap(({ robsAt }) => robsAt ?? [])];
    return times.length === 0 ? undefined : Math.min(...times);
  }

  #isFirst(request: Request, name: string): boolean {
    return this.waiting.find((one) => one.names.includes(name)) === request;
  }

  #inTheWay(request: Request, name: string): Hold[] {
    const holds = this.holds.filter((one) => one.name === name);
    if (name === semaphore) return holds.length < PERMITS ? [] : holds;
    return holds.filter((one) => one.mode === "exclusive" || request.mode === "exclusive");
  }

  #isGranted(request: Request): boolean {
    const isFree = (name: string): boolean => !this.bars.has(name) && this.#inTheWay(request, name).length === 0;
    return request.names.every((name) => this.#isFirst(request, name) && isFree(name));
  }

  #isDeclined(request: Request): boolean {
    return request.probes && request.names.some((name) => this.#isFirst(request, name) && this.#isUsed(request, name));
  }

  #isUsed(request: Request, name: string): boolean {
    return this.bars.has(name) || this.#inTheWay(request, name).some(({ keeps }) => !keeps);
  }
}

type Step =
  | {
      do: "acquire";
      names: string[];
      session: string;
      mode: "exclusive" | "shared";
      how: string;
      keeps: boolean;
      delay: number;
    }
  | { do: "permit"; session: string; how: string }
  | { do: "release" | "cancel" | "settle"; which: number }
  | { do: "steal"; session: string; name: string }
  | { do: "end"; session: string; isLost: boolean }
  | { do: "time"; ms: number }
  | { do: "restore" };

const session = fc.constantFrom(...sessions);
const how = fc.constantFrom("wait", "wait", "wait", "ifAvailable");
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant("acquire" as const),
        names: fc.shuffledSubarray(locks, { minLength: 1 }),
        session,
        mode: fc.constantFrom("exclusive" as const, "shared" as const),
        how,
        keeps: fc.boolean(),
        delay: fc.constantFrom(0, 0, 10),
      }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("permit" as const), session, how }) },
    {
      weight: 6,
      arbitrary: fc.record({ do: fc.constantFrom("release" as const, "cancel" as const), which: fc.nat(60) }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("settle" as const), which: fc.nat(60) }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant("steal" as const), session, name: fc.constantFrom(...locks) }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("end" as const), session, isLost: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("time" as const), ms: fc.constantFrom(5, 10, 20, 1000) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("restore" as const) }) },
  ),
  { maxLength: 60, size: "max" },
);

class Run {
  log = new LockLog();
  readonly model = new Model();
  #xids = 1;
  readonly #issued: Map<string, bigint> = new Map();

  take(step: Step): void {
    this.model.events = [];
    this.log.told = [];
    this.#do(step);
    const told = this.log.told.filter(({ notice }) => notice.type === "granted" || notice.type === "declined");
    const text = told.map(({ session, notice }) => `${notice.type} ${session}#${notice.xid}`);
    assert.equal(text.sort(), this.model.events.sort());
    for (const { session, notice } of told) {
      if (notice.type === "granted") this.#granted(session, notice.name, notice.xid, notice.token, notice.keep);
    }
    this.#compare();
  }

  #do(step: Step): void {
    switch (step.do) {
      case "acquire":
        return this.#acquire(step);
      case "permit":
        return this.#permit(step);
      case "steal":
        return this.#steal(step);
      case "settle":
        return this.#settle(step.which);
      case "release":
      case "cancel":
        return this.#letGo(step.do, step.which);
      case "end":
        this.log.end(step.session, step.isLost);
        return this.model.end(step.session, step.isLost);
      case "time":
        this.model.now = this.log.now += step.ms;
        if (this.log.tick()) this.model.tick();
        return undefined;
      case "restore":
        this.log = this.log.restored(this.log.snapshot());
    }
  }

  #acquire({ names, session, mode, how, keeps, delay }: Step & { do: "acquire" }): void {
    const request = { session, xid: this.#next(names.length), names, mode, keeps, probes: how === "ifAvailable" };
    const { xid } = request;
    const base = { xid, mode, owner: "", how, keep: keeps, ageMs: 0, delayMs: delay };
    const input = names.length > 1 ? { names, ...base } : { name: names[0], ...base };
    const reply = this.log.apply(session, names.length > 1 ? "acquireAll" : "acquire", input) as AcquireReply &
      AcquireAllReply;
    this.#replied({ ...request, delayMs: delay }, reply);
  }

  #permit({ session, how }: Step & { do: "permit" }): void {
    const xid = this.#next(1);
    const input = { name: semaphore, xid, mode: "shared", owner: "", how, keep: false, ageMs: 0, permits: PERMITS };
    const request = { session, xid, names: [semaphore], mode: "shared" as const, keeps: false, delayMs: 0 };
    const reply = this.log.apply(session, "acquire", input) as AcquireReply & AcquireAllReply;
    this.#replied({ ...request, probes: how === "ifAvailable" }, reply);
  }

  /** What is decided at once is answered, not told. */
  #replied(request: Request, reply: AcquireReply | AcquireAllReply): void {
    const { session, xid, names } = request;
    this.model.add(request);
    const [event] = this.model.events;
    const status = event === undefined ? "queued" : event.startsWith("granted") ? "granted" : "unavailable";
    assert.is(reply.status, status);
    assert.is(this.model.events.length, event === undefined ? 0 : names.length);
    this.model.events = [];
    if (reply.status !== "granted") return;
    const blocks = "blocks" in reply ? reply.blocks : [reply];
    for (const [index, block] of blocks.entries()) {
      this.#granted(session, names[index]!, xid + index, block!.token, block!.keep);
    }
  }

  #steal({ session, name }: Step & { do: "steal" }): void {
    const xid = this.#next(1);
    const input = { name, xid, mode: "exclusive", owner: "", how: "steal", keep: false, ageMs: 0 };
    const reply = this.log.apply(session, "acquire", input) as AcquireReply;
    const request = {
      session,
      xid,
      names: [name],
      mode: "exclusive",
      keeps: false,
      probes: false,
      delayMs: 0,
    } as const;
    this.model.steal({ ...request, robsAt: this.model.now + 1000 });
    const own = `granted ${session}#${xid}`;
    assert.is(reply.status, this.model.events.includes(own) ? "granted" : "queued");
    this.model.events = this.model.events.filter((event) => event !== own);
    if (reply.status === "granted") this.#granted(session, name, xid, reply.token, 0);
  }

  #settle(which: number): void {
    const kept = this.model.holds.filter(({ keeps }) => keeps);
    const one = kept[which % Math.max(1, kept.length)];
    if (one === undefined) return;
    const xid = this.#next(1);
    const uses = [{ xid, token: one.token! + 1n, mode: one.mode, ageMs: 0 }];
    const { name, token } = one;
    assert.is(this.log.apply(one.session, "settle", { name, xid: one.xid, token, uses }), true);
    const use = { ...one, xid, token: token! + 1n, keeps: false };
    this.model.holds = this.model.holds.map((other) => (other === one ? use : other));
    this.model.advance();
  }

  #letGo(command: "release" | "cancel", which: number): void {
    const { holds, waiting } = this.model;
    const held = holds[which % Math.max(1, holds.length)];
    const asked = waiting[which % Math.max(1, waiting.length)];
    if (command === "release" && held !== undefined) {
      const { session, name, xid, token } = held;
      assert.is(this.log.apply(session, "release", { name, xid, token }), true);
      this.model.holds = holds.filter((one) => one !== held);
    } else if (command === "cancel" && asked !== undefined) {
      const index = which % asked.names.length;
      const input = { name: asked.names[index], xid: asked.xid + index };
      assert.is(this.log.apply(asked.session, "cancel", input), "waiting");
      this.model.waiting = waiting.filter((one) => one !== asked);
    }
    this.model.advance();
  }

  #next(count: number): number {
    this.#xids += count;
    return this.#xids - count;
  }

  #granted(session: string, name: string, xid: number, token: bigint, keep: number): void {
    const hold = this.model.holds.find((one) => one.session === session && one.name === name && one.xid === xid);
    // A batch may keep less than it could; and those who come in one are in nobody's way.
    const isWaitedFor = this.model.waiting.some((one) => one.names.includes(name));
    const isRobbed =
      hold === undefined && this.model.holds.some((one) => one.name === name && one.mode === "exclusive");
    assert.ok(isRobbed || hold !== undefined, `${session}#${xid} holds ${name}`);
    assert.ok(!isRobbed || keep === 0, "it keeps nothing, for a thief was in line");
    if (hold !== undefined) this.#keeps(hold, isWaitedFor, token, keep);
    const before = this.#issued.get(name);
    assert.ok(before === undefined || token > before, `token ${token} of ${name} after ${before}`);
    this.#issued.set(name, token + BigInt(Math.max(1, keep)) - 1n);
  }

  #keeps(hold: Hold, isWaitedFor: boolean, token: bigint, keep: number): void {
    assert.ok(keep === 0 || hold.keeps || (hold.mayKeep && !isWaitedFor), "nobody keeps a lock that others wait for");
    if (hold.keeps !== keep > 0)
      this.model.holds = this.model.holds.map((one) => (one === hold ? { ...one, keeps: keep > 0, token } : one));
    hold.token = token;
  }

  #compare(): void {
    const { requests } = this.log.ask("list", { name: "", index: 0 }) as ListPage;
    const real = requests
      .filter(({ availableInMs }) => availableInMs === undefined)
      .map(({ name, session, mode, token }) => `${name} ${session} ${mode} ${token === undefined ? "waits" : "holds"}`);
    const { holds, waiting, bars } = this.model;
    const expected = [
      ...holds.map(({ name, session, mode }) => `${name} ${session} ${mode} holds`),
      ...waiting
        .filter(({ probes, robsAt }) => !probes && robsAt === undefined)
        .flatMap(({ names, session, mode }) => names.map((name) => `${name} ${session} ${mode} waits`)),
    ];
    assert.equal(real.sort(), expected.sort());
    const barred = requests.filter(({ availableInMs }) => availableInMs !== undefined);
    assert.equal(barred.map(({ name }) => name).sort(), [...bars.keys()].sort());
    assert.is(this.log.deadline, this.model.deadline);
    const chunks = this.log.snapshot().map(String);
    assert.equal(this.log.restored(this.log.snapshot()).snapshot().map(String), chunks);
  }
}

test("groups, permits and lock delays do what one list of requests, oldest first, does", () => {
  assert.ok(names.length > 3);
  fc.assert(
    fc.property(steps, (sequence) => {
      const run = new Run();
      for (const step of sequence) run.take(step);
    }),
    { numRuns: 60 },
  );
});

test.run();
