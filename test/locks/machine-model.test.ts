// The lock machine against a plain model of it, under random commands.
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { AcquireReply, ListPage, LockNotice } from "../../src/locks/machine-words.ts";
import { LockLog } from "./lock-log.ts";

const names = ["", "a", "\ud800"];
const sessions = ["1.1", "1.2", "1.3", "2.1"];

interface Request {
  readonly session: string;
  readonly xid: number;
  readonly mode: "exclusive" | "shared";
}

/** What the machine should hold, told as simply as possible. */
class Model {
  readonly locks: Map<string, { holders: Request[]; queue: Request[] }> = new Map(
    names.map((name) => [name, { holders: [], queue: [] }]),
  );

  acquire(name: string, request: Request, how: string): string {
    const lock = this.locks.get(name)!;
    if (how === "steal") {
      lock.holders = [request];
      return "granted";
    }
    lock.queue.push(request);
    if (this.settle(name).includes(request)) return "granted";
    if (how === "wait") return "queued";
    lock.queue.pop();
    return "unavailable";
  }

  /** Lets in whoever may; gives who came in. */
  settle(name: string): Request[] {
    const { holders, queue } = this.locks.get(name)!;
    const granted: Request[] = [];
    while (
      queue.length > 0 &&
      (holders.length === 0 || [...holders, queue[0]!].every((one) => one.mode === "shared"))
    ) {
      granted.push(queue[0]!);
      holders.push(queue.shift()!);
    }
    return granted;
  }

  remove(name: string, isIt: (one: Request) => boolean): Request[] {
    const lock = this.locks.get(name)!;
    lock.holders = lock.holders.filter((one) => !isIt(one));
    lock.queue = lock.queue.filter((one) => !isIt(one));
    return this.settle(name);
  }

  list(): string[] {
    return names.flatMap((name) => {
      const { holders, queue } = this.locks.get(name)!;
      return [...holders.map((one) => text(name, one, "holds")), ...queue.map((one) => text(name, one, "waits"))];
    });
  }
}

function text(name: string, { session, xid, mode }: Request, does: string): string {
  return `${JSON.stringify(name)} ${session}#${xid} ${mode} ${does}`;
}

type Step =
  | { readonly do: "acquire"; name: string; session: string; mode: "exclusive" | "shared"; how: string }
  | { readonly do: "release" | "cancel"; which: number }
  | { readonly do: "end"; session: string }
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
        how: fc.constantFrom("wait", "wait", "wait", "ifAvailable", "steal"),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constantFrom("release" as const, "cancel" as const), which: fc.nat(50) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("end" as const), session: fc.constantFrom(...sessions) }) },
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
    const told = this.log.told.filter(({ notice }) => notice.type === "granted");
    assert.equal(told.map(({ session, notice }) => `${session}#${notice.xid}`).sort(), expected.sort());
    for (const { session, notice } of this.log.told) if (notice.type === "granted") this.#granted(session, notice);
    this.#compare();
  }

  /** Takes the step on both sides; gives who must be told of a grant. */
  #expect(step: Step): string[] {
    switch (step.do) {
      case "acquire":
        return this.#acquire(step.name, step.session, step.mode, step.how);
      case "release":
      case "cancel":
        return this.#letGo(step.do, step.which);
      case "end": {
        this.log.end(step.session);
        return names.flatMap((name) => this.model.remove(name, (one) => one.session === step.session)).map(idOf);
      }
      case "restore":
        this.log = this.log.restored(this.log.snapshot());
        return [];
    }
  }

  #acquire(name: string, session: string, mode: Request["mode"], given: string): string[] {
    const how = mode === "shared" && given === "steal" ? "wait" : given;
    const request: Request = { session, xid: this.made.length + 1, mode };
    const robbed = how === "steal" ? this.model.locks.get(name)!.holders : [];
    const reply = this.log.apply(session, "acquire", { name, xid: request.xid, mode, owner: "", how }) as AcquireReply;
    assert.is(reply.status, this.model.acquire(name, request, how));
    this.made.push({ name, request, token: undefined });
    if (reply.status === "granted")
      this.#granted(session, { type: "granted", name, xid: request.xid, token: reply.token });
    const stolen = this.log.told.filter(({ notice }) => notice.type === "stolen");
    assert.equal(
      stolen.map(({ session, notice }) => `${session}#${notice.xid}`),
      robbed.map(idOf),
    );
    return [];
  }

  #letGo(command: "release" | "cancel", which: number): string[] {
    const one = this.made[which % Math.max(1, this.made.length)];
    this.log.told = [];
    if (one === undefined) return [];
    const { name, request, token } = one;
    const isIt = (other: Request): boolean => other.session === request.session && other.xid === request.xid;
    const tokenNamed = token ?? 12_345n;
    const input = command === "release" ? { name, xid: request.xid, token: tokenNamed } : { name, xid: request.xid };
    this.log.apply(request.session, command, input);
    const isNothing = command === "release" && token === undefined;
    return isNothing ? [] : this.model.remove(name, isIt).map(idOf);
  }

  #granted(session: string, { name, xid, token }: LockNotice): void {
    const one = this.made[xid - 1]!;
    assert.is(one.request.session, session);
    one.token = token;
    const tokens = this.#tokens.get(name)!;
    for (const earlier of tokens) assert.ok(token > earlier, `token ${token} after ${earlier}`);
    tokens.push(token);
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
    const chunks = this.log.snapshot().map(String);
    assert.equal(this.log.restored(this.log.snapshot()).snapshot().map(String), chunks);
  }

  /** Every tenure that a waiter got is told for as long as it lasts. */
  #checkOutstanding(): void {
    for (const session of sessions) {
      for (const { type, name, xid, token } of this.log.outstanding(session)) {
        const isHeld = this.model.locks.get(name)!.holders.some((one) => one.session === session && one.xid === xid);
        assert.is(isHeld, type === "granted");
        assert.is(this.made[xid - 1]!.token, token);
      }
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
