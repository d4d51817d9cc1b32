// The lock machine against a plain model of it, under random commands.
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { AcquireReply, ListPage, TokenBlock } from "../../src/locks/machine-words.ts";
import { LockLog } from "./lock-log.ts";

const names = ["", "a", "\ud800"];
const sessions = ["1.1", "1.2", "1.3", "2.1"];

interface Request {
  readonly session: string;
  readonly xid: number;
  readonly mode: "exclusive" | "shared";
  /** Its client would keep the lock; of a holder: it does. */
  readonly keeps: boolean;
  readonly probes: boolean;
  /** Since when it has the lock. */
  readonly since?: number;
  /** It steals, at this moment at the latest. */
  readonly robsAt?: number;
  /** Of a holder that keeps the lock: somebody has asked what it uses it for. */
  readonly asked?: boolean;
}

/** Who is told what. */
type Event = `${"granted" | "declined" | "revoke" | "stolen"} ${string}`;

/** What the machine should hold, told as simply as possible. */
class Model {
  now = 0;
  readonly locks: Map<string, { holders: Request[]; queue: Request[]; declined: Request[] }> = new Map(
    names.map((name) => [name, { holders: [], queue: [], declined: [] }]),
  );

  acquire(name: string, request: Request, how: string): { status: string; events: Event[] } {
    const lock = this.locks.get(name)!;
    if (how === "steal") return this.#steal(name, { ...request, robsAt: this.now + 1000 });
    if (how === "ifAvailable" && lock.queue.some(({ probes }) => !probes)) return { status: "unavailable", events: [] };
    const isFirst = lock.queue.length === 0;
    lock.queue.push(request);
    const [event, ...events] = this.advance(name);
    assert.equal(events, []);
    if (event === `granted ${idOf(request)}`) return { status: "granted", events };
    if (event === `declined ${idOf(request)}`) {
      lock.declined.pop();
      return { status: "unavailable", events };
    }
    if (isFirst && request.probes) lock.holders = lock.holders.map((one) => ({ ...one, asked: true }));
    return { status: "queued", events: isFirst ? this.#kept(name).map((one): Event => `revoke ${idOf(one)}`) : [] };
  }

  #steal(name: string, thief: Request): { status: string; events: Event[] } {
    const lock = this.locks.get(name)!;
    const kept = this.#kept(name);
    if (kept.length === 0) {
      const events = this.#rob(name, thief).filter((event) => event.startsWith("stolen"));
      return { status: "granted", events: [...events, ...this.advance(name)] };
    }
    const place = lock.queue.findIndex(({ probes, robsAt }) => !probes && robsAt === undefined);
    lock.queue.splice(place === -1 ? lock.queue.length : place, 0, thief);
    lock.holders = lock.holders.map((one) => ({ ...one, asked: true }));
    const untold = kept.filter(({ asked }) => asked !== true);
    return { status: "queued", events: untold.map((one): Event => `revoke ${idOf(one)}`) };
  }

  #rob(name: string, thief: Request): Event[] {
    const lock = this.locks.get(name)!;
    const robbed = lock.holders.map((one): Event => `stolen ${idOf(one)}`);
    lock.queue = lock.queue.filter((one) => one !== thief);
    lock.holders = [{ ...thief, since: this.now, keeps: thief.keeps && lock.queue.length === 0 }];
    return [...robbed, `granted ${idOf(thief)}`];
  }

  get deadline(): number | undefined {
    const times = names.flatMap((name) => this.locks.get(name)!.queue.flatMap(({ robsAt }) => robsAt ?? []));
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** Lets in whoever may, and ends probes; says what it did. */
  advance(name: string): Event[] {
    const lock = this.locks.get(name)!;
    const events: Event[] = [];
    for (let head = lock.queue[0]; head !== undefined; head = lock.queue[0]) {
      const inTheWay = lock.holders.filter((one) => head!.mode === "exclusive" || one.mode === "exclusive");
      if (inTheWay.length === 0) {
        const end = head.mode === "exclusive" ? 1 : lock.queue.findIndex(({ mode }) => mode === "exclusive");
        const group = lock.queue.splice(0, end === -1 ? lock.queue.length : end);
        for (const one of group)
          lock.holders.push({ ...one, since: this.now, keeps: one.keeps && lock.queue.length === 0 });
        events.push(...group.map((one): Event => `granted ${idOf(one)}`));
      } else if (head.probes && inTheWay.some(({ keeps }) => !keeps)) {
        lock.declined.push(lock.queue.shift()!);
        events.push(`declined ${idOf(head)}`);
      } else {
        const thief = lock.queue.find(({ robsAt }) => robsAt !== undefined);
        if (thief === undefined || (this.#kept(name).length > 0 && thief.robsAt! > this.now)) break;
        events.push(...this.#rob(name, thief));
      }
    }
    return events;
  }

  remove(name: string, isIt: (one: Request) => boolean, isOther = isIt): Event[] {
    const lock = this.locks.get(name)!;
    lock.holders = lock.holders.filter((one) => !isIt(one));
    lock.queue = lock.queue.filter((one) => !isOther(one));
    lock.declined = lock.declined.filter((one) => !isOther(one));
    return this.advance(name);
  }

  settle(name: string, kept: Request, uses: readonly Request[]): Event[] {
    const lock = this.locks.get(name)!;
    lock.holders = lock.holders.flatMap((one) => (idOf(one) === idOf(kept) ? uses : [one]));
    return this.advance(name);
  }

  /** What is outstanding for the session, but for grants. */
  outstanding(session: string): string[] {
    return names.flatMap((name) => {
      const { queue, declined } = this.locks.get(name)!;
      const revoked = this.#kept(name).filter(({ asked }) => asked === true || queue.length > 0);
      const events = [
        ...revoked.map((one) => `revoke ${idOf(one)}`),
        ...declined.map((one) => `declined ${idOf(one)}`),
      ];
      return events.filter((event) => event.includes(` ${session}#`));
    });
  }

  #kept(name: string): Request[] {
    return this.locks.get(name)!.holders.filter(({ keeps }) => keeps);
  }

  list(): string[] {
    return names.flatMap((name) => {
      const { holders, queue } = this.locks.get(name)!;
      return [
        ...holders.map((one) => text(name, one, "holds")),
        ...queue.filter(({ probes, robsAt }) => !probes && robsAt === undefined).map((one) => text(name, one, "waits")),
      ];
    });
  }
}

function text(name: string, { session, xid, mode }: Request, does: string): string {
  return `${JSON.stringify(name)} ${session}#${xid} ${mode} ${does}`;
}

type Step =
  | { readonly do: "acquire"; name: string; session: string; mode: "exclusive" | "shared"; how: string; keeps: boolean }
  | { readonly do: "release" | "cancel"; which: number }
  | { readonly do: "settle"; which: number; uses: number }
  | { readonly do: "end"; session: string }
  | { readonly do: "time"; ms: number }
  | { readonly do: "restore" };

const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant("acquire" as const),
        name: fc.constantFrom(...names),
        session: fc.constantFrom(...sessions),
        mode: fc.constantFrom("exclusive" as const, "shared" as const),
        how: fc.constantFrom("wait", "wait", "wait", "ifAvailable", "ifAvailable", "steal"),
        keeps: fc.boolean(),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constantFrom("release" as const, "cancel" as const), which: fc.nat(50) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant("settle" as const),
        which: fc.nat(50),
        uses: fc.integer({ min: 1, max: 3 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("end" as const), session: fc.constantFrom(...sessions) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("time" as const), ms: fc.constantFrom(400, 1000) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("restore" as const) }) },
  ),
  { maxLength: 60, size: "max" },
);

/** Runs steps on the machine and the model, and compares after each. */
class Run {
  log = new LockLog();
  readonly model = new Model();
  /** Every request ever made, with its token once known. */
  readonly made: { name: string; request: Request; token: bigint | undefined }[] = [];
  readonly #tokens: Map<string, bigint[]> = new Map(names.map((name) => [name, []]));

  take(step: Step): void {
    const expected = this.#expect(step);
    const { told } = this.log;
    assert.equal(told.map(({ session, notice }) => `${notice.type} ${session}#${notice.xid}`).sort(), expected.sort());
    for (const { session, notice } of told) {
      if (notice.type === "granted") this.#granted(session, notice.name, notice.xid, notice);
    }
    this.#compare();
  }

  /** Takes the step on both sides; gives what must be told. */
  #expect(step: Step): string[] {
    switch (step.do) {
      case "acquire":
        return this.#acquire(step);
      case "release":
      case "cancel":
        return this.#letGo(step.do, step.which);
      case "settle":
        return this.#settle(step.which, step.uses);
      case "end": {
        this.log.end(step.session);
        return names.flatMap((name) => this.model.remove(name, (one) => one.session === step.session));
      }
      case "time":
        this.log.told = [];
        this.model.now = this.log.now += step.ms;
        this.log.tick();
        return names.flatMap((name) => this.model.advance(name));
      case "restore":
        this.log.told = [];
        this.log = this.log.restored(this.log.snapshot());
        return [];
    }
  }

  #acquire({ name, session, mode, how: given, keeps }: Step & { do: "acquire" }): string[] {
    const how = mode === "shared" && given === "steal" ? "wait" : given;
    const request: Request = { session, xid: this.made.length + 1, mode, keeps, probes: how === "ifAvailable" };
    const input = { name, xid: request.xid, mode, owner: "", how, keep: keeps, ageMs: 0 };
    const reply = this.log.apply(session, "acquire", input) as AcquireReply;
    const { status, events } = this.model.acquire(name, request, how);
    assert.is(reply.status, status);
    this.made.push({ name, request, token: undefined });
    if (reply.status === "granted") this.#granted(session, name, request.xid, reply);
    return events;
  }

  #letGo(command: "release" | "cancel", which: number): string[] {
    const one = this.made[which % Math.max(1, this.made.length)];
    this.log.told = [];
    if (one === undefined) return [];
    const { name, request, token } = one;
    const isIt = (other: Request): boolean => idOf(other) === idOf(request);
    const tokenNamed = token ?? 12_345n;
    const input = command === "release" ? { name, xid: request.xid, token: tokenNamed } : { name, xid: request.xid };
    this.log.apply(request.session, command, input);
    const isNothing = command === "release" && token === undefined;
    return isNothing ? [] : this.model.remove(name, isIt, command === "release" ? () => false : isIt);
  }

  /** Only of what is kept, and with uses that can be. */
  #settle(which: number, count: number): string[] {
    this.log.told = [];
    const kept = names.flatMap((name) =>
      this.model.locks
        .get(name)!
        .holders.filter(({ keeps }) => keeps)
        .map((one) => ({ name, one })),
    );
    const found = kept[which % Math.max(1, kept.length)];
    if (found === undefined) return [];
    const { name, one } = found;
    const { token } = this.made[one.xid - 1]!;
    const mode = count === 1 ? one.mode : "shared";
    const uses = Array.from({ length: count }, (_, n) => {
      const request: Request = { session: one.session, xid: this.made.length + 1, mode, keeps: false, probes: false };
      this.made.push({ name, request, token: token! + BigInt(n + 1) });
      return request;
    });
    const ageMs = this.model.now - one.since!;
    const said = uses.map(({ xid }) => ({ xid, token: this.made[xid - 1]!.token, mode, ageMs }));
    assert.is(this.log.apply(one.session, "settle", { name, xid: one.xid, token, uses: said }), true);
    return this.model.settle(
      name,
      one,
      uses.map((use) => ({ ...use, since: one.since! })),
    );
  }

  #granted(session: string, name: string, xid: number, { token, keep }: TokenBlock): void {
    const one = this.made[xid - 1]!;
    assert.is(one.request.session, session);
    const held = this.model.locks.get(name)!.holders.find((other) => idOf(other) === idOf(one.request));
    // Who is robbed in the step in which it was granted has kept nothing.
    assert.is(keep > 0, held?.keeps ?? false);
    one.token = token;
    const tokens = this.#tokens.get(name)!;
    for (const earlier of tokens) assert.ok(token >= earlier, `token ${token} after ${earlier}`);
    tokens.push(token + BigInt(Math.max(1, keep)));
  }

  #compare(): void {
    const { requests } = this.log.ask("list", { name: "", index: 0 }) as ListPage;
    const listed = requests.map(({ name, session, mode, token }) => {
      const xid = this.made.findIndex((one) => token !== undefined && one.token === token && one.name === name) + 1;
      return { name, session, mode, does: token === undefined ? "waits" : "holds", xid };
    });
    const real = listed.map(({ name, session, mode, does }) => `${JSON.stringify(name)} ${session} ${mode} ${does}`);
    assert.equal(
      real,
      this.model.list().map((line) => line.replace(/#\d+/, "")),
    );
    for (const { does, xid } of listed) assert.is(xid > 0, does === "holds");
    this.#checkOutstanding();
    assert.is(this.log.deadline, this.model.deadline);
    const chunks = this.log.snapshot().map(String);
    assert.equal(this.log.restored(this.log.snapshot()).snapshot().map(String), chunks);
  }

  /** Every tenure that a waiter got is told for as long as it lasts, and what its client is to do until it is done. */
  #checkOutstanding(): void {
    for (const session of sessions) {
      const notices = this.log.outstanding(session);
      for (const notice of notices) {
        if (notice.type === "declined") continue;
        const { type, name, xid, token } = notice;
        const isHeld = this.model.locks.get(name)!.holders.some((one) => one.session === session && one.xid === xid);
        assert.is(isHeld, type !== "stolen");
        assert.is(this.made[xid - 1]!.token, token);
      }
      const others = notices.filter(({ type }) => type !== "granted" && type !== "stolen");
      assert.equal(
        others.map(({ type, xid }) => `${type} ${session}#${xid}`).sort(),
        this.model.outstanding(session).sort(),
      );
    }
  }
}

function idOf({ session, xid }: Request): string {
  return `${session}#${xid}`;
}

test("any sequence of commands does what a plain model of the locks does", () => {
  fc.assert(
    fc.property(steps, (sequence) => {
      const run = new Run();
      for (const step of sequence) run.take(step);
    }),
    { numRuns: 50 },
  );
});

test.run();
