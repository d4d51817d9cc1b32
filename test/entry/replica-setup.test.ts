// The options of a replica: each impossible one is refused with a text that says what to do.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { startReplica } from "../../src/entry/replica.ts";
import { type ReplicaOptions, setupOf } from "../../src/entry/replica-setup.ts";
import { kv } from "../../src/machine/kv.ts";
import { ViewstampError } from "../../src/protocol/errors.ts";
import { memoryStorage } from "../../src/storage/memory.ts";
import { memory } from "../../transports/memory.ts";
import { webSocket } from "../../transports/websocket.ts";

const cluster = { a: "memory://a", b: "memory://b", c: "memory://c" };
const good: ReplicaOptions = { id: "a", cluster, machine: kv, storage: memoryStorage(), transport: memory() };

function refusal(changes: object): ViewstampError {
  try {
    setupOf({ ...good, ...changes });
  } catch (error) {
    assert.instance(error, ViewstampError);
    return error as ViewstampError;
  }
  throw new Error("it was taken");
}

test("what a user leaves out has a default", () => {
  const setup = setupOf(good);
  assert.is(setup.listen, "memory://a");
  assert.is(setup.advertise, "memory://a");
  assert.is(setup.options.minCopies, 2);
  assert.is(setup.options.suspectMs, 500);
  assert.equal(setup.machine().versions, [{ name: "kv", version: 1 }]);
  assert.match(setup.runtime, /^(node|bun|deno) \d+\.\d+/);
});

test("a cluster of one node keeps one copy, and may listen on any free port", () => {
  const setup = setupOf({ ...good, cluster: { a: "ws://127.0.0.1:0" } });
  assert.is(setup.options.minCopies, 1);
  assert.is(setup.advertise, undefined);
});

test("listen and advertise are two options", () => {
  const { listen, advertise } = setupOf({ ...good, listen: "memory://inside" });
  assert.equal([listen, advertise], ["memory://inside", "memory://a"]);
  assert.is(setupOf({ ...good, advertise: "memory://outside" }).advertise, "memory://outside");
});

test("a node that an operator adds is named by its listen address", () => {
  const setup = setupOf({ ...good, id: "d", listen: "memory://d" });
  assert.equal(setup.cluster.at(-1), { id: "d", url: "memory://d" });
});

for (const [what, changes, option, says] of [
  ["an unknown option", { heartbeatms: 5 }, "heartbeatms", 'no option "heartbeatms"; there are: id, cluster'],
  ["no id", { id: undefined }, "id", "id must be a string"],
  ["an odd id", { id: "a b" }, "id", "must be letters, digits"],
  ["a long id", { id: "a".repeat(65) }, "id", "at most 64 characters"],
  ["an empty cluster", { cluster: {} }, "cluster", "cluster is empty"],
  [
    "an address as cluster",
    { cluster: "ws://a:1" },
    "cluster",
    'cluster must name each node: { a: "ws://host:7001", … }',
  ],
  ["a list as cluster", { cluster: ["ws://a:1"] }, "cluster", "cluster must name each node"],
  ["a cluster without this node", { id: "z" }, "cluster", 'cluster has no node "z": name it there'],
  ["an address twice", { cluster: { ...cluster, d: "memory://b" } }, "cluster", '"b" and "d" have one address'],
  ["one address in two spellings", { cluster: { a: "ws://h:1", b: "ws://H:1/" } }, "cluster", '"a" and "b" have one'],
  [
    "no address",
    { cluster: { a: "7001" } },
    "cluster",
    'cluster.a must be an address like "ws://host:7001", not "7001"',
  ],
  ["an odd id in the cluster", { cluster: { a: "ws://h:1", "": "ws://h:2" } }, "cluster", "must be letters"],
  ["port 0 among several", { cluster: { a: "ws://h:0", b: "ws://h:1" } }, "cluster", 'the address of "a" has port 0'],
  ["an address nobody can dial", { cluster: { ...cluster, d: "ws://h:1" } }, "cluster", "memory://name: ws://h:1"],
  [
    "TLS, which is not spoken",
    { cluster: { a: "ws://h:1", b: "wss://h:2" }, transport: webSocket() },
    "cluster",
    "speaks no TLS: wss://h:2",
  ],
  ["an advertised address nobody can dial", { advertise: "ws://h:1" }, "advertise", "memory://name: ws://h:1"],
  ["no machine", { machine: undefined }, "machine", "give either machine or machines"],
  ["machine and machines", { machines: [kv] }, "machine", "give either machine or machines"],
  ["no storage", { storage: undefined }, "storage", "must be a storage: fileStorage(dir)"],
  ["a transport not called", { transport: memory }, "transport", "must be a transport: webSocket(), not a function"],
  ["a number as text", { heartbeatMs: "100" }, "heartbeatMs", 'must be a whole number from 5 to 60000, not "100"'],
  ["a fraction", { maxSessions: 1.5 }, "maxSessions", "must be a whole number"],
  ["NaN", { suspectMs: Number.NaN }, "suspectMs", "must be a"],
  ["too short a suspicion", { heartbeatMs: 250 }, "suspectMs", "suspectMs (500) must exceed twice heartbeatMs (250)"],
  ["more copies than nodes", { minCopies: 4 }, "minCopies", "must not exceed the 3 nodes"],
  ["forgetting too soon", { forgetAfterMs: 1000, suspectMs: 600 }, "forgetAfterMs", "must exceed twice suspectMs"],
  ["crossed session limits", { minSessionTtlMs: 900, maxSessionTtlMs: 800 }, "minSessionTtlMs", "must not exceed"],
  ["bodies beyond a frame", { maxBodyBytes: 2 ** 19, maxInvokeBytes: 2 ** 19 }, "maxBodyBytes", "fit into one frame"],
  ["too large a window", { maxInFlightBytes: 5_000_000 }, "maxInFlightBytes", "from 1024 to 4194304"],
  ["too small a window", { maxInFlightBytes: 4096 }, "maxInFlightBytes", "at least maxInvokeBytes"],
  ["an observer that is none", { observer: "console" }, "observer", "must be a function"],
] as const) {
  test(`${what} is refused`, () => {
    const error = refusal(changes);
    assert.is(error.code, "InvalidOptions");
    assert.is(error.data["option"], option);
    assert.ok(error.message.includes(says), error.message);
  });
}

test("no options at all are refused", async () => {
  try {
    await startReplica(undefined as unknown as ReplicaOptions);
    assert.unreachable();
  } catch (error) {
    assert.is((error as ViewstampError).code, "InvalidOptions");
  }
});

test("machines that are none, or share a name, are refused", () => {
  assert.is(refusal({ machine: {} }).code, "InvalidOptions");
  assert.is(refusal({ machine: undefined, machines: [kv, kv] }).code, "InvalidOptions");
});

test.run();
