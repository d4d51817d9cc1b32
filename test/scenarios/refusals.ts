// Asks one node for a session and listens to what it says, without a client library that would try again.
import * as assert from "uvu/assert";
import type { ServerMessage } from "../../src/protocol/client-messages.ts";
import { PROTOCOL_LEAST, PROTOCOL_NEWEST } from "../../src/protocol/hello.ts";
import { encodeHello } from "../../src/protocol/hello-codec.ts";
import { decodeServerFrame, encodeClientFrame } from "../../src/protocol/wire.ts";
import { webSocket } from "../../transports/websocket.ts";
import { STEP_MS, within } from "../harness/within.ts";

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
export async function refusesWrites(url: string): Promise<void> {
  const answer = await within(STEP_MS, `${url} answers a write`, askToWrite(url));
  assert.is(answer.type, "declined");
  assert.is(answer.type === "declined" && answer.code, "BUSY");
}

function askToWrite(url: string): Promise<ServerMessage> {
  return new Promise((resolve, reject) => {
    let welcomed = false;
    const connection = webSocket().dial(url, {
      opened: () => connection.send(hello),
      received: (frame) => {
        if (!welcomed) connection.send(open);
        else answered(decodeServerFrame(frame));
        welcomed = true;
      },
      closed: ({ reason }) => reject(new Error(`${url}: ${reason}`)),
    });
    const answered = (messages: readonly ServerMessage[]): void => {
      const answer = messages.find((message) => "xid" in message && message.xid === 1);
      if (answer === undefined) return;
      resolve(answer);
      connection.close("answered");
    };
  });
}
