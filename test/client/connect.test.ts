// The typed client, and the checks at its door.
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { connectClient } from "../../src/client/connect.ts";
import { connectCore } from "../../src/client/core.ts";
import { command, defineMachine, query } from "../../src/machine/define.ts";
import { RESERVED_NAMES } from "../../src/machine/names.ts";
import { encodeNotice } from "../../src/protocol/calls.ts";
import { memory } from "../../transports/memory.ts";
import { webSocket } from "../../transports/websocket.ts";
import { type Outcome, SESSION, World, watch } from "./world.ts";

const stock = defineMachine({
  name: "stock",
  version: 1,
  init: () => new Map<string, number>(),
  commands: {
    add: command(v.object({ sku: v.string(), by: v.number() }), (state, { sku, by }) => {
      const next = (state.get(sku) ?? 0) + by;
      state.set(sku, next);
      return next;
    }),
    clear: command(v.undefined(), (state) => {
      state.clear();
      return "cleared" as const;
    }),
  },
  queries: {
    count: query(v.string(), (state, sku) => state.get(sku) ?? 0),
  },
});

const clock = defineMachine({
  name: "clock",
  version: 3,
  init: () => ({ ticks: 0 }),
  commands: { wind: command(v.optional(v.number()), (state, by) => (state.ticks += by ?? 1)) },
  queries: { ticks: query(v.undefined(), (state) => state.ticks) },
  notices: (state, _session): readonly { readonly ticks: number }[] => [state],
});

/** Whether two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const isTrue = <T extends true>(_: T | undefined = undefined): void => {};

test("a client of one machine has its calls, with their types", async () => {
  const world = new World();
  const a = world.node("a");
  const { environment, transport } = world;
  const connecting = connectClient({ cluster: [a.url], machine: stock, environment, transport });
  await world.settle();
  const client = await connecting;
  assert.equal(a.end.hello?.machines, [{ name: "stock", versions: [1] }]);
  const calls = [
    watch(client.add({ sku: "bolt", by: 3 })),
    watch(client.clear()),
    watch(client.clear(undefined, { timeoutMs: 5 })),
    watch(client.count("bolt")),
    watch(client.count("bolt", { consistency: "local", timeoutMs: 100 })),
  ];
  await world.settle();
  assert.equal(
    calls.map(({ value }) => value),
    [{ sku: "bolt", by: 3 }, undefined, undefined, "bolt", "bolt"],
  );
  isTrue<Same<ReturnType<typeof client.add>, Promise<number>>>();
  isTrue<Same<ReturnType<typeof client.clear>, Promise<"cleared">>>();
  isTrue<Same<ReturnType<typeof client.count>, Promise<number>>>();
  isTrue<Same<Parameters<typeof client.add>[0], { sku: string; by: number }>>();
  assert.is(client.session, "1.7");
  const closed = watch(client[Symbol.asyncDispose]());
  await world.settle();
  assert.is(closed.state, "resolved");
});

test("a client of several machines has their calls by name", async () => {
  const world = new World();
  const a = world.node("a");
  const { environment, transport } = world;
  const connecting = connectClient({ cluster: { a: a.url }, machines: [stock, clock], environment, transport });
  await world.settle();
  const client = await connecting;
  assert.is(a.end.hello?.machines.length, 2);
  const calls = [
    watch(client.stock.add({ sku: "bolt", by: 3 })),
    watch(client.clock.wind()),
    watch(client.clock.ticks()),
  ];
  await world.settle();
  assert.equal(
    calls.map(({ state }) => state),
    ["resolved", "resolved", "resolved"],
  );
  isTrue<Same<ReturnType<typeof client.clock.ticks>, Promise<number>>>();
  const heard: { readonly ticks: number }[] = [];
  const undo = client.onNotice("clock", (notice) => heard.push(notice));
  a.end.send({ type: "notice", session: SESSION, body: encodeNotice("clock", { ticks: 4 }) });
  await world.settle();
  undo();
  assert.equal(heard, [{ ticks: 4 }]);
});

test("notices of one machine need no name, and openSession gives the id", async () => {
  const world = new World();
  const a = world.node("a");
  const { environment, transport } = world;
  const connecting = connectClient({ cluster: [a.url], machine: clock, environment, transport });
  await world.settle();
  const client = await connecting;
  assert.is(client.session, undefined);
  const open = watch(client.openSession());
  const heard: number[] = [];
  client.onNotice(({ ticks }) => heard.push(ticks));
  await world.settle();
  assert.is(open.value, "1.7");
  a.end.send({ type: "notice", session: SESSION, body: encodeNotice("clock", { ticks: 4 }) });
  await world.settle();
  assert.equal(heard, [4]);
});

test("input that its schema refuses rejects before anything is sent", async () => {
  const world = new World();
  const a = world.node("a");
  const { environment, transport } = world;
  const connecting = connectClient({ cluster: [a.url], machine: stock, environment, transport });
  await world.settle();
  const client = await connecting;
  const call = watch(client.add({ sku: "bolt", by: "3" as unknown as number }));
  const query = watch(client.count(7 as unknown as string));
  await world.settle();
  assert.equal([call.code, query.code], ["InvalidInput", "InvalidInput"]);
  assert.is(call.error?.data?.["path"], "by");
  assert.equal(a.taken(), []);
});

test("a client is no promise, and hides no name that a machine may have", async () => {
  const world = new World();
  const a = world.node("a");
  const { environment, transport } = world;
  const connecting = connectClient({ cluster: [a.url], machine: stock, environment, transport });
  await world.settle();
  const client = await connecting;
  assert.not("then" in client);
  const members = new Set<string>();
  for (let level: object | null = client; level !== null; level = Object.getPrototypeOf(level))
    for (const name of Object.getOwnPropertyNames(level)) members.add(name);
  const own = ["add", "clear", "count"];
  assert.equal(
    [...members].filter((name) => !own.includes(name) && !(RESERVED_NAMES as readonly string[]).includes(name)),
    [],
  );
  assert.throws(() => {
    (client as unknown as Record<string, unknown>)["add"] = 1;
  }, TypeError);
});

test("connect waits for a node that accepts the client", async () => {
  const world = new World();
  const a = world.node("a");
  a.down = true;
  const { environment, transport } = world;
  const connecting = watch(connectClient({ cluster: [a.url], machine: stock, environment, transport }));
  await world.pass(500);
  assert.is(connecting.state, "waiting");
  a.down = false;
  await world.pass(500);
  assert.is(connecting.state, "resolved");
});

test("connect rejects when no node answers in time, and leaves nothing behind", async () => {
  const world = new World();
  const a = world.node("a");
  a.down = true;
  const { environment, transport } = world;
  const options = { cluster: [a.url, "memory://nobody"], machine: stock, environment, transport, timeoutMs: 700 };
  const connecting = watch(connectClient(options));
  await world.pass(700);
  assert.is(connecting.code, "Timeout");
  const missing = connecting.error?.data?.["missing"] as string[] | undefined;
  assert.equal(missing?.toSorted(), ["memory://a", "memory://nobody"]);
  assert.is(world.timers, 0);
});

test("connect rejects at once with the reason when every node refuses", async () => {
  const world = new World();
  const a = world.node("a");
  a.reply = { accepted: false, code: "WrongMachine", text: "stock 2 is run here" };
  const { environment, transport } = world;
  const connecting = watch(connectClient({ cluster: [a.url], machine: stock, environment, transport }));
  await world.settle();
  assert.is(connecting.code, "WrongMachine");
  assert.match(String(connecting.error?.message), /memory:\/\/a refuses this client: stock 2 is run here/);
  assert.is(world.timers, 0);
});

test("impossible options are refused with a text that says what is wrong", async () => {
  const world = new World();
  const { environment, transport } = world;
  const good = { cluster: ["ws://a:1"], machine: stock, environment, transport };
  const wrong: [object, RegExp][] = [
    [{ ...good, cluster: [] }, /empty/],
    [{ ...good, cluster: {} }, /empty/],
    [{ ...good, cluster: undefined }, /cluster/],
    [{ ...good, cluster: "ws://a:1" }, /cluster/],
    [{ ...good, cluster: ["ws://a:1", "ws://a:1/"] }, /twice/],
    [{ ...good, cluster: ["http://a:1"] }, /http:\/\/a:1/],
    [{ ...good, cluster: ["a:1"] }, /"a:1"/],
    [{ ...good, cluster: ["ws://"] }, /ws:\/\//],
    [{ ...good, cluster: [7] }, /7/],
    [null as never, /not null/],
    [{ ...good, cluster: ["ws://a:1", "wss://b:1"], transport: webSocket() }, /no TLS: wss:\/\/b:1/],
    [{ ...good, cluster: ["ws://a"], transport: webSocket() }, /ws:\/\/host:port: ws:\/\/a$/],
    [{ ...good, cluster: { a: "ws://a:0" }, transport: webSocket() }, /ws:\/\/a:0/],
    [{ ...good, transport: memory() }, /memory:\/\/name: ws:\/\/a:1/],
    [{ ...good, timeoutMs: 0 }, /timeoutMs/],
    [{ ...good, timeoutMs: null }, /timeoutMs.*null/],
    [{ ...good, sessionTtlMs: 100 }, /sessionTtlMs/],
    [{ ...good, sessionTtlMs: Number.NaN }, /sessionTtlMs/],
    [{ ...good, maxOutstanding: 1.5 }, /maxOutstanding/],
    [{ ...good, maxOutstanding: 100_000 }, /maxOutstanding/],
    [{ ...good, timeoutMS: 5 }, /timeoutMS.*timeoutMs/],
    [{ ...good, transport: undefined }, /transport/],
    [{ ...good, machine: undefined }, /machine/],
    [{ ...good, machines: [stock] }, /either/],
    [{ ...good, machine: undefined, machines: [] }, /machines/],
    [{ ...good, machine: undefined, machines: [stock, stock] }, /two named stock/],
    [{ ...good, machine: { name: "stock", version: 1 } }, /defineMachine/],
  ];
  for (const [options, text] of wrong) {
    const outcome: Outcome = watch(connectClient(options as typeof good));
    await world.settle();
    assert.is(outcome.code, "InvalidOptions", String(text));
    assert.match(String(outcome.error?.message), text);
  }
  assert.is(world.timers, 0);
});

test("the untyped core is connected and checked in the same way", async () => {
  const world = new World();
  const a = world.node("a");
  const { environment, transport } = world;
  const connecting = watch(connectCore({ cluster: [a.url], machines: [], environment, transport }));
  const wrong = watch(connectCore({ cluster: [a.url], machines: [], environment, transport, machine: 1 } as never));
  await world.settle();
  assert.is(connecting.state, "resolved");
  assert.is(wrong.code, "InvalidOptions");
});

test.run();
