// What every transport must do: the contract of src/protocol/transport.ts, one test for each promise.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ViewstampError } from "../../src/protocol/errors.ts";
import { MAX_FRAME_BYTES, type Transport } from "../../src/protocol/transport.ts";
import {
  assertSameBytes,
  cleanUp,
  dial,
  echo,
  eventually,
  listen,
  type Place,
  pair,
  pattern,
  Recorder,
} from "./recorder.ts";

export interface Fixture {
  readonly name: string;
  transport(): Transport;
  /** An address that can be listened at; a new one, or a new port, each time. */
  freshUrl(): string;
  readonly badUrls: readonly string[];
}

interface Ground extends Place {
  readonly transport: Transport;
}

const sizes = [0, 1, 125, 126, 127, 1_000, 65_535, 65_536, 200_000];

export function testTransport(fixture: Fixture): void {
  const it = suite(`${fixture.name} transport`);
  it.after.each(cleanUp);

  /** A test on a fresh transport with one listener. */
  const on = (name: string, body: (ground: Ground) => Promise<void>, prepare?: (recorder: Recorder) => void): void => {
    it(name, async () => {
      const transport = fixture.transport();
      await body({ transport, ...(await listen(transport, fixture.freshUrl(), prepare)) });
    });
  };

  on("carries frames whole and in order, both ways", async (ground) => {
    const [dialer, taker] = await pair(ground.transport, ground);
    for (const [from, to] of [
      [dialer, taker],
      [taker, dialer],
    ] as const) {
      for (const [index, size] of sizes.entries()) from.connection.send(pattern(size, index));
      for (let number = 0; number < 1_000; number++) from.connection.send(pattern(8, number));
      await to.has(sizes.length + 1_000);
      for (const [index, size] of sizes.entries())
        assertSameBytes(to.frames[index], pattern(size, index), `${size} bytes`);
      for (const [number, frame] of to.frames.slice(sizes.length).entries())
        assertSameBytes(frame, pattern(8, number), `${number}`);
    }
  });

  on("carries a frame of the largest size", async (ground) => {
    const frame = pattern(MAX_FRAME_BYTES, 7);
    const [dialer, taker] = await pair(ground.transport, ground);
    dialer.connection.send(frame);
    await taker.has(1);
    assertSameBytes(taker.frames[0], frame, "to the listener");
    taker.connection.send(frame);
    await dialer.has(1);
    assertSameBytes(dialer.frames[0], frame, "to the dialer");
  });

  on("ends a connection whose frame is too large, and no other", async (ground) => {
    const [other] = await pair(ground.transport, ground);
    for (const sender of [0, 1] as const) {
      const ends = await pair(ground.transport, ground);
      ends[sender].connection.send(new Uint8Array(MAX_FRAME_BYTES + 1));
      assert.match((await ends[sender].isClosed()).reason, `${MAX_FRAME_BYTES}`);
      await ends[1 - sender]!.isClosed();
      assert.is(ends[1 - sender]!.frames.length, 0);
    }
    other.connection.send(pattern(10, 1));
    await ground.taken[0]!.has(1);
  });

  on("takes a view of a larger buffer for what it shows", async (ground) => {
    const [dialer, taker] = await pair(ground.transport, ground);
    const whole = pattern(1_000, 3);
    dialer.connection.send(whole.subarray(100, 200));
    taker.connection.send(whole.subarray(300, 400));
    await Promise.all([dialer.has(1), taker.has(1)]);
    assertSameBytes(taker.frames[0], whole.slice(100, 200), "to the listener");
    assertSameBytes(dialer.frames[0], whole.slice(300, 400), "to the dialer");
  });

  on("gives the receiver frames of its own", async (ground) => {
    const [dialer, taker] = await pair(ground.transport, ground);
    const frame = pattern(100, 1);
    for (let copy = 0; copy < 3; copy++) dialer.connection.send(frame);
    await taker.has(3);
    taker.frames[0]!.fill(0);
    taker.frames[2]!.fill(255);
    assertSameBytes(taker.frames[1], pattern(100, 1), "its neighbour");
    assertSameBytes(frame, pattern(100, 1), "the sender's");
  });

  on("drops what is sent before it is open", async (ground) => {
    const dialer = dial(ground.transport, ground.listener.url);
    dialer.connection.send(pattern(10, 1));
    assert.is(dialer.connection.queuedBytes, 0);
    await dialer.isOpen();
    dialer.connection.send(pattern(20, 2));
    await eventually("accepted", () => ground.taken.length === 1);
    await ground.taken[0]!.has(1);
    assertSameBytes(ground.taken[0]!.frames[0], pattern(20, 2), "the first that arrives");
  });

  on(
    "accepts, opens and then receives, also what is sent from inside opened",
    async (ground) => {
      const dialer = new Recorder();
      dialer.onOpened = () => dialer.connection.send(pattern(30, 1));
      dial(ground.transport, ground.listener.url, dialer);
      await dialer.has(1);
      await eventually("accepted", () => ground.taken.length === 1);
      await ground.taken[0]!.has(1);
      assert.equal(dialer.events, ["opened", "received"]);
      assert.equal(ground.taken[0]!.events, ["opened", "received"]);
      assertSameBytes(dialer.frames[0], pattern(40, 2), "from the listener");
      assertSameBytes(ground.taken[0]!.frames[0], pattern(30, 1), "from the dialer");
    },
    (taker) => {
      taker.onOpened = () => taker.connection.send(pattern(40, 2));
    },
  );

  on("calls no handler from inside dial, send or close", async (ground) => {
    const recorder = new Recorder();
    dial(ground.transport, ground.listener.url, recorder);
    assert.equal(recorder.events, []);
    await recorder.isOpen();
    await eventually("accepted", () => ground.taken.length === 1);
    recorder.connection.send(pattern(10, 1));
    assert.is(ground.taken[0]!.frames.length, 0);
    await ground.taken[0]!.has(1);
    recorder.connection.close("done", true);
    assert.equal(recorder.events, ["opened"]);
    assert.is(ground.taken[0]!.end, undefined);
    await recorder.isClosed();
  });

  on("delivers what was sent before a close in good order, and the reason", async (ground) => {
    for (const closer of [0, 1] as const) {
      const ends = await pair(ground.transport, ground);
      const [near, far] = [ends[closer], ends[1 - closer]!];
      for (let number = 0; number < 100; number++) near.connection.send(pattern(10_000, number));
      near.connection.close("enough for today ü");
      near.connection.send(pattern(10, 1));
      const [nearEnd, farEnd] = await Promise.all([near.isClosed(), far.isClosed()]);
      assert.equal(farEnd, { refused: false, reason: "enough for today ü" });
      assert.equal(nearEnd, { refused: false, reason: "enough for today ü" });
      assert.is(far.frames.length, 100);
      for (const [number, frame] of far.frames.entries()) assertSameBytes(frame, pattern(10_000, number), `${number}`);
    }
  });

  on("ends both ends at an abrupt close", async (ground) => {
    for (const closer of [0, 1] as const) {
      const ends = await pair(ground.transport, ground);
      ends[closer].connection.close("gone", true);
      assert.equal(await ends[closer].isClosed(), { refused: false, reason: "gone" });
      assert.is((await ends[1 - closer]!.isClosed()).refused, false);
      for (const end of ends) end.assertOrder();
    }
  });

  on("drops the queue at an abrupt close", async (ground) => {
    const [dialer, taker] = await pair(ground.transport, ground);
    let sent = 0;
    while (dialer.connection.queuedBytes === 0 && sent++ < 64) dialer.connection.send(new Uint8Array(MAX_FRAME_BYTES));
    for (let more = 0; more < 8; more++) dialer.connection.send(new Uint8Array(MAX_FRAME_BYTES));
    dialer.connection.close("enough", true);
    assert.is(dialer.connection.queuedBytes, 0);
    await taker.isClosed();
    assert.ok(taker.frames.length < sent + 8, `${taker.frames.length} of ${sent + 8} arrived`);
  });

  on("receives nothing after its own close, and ends once", async (ground) => {
    for (const abrupt of [false, true]) {
      const [dialer, taker] = await pair(ground.transport, ground);
      dialer.onReceived = () => taker.connection.send(pattern(1_000, 1));
      for (let number = 0; number < 50; number++) taker.connection.send(pattern(1_000, number));
      await dialer.has(10);
      dialer.connection.close("first", abrupt);
      const atClose = dialer.frames.length;
      dialer.connection.close("second", abrupt);
      await Promise.all([dialer.isClosed(), taker.isClosed()]);
      dialer.connection.close("third", true);
      dialer.connection.send(pattern(10, 1));
      taker.connection.send(pattern(10, 1));
      taker.connection.close("fourth");
      await pair(ground.transport, ground);
      assert.is(dialer.frames.length, atClose);
      assert.is(dialer.end?.reason, "first");
      assert.is(dialer.connection.queuedBytes + taker.connection.queuedBytes, 0);
      dialer.assertOrder();
      taker.assertOrder();
    }
  });

  on("may be closed from inside every call of its handler", async (ground) => {
    const inOpened = new Recorder();
    inOpened.onOpened = () => inOpened.connection.close("in opened", true);
    assert.is((await dial(ground.transport, ground.listener.url, inOpened).isClosed()).reason, "in opened");
    inOpened.assertOrder();
    const [dialer, taker] = await pair(ground.transport, ground);
    taker.onReceived = () => taker.connection.close("in received");
    for (let number = 0; number < 5; number++) dialer.connection.send(pattern(10, number));
    assert.is((await dialer.isClosed()).reason, "in received");
    await taker.isClosed();
    assert.is(taker.frames.length, 1);
    taker.assertOrder();
  });

  on(
    "may be closed from inside accept",
    async (ground) => {
      const dialer = dial(ground.transport, ground.listener.url);
      assert.is((await dialer.isClosed()).refused, false);
      assert.equal(await ground.taken[0]!.isClosed(), { refused: false, reason: "not now" });
      assert.equal(ground.taken[0]!.events, ["closed"]);
      dialer.assertOrder();
    },
    (taker) => taker.connection.close("not now"),
  );

  on("ends both ends once when both close at a time", async (ground) => {
    const ends = await pair(ground.transport, ground);
    for (const end of ends) end.connection.close("both");
    await Promise.all(ends.map((end) => end.isClosed()));
    await pair(ground.transport, ground);
    for (const end of ends) end.assertOrder();
  });

  on("ends a dial that is closed before it opens", async (ground) => {
    for (const abrupt of [false, true]) {
      const dialer = dial(ground.transport, ground.listener.url);
      dialer.connection.close("changed my mind", abrupt);
      assert.equal(await dialer.isClosed(), { refused: false, reason: "changed my mind" });
      const [fence] = await pair(ground.transport, ground);
      assert.equal(dialer.events, ["closed"]);
      fence.connection.close("done");
      await eventually("nothing left of it", () => ground.taken.every(({ end }) => end !== undefined));
    }
  });

  on("refuses a dial where nobody listens, until somebody does", async (ground) => {
    const { url } = ground.listener;
    await ground.listener.close();
    const early = dial(ground.transport, url);
    assert.is((await early.isClosed()).refused, true);
    assert.is(ground.transport.refusal?.(url), undefined);
    assert.equal(early.events, ["closed"]);
    const place = await listen(ground.transport, url);
    assert.is(place.listener.url, url);
    await pair(ground.transport, place);
  });

  on("ends a dial to a bad address, and refuses to listen there", async (ground) => {
    for (const url of fixture.badUrls) {
      const dialer = dial(ground.transport, url);
      const { refused, reason } = await dialer.isClosed();
      assert.is(refused, false, url);
      assert.match(reason, "not an address");
      assert.is(ground.transport.refusal?.(url), reason, "it is known before");
      assert.equal(dialer.events, ["closed"]);
      const error = await failure(ground.transport.listen(url, () => new Recorder()));
      assert.is(error.code, "InvalidOptions", url);
      assert.match(error.message, url);
    }
  });

  on("says which address is in use, and leaves its listener alone", async (ground) => {
    const { url } = ground.listener;
    const error = await failure(listen(ground.transport, url));
    assert.is(error.code, "AddressInUse");
    assert.match(error.message, url);
    assert.equal(error.data, { url });
    await pair(ground.transport, ground);
  });

  on("frees the address and ends every connection when its listener closes", async (ground) => {
    const { url } = ground.listener;
    const pairs = [];
    for (let number = 0; number < 5; number++) pairs.push(await pair(ground.transport, ground));
    await Promise.all([ground.listener.close(), ground.listener.close()]);
    for (const [, taker] of pairs) assert.is(taker.end?.reason, "the listener was closed");
    const place = await listen(ground.transport, url);
    for (const [dialer] of pairs) assert.is((await dialer.isClosed()).refused, false);
    for (const end of pairs.flat()) end.assertOrder();
    await ground.listener.close();
    await pair(ground.transport, place);
  });

  on(
    "keeps many connections apart",
    async (ground) => {
      const dialers = Array.from({ length: 64 }, () => dial(ground.transport, ground.listener.url));
      await Promise.all(dialers.map((dialer) => dialer.isOpen()));
      for (let number = 0; number < 10; number++) {
        for (const [index, dialer] of dialers.entries()) dialer.connection.send(pattern(100 + index, number));
      }
      await Promise.all(dialers.map((dialer) => dialer.has(10)));
      dialers.forEach((dialer, index) => {
        for (const [number, frame] of dialer.frames.entries())
          assertSameBytes(frame, pattern(100 + index, number), `of ${index}`);
      });
      for (const dialer of dialers) dialer.connection.close("done");
      await Promise.all(dialers.map((dialer) => dialer.isClosed()));
    },
    echo,
  );

  on("shows in queuedBytes what waits, until it has gone", async (ground) => {
    for (const sender of [0, 1] as const) {
      const ends = await pair(ground.transport, ground);
      const [near, far] = [ends[sender], ends[1 - sender]!];
      let sent = 0;
      while (near.connection.queuedBytes === 0 && sent < 64) {
        near.connection.send(pattern(MAX_FRAME_BYTES, sent++));
      }
      const first = near.connection.queuedBytes;
      assert.ok(first > 0, "nothing waits");
      for (let more = 0; more < 16; more++) near.connection.send(pattern(MAX_FRAME_BYTES, sent++));
      // A network takes a little more when it is asked again.
      assert.ok(near.connection.queuedBytes >= first + 8 * MAX_FRAME_BYTES, "it does not grow by what is sent");
      await far.has(sent);
      await eventually("an empty queue", () => near.connection.queuedBytes === 0);
      assertSameBytes(far.frames.at(-1), pattern(MAX_FRAME_BYTES, sent - 1), "the last");
      near.connection.close("done");
    }
  });

  it.run();
}

/** The error it fails with; one that it should have failed with, if it does not. */
export async function failure(promise: Promise<unknown>): Promise<ViewstampError> {
  const error = await promise.then(
    () => new Error("it did not fail"),
    (reason: unknown) => reason,
  );
  if (error instanceof ViewstampError) return error;
  throw error instanceof Error ? error : new Error(String(error));
}
