// Code that was written against `navigator.locks`, unchanged: typed by the DOM's own declarations, and with the runtime's own
// lock manager beside ours on Node from 24 (that of Deno 2.9 never answers `ifAvailable` beside a waiter).
import { test } from "uvu";
import * as assert from "uvu/assert";
import { startCluster } from "../../src/entry/cluster.ts";
import { type CacheOptions, connectLocks, locks } from "../../src/entry/locks.ts";

interface Held {
  readonly granted: Promise<void>;
  readonly result: Promise<unknown>;
  readonly done: () => void;
}

/** A program of somebody who knows nothing of us; gives what it has seen. */
async function program(manager: LockManager): Promise<string[]> {
  const seen: string[] = [];
  const say = (what: string) => (value: unknown) => void seen.push(`${what} ${wordFor(value)}`);
  const hold = (name: string, options: LockOptions): Held => {
    let done = (): void => {};
    let given = (): void => {};
    const granted = new Promise<void>((resolve) => (given = resolve));
    const result = manager.request(name, options, (lock) => {
      seen.push(`holds ${lock?.name} ${lock?.mode}`);
      given();
      return new Promise<void>((resolve) => (done = resolve));
    });
    return { granted, result, done: () => done() };
  };

  say("sync")(await manager.request("plain", (lock) => lock?.mode));
  await manager.request("plain", () => Promise.reject(new RangeError("its own"))).catch(say("rejects"));
  await manager.request("-reserved", () => {}).catch(say("rejects"));
  await manager.request("plain", { mode: "loud" as LockMode }, () => {}).catch(say("rejects"));
  await manager.request("plain", { steal: true, ifAvailable: true }, () => {}).catch(say("rejects"));
  await manager.request("plain", { signal: AbortSignal.abort() }, () => {}).catch(say("rejects"));

  const readers = [hold("book", { mode: "shared" }), hold("book", { mode: "shared" })];
  await Promise.all(readers.map(({ granted }) => granted));
  const writer = hold("book", {});
  const late = hold("book", { mode: "shared" });
  const abandon = new AbortController();
  const abandoned = manager.request("book", { signal: abandon.signal }, () => "never").catch(say("abandoned"));
  await manager.request("book", { mode: "shared", ifAvailable: true }, say("beside a waiter"));
  const { held = [], pending = [] } = await manager.query();
  for (const { name, mode } of held) seen.push(`query: held ${name} ${mode}`);
  for (const { name, mode } of pending) seen.push(`query: pending ${name} ${mode}`);
  abandon.abort(new Error("not worth the wait"));
  await abandoned;
  for (const reader of readers) reader.done();
  await writer.granted;
  writer.done();
  await late.granted;
  const robbed = late.result.catch(say("robbed"));
  await manager.request("book", { steal: true }, say("steals"));
  await robbed;
  late.done();
  await Promise.all([...readers, writer].map(({ result }) => result));
  return seen;
}

function wordFor(value: unknown): string {
  if (value instanceof Error) return value.name === "Error" ? value.message : value.name;
  if (typeof value !== "object" || value === null) return String(value);
  return "mode" in value ? String(value.mode) : "something";
}

const expected = [
  "sync exclusive",
  "rejects RangeError",
  "rejects NotSupportedError",
  "rejects TypeError",
  "rejects NotSupportedError",
  "rejects AbortError",
  "holds book shared",
  "holds book shared",
  "beside a waiter null",
  "query: held book shared",
  "query: held book shared",
  "query: pending book exclusive",
  "query: pending book shared",
  "query: pending book exclusive",
  "abandoned not worth the wait",
  "holds book exclusive",
  "holds book shared",
  "steals exclusive",
  "robbed AbortError",
];

const kinds: readonly [string, CacheOptions | false][] = [
  ["that keeps locks", {}],
  ["that keeps none", false],
];
for (const [kind, cache] of kinds) {
  test(`a program for navigator.locks runs unchanged with a client ${kind}`, async () => {
    const cluster = await startCluster({ nodes: 3, machine: locks });
    try {
      await using manager = await connectLocks({ cluster: cluster.urls, transport: cluster.transport, cache });
      assert.equal(await program(manager), expected);
    } finally {
      await cluster.close();
    }
  });
}

const own = (globalThis as { navigator?: Partial<Navigator> }).navigator?.locks;
if (own !== undefined && !("Deno" in globalThis)) {
  test("the runtime's own lock manager shows the same", async () => {
    assert.equal(await program(own), expected);
  });
}

test.run();
