// Finding the primary and staying with it.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cluster, obey, onlySessions, refuse, World, watch } from "./world.ts";

test("a client that begins with a backup goes to the primary at once and keeps one connection", async () => {
  const { world, a, b, c } = cluster(1);
  const call = watch(world.client().execute("m", "put", 1));
  await world.settle();
  assert.is(call.state, "resolved");
  assert.equal([a.open.length, b.open.length, c.open.length], [1, 0, 0]);
  assert.is(world.time, 1000, "without a pause");
});

test("the first address is drawn", async () => {
  for (const [start, id] of ["a", "b", "c"].entries()) {
    const { world, ...nodes } = cluster(start);
    world.client();
    await world.settle();
    assert.is(nodes[id as "a"].dials.length, 1);
  }
});

test("news move it to the new primary, and what was outstanding goes there", async () => {
  const { world, a, b, c } = cluster();
  a.answer = onlySessions;
  const client = world.client();
  const call = watch(client.execute("m", "put", 1));
  await world.settle();
  for (const node of [b, c, a]) node.follow(c, 2);
  await world.settle();
  assert.is(call.state, "resolved");
  assert.equal([a.open.length, b.open.length, c.open.length], [0, 0, 1]);
});

test("when the primary is killed it waits at another node for the news, without polling that node", async () => {
  const { world, a, b, c } = cluster();
  const client = world.client();
  watch(client.openSession());
  await world.settle();
  a.kill();
  await world.settle();
  const call = watch(client.execute("m", "put", 1));
  await world.pass(400);
  assert.is(call.state, "waiting");
  assert.equal(b.taken(), [], "commands wait for a primary");
  assert.is(b.open.length, 1, "it stays");
  const waited = world.time;
  b.follow(c, 2);
  c.follow(c, 2);
  await world.settle();
  assert.is(call.state, "resolved");
  assert.is(world.time, waited, "woken at once");
});

test("a node that becomes primary itself is used over the connection that is there", async () => {
  const { world, a, b } = cluster();
  const client = world.client();
  watch(client.openSession());
  await world.settle();
  a.kill();
  await world.pass(300);
  const call = watch(client.execute("m", "put", 1));
  const dials = b.dials.length;
  b.follow(b, 2);
  await world.settle();
  assert.is(call.state, "resolved");
  assert.is(b.dials.length, dials);
});

test("a primary that only closed its connection is the first to be tried again", async () => {
  const { world, a, b, c } = cluster();
  watch(world.client().openSession());
  await world.settle();
  a.end.close();
  await world.pass(50);
  assert.equal([a.open.length, b.open.length, c.open.length], [1, 0, 0]);
  assert.is(c.dials.length, 0);
});

test("after a lost connection the next address is another one", async () => {
  const { world, a, b } = cluster(2);
  watch(world.client().openSession());
  await world.settle();
  a.kill();
  await world.settle();
  assert.equal([a.dials.length, b.dials.length], [1, 1]);
});

test("a primary that comes back in a newer view is tried at once", async () => {
  const { world, a, b, c } = cluster();
  const client = world.client();
  watch(client.openSession());
  await world.settle();
  a.kill();
  await world.pass(1000);
  const call = watch(client.execute("m", "put", 1));
  a.down = false;
  for (const node of [a, b, c]) node.follow(a, 2);
  await world.settle();
  assert.is(call.state, "resolved");
});

test("a search that is under way ends when home becomes the primary", async () => {
  const { world, a, b, c } = cluster();
  watch(world.client().openSession());
  await world.settle();
  a.kill();
  c.mute = true;
  a.down = false;
  a.mute = true;
  await world.pass(300);
  assert.is(a.open.length + c.open.length, 1);
  b.follow(b, 2);
  await world.settle();
  assert.is(a.open.length + c.open.length, 0);
});

test("stale news of a node do not draw the client back", async () => {
  const { world, a, b, c } = cluster();
  const client = world.client();
  await world.settle();
  for (const node of [a, c]) node.follow(c, 2);
  await world.settle();
  assert.is(c.open.length, 1);
  c.follow(a, 1);
  await world.settle();
  assert.is(c.open.length, 1, "view 1 is over");
  assert.is(b.dials.length, 0);
  const call = watch(client.execute("m", "put", 1));
  await world.settle();
  assert.is(call.state, "resolved");
});

test("when home is dead without a word and the primary of its news knows nothing any more, the others are asked", async () => {
  const { world, a, b, c } = cluster();
  const client = world.client();
  watch(client.openSession());
  await world.settle();
  a.kill();
  await world.settle();
  assert.is(b.open.length, 1, "home is b, which never says anything again");
  // It lost its disk: it is a node without a view.
  a.news = { type: "news", vid: 0, primary: "", primaryUrl: "", active: false, urls: [] };
  a.down = false;
  c.follow(c, 2);
  const call = watch(client.execute("m", "put", 1));
  await world.pass(2000);
  assert.is(call.state, "resolved");
  assert.is(c.open.length, 1);
});

test("when home is dead without a word and was no primary, its address is dialed anew, be it the only one", async () => {
  const world = new World();
  const a = world.node("a");
  const founded = a.news;
  a.news = { type: "news", vid: 0, primary: "", primaryUrl: "", active: false, urls: [] };
  const call = watch(world.client({ silenceMs: 1000 }).execute("m", "put", 1));
  await world.settle();
  // Its machine loses power: nobody closes the connection. The node that comes back knows nothing of it.
  a.end.isOpen = false;
  await world.pass(900);
  assert.is(a.dials.length, 1, "a home that may be well is not polled");
  a.news = founded;
  await world.pass(400);
  assert.is(call.state, "resolved");
  assert.is(a.open.length, 1);
});

test("NOTPRIMARY from a node that the news call primary makes it ask the others", async () => {
  const { world, a, b } = cluster();
  a.answer = (message, end) => (message.type === "request" ? [refuse(message, "NOTPRIMARY")] : obey(message, end));
  const client = world.client();
  const call = watch(client.execute("m", "put", 1));
  b.follow(b, 2);
  await world.pass(50);
  assert.is(call.state, "resolved");
  assert.equal([a.open.length, b.open.length], [0, 1]);
});

test("NOTPRIMARY everywhere is asked again with pauses, until someone is primary", async () => {
  const { world, a } = cluster();
  const healed = a.answer;
  let refusals = 0;
  a.answer = (message) => {
    if (message.type !== "open") return [];
    refusals++;
    return [{ type: "declined", xid: message.xid, code: "NOTPRIMARY", outcomeUnknown: false, text: "" }];
  };
  const call = watch(world.client().execute("m", "put", 1));
  await world.pass(3000);
  assert.ok(refusals > 5 && refusals < 60, String(refusals));
  a.answer = healed;
  await world.pass(1000);
  assert.is(call.state, "resolved");
});

test("a primary that stays BUSY is left when another node knows a newer view", async () => {
  const { world, a, b, c } = cluster();
  a.answer = (message, end) => (message.type === "request" ? [refuse(message, "BUSY")] : obey(message, end));
  const client = world.client();
  const call = watch(client.execute("m", "put", 1));
  await world.settle();
  for (const node of [b, c]) node.follow(b, 2);
  await world.pass(190);
  assert.is(b.dials.length + c.dials.length, 0, "a short BUSY is no reason to look around");
  await world.pass(200);
  assert.is(call.state, "resolved");
  assert.equal([a.open.length, b.open.length, c.open.length], [0, 1, 0]);
});

test("local answers of a BUSY primary do not hide that it cannot serve", async () => {
  const { world, a, b, c } = cluster();
  a.answer = (message, end) => (message.type === "request" ? [refuse(message, "BUSY")] : obey(message, end));
  const client = world.client();
  watch(client.execute("m", "put", 1));
  let tries = 0;
  for (let n = 0; n < 100; n++) {
    watch(client.ask("m", "get", 1, { consistency: "local" }));
    await world.pass(20);
    tries += a.requests().length;
  }
  assert.ok(tries < 30, String(tries));
  assert.ok(b.dials.length + c.dials.length > 5 && b.dials.length + c.dials.length < 15);
});

test("looking around ends when the BUSY primary works again", async () => {
  const { world, a, b, c } = cluster();
  a.answer = (message, end) => (message.type === "request" ? [refuse(message, "BUSY")] : obey(message, end));
  const call = watch(world.client().execute("m", "put", 1));
  await world.pass(1000);
  assert.ok(b.dials.length + c.dials.length > 0);
  a.answer = obey;
  await world.pass(200);
  assert.is(call.state, "resolved");
  const dials = b.dials.length + c.dials.length;
  await world.pass(20_000);
  assert.is(b.dials.length + c.dials.length, dials);
  assert.equal([a.open.length, b.open.length, c.open.length], [1, 0, 0]);
});

test("a primary that leaves questions unanswered and says nothing is given up after silenceMs", async () => {
  const { world, a, b, c } = cluster();
  const client = world.client();
  watch(client.openSession());
  await world.settle();
  a.mute = true;
  const call = watch(client.execute("m", "put", 1));
  await world.pass(999);
  assert.is(a.open.length, 1);
  for (const node of [b, c]) node.follow(b, 2);
  await world.pass(2);
  assert.is(a.open.length, 0);
  await world.pass(50);
  assert.is(call.state, "resolved");
});

test("anything that arrives breaks the silence", async () => {
  const { world, a } = cluster();
  const client = world.client();
  watch(client.openSession());
  await world.settle();
  a.answer = () => [];
  watch(client.execute("m", "put", 1));
  for (let n = 0; n < 5; n++) {
    await world.pass(900);
    a.tell(a.news);
  }
  assert.is(a.dials.length, 1);
  await world.pass(1000);
  assert.is(a.open.length, 0);
});

test("silence counts from the question, not from what was said before it", async () => {
  const { world, a } = cluster();
  const client = world.client();
  watch(client.openSession());
  await world.settle();
  await world.pass(950);
  a.mute = true;
  watch(client.execute("m", "put", 1));
  await world.pass(990);
  assert.is(a.open.length, 1);
  await world.pass(10);
  assert.is(a.open.length, 0);
});

test("an idle connection may be silent as long as it likes", async () => {
  const { world, a } = cluster();
  world.client();
  await world.pass(3_600_000);
  assert.is(a.open.length, 1);
  assert.is(a.dials.length, 1);
});

test("a node that takes the connection and never answers the hello is passed over", async () => {
  const { world, a, b } = cluster();
  a.mute = true;
  for (const node of [b, a]) node.news = { ...node.news, vid: 2, primary: "b", primaryUrl: b.url };
  const call = watch(world.client().execute("m", "put", 1));
  await world.pass(499);
  assert.is(b.dials.length, 0);
  await world.pass(10);
  assert.is(call.state, "resolved");
});

test("slow hellos get more time in each round", async () => {
  const world = new World();
  const a = world.node("a");
  a.mute = true;
  world.client();
  await world.pass(20_000);
  const gaps = a.dials.slice(1).map((at, n) => Math.round((at - (a.dials[n] as number)) / 100) * 100);
  assert.ok((gaps[0] as number) >= 500 && (gaps[0] as number) < 700, String(gaps));
  assert.ok(gaps.some((gap) => gap >= 4000) && gaps.every((gap) => gap <= 4300), String(gaps));
});

test("dead addresses are tried in turn, with pauses that grow to a bound", async () => {
  const { world, a, b, c } = cluster();
  for (const node of [a, b, c]) node.down = true;
  world.client();
  await world.pass(10_000);
  const dials = [a, b, c].map((node) => node.dials.length);
  assert.ok(Math.min(...dials) >= 15 && Math.max(...dials) <= 40, String(dials));
  assert.ok(Math.max(...dials) - Math.min(...dials) <= 1, String(dials));
});

test("addresses learned from news are kept beside the given ones", async () => {
  const { world, a, b, c } = cluster();
  a.news = { ...a.news, urls: [a.url, b.url, c.url] };
  const client = world.client({ cluster: [a.url] });
  watch(client.openSession());
  await world.settle();
  a.kill();
  c.follow(c, 2);
  const call = watch(client.execute("m", "put", 1));
  await world.pass(500);
  assert.is(call.state, "resolved");
  assert.ok(c.dials.length > 0);
});

test("the addresses of the newest news replace those of older ones, never the given ones", async () => {
  const { world, a, b, c } = cluster();
  a.news = { ...a.news, urls: [a.url, b.url] };
  world.client({ cluster: [a.url] });
  await world.settle();
  a.tell({ ...a.news, vid: 2, urls: [a.url, c.url] });
  await world.settle();
  a.kill();
  c.down = true;
  await world.pass(3000);
  assert.is(b.dials.length, 0);
  assert.ok(c.dials.length > 2 && a.dials.length > 2);
});

test("the address that a record gives for the primary's id is preferred to the one in the news", async () => {
  const world = new World();
  const proxy = world.node("a", { url: "memory://proxy-of-a" });
  const a = world.node("a", { url: "memory://a" });
  const b = world.node("b");
  for (const node of [proxy, a, b]) node.follow(a, 1);
  world.dice = [0.9];
  const call = watch(world.client({ cluster: { a: proxy.url, b: b.url } }).execute("m", "put", 1));
  await world.settle();
  assert.is(call.state, "resolved");
  assert.equal([proxy.dials.length, a.dials.length], [1, 0]);
});

test("a preferred address that fails gives way to the one in the news", async () => {
  const world = new World();
  const proxy = world.node("a", { url: "memory://proxy-of-a" });
  const a = world.node("a", { url: "memory://a" });
  const [b, c] = [world.node("b"), world.node("c")];
  for (const node of [proxy, a, b, c]) node.follow(a, 1);
  world.dice = [0.5];
  proxy.down = true;
  const client = world.client({ cluster: { a: proxy.url, b: b.url, c: c.url } });
  const call = watch(client.execute("m", "put", 1));
  await world.pass(50);
  assert.is(call.state, "resolved");
  assert.equal(
    [proxy, a, b, c].map((node) => node.dials.length),
    [1, 1, 1, 0],
  );
});

test("a connection that is accepted and closed again and again is not hammered", async () => {
  const world = new World();
  const a = world.node("a");
  const client = world.client();
  a.answer = (_, end) => {
    end.close();
    return [];
  };
  watch(client.execute("m", "put", 1));
  await world.pass(2000);
  assert.ok(a.dials.length < 40, String(a.dials.length));
});

test("the same seed does the same at the same times", async () => {
  const story = async (): Promise<string> => {
    const { world, a, b, c } = cluster(2);
    world.dice.push(0.1, 0.9, 0.3, 0.7);
    const client = world.client();
    watch(client.execute("m", "put", 1));
    await world.pass(20);
    a.kill();
    c.down = true;
    watch(client.execute("m", "put", 2));
    await world.pass(700);
    b.follow(b, 2);
    await world.pass(300);
    return JSON.stringify([a, b, c].map((node) => [node.dials, node.taken().map(({ type }) => type)]));
  };
  assert.is(await story(), await story());
});

test.run();
