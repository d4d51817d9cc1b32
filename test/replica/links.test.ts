// The mesh: who dials whom, what a lost connection means, and who may talk at all.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { AGREED, FakePeer, fetchOf, helloFrom, helloOfClient, peerUp, Stage, visit, welcomeFrom } from "./stories.ts";

const bUrl = "fake://b";

test("a node dials the others of its cluster and says who it is", async () => {
  const stage = new Stage();
  const b = await new FakePeer(stage, "b").listen();
  await stage.start();
  assert.equal(
    stage.net.dials.map(({ url }) => url),
    [bUrl],
  );
  assert.equal(b.hellos(), [helloFrom("a", "a1")]);
  assert.equal(stage.core.of("linkUp"), [{ type: "linkUp", peer: { id: "b", incarnation: "b1" } }]);
});

test("the peers of the core replace those of the options", async () => {
  const stage = new Stage();
  await new FakePeer(stage, "b").listen();
  const c = await new FakePeer(stage, "c").listen();
  stage.core.answer = (event) =>
    event.type === "linkUp" && event.peer.id === "b"
      ? [{ type: "peers", peers: ["a", "c"].map((id) => ({ id, url: `fake://${id}` })) }]
      : [];
  await stage.start();
  assert.equal(
    stage.core.of("linkUp").map(({ peer }) => peer.id),
    ["b", "c"],
  );
  assert.equal(stage.core.of("linkDown"), [{ type: "linkDown", id: "b", refused: false }]);
  assert.is(c.connections.length, 1);
  await stage.world.run(2000);
  assert.is(stage.net.dialsTo(bUrl).length, 1);
});

test("a peer with a new address is dialed there", async () => {
  const stage = new Stage();
  await new FakePeer(stage, "b").listen();
  stage.core.answer = (event) =>
    event.type === "linkUp" ? [{ type: "peers", peers: [{ id: "b", url: "fake://b2" }] }] : [];
  await stage.start();
  assert.is(stage.net.dialsTo("fake://b2").length > 0, true);
  assert.equal(stage.core.of("linkDown")[0], { type: "linkDown", id: "b", refused: false });
});

/** From its first tick on the core knows b there. */
function knownAt(url: string): Stage {
  const stage = new Stage();
  stage.core.answer = ({ type }) => (type === "tick" ? [{ type: "peers", peers: [{ id: "b", url }] }] : []);
  return stage;
}

test("a peer that is not where the core knows it is dialed where the operator names it", async () => {
  const stage = knownAt("fake://old");
  await stage.start();
  await stage.world.run(1000);
  await new FakePeer(stage, "b").listen();
  await stage.world.run(1000);
  assert.ok(stage.net.dialsTo("fake://old").length > 0);
  assert.equal(stage.core.of("linkUp"), [{ type: "linkUp", peer: { id: "b", incarnation: "b1" } }]);
});

test("a peer that was met is looked for where it was, and nowhere else", async () => {
  const stage = knownAt("fake://moved");
  const b = await new FakePeer(stage, "b", "fake://moved").listen();
  await stage.start();
  await stage.world.run(1000);
  const before = stage.net.dialsTo(bUrl).length;
  await b.die();
  await stage.world.run(3000);
  assert.equal(stage.core.of("linkDown").at(-1), { type: "linkDown", id: "b", refused: true });
  assert.is(stage.net.dialsTo(bUrl).length, before);
});

test("a process that is gone is noticed at once: its connection is lost and the redial refused", async () => {
  const stage = new Stage();
  await stage.start();
  const b = await peerUp(stage);
  stage.core.seen.length = 0;
  await b.die();
  await stage.world.run(3);
  assert.equal(stage.core.of("linkDown"), [
    { type: "linkDown", id: "b", refused: false },
    { type: "linkDown", id: "b", refused: true },
  ]);
  await stage.world.run(3000);
  assert.is(stage.core.of("linkDown").length, 2);
});

test("a node that was never there is not reported as gone", async () => {
  const stage = new Stage();
  await stage.start();
  await stage.world.run(3000);
  assert.equal(stage.core.of("linkDown"), [{ type: "linkDown", id: "b", refused: false }]);
});

test("redials back off, doubling from 10 to 500 ms", async () => {
  const stage = new Stage();
  await stage.start();
  await stage.world.run(5000);
  const at = stage.net.dialsTo(bUrl).map((dial) => dial.at);
  const gaps = at.slice(1).map((time, i) => time - (at[i] as number) - 1);
  assert.is(gaps[0], 0);
  for (const [i, gap] of gaps.slice(1).entries()) {
    const longest = Math.min(500, 10 * 2 ** i);
    assert.ok(gap >= longest / 2 && gap <= longest, `${gap} ms at ${i}`);
  }
  assert.ok(gaps.length < 25);
});

test("a connection that is lost is dialed again at once, and again at rising distances if none lasts", async () => {
  const stage = new Stage();
  await stage.start();
  const b = await peerUp(stage);
  await stage.world.run(1500);
  const before = stage.net.dialsTo(bUrl).length;
  b.drop();
  await stage.world.run(2);
  assert.is(stage.net.dialsTo(bUrl).length, before + 1);
  for (let i = 0; i < 40; i++) {
    b.drop();
    await stage.world.run(20);
  }
  assert.ok(stage.net.dialsTo(bUrl).length - before < 15, `${stage.net.dialsTo(bUrl).length - before} dials`);
});

test("a dial without an answer is given up, and is no sign that the process is gone", async () => {
  const stage = new Stage();
  stage.net.mute.add(bUrl);
  await stage.start();
  await stage.world.run(5000);
  assert.equal(
    stage.net.dialsTo(bUrl).map(({ at }) => Math.round(at / 1000)),
    [0, 2, 4],
  );
  assert.equal(stage.core.of("linkDown"), [{ type: "linkDown", id: "b", refused: false }]);
});

test("a connection that swallows everything is noticed by its life probes", async () => {
  const stage = new Stage();
  await stage.start();
  const b = await peerUp(stage);
  await stage.world.run(30_000);
  assert.is(stage.core.of("linkUp").length, 1);
  b.mute();
  await stage.world.run(4500);
  assert.is(stage.core.of("linkUp").length, 2);
  assert.equal(stage.core.of("linkDown").at(-1), { type: "linkDown", id: "b", refused: false });
});

test("a life probe goes back as it came", async () => {
  const stage = new Stage();
  await stage.start();
  const visitor = await visit(stage, helloFrom("b", "b1"));
  visitor.sendFrame(new Uint8Array(0));
  await stage.world.run(5);
  assert.is(visitor.frames.at(-1)?.length, 0);
});

test("messages come over the connection that the peer dialed, with the identity it gave", async () => {
  const stage = new Stage();
  await stage.start();
  const visitor = await visit(stage, helloFrom("b", "b7"));
  assert.equal(visitor.reply(), welcomeFrom("a", "a1"));
  visitor.say(fetchOf(1), fetchOf(2));
  await stage.world.run(5);
  const from = { id: "b", incarnation: "b7" };
  assert.equal(stage.core.of("heardUp"), [{ type: "heardUp", peer: { ...from, url: "fake://b" } }]);
  assert.equal(stage.core.of("message"), [
    { type: "message", from, message: fetchOf(1) },
    { type: "message", from, message: fetchOf(2) },
  ]);
  visitor.leave();
  await stage.world.run(5);
  assert.equal(stage.core.of("heardDown"), [{ type: "heardDown", id: "b" }]);
});

test("a newer connection of a peer replaces the older, whose late frames are thrown away", async () => {
  const stage = new Stage();
  await stage.start();
  const older = await visit(stage, helloFrom("b", "b1"));
  const newer = await visit(stage, helloFrom("b", "b2"));
  older.say(fetchOf(1));
  newer.say(fetchOf(2));
  await stage.world.run(5);
  assert.ok(older.lost);
  assert.equal(stage.core.of("message"), [
    { type: "message", from: { id: "b", incarnation: "b2" }, message: fetchOf(2) },
  ]);
  assert.equal(stage.core.of("heardDown"), []);
  newer.leave();
  await stage.world.run(5);
  assert.is(stage.core.of("heardDown").length, 1);
});

test("bytes that are no message end the peer's connection and nothing else", async () => {
  const stage = new Stage();
  await stage.start();
  const visitor = await visit(stage, helloFrom("b", "b1"));
  visitor.sendFrame(new Uint8Array([1, 250, 3]));
  await stage.world.run(5);
  assert.ok(visitor.lost);
  assert.equal(stage.core.of("message"), []);
  assert.is(stage.of("cutOff").length, 1);
  assert.is(stage.of("cutOff")[0]?.who, 'node "b"');
  assert.is(stage.of("stopped").length, 0);
});

test("a stranger that talks nonsense, or says nothing, is sent away", async () => {
  const stage = new Stage();
  await stage.start();
  const loud = await visit(stage);
  const silent = await visit(stage);
  const nonsense = stage.net.dial("fake://a", silent);
  await stage.world.run(5);
  nonsense.send(new Uint8Array([1, 2, 3]));
  await stage.world.run(5);
  assert.equal(
    stage.of("cutOff").map(({ who }) => who),
    ["a stranger"],
  );
  const mute = stage.net.dial("fake://a", loud);
  await stage.world.run(2500);
  assert.is(mute.other?.closedWith, "no hello within 2000 ms");
});

test("strangers are bounded", async () => {
  const stage = new Stage();
  await stage.start({}, { maxStrangers: 2 });
  const held = [1, 2, 3].map(() => stage.net.dial("fake://a", { opened() {}, received() {}, closed() {} }));
  await stage.world.run(5);
  assert.equal(
    held.map(({ other }) => other?.closedWith),
    [undefined, undefined, "too many connections that say nothing"],
  );
});

test("a peer that is too slow is cut off, and dialed anew", async () => {
  const stage = new Stage();
  await stage.start();
  const b = await peerUp(stage);
  b.near.queuedBytes = 17 * 1024 * 1024;
  const near = b.near;
  stage.core.answer = (event) =>
    event.type === "tick" ? [{ type: "send", to: "b", message: fetchOf(1), after: 0 }] : [];
  await stage.world.run(60);
  assert.is(near.closedWith, `it lets ${17 * 1024 * 1024} bytes wait`);
  assert.is(stage.of("cutOff").length, 1);
  assert.is(stage.core.of("linkUp").length, 2);
  assert.is(stage.core.of("linkDown").at(-1)?.refused, false);
});

test("nodes that may not talk say why, and ask again after a long time", async () => {
  const stage = new Stage();
  const b = await new FakePeer(stage, "b").listen();
  b.reply = () => ({ accepted: false, code: "WrongMachine", text: "other machines" });
  await stage.start();
  await stage.world.run(2500);
  assert.equal(stage.of("rejected")[0], {
    event: "rejected",
    by: "them",
    who: 'node "b" at fake://b',
    code: "WrongMachine",
    text: "other machines",
  });
  assert.equal(
    stage.net.dialsTo(bUrl).map(({ at }) => Math.floor(at / 1000)),
    [0, 1],
  );
  assert.equal(stage.core.of("linkUp"), []);
});

test("another node at a peer's address is found out", async () => {
  const stage = new Stage();
  const b = await new FakePeer(stage, "b").listen();
  b.reply = () => welcomeFrom("z", "z1");
  await stage.start();
  assert.is(stage.of("rejected")[0]?.code, "InvalidOptions");
  assert.is(stage.of("rejected")[0]?.by, "us");
  assert.equal(stage.core.of("linkUp"), []);
});

test("nodes of different clusters refuse each other, on either side", async () => {
  const stage = new Stage();
  const b = await new FakePeer(stage, "b").listen();
  b.reply = () => welcomeFrom("b", "b1", "c2");
  await stage.start();
  assert.is(stage.of("rejected")[0]?.code, "WrongCluster");
  const visitor = await visit(stage, helloFrom("b", "b1", { clusterId: "c2" }));
  const reply = visitor.reply();
  assert.is(!reply.accepted && reply.code, "WrongCluster");
  assert.ok(visitor.lost);
  assert.equal(stage.core.of("heardUp"), []);
});

test("the cluster id is said from when it is known", async () => {
  const stage = new Stage();
  stage.core.id = undefined;
  await stage.start();
  const b = await peerUp(stage);
  await stage.world.run(1500);
  stage.core.id = "c9";
  b.reply = () => welcomeFrom("b", "b1", "c9");
  b.drop();
  await stage.world.run(10);
  assert.equal(
    b.hellos().map(({ clusterId }) => clusterId),
    [undefined, "c9"],
  );
  const visitor = await visit(stage, helloFrom("b", "b1", { clusterId: undefined }));
  const reply = visitor.reply();
  assert.is(reply.accepted && reply.clusterId, "c9");
});

test("peers whose machines have a version in common are let in, whatever else each can run", async () => {
  const stage = new Stage();
  await stage.start();
  const visitor = await visit(stage, helloFrom("b", "b1", { machines: [{ name: "kv", versions: [1, 2] }] }));
  assert.ok(visitor.reply().accepted);
});

for (const [what, changes, code, says] of [
  ["protocols", { protocol: { least: 2, newest: 3 } }, "WrongProtocol", "upgrade this node"],
  ["machines", { machines: [{ name: "kv", versions: [2] }] }, "WrongMachine", '"kv" version 2'],
  ["options", { options: { ...AGREED, driftPercent: 5 } }, "OptionsDisagree", "driftPercent is 5 there and 1 here"],
  ["one name", { node: { id: "a", incarnation: "x", url: "fake://x" } }, "InvalidOptions", 'this node is "a" too'],
] as const) {
  test(`peers with ${what} that do not fit are refused, and told why`, async () => {
    const stage = new Stage();
    await stage.start();
    const visitor = await visit(stage, helloFrom("b", "b1", changes));
    const reply = visitor.reply();
    assert.is(!reply.accepted && reply.code, code);
    assert.ok(!reply.accepted && reply.text.includes(says), JSON.stringify(reply));
    assert.is(stage.of("rejected")[0]?.code, code);
    assert.ok(visitor.lost);
  });
}

test("a peer of another cluster is heard no more once this node has a cluster of its own", async () => {
  const stage = new Stage();
  stage.core.id = undefined;
  await stage.start();
  const visitor = await visit(stage, helloFrom("b", "b1", { clusterId: "other" }));
  visitor.say(fetchOf(1));
  await stage.world.run(5);
  assert.is(stage.core.of("message").length, 1);
  stage.core.id = "c1";
  visitor.say(fetchOf(2));
  await stage.world.run(5);
  assert.is(stage.core.of("message").length, 1);
  assert.equal(stage.core.of("heardDown"), [{ type: "heardDown", id: "b" }]);
  assert.match(stage.of("cutOff")[0]?.reason ?? "", "belongs to cluster c1");
});

test("a node whose cluster is not durable yet says none, and has nothing to do with those of others", async () => {
  const stage = new Stage();
  stage.core.id = undefined;
  const b = await new FakePeer(stage, "b").listen();
  b.reply = () => welcomeFrom("b", "b1", "other");
  await stage.start();
  const early = await visit(stage, helloFrom("b", "b1", { clusterId: "other" }));
  stage.core.answer = (event) =>
    event.type === "tick" ? [{ type: "send", to: "b", message: fetchOf(7), after: 0 }] : [];
  stage.core.newId = "c1";
  early.say(fetchOf(2));
  await stage.world.run(60);
  assert.equal(stage.core.of("message"), []);
  assert.equal(b.messageFrames(), []);
  const late = await visit(stage, helloFrom("b", "b1", { clusterId: "other" }));
  const reply = late.reply();
  assert.is(!reply.accepted && reply.code, "WrongCluster");
  const stranger = await visit(stage, helloFrom("b", "b1", { clusterId: undefined }));
  const welcome = stranger.reply();
  assert.ok(welcome.accepted && welcome.clusterId === undefined);
});

test("a client of another cluster is heard no more once this node has a cluster of its own", async () => {
  const stage = new Stage();
  stage.core.id = undefined;
  await stage.start();
  const visitor = await visit(stage, helloOfClient({ clusterId: "other" }));
  stage.core.id = "c1";
  visitor.ask(1);
  await stage.world.run(5);
  assert.equal(stage.core.of("client"), []);
  assert.is(stage.core.of("clientGone").length, 1);
});

test("nothing is said to a node of another cluster once this node has a cluster of its own", async () => {
  const stage = new Stage();
  stage.core.id = undefined;
  const b = await new FakePeer(stage, "b").listen();
  b.reply = () => welcomeFrom("b", "b1", "other");
  await stage.start();
  assert.is(stage.core.of("linkUp").length, 1);
  stage.core.answer = (event) => {
    if (event.type !== "tick") return [];
    stage.core.id = "c1";
    return [{ type: "send", to: "b", message: fetchOf(7), after: 0 }];
  };
  await stage.world.run(1000);
  assert.equal(b.messageFrames(), []);
  assert.equal(stage.core.of("linkDown"), [{ type: "linkDown", id: "b", refused: false }]);
  assert.is(stage.of("rejected")[0]?.code, "WrongCluster");
});

test.run();
