// The memory transport: the conformance suite, and what only it promises.
import { once } from "node:events";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { memory, memoryNetwork } from "../../transports/memory.ts";
import { testTransport } from "./conformance.ts";
import { assertSameBytes, cleanUp, dial, echo, eventually, listen, pair, pattern } from "./recorder.ts";

test.after.each(cleanUp);

let addresses = 0;

testTransport({
  name: "memory",
  transport: () => memory(),
  freshUrl: () => `memory://node-${++addresses}`,
  badUrls: ["memory://", "memory:a", "ws://127.0.0.1:7001", "memory://a/b", "memory://a b", ""],
});

test("transports of one network reach each other, those of two do not", async () => {
  const network = memoryNetwork();
  const place = await listen(memory(network), "memory://a");
  await pair(memory(network), place);
  assert.is((await dial(memory(), "memory://a").isClosed()).refused, true);
});

test("a frame arrives as it was when it was sent", async () => {
  const transport = memory();
  const place = await listen(transport, "memory://a");
  const [dialer, taker] = await pair(transport, place);
  const frame = Buffer.from(pattern(100, 1));
  dialer.connection.send(frame);
  frame.fill(0);
  await taker.has(1);
  assertSameBytes(taker.frames[0], pattern(100, 1), "the frame");
});

test("frames of several connections arrive in the order in which they were sent", async () => {
  const transport = memory();
  const arrived: string[] = [];
  const place = await listen(transport, "memory://a");
  const pairs = [await pair(transport, place), await pair(transport, place), await pair(transport, place)];
  pairs.forEach(([, taker], index) => {
    taker.onReceived = (frame) => arrived.push(`${index}:${frame[0]}`);
  });
  for (const step of [0, 2, 1, 1, 0, 2, 2]) pairs[step]![0].connection.send(Uint8Array.of(step * 10));
  await pairs[2]![1].has(3);
  assert.equal(arrived, ["0:0", "2:20", "1:10", "1:10", "0:0", "2:20", "2:20"]);
});

test("a handler that throws takes nothing with it", async () => {
  const transport = memory();
  const place = await listen(transport, "memory://a");
  const [dialer, taker] = await pair(transport, place);
  const caught = once(process, "uncaughtException");
  taker.onReceived = () => {
    taker.onReceived = undefined;
    throw new Error("a bug above");
  };
  for (let number = 0; number < 3; number++) dialer.connection.send(pattern(10, number));
  dialer.connection.close("done");
  assert.is((await caught)[0].message, "a bug above");
  assert.is((await taker.isClosed()).reason, "done");
  assert.is(taker.frames.length, 3);
});

test("endless talk lets timers run", async () => {
  const transport = memory();
  const place = await listen(transport, "memory://a", echo);
  const [dialer] = await pair(transport, place);
  echo(dialer);
  dialer.connection.send(pattern(10, 1));
  await new Promise((resolve) => setTimeout(resolve, 5));
  await dialer.has(2);
  dialer.connection.close("enough");
  await dialer.isClosed();
  await eventually("closed", () => place.taken[0]!.end !== undefined);
});

test.run();
