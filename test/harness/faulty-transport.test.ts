import { suite } from "uvu";
import * as assert from "uvu/assert";
import { encodeHello } from "../../src/protocol/hello-codec.ts";
import type { Connection, ConnectionHandler, Transport } from "../../src/protocol/transport.ts";
import { encodePeerFrame } from "../../src/protocol/wire.ts";
import { FaultyTransport } from "./faulty-transport.ts";
import type { Sighting } from "./traps.ts";

/** A connection whose other end is the test. */
class Wire implements Connection, Transport {
  readonly queuedBytes = 0;
  readonly sent: Uint8Array[] = [];
  ended = "";
  other: ConnectionHandler | undefined;
  #accept: ((connection: Connection) => ConnectionHandler) | undefined;

  send(frame: Uint8Array): void {
    this.sent.push(frame);
  }

  close(reason: string): void {
    this.ended = reason;
  }

  dial(_url: string, handler: ConnectionHandler): Connection {
    this.other = handler;
    return this;
  }

  async listen(url: string, accept: (connection: Connection) => ConnectionHandler) {
    this.#accept = accept;
    return { url, close: async () => {} };
  }

  comesIn(): ConnectionHandler {
    return this.#accept!(this);
  }
}

class Owner implements ConnectionHandler {
  readonly log: string[] = [];
  opened(): void {
    this.log.push("opened");
  }
  received(frame: Uint8Array): void {
    this.log.push(`received ${frame.length}`);
  }
  closed({ reason }: { readonly reason: string }): void {
    this.log.push(`closed: ${reason}`);
  }
}

const cluster = { p0: "ws://h:1", p1: "ws://h:2" };
const hello: Uint8Array = encodeHello({
  protocol: { least: 1, newest: 1 },
  role: "peer",
  clusterId: undefined,
  node: { id: "p1", incarnation: "0123456789abcdef", url: "ws://h:2" },
  machines: [],
  options: { minCopies: 2, maxBodyBytes: 1024, driftPercent: 1 },
  authentication: undefined,
});
const alive = encodePeerFrame([{ type: "alive", vid: 3 }]);

function watched(): { seen: string[]; watch: { any: boolean; see(sighting: Sighting): void } } {
  const seen: string[] = [];
  return { seen, watch: { any: true, see: ({ at, peer, what }) => seen.push(`${at} ${what["type"]} ${peer}`) } };
}

const faulty = suite("the faulty transport");

faulty("passes everything on while nothing is cut, and shows the messages", () => {
  const { seen, watch } = watched();
  const wire = new Wire();
  const owner = new Owner();
  const connection = new FaultyTransport(wire, cluster, watch).dial(cluster.p1, owner);
  wire.other!.opened();
  connection.send(hello);
  connection.send(alive);
  connection.send(new Uint8Array(0));
  wire.other!.received(new Uint8Array(7));
  wire.other!.closed({ refused: false, reason: "over" });
  assert.is(wire.sent.length, 3);
  assert.equal(owner.log, ["opened", "received 7", "closed: over"]);
  assert.equal(seen, ["before-send alive p1", "sent alive p1"]);
});

faulty("holds what a cut link carries, and delivers it in order when it heals", () => {
  const wire = new Wire();
  const owner = new Owner();
  const transport = new FaultyTransport(wire, cluster, watched().watch);
  const connection = transport.dial(cluster.p1, owner);
  wire.other!.opened();
  transport.cut("p1", "out");
  connection.send(hello);
  wire.other!.received(new Uint8Array(1));
  transport.cut("all", "in");
  wire.other!.received(new Uint8Array(2));
  wire.other!.closed({ refused: false, reason: "over" });
  assert.is(wire.sent.length, 0);
  assert.is(connection.queuedBytes, hello.length);
  assert.equal(owner.log, ["opened", "received 1"]);
  transport.heal("p1");
  assert.is(wire.sent.length, 1);
  assert.equal(owner.log, ["opened", "received 1", "received 2", "closed: over"]);
});

faulty("learns from the hello who has dialed", async () => {
  const { seen, watch } = watched();
  const wire = new Wire();
  const owner = new Owner();
  const transport = new FaultyTransport(wire, cluster, watch);
  await transport.listen(cluster.p0, () => owner);
  const pipe = wire.comesIn();
  pipe.opened();
  pipe.received(hello);
  pipe.received(alive);
  assert.equal(seen, ["received alive p1"]);
  transport.cut("p1", "in");
  pipe.received(alive);
  assert.is(owner.log.length, 3);
  assert.is(seen.length, 1);
});

faulty("a trap that cuts holds back the very frame that sprang it", () => {
  const wire = new Wire();
  const cutting = { any: true, see: () => transport.cut("p1", "out") };
  const transport: FaultyTransport = new FaultyTransport(wire, cluster, cutting);
  const connection = transport.dial(cluster.p1, new Owner());
  connection.send(hello);
  connection.send(alive);
  assert.is(wire.sent.length, 1);
});

faulty("nobody answers and nobody refuses a dial over a cut link", async () => {
  const transport = new FaultyTransport(new Wire(), cluster, watched().watch);
  transport.cut("p1", "in");
  const closed = await new Promise((resolve) => {
    const handler = { opened: () => {}, received: () => {}, closed: resolve };
    transport.dial(cluster.p1, handler).close("given up");
  });
  assert.equal(closed, { refused: false, reason: "given up" });
});

faulty.run();
