// The WebSocket transport: the conformance suite, and what only a network can do to it.
import { once } from "node:events";
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { test } from "uvu";
import * as assert from "uvu/assert";
import WebSocket, { WebSocketServer } from "ws";
import { MAX_FRAME_BYTES } from "../../src/protocol/transport.ts";
import { type WebSocketOptions, webSocket } from "../../transports/websocket.ts";
import { failure, testTransport } from "./conformance.ts";
import {
  afterwards,
  assertSameBytes,
  cleanUp,
  dial,
  echo,
  eventually,
  listen,
  pair,
  pattern,
  type Recorder,
} from "./recorder.ts";

test.after.each(cleanUp);

const anyPort = "ws://127.0.0.1:0";

testTransport({
  name: "WebSocket",
  transport: () => webSocket(),
  freshUrl: () => anyPort,
  badUrls: [
    "",
    "garbage",
    "http://127.0.0.1:7001",
    "ws://127.0.0.1",
    "ws://:7001",
    "ws://127.0.0.1:70000",
    "ws://a b:1",
  ],
});

test("unknown and impossible options are refused", () => {
  for (const [options, hint] of [
    [{ maxFrameByte: 1 }, "maxFrameBytes"],
    [{ toString: 1 }, "toString"],
    [{ maxFrameBytes: 0 }, "1024"],
    [{ maxFrameBytes: 2_000.5 }, "2000.5"],
    [{ dialTimeoutMs: "1" }, "whole number"],
    [{ dialTimeoutMs: 2 ** 31 }, "2147483647"],
    [{ closeTimeoutMs: Number.NaN }, "NaN"],
  ] as const) {
    assert.throws(
      () => webSocket(options as WebSocketOptions),
      (error: { code: string; message: string }) => error.code === "InvalidOptions" && error.message.includes(hint),
      JSON.stringify(options),
    );
  }
  webSocket({ maxFrameBytes: 1_024, dialTimeoutMs: 1, closeTimeoutMs: 1 });
});

test("a listener on port 0 tells its real port, and keeps its path", async () => {
  const place = await listen(webSocket(), `${anyPort}/cluster`, echo);
  assert.match(place.listener.url, /^ws:\/\/127\.0\.0\.1:[1-9]\d*\/cluster$/);
  const [dialer] = await pair(webSocket(), place);
  dialer.connection.send(pattern(10, 1));
  await dialer.has(1);
  const elsewhere = dial(webSocket(), place.listener.url.replace("/cluster", "/other"));
  const { refused, reason } = await elsewhere.isClosed();
  assert.is(refused, false);
  assert.match(reason, "404");
});

test("names and IPv6 addresses can be listened at", async () => {
  const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === "::1"));
  for (const url of ["ws://localhost:0", ...(hasIpv6 ? ["ws://[::1]:0"] : [])]) {
    const place = await listen(webSocket(), url, echo);
    assert.is(place.listener.url.replace(/\d+$/, "0"), url);
    const [dialer] = await pair(webSocket(), place);
    await place.listener.close();
    await dialer.isClosed();
    assert.is((await dial(webSocket(), place.listener.url).isClosed()).refused, true, url);
  }
});

test("an address that is not of this machine can't be listened at", async () => {
  for (const url of ["ws://192.0.2.77:7001", "ws://no-such-host.invalid:7001"]) {
    const error = await failure(listen(webSocket(), url));
    assert.is(error.code, "InvalidOptions");
    assert.match(error.message, url);
  }
});

test("plain HTTP is told to upgrade", async () => {
  const place = await listen(webSocket(), anyPort);
  const response = await fetch(place.listener.url.replace("ws:", "http:"));
  assert.is(response.status, 426);
  assert.is(response.headers.get("upgrade"), "websocket");
  assert.match(await response.text(), "WebSocket");
  assert.is(place.taken.length, 0);
});

test("text frames and too large ones end their connection with a reason, and no other", async () => {
  const place = await listen(webSocket(), anyPort, echo);
  const [dialer] = await pair(webSocket(), place);
  for (const [message, code, reason] of [
    ["text", 1003, /text/],
    [new Uint8Array(MAX_FRAME_BYTES + 1), 1009, /max payload/i],
  ] as const) {
    const stranger = await openSocket(place.listener.url);
    stranger.send(message);
    const [closeCode] = await once(stranger, "close");
    assert.is(closeCode, code);
    const taker = place.taken.at(-1)!;
    assert.match((await taker.isClosed()).reason, reason);
    assert.equal(taker.events, ["opened", "closed"]);
  }
  dialer.connection.send(pattern(10, 1));
  await dialer.has(1);
});

test("text frames and too large ones from a listener end the dialer's connection with a reason", async () => {
  for (const [message, reason] of [
    ["text", /text/],
    [new Uint8Array(MAX_FRAME_BYTES + 1), /max payload/i],
  ] as const) {
    const { url } = await strangeServer((socket) => socket.send(message));
    const dialer = dial(webSocket(), url);
    assert.match((await dialer.isClosed()).reason, reason);
    assert.equal(dialer.events, ["opened", "closed"]);
  }
});

test("bytes that are no HTTP, and half a handshake, do the listener no harm", async () => {
  const place = await listen(webSocket(), anyPort);
  const port = Number(new URL(place.listener.url).port);
  const sockets: Socket[] = [];
  for (const bytes of [pattern(1_000, 1), "GET / HTTP/1.1\r\nUpgrade: websocket\r\n", `${halfUpgrade}\r\n`, "G"]) {
    const socket = connectTcp(port, "127.0.0.1");
    socket.on("error", () => {});
    await once(socket, "connect");
    socket.write(bytes);
    sockets.push(socket);
  }
  await pair(webSocket(), place);
  assert.is(place.taken.length, 1);
  const gone = sockets.map((socket) => socket.destroyed || once(socket, "close"));
  for (const socket of sockets) socket.resume();
  await place.listener.close();
  await Promise.all(gone);
});

test("a dial that nobody answers ends in time", async () => {
  const held: Socket[] = [];
  const silent = createServer((socket) => {
    held.push(socket.on("error", () => {}));
  }).listen(0, "127.0.0.1");
  await once(silent, "listening");
  afterwards(() => {
    for (const socket of held) socket.destroy();
    silent.close();
  });
  const dialer = dial(webSocket({ dialTimeoutMs: 50 }), `ws://127.0.0.1:${(silent.address() as AddressInfo).port}`);
  assert.equal(await dialer.isClosed(), { refused: false, reason: "no answer within 50 ms" });
});

test("the time limits of dialing and closing don't touch an open connection", async () => {
  const place = await listen(webSocket(), anyPort, echo);
  const dialer = dial(webSocket({ dialTimeoutMs: 2_000, closeTimeoutMs: 1 }), place.listener.url);
  await dialer.isOpen();
  await new Promise((resolve) => setTimeout(resolve, 2_100));
  dialer.connection.send(pattern(10, 1));
  await dialer.has(1);
});

test("a peer that doesn't read is seen in queuedBytes, and can be cut off", async () => {
  const place = await listen(webSocket(), anyPort);
  const stranger = await openSocket(place.listener.url);
  stranger.pause();
  const { url, sockets } = await strangeServer((socket) => socket.pause());
  const dialer = dial(webSocket(), url);
  await dialer.isOpen();
  await eventually("accepted", () => sockets.length === 1);
  for (const end of [place.taken[0]!, dialer]) {
    await fillUp(end);
    assert.ok(end.connection.queuedBytes > 4 * MAX_FRAME_BYTES, `${end.connection.queuedBytes}`);
    end.connection.close("too slow", true);
    assert.is(end.connection.queuedBytes, 0);
    assert.is((await end.isClosed()).reason, "too slow");
  }
});

test("a close in good order that the peer doesn't answer ends in time", async () => {
  const { url } = await strangeServer((socket) => socket.pause());
  const dialer = dial(webSocket({ closeTimeoutMs: 50 }), url);
  await dialer.isOpen();
  await fillUp(dialer);
  dialer.connection.close("good night");
  assert.equal(await dialer.isClosed(), { refused: false, reason: "good night" });
});

test("a long reason is cut between characters", async () => {
  const place = await listen(webSocket(), anyPort);
  const [dialer, taker] = await pair(webSocket(), place);
  dialer.connection.close("€".repeat(100));
  assert.is((await taker.isClosed()).reason, "€".repeat(41));
});

test("a smaller frame limit holds on both sides", async () => {
  const small = webSocket({ maxFrameBytes: 2_000 });
  const place = await listen(small, anyPort, echo);
  const [dialer] = await pair(small, place);
  dialer.connection.send(pattern(2_000, 1));
  await dialer.has(1);
  assertSameBytes(dialer.frames[0], pattern(2_000, 1), "the largest");
  dialer.connection.send(pattern(2_001, 1));
  assert.match((await dialer.isClosed()).reason, "2000");
  const [large, taker] = await pair(webSocket(), place);
  large.connection.send(pattern(2_001, 1));
  assert.match((await taker.isClosed()).reason, /max payload/i);
  assert.match((await large.isClosed()).reason, "too large");
});

const halfUpgrade = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";

async function openSocket(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  afterwards(() => socket.terminate());
  socket.on("error", () => {});
  await once(socket, "open");
  return socket;
}

/** A WebSocket server that is not ours. */
async function strangeServer(greet: (socket: WebSocket) => void): Promise<{ url: string; sockets: WebSocket[] }> {
  const sockets: WebSocket[] = [];
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
  server.on("connection", (socket) => {
    socket.on("error", () => {});
    sockets.push(socket);
    greet(socket);
  });
  await once(server, "listening");
  afterwards(() => {
    for (const socket of sockets) socket.terminate();
    server.close();
  });
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets };
}

/** Sends until the network takes no more. */
async function fillUp(end: Recorder): Promise<void> {
  let quiet = 0;
  for (let sent = 0; quiet < 5 && sent < 64; sent++) {
    const before = end.connection.queuedBytes;
    end.connection.send(new Uint8Array(MAX_FRAME_BYTES));
    await new Promise((resolve) => setTimeout(resolve, 1));
    quiet = end.connection.queuedBytes >= before + MAX_FRAME_BYTES ? quiet + 1 : 0;
  }
  assert.is(quiet, 5, "the network took everything");
}

test.run();
