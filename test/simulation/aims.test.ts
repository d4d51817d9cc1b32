// Faults that wait for a message, and messages that are lost one by one.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { PeerMessage } from "../../src/protocol/messages.ts";
import { Aims, type Sending } from "../../src/simulator/aims.ts";
import type { SimNode } from "../../src/simulator/node.ts";
import { Host } from "../../src/simulator/process.ts";
import { World } from "../../src/simulator/world.ts";

const A = { id: "a" } as SimNode;
const B = { id: "b" } as SimNode;

function sending(from: SimNode, to: SimNode, type: "alive" | "fetch"): Sending {
  return { from, to, message: { type, vid: 1 } as PeerMessage };
}

const aims = suite("aims");

aims("strike once, at a message of their kind, after those that are spared", () => {
  const all = new Aims();
  const struck: string[] = [];
  all.arm({
    isIt: ({ from, message }) => from === A && message.type === "alive",
    spared: 1,
    strike: ({ to }) => {
      struck.push(to.id);
      return false;
    },
  });
  assert.not(all.isEmpty);
  assert.equal(
    [
      all.mayLeave(sending(A, B, "fetch")),
      all.mayLeave(sending(B, A, "alive")),
      all.mayLeave(sending(A, B, "alive")),
      all.mayLeave(sending(A, B, "alive")),
      all.mayLeave(sending(A, B, "alive")),
    ],
    [true, true, true, false, true],
  );
  assert.equal(struck, ["b"]);
  assert.ok(all.isEmpty);
});

aims("lose messages until they are told to stop", () => {
  const all = new Aims();
  assert.ok(all.losesNothing);
  const mend = all.lose(({ to }) => to === B);
  assert.ok(all.isLost(sending(A, B, "alive")));
  assert.not(all.isLost(sending(B, A, "alive")));
  mend();
  assert.not(all.isLost(sending(A, B, "alive")));
  all.lose(() => true);
  all.disarm();
  assert.ok(all.losesNothing);
});

aims("wait for a client's next keep-alive, and strike after it has left", async () => {
  const all = new Aims();
  const world = new World(1);
  const [host, other] = [new Host(world, "client1"), new Host(world, "client2")];
  let struck = 0;
  all.keepAlive.set(host, () => struck++);
  assert.ok(all.keepAlive.awaits(host));
  assert.not(all.keepAlive.awaits(other));
  all.keepAlive.met(host);
  assert.is(struck, 0);
  await world.run(1);
  assert.is(struck, 1);
  assert.not(all.keepAlive.awaits(host));
});

aims("wait for the next notice to a client, and strike while it is on its way", async () => {
  const all = new Aims();
  const world = new World(1);
  const [host, other] = [new Host(world, "client1"), new Host(world, "client2")];
  let struck = 0;
  all.notice.set(host, () => struck++);
  assert.ok(all.notice.awaits(host));
  assert.not(all.notice.awaits(other));
  all.notice.met(host);
  await world.run(1);
  assert.is(struck, 1);
  assert.not(all.notice.awaits(host));
});

aims.run();
