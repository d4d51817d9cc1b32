// Asks one node for a session and listens to what it says, without a client library that would try again.
import * as assert from "uvu/assert";
import type { ServerMessage } from "../../../src/protocol/client-messages.ts";
import { PROTOCOL_LEAST, PROTOCOL_NEWEST } from "../../../src/protocol/hello.ts";
import { encodeHello } from "../../../src/protocol/hello-codec.ts";
import { decodeServerFrame, encodeClientFrame } from "../../../src/protocol/wire.ts";
import { Host, type Life } from "../../../src/simulator/process.ts";
import type { Stage } from "./stage.ts";

const hello = encodeHello({
  protocol: { least: PROTOCOL_LEAST, newest: PROTOCOL_NEWEST },
  role: "client",
  clusterId: undefined,
  node: undefined,
  machines: [],
  options: undefined,
  authentication: undefined,
});
const open = encodeClientFrame([{ type: "open", xid: 1, ttlMs: 10_000 }]);

/** A write (the opening of a session is one) is answered BUSY, within the time after which a node must know that. */
export async function refusesWrites(stage: Stage, id: string): Promise<void> {
  const host = new Host(stage.world, `asker ${stage.world.steps}`);
  let answer: ServerMessage | undefined;
  host.start((life) => ask(stage, life, stage.node(id).url, (given) => (answer = given)));
  await stage.until(`${id} answers a write`, () => answer !== undefined);
  assert.is(answer?.type, "declined");
  assert.is(answer?.type === "declined" && answer.code, "BUSY");
  host.die("kill");
}

function ask(stage: Stage, life: Life, url: string, answered: (answer: ServerMessage) => void): void {
  let welcomed = false;
  const connection = stage.cluster.network.transport(life).dial(url, {
    opened: () => connection.send(hello),
    received: (frame) => {
      if (!welcomed) connection.send(open);
      else for (const message of decodeServerFrame(frame)) if ("xid" in message && message.xid === 1) answered(message);
      welcomed = true;
    },
    closed: ({ reason }) => stage.fail(`${url} closes the connection: ${reason}`),
  });
}
