// From the first byte of storage to the end: starting, halting, setting aside, stopping.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { makeEntry } from "../../src/protocol/entry-codec.ts";
import { ViewstampError } from "../../src/protocol/errors.ts";
import { encodeUpgrade } from "../../src/protocol/upgrade-body.ts";
import { ORIGIN } from "../../src/protocol/view.ts";
import { Replica } from "../../src/replica/replica.ts";
import { NOTHING_DURABLE, World } from "./kit.ts";
import { fetchOf, peerUp, Stage, status, visit } from "./stories.ts";

async function failureOf(work: Promise<unknown>): Promise<ViewstampError> {
  try {
    await work;
  } catch (error) {
    assert.instance(error, ViewstampError);
    return error as ViewstampError;
  }
  throw new Error("it did not fail");
}

test("new data gets an incarnation, durable before the core wakes", async () => {
  const stage = new Stage();
  stage.disk.state = { ...NOTHING_DURABLE, identity: undefined };
  stage.disk.hold = true;
  await stage.start();
  assert.equal(stage.disk.writes, [[{ kind: "identity", incarnation: "id0", clusterId: undefined }]]);
  assert.is(stage.core.start, undefined);
  stage.disk.release();
  await stage.world.run(20);
  assert.is(stage.core.start?.self.incarnation, "id0");
  assert.equal(stage.core.start?.durable.identity, { incarnation: "id0", clusterId: undefined });
  assert.is(stage.core.start?.mayFound, true);
  assert.equal(stage.of("listening"), [{ event: "listening", url: "fake://a" }]);
});

test("a node whose data was set aside is never fresh, and keeps its cluster id", async () => {
  const stage = new Stage();
  stage.disk.state = { ...NOTHING_DURABLE, identity: undefined, setAside: { clusterId: "c1", reason: "rot" } };
  await stage.start();
  assert.is(stage.core.start?.mayFound, false);
  assert.is(stage.core.start?.durable.identity?.clusterId, "c1");
  assert.equal(stage.of("setAside"), [{ event: "setAside", reason: "rot" }]);
});

test("a node whose data was set aside says what to do if nobody has a copy, and only then", async () => {
  for (const [vid, trouble, missing] of [
    [0, "no copy", "no node that it reaches has a copy"],
    [3, "no copy", "it has not been caught up yet"],
    [3, "", ""],
  ] as const) {
    const stage = new Stage();
    stage.disk.state = { ...NOTHING_DURABLE, setAside: { clusterId: "c1", reason: "rot" } };
    stage.disk.place = "/data/a";
    stage.core.answer = (event) => {
      if (event.type !== "client" || event.message.type !== "askStatus") return [];
      const said = status(event.message.xid);
      const message = { ...said, status: { ...said.status, vid, trouble } };
      return [{ type: "answer", client: event.client, message, after: 0 }];
    };
    await stage.start();
    await stage.world.run(10 * stage.setup.options.suspectMs - 100);
    assert.is(stage.of("warning").length, 0);
    await stage.world.run(200);
    const texts = stage.of("warning").map((event) => (event as { text: string }).text);
    assert.is(texts.length, trouble === "" ? 0 : 1);
    for (const said of [/\(rot\)/, missing, "/data/a/aside-*", "log verify /data/a", "recover /data/a", "with --force"])
      if (trouble !== "") assert.match(texts[0]!, said);
    assert.is(stage.of("setAside").length, 0, "that was told when it happened");
  }
});

test("the newest snapshot is restored before the core wakes", async () => {
  const stage = new Stage();
  stage.disk.chunks = [new Uint8Array([1]), new Uint8Array([2])];
  stage.disk.state = { ...NOTHING_DURABLE, snapshot: { at: { vid: 1, seqno: 9 }, chunks: 2 } };
  stage.restoreMs = 2;
  await stage.start();
  assert.equal(
    stage.restored.map(([byte]) => byte),
    [1, 2],
  );
  assert.is(stage.core.start?.restorePauseMs, 2, "the longest pause is known");
});

test("a node does not start on the data of another, and writes nothing", async () => {
  const member = (id: string, incarnation: string) => ({ id, incarnation, url: `fake://${id}` });
  const [mine, other] = [member("a", "a1"), member("b", "b1")];
  const view = { vid: 3, acceptors: [mine, other], barred: [], invited: [], primary: "b" };
  for (const members of [[mine, other], [other]]) {
    const stage = new Stage();
    stage.disk.state = {
      ...NOTHING_DURABLE,
      identity: { incarnation: "b1", clusterId: "c1" },
      view: { ...view, members },
    };
    const error = await failureOf(stage.start());
    assert.is(error.code, "InvalidOptions");
    assert.match(error.message, /the data is that of node "b", and this is node "a"/);
    assert.equal(stage.disk.writes, []);
    const own = new Stage();
    own.disk.state = { ...stage.disk.state, identity: { incarnation: "a1", clusterId: "c1" } };
    await own.start();
    assert.is(own.core.start?.self.incarnation, "a1");
  }
  const barred = new Stage();
  barred.disk.state = { ...NOTHING_DURABLE, view: { ...view, members: [other], acceptors: [other] } };
  await barred.start();
});

test("a program that lacks what its data has promised does not start, and writes nothing", async () => {
  const stage = new Stage();
  const machines = { origin: [{ name: "kv", version: 1 }], promised: [{ name: "kv", version: 2 }] };
  stage.disk.state = { ...NOTHING_DURABLE, machines };
  const error = await failureOf(stage.start());
  assert.is(error.code, "WrongMachine");
  assert.match(error.message, /promised .*"kv" version 2.*can run "kv" version 1/);
  assert.equal(stage.disk.writes, []);
});

test("a log that goes on with versions that a program has not is a clear error", async () => {
  const stage = new Stage();
  const versions = (version: number) => [{ name: "kv", version }];
  const fields = {
    kind: "upgrade",
    vid: 1,
    seqno: 1,
    time: 0,
    session: ORIGIN,
    number: 0,
    acknowledgedThrough: 0,
  } as const;
  const entry = makeEntry({ ...fields, body: encodeUpgrade({ from: versions(1), to: versions(2) }) });
  stage.disk.state = { ...NOTHING_DURABLE, entries: [entry] };
  const error = await failureOf(stage.start());
  assert.is(error.code, "WrongMachine");
  assert.match(error.message, /the log in the data goes on with "kv" version 2/);
  const covered = new Stage();
  covered.disk.chunks = [new Uint8Array([1])];
  covered.disk.state = { ...stage.disk.state, snapshot: { at: { vid: 1, seqno: 1 }, chunks: 1 } };
  await covered.start();
});

test("a snapshot of another machine is a clear error", async () => {
  const stage = new Stage();
  stage.disk.chunks = [new Uint8Array([1])];
  stage.disk.state = { ...NOTHING_DURABLE, snapshot: { at: { vid: 1, seqno: 9 }, chunks: 1 } };
  stage.setup = {
    ...stage.setup,
    makeBrain: () => ({
      restore: () => ({
        chunk: () => {
          throw new Error("not mine");
        },
        finish: () => {},
      }),
      wake: () => stage.core,
    }),
  };
  const error = await failureOf(stage.start());
  assert.is(error.code, "WrongMachine");
  assert.ok(error.message.includes('"kv" version 1'));
});

test("data that cannot be opened, and an address that is taken, are typed failures that leave nothing behind", async () => {
  const unreadable = new Stage();
  unreadable.disk.openError = new Error("EACCES");
  assert.is((await failureOf(unreadable.start())).code, "StorageFailed");
  const used = new Stage();
  used.disk.openError = new ViewstampError("DataInUse", "process 7 has it");
  assert.is((await failureOf(used.start())).code, "DataInUse");
  assert.equal(used.disk.calls, ["open"]);
  const world = new World();
  const first = new Stage(world);
  await first.start();
  const second = new Stage(world, first.net);
  assert.is((await failureOf(second.start())).code, "AddressInUse");
  assert.is(second.disk.calls.at(-1), "close");
});

test("an address that is not said is the one that was bound", async () => {
  const stage = new Stage();
  stage.setup = { ...stage.setup, advertise: undefined };
  await stage.start();
  assert.is(stage.core.start?.self.url, "fake://a");
});

test("a halt ends everything at once: no vote, no reply, no further step", async () => {
  const stage = new Stage();
  const replica = await stage.start();
  const b = await peerUp(stage);
  const client = await visit(stage);
  const error = new ViewstampError("Diverged", "not deterministic");
  stage.core.answer = (event) =>
    event.type === "client"
      ? [
          { type: "send", to: "b", message: fetchOf(1), after: 0 },
          { type: "halt", error },
          { type: "send", to: "b", message: fetchOf(2), after: 0 },
        ]
      : [];
  client.ask(1);
  client.ask(2);
  await stage.world.run(50);
  assert.is(stage.core.of("client").length, 1);
  assert.equal(b.messages(), []);
  const stopped = await replica.stopped;
  assert.equal([stopped?.code, stopped?.cause], ["Diverged", error]);
  assert.match(stopped?.message ?? "", /^not deterministic\. .*start it with an empty data directory/);
  assert.equal(stage.of("stopped"), [{ event: "stopped", error: { code: "Diverged", text: stopped?.message } }]);
  assert.is(stage.disk.calls.at(-1), "close");
  const steps = stage.core.seen.length;
  await stage.world.run(1000);
  assert.is(stage.core.seen.length, steps);
  assert.is((await failureOf(replica.status())).code, "Closed");
});

test("a core that throws is a bug: the replica stops with Internal", async () => {
  const stage = new Stage();
  const replica = await stage.start();
  stage.core.answer = () => {
    throw new TypeError("x is not a function");
  };
  await stage.world.run(100);
  const error = await replica.stopped;
  assert.is(error?.code, "Internal");
  assert.instance(error?.cause, TypeError);
});

test("data set aside begins a new life in the same replica, at the same address", async () => {
  const stage = new Stage();
  const replica = await stage.start();
  const client = await visit(stage);
  stage.core.answer = (event) => (event.type === "client" ? [{ type: "setAside", reason: "it lacks entry 4" }] : []);
  client.ask(1);
  await stage.world.run(50);
  assert.ok(client.lost);
  assert.equal(
    stage.disk.calls.filter((call) => call !== "write"),
    ["open", "setAside", "open"],
  );
  assert.equal(
    stage.lives.map(({ mayFound }) => mayFound),
    [true, false],
  );
  assert.is.not(stage.lives[1]?.self.incarnation, "a1");
  assert.equal(stage.of("setAside"), [{ event: "setAside", reason: "it lacks entry 4" }]);
  assert.is(stage.of("listening").length, 2);
  assert.is(stage.of("stopped").length, 0);
  assert.is(replica.url, "fake://a");
  assert.ok((await visit(stage)).reply().accepted);
});

test("a disk that takes long to set its data aside is waited for: the data still belongs to the life before", async () => {
  for (const ends of ["by itself", "by a stop"] as const) {
    const stage = new Stage();
    const replica = await stage.start();
    const setAside = stage.disk.setAside.bind(stage.disk);
    let finish = (): void => {};
    stage.disk.setAside = (reason, clusterId, done) => {
      finish = () => setAside(reason, clusterId, done);
    };
    stage.core.answer = (event) => (event.type === "tick" ? [{ type: "setAside", reason: "it lacks entry 4" }] : []);
    await stage.world.run(10_000);
    assert.equal([stage.disk.calls.filter((call) => call === "open").length, stage.of("stopped").length], [1, 0]);
    if (ends === "by a stop") {
      const stopped = replica.stop();
      await stage.world.run(3100);
      await stopped;
      assert.is(stage.of("stopped").length, 1);
    }
    stage.core.answer = () => [];
    finish();
    await stage.world.run(50);
    assert.is(stage.disk.calls.filter((call) => call === "open").length, ends === "by itself" ? 2 : 1);
  }
});

test("a graceful stop lets the core hand over, and its last words leave", async () => {
  const stage = new Stage();
  const replica = await stage.start();
  const b = await peerUp(stage);
  const client = await visit(stage);
  stage.core.answer = (event) => {
    if (event.type === "client") return [{ type: "stopped" }];
    return event.type === "stop" ? [{ type: "send", to: "b", message: fetchOf(1), after: 0 }] : [];
  };
  const stopping = replica.stop();
  await stage.world.run(10);
  assert.equal(b.messages(), [fetchOf(1)]);
  assert.not(client.lost);
  stage.core.answer = (event) =>
    event.type === "client"
      ? [{ type: "answer", client: event.client, message: status(7), after: 0 }, { type: "stopped" }]
      : [];
  client.ask(7);
  await stage.world.run(20);
  await stopping;
  assert.equal(client.said().at(-1), status(7));
  assert.ok(client.lost);
  assert.equal(stage.of("stopped"), [{ event: "stopped", error: undefined }]);
  assert.is(await replica.stopped, undefined);
});

test("a stop that the core does not finish is finished for it", async () => {
  const stage = new Stage();
  const replica = await stage.start();
  const stopping = replica.stop();
  await stage.world.run(1100);
  await stopping;
  assert.is(stage.core.of("stop").length, 1);
  assert.is(stage.disk.calls.at(-1), "close");
});

test("stopping twice, or after the end, is harmless", async () => {
  const stage = new Stage();
  const replica = await stage.start();
  stage.core.answer = (event) => (event.type === "stop" ? [{ type: "stopped" }] : []);
  const both = [replica.stop(), replica.stop()];
  await stage.world.run(20);
  await Promise.all(both);
  await replica.stop();
  await replica.kill();
  assert.is(stage.of("stopped").length, 1);
});

test("a disk that hangs does not hold up the end for ever", async () => {
  const stage = new Stage();
  const replica = await stage.start();
  stage.disk.close = () => {};
  const killed = replica.kill();
  await stage.world.run(3100);
  await killed;
  assert.is(stage.of("stopped").length, 1);
});

test("a replica killed while it opens its data does not wake later", async () => {
  const stage = new Stage();
  stage.disk.state = { ...NOTHING_DURABLE, identity: undefined };
  stage.disk.hold = true;
  const replica = await stage.start();
  const killed = replica.kill();
  stage.disk.release();
  await stage.world.run(50);
  await killed;
  assert.is(stage.core.start, undefined);
  assert.is(stage.of("listening").length, 0);
});

test("a replica killed while its data opens gives it back", async () => {
  const stage = new Stage();
  const replica = new Replica(stage.setup, () => {});
  const killed = replica.kill();
  await stage.world.run(50);
  await killed;
  assert.equal(stage.disk.calls, ["open", "close"]);
});

test("status asks the core", async () => {
  const stage = new Stage();
  const replica = await stage.start();
  stage.core.answer = (event) =>
    event.type === "client" && event.message.type === "askStatus"
      ? [{ type: "answer", client: event.client, message: status(event.message.xid), after: 0 }]
      : [];
  assert.equal(await replica.status(), status(1).status);
});

test("an observer that throws stops nothing", async () => {
  const stage = new Stage();
  stage.setup = {
    ...stage.setup,
    observer: () => {
      throw new Error("mine");
    },
  };
  await stage.start();
  await stage.world.run(100);
  assert.is(stage.core.of("tick").length > 2, true);
});

test.run();
