// Addresses of the WebSocket transport.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { formatAddress, parseAddress } from "../../transports/websocket-address.ts";

test("an address has a host, a port and perhaps a path", () => {
  assert.equal(parseAddress("ws://a:7001"), { host: "a", port: 7001, path: "/" });
  assert.equal(parseAddress("ws://127.0.0.1:80/"), { host: "127.0.0.1", port: 80, path: "/" });
  assert.equal(parseAddress("ws://[::1]:0"), { host: "::1", port: 0, path: "/" });
  assert.equal(parseAddress("ws://b.example:65535/x/y-z"), { host: "b.example", port: 65535, path: "/x/y-z" });
});

test("written again it is the same", () => {
  for (const url of ["ws://a:7001", "ws://[fe80::1]:80", "ws://10.0.0.1:0/x"]) {
    assert.is(formatAddress(parseAddress(url)!), url);
  }
  assert.is(formatAddress(parseAddress("ws://a:1/")!), "ws://a:1");
});

test("anything else is no address", () => {
  for (const url of [
    "",
    "a:7001",
    "http://a:7001",
    "wss://a:7001",
    "ws://a",
    "ws://a:",
    "ws://a:65536",
    "ws://a:-1",
    "ws://:7001",
    "ws://a:7001?x=1",
    "ws://a:7001/#x",
    "ws://user@a:7001",
    "ws://::1:7001",
    "ws://[::1:7001",
    "ws://[12345::1]:7001",
    "ws://a b:7001",
    "ws://a:7001/x y",
    "ws://a:7001/x/../y",
    "ws://a:7001\n",
    " ws://a:7001",
  ]) {
    assert.is(parseAddress(url), undefined, JSON.stringify(url));
  }
});

test.run();
