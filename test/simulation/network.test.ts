// The simulated network with toy processes: order, cuts, refusals, half-open connections, harshness.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Connection, ConnectionHandler } from "../../src/protocol/transport.ts";
import { Network } from "../../src/simulator/network.ts";
import { Host, type Life } from "../../src/simulator/process.ts";
import { World } from "../../src/simulator/world.ts";

/** A host that writes down what happens on its connections. */
class Toy {
  readonly host: Host;
  readonly url: string;
  readonly heard: string[] = [];
  readonly accepted: Connection[] = [];
  readonly #network: Network;

  constructor(network: Network, name: string) {
    this.#network = network;
    this.host = new Host(network.world, name);
    this.url = network.register(this.host);
  }

  start(): this {
    this.host.start((life) => {
      void this.#network.transport(life).listen(this.url, (connection) => {
        this.accepted.push(connection);
        return this.handler("in");
      });
    });
    return this;
  }

  dial(to: Toy): Connection {
    return this.#network.transport(this.host.life as Life).dial(to.url, this.handler("out"));
  }

  handler(side: string): ConnectionHandler {
    return {
      opened: () => this.heard.push(`${side} opened`),
      received: (frame) => this.heard.push(`${side} ${frame[0]}`),
      closed: ({ refused }) => this.heard.push(`${side} ${refused ? "refused" : "closed"}`),
    };
  }
}

function pair(seed: number = 1): { world: World; network: Network; a: Toy; b: Toy } {
  const world = new World(seed);
  const network = new Network(world);
  return { world, network, a: new Toy(network, "a").start(), b: new Toy(network, "b").start() };
}

function numbers(heard: readonly string[]): number[] {
  return heard.map((line) => Number(line.split(" ")[1])).filter((number) => !Number.isNaN(number));
}

const frames = (count: number): Uint8Array[] => Array.from({ length: count }, (_, i) => new Uint8Array([i]));

const network = suite("the simulated network");

network("keeps the order of frames in a connection, at every delay", async () => {
  const { world, network, a, b } = pair();
  network.setUsual({ delay: { least: 0, most: 50, rare: 500 }, rate: 1 });
  const connection = a.dial(b);
  await world.run(2000);
  for (const frame of frames(100)) connection.send(frame);
  await world.run(60_000);
  assert.equal(numbers(b.heard), [...Array(100).keys()]);
  assert.is(connection.queuedBytes, 0);
});

network("refuses at once where a process was killed, and stays silent where the power is off", async () => {
  const { world, a, b } = pair();
  b.host.die("kill");
  a.dial(b);
  await world.run(100);
  assert.equal(a.heard, ["out refused"]);
  b.host.die("power");
  a.dial(b);
  await world.run(15_000);
  assert.is(a.heard.length, 1);
  await world.run(30_000);
  assert.equal(a.heard, ["out refused", "out closed"]);
});

network("tells the other side when a process is killed, not when its machine loses power", async () => {
  for (const death of ["kill", "power"] as const) {
    const { world, a, b } = pair();
    a.dial(b);
    await world.run(100);
    b.host.die(death);
    await world.run(1000);
    assert.equal(a.heard, death === "kill" ? ["out opened", "out closed"] : ["out opened"]);
  }
});

network("resets a connection to a machine that lost power once it is on again and is spoken to", async () => {
  const { world, a, b } = pair();
  const connection = a.dial(b);
  await world.run(100);
  b.host.die("power");
  b.start();
  await world.run(200);
  assert.equal(a.heard, ["out opened"]);
  connection.send(new Uint8Array([1]));
  await world.run(300);
  assert.equal(a.heard, ["out opened", "out closed"]);
});

network("holds what is sent over a cut link until it heals, in one direction only", async () => {
  const { world, network, a, b } = pair();
  const connection = a.dial(b);
  await world.run(100);
  network.cut(a.host, b.host);
  connection.send(new Uint8Array([1]));
  connection.send(new Uint8Array([2]));
  (b.accepted[0] as Connection).send(new Uint8Array([3]));
  await world.run(5000);
  assert.equal(b.heard, ["in opened"]);
  assert.equal(a.heard, ["out opened", "out 3"]);
  assert.is(connection.queuedBytes, 2);
  network.heal(a.host, b.host);
  await world.run(5100);
  assert.equal(numbers(b.heard), [1, 2]);
});

network("opens a dial over a cut link once it is healed, or gives up", async () => {
  const { world, network, a, b } = pair();
  network.cut(a.host, b.host);
  a.dial(b);
  await world.run(2000);
  network.heal(a.host, b.host);
  await world.run(4000);
  assert.equal(a.heard, ["out opened"]);
  network.cut(b.host, a.host);
  a.dial(b);
  await world.run(60_000);
  assert.is(a.heard.length, 1, "the answer is held back by the cut");
});

network("delivers what was sent before an orderly close, and drops it at an abrupt one over a cut link", async () => {
  for (const abrupt of [false, true]) {
    const { world, network, a, b } = pair();
    const connection = a.dial(b);
    await world.run(100);
    network.cut(a.host, b.host);
    connection.send(new Uint8Array([1]));
    connection.close("enough", abrupt);
    await world.run(200);
    network.heal(a.host, b.host);
    await world.run(300);
    assert.equal(b.heard, abrupt ? ["in opened", "in closed"] : ["in opened", "in 1", "in closed"]);
    assert.equal(a.heard, ["out opened", "out closed"]);
  }
});

network("may deliver an older connection's frames after a newer one is open", async () => {
  const { world, network, a, b } = pair();
  const old = a.dial(b);
  await world.run(100);
  network.link(a.host, b.host).delay = { least: 300, most: 300, rare: 300 };
  old.send(new Uint8Array([1]));
  old.close("redial");
  network.link(a.host, b.host).delay = { least: 1, most: 1, rare: 1 };
  a.dial(b);
  await world.run(1000);
  assert.equal(b.heard, ["in opened", "in opened", "in 1", "in closed"]);
});

network("drops, repeats and reorders inside a connection only when it is harsh, never the first frame", async () => {
  const { world, network, a, b } = pair();
  network.harshness = { drop: 0.2, repeat: 0.2, reorder: 0.2 };
  const connection = a.dial(b);
  await world.run(100);
  for (const frame of frames(200)) connection.send(frame);
  await world.run(1000);
  const got = numbers(b.heard);
  assert.is(got[0], 0);
  assert.ok(new Set(got).size < 200, "some are lost");
  assert.ok(got.length > new Set(got).size, "some come twice");
  assert.ok(
    got.some((number, i) => i > 0 && number < (got[i - 1] as number)),
    "some come late",
  );
});

network("gives the same run for the same seed, another for another", async () => {
  const hash = async (seed: number): Promise<string> => {
    const { world, network, a, b } = pair(seed);
    network.harshness = { drop: 0.1, repeat: 0.1, reorder: 0.1 };
    const connection = a.dial(b);
    await world.run(100);
    for (const frame of frames(50)) {
      connection.send(frame);
      await world.run(world.now + 1);
    }
    await world.run(5000);
    return `${world.story.hash()} ${b.heard.join()}`;
  };
  assert.is(await hash(1), await hash(1));
  assert.is.not(await hash(1), await hash(2));
});

network.run();

const processes = suite("simulated processes");

processes("do nothing to the outside after the armed moment of their death", async () => {
  for (const calls of [0, 1, 3]) {
    const { world, a, b } = pair();
    const connection = a.dial(b);
    await world.run(100);
    (a.host.life as Life).dieAfter(calls, "kill");
    for (const frame of frames(5)) connection.send(frame);
    await world.run(200);
    assert.is(a.host.life, undefined);
    assert.ok(numbers(b.heard).length <= calls);
  }
});

processes("that stand still wake to everything that came meanwhile, in order", async () => {
  const { world, a, b } = pair();
  const connection = a.dial(b);
  await world.run(100);
  b.host.pause();
  for (const frame of frames(3)) connection.send(frame);
  await world.run(10_000);
  assert.equal(b.heard, ["in opened"]);
  b.host.resume();
  assert.equal(b.heard, ["in opened", "in 0", "in 1", "in 2"]);
});

processes("with promises do all that follows from one thing before they wake to the next", async () => {
  const world = new World(1);
  const host = new Host(world, "c", { promises: true });
  const seen: string[] = [];
  const life = host.start((self) => {
    const wakes = (ms: number): Promise<void> => new Promise((wake) => self.setTimer(ms, wake));
    void wakes(10).then(() => seen.push("followed"));
    self.setTimer(20, () => seen.push("timer"));
  });
  await world.run(5);
  host.pause();
  await world.run(100);
  host.resume();
  life.enter(() => seen.push("came later"));
  assert.ok(life.paused);
  await world.run(101);
  assert.equal(seen, ["followed", "timer", "came later"]);
  assert.not(life.paused);
});

processes("have clocks of their own: rate, sleep and a wall clock that is set", async () => {
  const world = new World(1);
  const host = new Host(world, "a", { clockRate: 1.01 });
  const life = host.start(() => {});
  const [start, wall] = [life.now(), life.wallNow()];
  let fired = 0;
  life.setTimer(101, () => fired++);
  await world.run(99);
  assert.is(fired, 0);
  await world.run(100.001);
  assert.is(fired, 1);
  assert.ok(Math.abs(life.now() - start - 101) < 0.01);
  life.setTimer(101, () => fired++);
  host.pause(true);
  await world.run(10_000);
  host.resume();
  assert.ok(Math.abs(life.now() - start - 101) < 0.01, "the monotonic clock slept");
  assert.ok(Math.abs(life.wallNow() - wall - 10_000) < 0.01, "the wall clock did not");
  await world.run(10_050);
  assert.is(fired, 1, "nor has the timer's time come");
  await world.run(10_200);
  assert.is(fired, 2);
  host.jumpWall(-5000);
  assert.ok(life.wallNow() - wall < 5300);
  host.jumpWall(-5000);
  const monotonic = life.now();
  host.pause(true);
  await world.run(10_300);
  assert.ok(life.now() > monotonic + 90, "it does not sleep before anybody has seen that its wall clock was set back");
  host.resume();
  const set = life.wallNow();
  host.pause(true);
  host.jumpWall(-5000);
  assert.is(life.wallNow(), set, "nor is it set back while it sleeps");
});

processes("follow promises to their end before time goes on", async () => {
  const world = new World(1);
  const host = new Host(world, "c", { promises: true });
  const seen: number[] = [];
  host.start((life) => {
    const sleep = (ms: number): Promise<void> => new Promise((wake) => life.setTimer(ms, wake));
    const deep = async (depth: number): Promise<void> => (depth === 0 ? sleep(10) : deep(depth - 1));
    void (async () => {
      for (let i = 0; i < 5; i++) {
        await deep(3);
        seen.push(world.now);
      }
    })();
  });
  await world.run(100);
  assert.equal(
    seen.map((time) => Math.round(time)),
    [10, 20, 30, 40, 50],
  );
});

processes.run();
