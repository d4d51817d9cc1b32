// A copy of the state: from the primary, chunk by chunk, whole or not at all.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type CopiedState, copyState } from "../../src/client/backup.ts";
import { MAX_TIMEOUT_MS } from "../../src/client/options.ts";
import type { ClientMessage, Copied, NodeStatus, ServerMessage } from "../../src/protocol/client-messages.ts";
import { type Node, World, watch } from "./world.ts";

const AT = { vid: 3, seqno: 12 };

function statusOf(node: Node, primary: Node, vid: number, version: number): NodeStatus {
  return {
    ...{ id: node.id, incarnation: "00000000000000aa", clusterId: "00000000000000cc", runtime: "node 20.20.2" },
    ...{ role: node === primary ? "primary" : "backup", active: true, vid, primary: primary.id },
    members: [{ id: primary.id, incarnation: "00000000000000aa", url: primary.url }],
    ...{ acceptors: [], barred: [], invited: [], viewstamp: AT, commit: 12, applied: 12, hash: 1, sessions: 0 },
    ...{ machines: [{ name: "kv", version, able: [1, 2, 3] }], snapshotPauseMs: 0, restorePauseMs: 0, trouble: "" },
  };
}

type Copy = Extract<ClientMessage, { type: "copy" }>;

/** Knows the primary in view `vid`; what it does with a copy is up to the test. */
function knowing(
  world: World,
  id: string,
  primary: () => Node,
  vid: number,
  copy: (message: Copy) => ServerMessage[],
  version: () => number = () => 2,
): Node {
  const node = world.node(id);
  node.answer = (message) => {
    if (message.type === "askStatus")
      return [{ type: "status", xid: message.xid, status: statusOf(node, primary(), vid, version()) }];
    return message.type === "copy" ? copy(message) : [];
  };
  return node;
}

function chunk({ xid, next }: Copy, changes: Partial<Copied> = {}): ServerMessage[] {
  const isEnd = next === 3;
  const body = new Uint8Array(isEnd ? 0 : 5).fill(next);
  return [{ type: "copied", xid, at: AT, index: next, isEnd, body, ...changes }];
}

function declined(message: Copy, code: "BUSY" | "INVALID"): ServerMessage[] {
  return [{ type: "declined", xid: message.xid, code, outcomeUnknown: false, text: "because" }];
}

/** Starts a copy; what is taken is kept. */
function copying(world: World, cluster: readonly string[], takeMs = 0, signal?: AbortSignal, timeoutMs = 500) {
  const taken: number[] = [];
  const { environment, transport } = world;
  const take = (bytes: Uint8Array): Promise<void> => {
    taken.push(bytes[0] as number);
    return new Promise((resolve) => environment.setTimer(takeMs, resolve));
  };
  return {
    taken,
    copied: watch(copyState({ ...{ cluster, environment, transport, timeoutMs, take }, ...(signal && { signal }) })),
  };
}

test("a copy comes from the primary of the newest view, one chunk at a time", async () => {
  const world = new World();
  const asked: number[] = [];
  const b = knowing(
    world,
    "b",
    () => b,
    4,
    (message) => {
      asked.push(message.next);
      return chunk(message);
    },
  );
  const a = knowing(
    world,
    "a",
    () => a,
    3,
    () => [],
  );
  const { taken, copied } = copying(world, [a.url, b.url], 20);
  await world.pass(30);
  assert.equal(asked, [0, 1], "the next is asked for when the one before has been taken");
  await world.pass(100);
  assert.equal(copied.value as CopiedState, {
    at: AT,
    chunks: 3,
    clusterId: "00000000000000cc",
    machines: [{ name: "kv", version: 2 }],
  });
  assert.equal(
    [taken, asked],
    [
      [0, 1, 2],
      [0, 1, 2, 3],
    ],
  );
  assert.is(world.timers, 0);
  assert.is(b.open.length, 0);
});

test("a copy may take its time between chunks: the longest limit is one", async () => {
  const world = new World();
  const node = knowing(world, "a", () => node, 3, chunk);
  const { copied } = copying(world, [node.url], 20, undefined, MAX_TIMEOUT_MS);
  await world.pass(100);
  assert.is((copied.value as CopiedState).chunks, 3);
});

test("a busy primary is asked again; one that refuses in the middle ends the copy", async () => {
  const world = new World();
  let busy = 3;
  const a = knowing(
    world,
    "a",
    () => a,
    3,
    (message) => (busy-- > 0 ? declined(message, "BUSY") : chunk(message)),
  );
  const first = copying(world, [a.url]);
  await world.pass(450);
  assert.is((first.copied.value as CopiedState).chunks, 3);
  const b = knowing(
    world,
    "b",
    () => b,
    3,
    (message) => (message.next < 2 ? chunk(message) : declined(message, "INVALID")),
  );
  const second = copying(world, [b.url]);
  await world.pass(50);
  assert.is(second.copied.code, "InvalidInput");
  assert.is(world.timers, 0);
});

test("a copy says of which machine versions its state is, or is none", async () => {
  for (const [switchesAt, outcome] of [
    [0, 3],
    [2, "Busy"],
    [99, 2],
  ] as const) {
    const world = new World();
    let given = 0;
    const node = knowing(
      world,
      "a",
      () => node,
      3,
      (message) => {
        given++;
        return chunk(message);
      },
      () => (given >= switchesAt ? 3 : 2),
    );
    const { copied } = copying(world, [node.url]);
    await world.pass(100);
    assert.is(copied.code ?? (copied.value as CopiedState).machines[0]?.version, outcome);
    assert.is(world.timers, 0);
  }
});

test("another chunk than the next, silence, a lost connection or no primary ends the copy", async () => {
  const world = new World();
  const codes: unknown[] = [];
  const answers: ((message: Copy) => ServerMessage[])[] = [
    (message) => chunk(message, { index: message.next + 1 }),
    (message) => chunk(message, message.next === 2 ? { at: { vid: 3, seqno: 13 } } : {}),
    (message) => (message.next === 1 ? [] : chunk(message)),
    () => [],
  ];
  for (const [index, answer] of answers.entries()) {
    const node = knowing(world, `n${index}`, () => node, 3, answer);
    const { copied } = copying(world, [node.url]);
    await world.pass(600);
    codes.push(copied.code);
  }
  assert.equal(codes, ["BadMessage", "BadMessage", "Timeout", "Timeout"]);
  const lost = knowing(
    world,
    "lost",
    () => lost,
    3,
    () => [],
  );
  const { copied } = copying(world, [lost.url]);
  await world.settle();
  lost.kill();
  await world.settle();
  assert.is(copied.code, "NoQuorum");
  const nobody = copying(world, [lost.url]);
  await world.pass(600);
  assert.is(nobody.copied.code, "NoQuorum");
  assert.is(nobody.copied.error?.message, `no node answers: ${lost.url}: connection refused`);
  const fresh = knowing(
    world,
    "fresh",
    () => fresh,
    0,
    () => [],
  );
  fresh.answer = (message) =>
    message.type === "askStatus"
      ? [{ type: "status", xid: message.xid, status: { ...statusOf(fresh, fresh, 0, 1), primary: "", members: [] } }]
      : [];
  const unfounded = copying(world, [lost.url, fresh.url]);
  await world.pass(600);
  assert.is(unfounded.copied.code, "NoQuorum");
  assert.match(
    unfounded.copied.error?.message ?? "",
    /^no node that answers knows a primary; without an answer: .*lost/,
  );
  assert.is(world.timers, 0);
});

test("a copy that is given up ends at once, whatever it waits for, and asks for nothing more", async () => {
  for (const [waitsFor, answers, takeMs] of [
    ["a status", false, 0],
    ["a chunk", true, 0],
    ["whoever takes the chunk", true, 300],
  ] as const) {
    const world = new World();
    const asked: number[] = [];
    const node = knowing(
      world,
      "a",
      () => node,
      3,
      (message) => {
        asked.push(message.next);
        return takeMs > 0 ? chunk(message) : [];
      },
    );
    if (!answers) node.answer = () => [];
    const controller = new AbortController();
    const { copied } = copying(world, [node.url], takeMs, controller.signal);
    await world.pass(100);
    controller.abort(new Error("given up"));
    await world.settle();
    assert.is(copied.error?.message, "given up", waitsFor);
    const before = asked.length;
    await world.pass(1000);
    assert.is(asked.length, before, waitsFor);
    assert.is(node.open.length, 0, waitsFor);
    assert.is(world.timers, 0, waitsFor);
  }
  const world = new World();
  const { copied } = copying(world, [world.node("b").url], 0, AbortSignal.abort(new Error("before it began")));
  await world.settle();
  assert.is(copied.error?.message, "before it began");
});

test.run();
