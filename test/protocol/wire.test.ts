// The wire codec: every message comes back as it was, and no bytes reach the core unchecked.
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ClientMessage, ServerMessage } from "../../src/protocol/client-messages.ts";
import type { EntryFields } from "../../src/protocol/entry-codec.ts";
import { makeEntry, readEntry } from "../../src/protocol/entry-codec.ts";
import { decodeHello, decodeHelloReply, encodeHello, encodeHelloReply } from "../../src/protocol/hello-codec.ts";
import type { Invoke, PeerMessage } from "../../src/protocol/messages.ts";
import type { Member, View } from "../../src/protocol/view.ts";
import {
  decodeClientFrame,
  decodePeerFrame,
  decodeServerFrame,
  encodeClientFrame,
  encodeClientFrames,
  encodePeerFrame,
  encodePeerFrames,
  encodeServerFrame,
  encodeServerFrames,
} from "../../src/protocol/wire.ts";
import { badMessageOf, damaged, differenceOf, onlyBadMessage } from "./arbitraries.ts";
import { anyClientMessage, anyEntry, anyHello, anyHelloReply, anyPeerMessage, anyServerMessage } from "./messages.ts";

interface Direction<M> {
  readonly name: string;
  readonly message: fc.Arbitrary<M>;
  readonly encode: (messages: readonly M[]) => Uint8Array;
  readonly encodeMany: (messages: readonly M[], maxBytes?: number) => Uint8Array[];
  readonly decode: (frame: Uint8Array) => M[];
}

function direction<M>(one: Direction<M>): void {
  const frames = suite(`frames of ${one.name}`);
  const frame = fc.array(one.message, { maxLength: 6 });

  frames("come back as they were", () => {
    fc.assert(
      fc.property(frame, (messages) => assert.equal(one.decode(one.encode(messages)), messages)),
      { numRuns: 400 },
    );
  });

  frames("that were damaged are taken whole or refused as BadMessage", () => {
    fc.assert(
      fc.property(damaged(frame.map(one.encode)), (bytes) => onlyBadMessage(() => one.decode(bytes))),
      { numRuns: 2000 },
    );
  });

  frames("of random bytes are refused as BadMessage", () => {
    const types = fc.integer({ min: 0, max: 160 });
    const content = fc.uint8Array({ maxLength: 120 });
    fc.assert(
      fc.property(types, content, (type, bytes) => {
        onlyBadMessage(() => one.decode(Uint8Array.from([1, type, 0, 0, 0, bytes.length, ...bytes])));
        onlyBadMessage(() => one.decode(bytes));
      }),
      { numRuns: 2000 },
    );
  });

  frames("are split below a limit, in order", () => {
    fc.assert(
      fc.property(fc.array(one.message, { maxLength: 30 }), (messages) => {
        const many = one.encodeMany(messages, 3000);
        assert.ok(many.every((some) => some.length <= 3000));
        assert.equal(many.flatMap(one.decode), messages);
        assert.is(one.encodeMany(messages).length, messages.length > 0 ? 1 : 0);
      }),
      { numRuns: 50 },
    );
  });

  frames.run();
}

direction<PeerMessage>({
  name: "nodes",
  message: anyPeerMessage,
  encode: encodePeerFrame,
  encodeMany: encodePeerFrames,
  decode: decodePeerFrame,
});
direction<ClientMessage>({
  name: "clients",
  message: anyClientMessage,
  encode: encodeClientFrame,
  encodeMany: encodeClientFrames,
  decode: decodeClientFrame,
});
direction<ServerMessage>({
  name: "answers",
  message: anyServerMessage,
  encode: encodeServerFrame,
  encodeMany: encodeServerFrames,
  decode: decodeServerFrame,
});

const wire = suite("wire");

wire("a single message beyond the limit is a broken invariant", () => {
  const chunk: PeerMessage = {
    type: "snapshotChunk",
    vid: 1,
    at: { vid: 1, seqno: 1 },
    index: 0,
    bytes: new Uint8Array(1000),
  };
  assert.throws(() => encodePeerFrames([{ type: "alive", vid: 1 }, chunk], 1000), /broken invariant: a snapshotChunk/);
  assert.is(encodePeerFrames([chunk, chunk, chunk], 1100).length, 3);
});

wire("an unknown type, version or direction is refused", () => {
  assert.match(
    badMessageOf(() => decodePeerFrame(new Uint8Array([1, 200, 0, 0, 0, 0]))),
    "200 is no type",
  );
  assert.match(
    badMessageOf(() => decodePeerFrame(new Uint8Array([2]))),
    "frame version 2",
  );
  assert.match(
    badMessageOf(() => decodePeerFrame(new Uint8Array(0))),
    "cut short",
  );
  const reply = encodeServerFrame([{ type: "keptAlive", xid: 1 }]);
  assert.match(
    badMessageOf(() => decodeClientFrame(reply)),
    "no type of message here",
  );
  assert.match(
    badMessageOf(() => decodePeerFrame(reply)),
    "no type of message here",
  );
});

wire("a message with bytes left over is refused", () => {
  assert.match(
    badMessageOf(() => decodePeerFrame(new Uint8Array([1, 4, 0, 0, 0, 2, 5, 5]))),
    "1 bytes too many",
  );
});

wire("a number that no counter can have is a broken invariant where it is sent", () => {
  for (const vid of [-1, 1.5, 2 ** 53, Number.NaN]) {
    assert.throws(() => encodePeerFrame([{ type: "alive", vid }]), /broken invariant/);
  }
});

wire("a long refusal is cut, not refused in turn", () => {
  const text = "x".repeat(5000);
  const sent = encodeServerFrame([
    { type: "declined", xid: 1, code: "INVALID", outcomeUnknown: false, text },
    { type: "requestRefused", session: { vid: 1, seqno: 1 }, number: 1, code: "INVALID", outcomeUnknown: false, text },
  ]);
  assert.equal(
    decodeServerFrame(sent).map((one) => ("text" in one ? one.text.length : 0)),
    [2048, 2048],
  );
});

wire.run();

const views = suite("views that are sent");
const member = (id: string, incarnation = `${id}1`): Member => ({ id, incarnation, url: `ws://${id}` });
const good: View = {
  vid: 3,
  members: [member("a"), member("b")],
  acceptors: [member("a"), member("b"), member("c")],
  barred: ["x", "y"],
  invited: [{ id: "z", url: "ws://z" }],
  primary: "a",
};

function faultOf(change: Partial<Record<keyof View, unknown>>): string {
  const view = { ...good, ...change } as View;
  return badMessageOf(() => decodePeerFrame(encodePeerFrame([{ type: "decided", view }])));
}

views("are refused by what is wrong with them", () => {
  assert.equal(decodePeerFrame(encodePeerFrame([{ type: "decided", view: good }])), [{ type: "decided", view: good }]);
  assert.match(faultOf({ vid: 0 }), "decided, view.vid");
  assert.match(faultOf({ vid: 2 ** 60 }), "view.vid");
  assert.match(faultOf({ members: [member("b"), member("a")] }), "not in order");
  assert.match(faultOf({ members: [member("a"), member("a")] }), "twice");
  assert.match(faultOf({ barred: ["y", "x"] }), "not in order");
  assert.match(faultOf({ invited: [{ id: "", url: "" }] }), "invited.0.id");
  assert.match(faultOf({ members: [member("a"), member("d")] }), "a member is no acceptor");
  assert.match(faultOf({ members: [member("a"), member("b", "b2")] }), "a member is no acceptor");
  assert.match(faultOf({ members: [] }), "the primary is no member");
  assert.match(faultOf({ primary: "c" }), "the primary is no member");
  assert.match(faultOf({ primary: "a".repeat(65) }), "view.primary");
  assert.match(faultOf({ acceptors: [{ ...member("a"), url: "x".repeat(2049) }] }), "acceptors.0.url");
  assert.match(faultOf({ acceptors: [{ ...member("a"), extra: 1 }] }), "acceptors.0");
  assert.match(faultOf({ barred: undefined }), "view.barred");
});

views("belong to the instance that they are sent for", () => {
  const ballot = { round: 1, node: "a" };
  const refuse = (message: PeerMessage) => badMessageOf(() => decodePeerFrame(encodePeerFrame([message])));
  assert.match(refuse({ type: "accept", instance: 4, ballot, value: good }), "not of this instance");
  const accepted = { ballot, value: good };
  assert.match(refuse({ type: "promise", instance: 4, ballot, accepted }), "not of this instance");
});

views.run();

const logs = suite("logs that are sent");
const session = { vid: 1, seqno: 1 };

function entry(vid: number, seqno: number, time = 1) {
  return makeEntry({
    kind: "command",
    vid,
    seqno,
    time,
    session,
    number: 1,
    acknowledgedThrough: 0,
    body: new Uint8Array([seqno]),
  });
}

function refusedInvoke(change: Partial<Invoke>): string {
  const invoke: Invoke = {
    type: "invoke",
    vid: 3,
    start: 0,
    commit: 0,
    previous: { vid: 1, seqno: 4 },
    entries: [entry(2, 5), entry(3, 6)],
    ...change,
  };
  return badMessageOf(() => decodePeerFrame(encodePeerFrame([invoke])));
}

logs("have consecutive entries of views and times that never fall", () => {
  assert.match(refusedInvoke({ entries: [entry(2, 6)] }), "entry 6 after 4");
  assert.match(refusedInvoke({ entries: [entry(2, 5), entry(2, 7)] }), "entry 7 after 5");
  assert.match(refusedInvoke({ entries: [entry(2, 5), entry(1, 6)] }), "entry 6 of view 1 after one of view 2");
  assert.match(refusedInvoke({ previous: { vid: 3, seqno: 4 } }), "entry 5 of view 2 after one of view 3");
  assert.match(refusedInvoke({ entries: [entry(2, 5, 9), entry(2, 6, 8)] }), "earlier");
  assert.match(refusedInvoke({ vid: 2 }), "view 2 sends an entry of view 3");
});

logs("have runs that ascend", () => {
  const refuse = (hex: string) =>
    badMessageOf(() => decodePeerFrame(Uint8Array.from(hex.match(/../g)!, (pair) => Number.parseInt(pair, 16))));
  assert.match(refuse("010800000007" + "03" + "0104" + "01" + "0100" + "00" + "00"), "an empty run");
  assert.match(refuse("010800000009" + "03" + "0104" + "02" + "0101" + "0001" + "00"), "two runs of view 2");
});

logs("of a hundred thousand views still fit in a frame", () => {
  const runs = Array.from({ length: 100_000 }, (_, index) => ({ vid: index + 1, lastSeqno: (index + 1) * 100 }));
  const place = { base: { vid: 0, seqno: 0 }, runs, snapshot: undefined, able: [] };
  const located: PeerMessage = { type: "located", vid: 1, ...place };
  assert.is(encodePeerFrames([located]).length, 1);
});

logs.run();

const entries = suite("entries");

entries("come back as they were, without copying", () => {
  fc.assert(
    fc.property(anyEntry, fc.uint8Array({ maxLength: 5 }), (one, before) => {
      const source = Uint8Array.from([...before, ...one.bytes, 7]);
      const { entry: read, end } = readEntry(source, before.length);
      assert.equal({ ...read }, one);
      assert.is(end, source.length - 1);
      assert.is(differenceOf(read.bytes, one.bytes), "");
      assert.is(read.bytes.buffer, source.buffer);
      assert.is(
        read.body.buffer.byteLength === 0 || read.body.length === 0 || read.body.buffer === source.buffer,
        true,
      );
    }),
  );
});

entries("do not hold the frame that their body came in", () => {
  const frame = new Uint8Array(1000);
  const made = makeEntry({ ...entry(1, 1), body: frame.subarray(10, 20) });
  assert.is.not(made.body.buffer, frame.buffer);
  assert.is(made.body.buffer, made.bytes.buffer);
});

entries("that are damaged are refused as BadMessage", () => {
  const bytes = damaged(anyEntry.map((one) => one.bytes));
  fc.assert(
    fc.property(bytes, (some) => onlyBadMessage(() => readEntry(some))),
    { numRuns: 1000 },
  );
});

entries("that contradict themselves are a broken invariant when made", () => {
  const wrong: Partial<EntryFields>[] = [
    { vid: 0 },
    { seqno: 0 },
    { time: -1 },
    { time: Number.NaN },
    { number: 0 },
    { session: { vid: 0, seqno: 0 } },
    { kind: "open" },
    { kind: "tick", number: 0 },
    { kind: "end" },
  ];
  for (const change of wrong) {
    assert.throws(() => makeEntry({ ...entry(1, 1), ...change }), /broken invariant/, JSON.stringify(change));
  }
});

entries.run();

const hellos = suite("hellos");

hellos("come back as they were", () => {
  fc.assert(fc.property(anyHello, (hello) => assert.equal(decodeHello(encodeHello(hello)), hello)));
  fc.assert(fc.property(anyHelloReply, (reply) => assert.equal(decodeHelloReply(encodeHelloReply(reply)), reply)));
});

hellos("that are damaged are refused as BadMessage", () => {
  const bytes = damaged(fc.oneof(anyHello.map(encodeHello), anyHelloReply.map(encodeHelloReply)));
  fc.assert(
    fc.property(bytes, (some) => {
      onlyBadMessage(() => decodeHello(some));
      onlyBadMessage(() => decodeHelloReply(some));
    }),
    { numRuns: 1000 },
  );
  assert.match(
    badMessageOf(() => decodeHello(new TextEncoder().encode("GET / HTTP/1.1"))),
    "no hello of viewstamp",
  );
});

hellos("of a later version are still read: what is new is left out", () => {
  const hello = { ...fc.sample(anyHello, 1)[0]!, colour: "blue" };
  assert.not("colour" in decodeHello(encodeHello(hello)));
  const refusal = { accepted: false, code: "TooBlue", text: "no" } as unknown as Parameters<typeof encodeHelloReply>[0];
  assert.equal(decodeHelloReply(encodeHelloReply(refusal)), { accepted: false, code: "WrongProtocol", text: "no" });
});

hellos("of a peer say who it is", () => {
  const hello = fc.sample(anyHello, 1)[0]!;
  assert.match(
    badMessageOf(() => decodeHello(encodeHello({ ...hello, role: "peer", node: undefined }))),
    "a peer",
  );
});

hellos.run();
